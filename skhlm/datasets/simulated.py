"""Simulated advertisers: country in region, crossed with vertical in industry, with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.utils import check_random_state

from skhlm._typing import Floats, Ints

Outcome = Literal["return", "conversions", "converted"]
CampaignFamily = Literal["student_t", "normal", "negative_binomial", "poisson", "binomial"]

# The families of each outcome, the default first; and the unit of kappa and tau: a logarithm of
# rates in which everything varies by 1 would give campaigns of a million conversions.
_FAMILIES: dict[str, tuple[str, ...]] = {
    "return": ("student_t", "normal"),
    "conversions": ("negative_binomial", "poisson"),
    "converted": ("binomial",),
}
_UNIT = {"return": 1.0, "conversions": 0.3, "converted": 1.0}
_LONGEST = 30  # days of a campaign


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
    expected : pandas.Series of shape (n_samples,)
        Each row's expected outcome: return, number of conversions, or probability to convert.
    sigma : float
        Residual scale; NaN for counts and for yes or no.
    nu : float
        Degrees of freedom; infinite for the normal family, NaN as sigma is.
    overdispersion : float
        Coefficient of variation of the rates behind the counts; 0.0 for the Poisson family, NaN
        where the outcome is no count.
    """

    kappa: pd.Series[float]
    tau: pd.DataFrame
    effects: pd.DataFrame
    beta: pd.DataFrame
    expected: pd.Series[float]
    sigma: float
    nu: float
    overdispersion: float


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
    outcome: Outcome = "return",
    family: CampaignFamily | None = None,
    nu: float = 5.0,
    sigma: float = 1.0,
    overdispersion: float = 0.5,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[pd.DataFrame, pd.Series[float], CampaignTruth]:
    """Simulate what advertising campaigns bring, and say what it was drawn from.

    A campaign runs in a country of a region, for a vertical of an industry::

        return_i ~ student_t(nu, x_i' beta_i, sigma)
        beta_i = kappa + delta_region + delta_country + delta_industry + delta_vertical
        delta_{g,l,k} ~ normal(0, tau_gk)
        kappa_k ~ normal(0, 1),   tau_gk ~ 0.1 + |normal(0, 0.5)|

    so the intercept and every slope vary by all four factors. Sizes are unequal: a country's and a
    vertical's share of the campaigns are drawn from flat Dirichlet distributions, and some may have
    no campaign at all. Every region has a country and every industry a vertical; the others are
    assigned at random.

    Instead of a return a campaign may have a number of conversions, which is in proportion to the
    days that it ran for, or one customer who converted or did not::

        conversions_i ~ negative_binomial(days_i exp(x_i' beta_i), overdispersion)
        converted_i ~ bernoulli(1 / (1 + exp(-x_i' beta_i)))

    with the same beta, but 0.3 times as large where its exponential is the rate.

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
    outcome : {"return", "conversions", "converted"}, default="return"
        A number; a count, for which X has the exposure ``days`` as its last column; or 0 and 1.
    family : str or None, default=None
        Distribution of the outcome around its expected value: of returns "student_t", which None
        is, or "normal"; of conversions "negative_binomial", which None is, or "poisson"; "binomial"
        for "converted".
    nu : float, default=5.0
        Degrees of freedom of the Student-t family; others ignore it.
    sigma : float, default=1.0
        Residual scale of returns.
    overdispersion : float, default=0.5
        Of the negative binomial family: counts of expectation mu have variance
        mu + overdispersion² mu². Others ignore it.
    random_state : int, RandomState or None, default=None
        Equal integers give equal campaigns.

    Returns
    -------
    X : pandas.DataFrame of shape (n_samples, 4 + n_predictors)
        Columns ``region``, ``country``, ``industry``, ``vertical`` (strings) and ``spend_1``, ...;
        for conversions also ``days``, whole numbers from 1 to 30.
    y : pandas.Series of shape (n_samples,)
        The outcome, named by ``outcome``: floats, or whole numbers.
    truth : CampaignTruth
        kappa, tau, every group effect, each row's beta and expected outcome, and the family's own
        parameters.

    Raises
    ------
    ValueError
        If a factor has no level, or fewer levels than the factor it is nested in; if the outcome is
        none of the three, or the family none of the outcome's; if overdispersion is negative.

    Examples
    --------
    >>> from skhlm.datasets import make_campaigns
    >>> X, y, truth = make_campaigns(500, random_state=0)
    >>> X.columns.tolist()
    ['region', 'country', 'industry', 'vertical', 'spend_1', 'spend_2']
    >>> truth.tau.index.tolist()
    ['region', 'region/country', 'industry', 'industry/vertical']
    >>> X, y, truth = make_campaigns(500, outcome="conversions", random_state=0)
    >>> X.columns[-1], y.name, truth.overdispersion
    ('days', 'conversions', 0.5)
    """
    law = _check_family(outcome, family, overdispersion)
    unit = _UNIT[outcome]
    rng = check_random_state(random_state)
    coefficients = ["Intercept", *(f"spend_{k + 1}" for k in range(n_predictors))]
    kappa = unit * rng.normal(size=len(coefficients))
    factors = [
        *_hierarchy(rng, n_samples, kappa, unit, region=n_regions, country=n_countries),
        *_hierarchy(rng, n_samples, kappa, unit, industry=n_industries, vertical=n_verticals),
    ]
    spend = rng.normal(size=(n_samples, n_predictors))
    beta = kappa + sum(factor.effects[factor.codes] for factor in factors)
    eta = beta[:, 0] + np.sum(beta[:, 1:] * spend, axis=1)
    columns = _groups(factors) | dict(zip(coefficients[1:], spend.T, strict=True))
    if outcome == "conversions":
        columns["days"] = rng.randint(1, _LONGEST + 1, size=n_samples)
    expected = _expected(outcome, eta, columns)
    auxiliary = _auxiliary(law, sigma, nu, overdispersion)
    truth = CampaignTruth(
        kappa=pd.Series(kappa, coefficients, name="kappa"),
        tau=pd.DataFrame({factor.name: factor.tau for factor in factors}, coefficients).T,
        effects=pd.concat([_tidy(factor, coefficients) for factor in factors], ignore_index=True),
        beta=pd.DataFrame(beta, columns=coefficients),
        expected=pd.Series(expected, name="expected"),
        **auxiliary,
    )
    y = _draw(rng, law, expected, **auxiliary)
    return pd.DataFrame(columns), pd.Series(y, name=outcome), truth


