"""Simulated advertisers: country in region, crossed with vertical in industry, with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skhlm._typing import Floats, Ints


@dataclass(frozen=True)
class CampaignTruth:
    """What :func:`make_campaigns` drew the outcome from, named as the fitted model names it.

    Attributes
    ----------
    kappa : pandas.Series of shape (K,)
        Population-level coefficients; index "Intercept", "spend_1", ...
    tau : pandas.DataFrame of shape (4, K)
        sd of the group effects: factors ("region", "region/country", "industry",
        "industry/vertical") by coefficients.
    effects : pandas.DataFrame
        Group effects, one row for each factor, level and coefficient, levels that happen to have no
        row included: columns ``factor``, ``level`` (tuple of values, coarse to fine),
        ``coefficient``, ``effect``. The first three are those of ``HLMRegressor.group_effects()``.
    beta : pandas.DataFrame of shape (n_samples, K)
        Each row's own coefficients: kappa and its four levels' effects.
    sigma : float
        Residual scale.
    nu : float
        Degrees of freedom; infinite for the normal family.
    """

    kappa: pd.Series[float]
    tau: pd.DataFrame
    effects: pd.DataFrame
    beta: pd.DataFrame
    sigma: float
    nu: float


@dataclass(frozen=True)
class _Factor:
    """A factor: its levels (tuples of values), each row's level, tau (K,) and effects (J, K)."""

    name: str
    levels: list[tuple[str, ...]]
    codes: Ints
    tau: Floats
    effects: Floats


def make_campaigns(
    n_samples: int = 2000,
    n_predictors: int = 2,
    *,
    n_regions: int = 5,
    n_countries: int = 30,
    n_industries: int = 6,
    n_verticals: int = 40,
    family: Literal["student_t", "normal"] = "student_t",
    nu: float = 5.0,
    sigma: float = 1.0,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[pd.DataFrame, pd.Series[float], CampaignTruth]:
    """Simulate the returns of advertising campaigns, and say what they were drawn from.

    A campaign runs in a country of a region, for a vertical of an industry::

        return_i ~ student_t(nu, x_i' beta_i, sigma)
        beta_i = kappa + delta_region + delta_country + delta_industry + delta_vertical
        delta_{g,l,k} ~ normal(0, tau_gk)
        kappa_k ~ normal(0, 1),   tau_gk ~ 0.1 + |normal(0, 0.5)|

    so the intercept and every slope vary by all four factors. Sizes are unequal: a country's and a
    vertical's share of the campaigns are drawn from flat Dirichlet distributions, and some may have
    no campaign at all. Every region has a country and every industry a vertical; the others are
    assigned at random.

    Parameters
    ----------
    n_samples : int, default=2000
        Number of campaigns.
    n_predictors : int, default=2
        Number of spend columns, standard normal (spends, standardised).
    n_regions, n_countries : int, default=5 and 30
        Levels of the first hierarchy; at least as many countries as regions.
    n_industries, n_verticals : int, default=6 and 40
        Levels of the second; at least as many verticals as industries.
    family : {"student_t", "normal"}, default="student_t"
        Distribution of the outcome around its expected value.
    nu : float, default=5.0
        Degrees of freedom of the Student-t family; the normal family ignores it.
    sigma : float, default=1.0
        Residual scale.
    random_state : int, RandomState or None, default=None
        Equal integers give equal campaigns.

    Returns
    -------
    X : pandas.DataFrame of shape (n_samples, 4 + n_predictors)
        Columns ``region``, ``country``, ``industry``, ``vertical`` (strings) and ``spend_1``, ...
    y : pandas.Series of shape (n_samples,)
        The outcome, ``return``.
    truth : CampaignTruth
        kappa, tau, every group effect, each row's beta, sigma and nu.

    Raises
    ------
    ValueError
        If a factor has no level, or fewer levels than the factor it is nested in, or the family is
        neither of the two.

    Examples
    --------
    >>> from skhlm.datasets import make_campaigns
    >>> X, y, truth = make_campaigns(500, random_state=0)
    >>> X.columns.tolist()
    ['region', 'country', 'industry', 'vertical', 'spend_1', 'spend_2']
    >>> truth.tau.index.tolist()
    ['region', 'region/country', 'industry', 'industry/vertical']
    """
    if family not in ("student_t", "normal"):
        raise ValueError(f"family must be 'student_t' or 'normal', got {family!r}")
    rng = check_random_state(random_state)
    coefficients = ["Intercept", *(f"spend_{k + 1}" for k in range(n_predictors))]
    kappa = rng.normal(size=len(coefficients))
    factors = [
        *_hierarchy(rng, n_samples, len(coefficients), region=n_regions, country=n_countries),
        *_hierarchy(rng, n_samples, len(coefficients), industry=n_industries, vertical=n_verticals),
    ]
    spend = rng.normal(size=(n_samples, n_predictors))
    noise = rng.standard_t(nu, n_samples) if family == "student_t" else rng.normal(size=n_samples)

    beta = kappa + sum(factor.effects[factor.codes] for factor in factors)
    expected = beta[:, 0] + np.sum(beta[:, 1:] * spend, axis=1)
    groups = {
        factor.name.rpartition("/")[-1]: [factor.levels[code][-1] for code in factor.codes]
        for factor in factors
    }
    truth = CampaignTruth(
        kappa=pd.Series(kappa, coefficients, name="kappa"),
        tau=pd.DataFrame({factor.name: factor.tau for factor in factors}, coefficients).T,
        effects=pd.concat([_tidy(factor, coefficients) for factor in factors], ignore_index=True),
        beta=pd.DataFrame(beta, columns=coefficients),
        sigma=sigma,
        nu=nu if family == "student_t" else np.inf,
    )
    X = pd.DataFrame(groups | dict(zip(coefficients[1:], spend.T, strict=True)))
    return X, pd.Series(expected + sigma * noise, name="return"), truth


def _hierarchy(
    rng: np.random.RandomState, n_rows: int, n_coefficients: int, **n_levels: int
) -> tuple[_Factor, _Factor]:
    """The coarse and the fine factor of one hierarchy, named and sized by ``n_levels``."""
    (coarse, n_coarse), (fine, n_fine) = n_levels.items()
    if not 1 <= n_coarse <= n_fine:
        raise ValueError(
            f"there must be at least one {coarse} and as many levels of {fine} as of {coarse};"
            f" got {n_coarse} and {n_fine}"
        )
    parent = np.r_[np.arange(n_coarse), rng.randint(n_coarse, size=n_fine - n_coarse)]
    codes = rng.choice(n_fine, size=n_rows, p=rng.dirichlet(np.ones(n_fine)))
    coarse_levels = _names(coarse, n_coarse)
    fine_levels = [
        coarse_levels[p] + name for p, name in zip(parent, _names(fine, n_fine), strict=True)
    ]

    def factor(name: str, levels: list[tuple[str, ...]], codes: Ints) -> _Factor:
        tau = 0.1 + np.abs(rng.normal(scale=0.5, size=n_coefficients))
        return _Factor(name, levels, codes, tau, tau * rng.normal(size=(len(levels), len(tau))))

    return (
        factor(coarse, coarse_levels, parent[codes]),
        factor(f"{coarse}/{fine}", fine_levels, codes),
    )


def _names(stem: str, n: int) -> list[tuple[str, ...]]:
    """``(stem-1,)``, ..., zero-padded, so that sorting by name sorts by number."""
    return [(f"{stem}-{j:0{len(str(n))}d}",) for j in range(1, n + 1)]


def _tidy(factor: _Factor, coefficients: list[str]) -> pd.DataFrame:
    """A factor's effects, one row for each level and coefficient."""
    n_levels, n_coefficients = factor.effects.shape
    return pd.DataFrame(
        {
            "factor": factor.name,
            "level": [level for level in factor.levels for _ in coefficients],
            "coefficient": coefficients * n_levels,
            "effect": factor.effects.ravel(),
        },
        index=range(n_levels * n_coefficients),
    )