def _check_family(outcome: str, family: str | None, overdispersion: float) -> str:
    """The name of the family, the outcome's first where there is none."""
    if outcome not in _FAMILIES:
        raise ValueError(f"outcome must be one of {', '.join(_FAMILIES)}; got {outcome!r}")
    if overdispersion < 0:
        raise ValueError(f"overdispersion must not be negative, got {overdispersion}")
    families = _FAMILIES[outcome]
    if family is None:
        return families[0]
    if family not in families:
        choice = " or ".join(map(repr, families))
        raise ValueError(f"family must be {choice} for outcome={outcome!r}, got {family!r}")
    return family


def _auxiliary(family: str, sigma: float, nu: float, overdispersion: float) -> dict[str, float]:
    """The parameters beside beta as the truth states them."""
    own = {
        "student_t": {"sigma": sigma, "nu": nu},
        "normal": {"sigma": sigma, "nu": np.inf},
        "negative_binomial": {"overdispersion": overdispersion},
        "poisson": {"overdispersion": 0.0},
        "binomial": {},
    }
    return {"sigma": np.nan, "nu": np.nan, "overdispersion": np.nan, **own[family]}


def _groups(factors: list[_Factor]) -> dict[str, object]:
    """The group columns, by name."""
    return {
        factor.name.rpartition("/")[-1]: [factor.levels[code][-1] for code in factor.codes]
        for factor in factors
    }


def _expected(outcome: str, eta: Floats, columns: dict[str, object]) -> Floats:
    """Each row's expected outcome, (n,)."""
    if outcome == "conversions":
        rate: Floats = np.asarray(columns["days"]) * np.exp(eta)
        return rate
    probability: Floats = expit(eta)
    return probability if outcome == "converted" else eta


def _draw(
    rng: np.random.RandomState,
    family: str,
    expected: Floats,
    sigma: float,
    nu: float,
    overdispersion: float,
) -> Floats | Ints:
    """Outcomes around what is expected, (n,)."""
    n = len(expected)
    if family == "student_t":
        return expected + sigma * rng.standard_t(nu, n)
    if family == "normal":
        return expected + sigma * rng.normal(size=n)
    if family == "binomial":
        return (rng.uniform(size=n) < expected).astype(np.int64)
    if overdispersion:
        expected = expected * rng.gamma(overdispersion**-2, overdispersion**2, n)
    return rng.poisson(expected)


def _hierarchy(
    rng: np.random.RandomState, n_rows: int, kappa: Floats, unit: float, **n_levels: int
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
        tau = unit * (0.1 + np.abs(rng.normal(scale=0.5, size=len(kappa))))
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
