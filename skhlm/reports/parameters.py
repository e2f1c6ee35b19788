"""The posterior as tidy frames, with the names of coefficients, grouping factors and levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from skhlm._typing import Floats, Ints
from skhlm.families import Family
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.labels import AT_THE_MEANS, INTERCEPT, Labels
from skhlm.numerics.convergence import convergence, ess_mean
from skhlm.numerics.quantiles import central, describe
from skhlm.posterior import at_zero
from skhlm.posterior.moments import BOTH, mark
from skhlm.posterior.parameters import list_population
from skhlm.posterior.posterior import NO_EFFECT, Posterior
from skhlm.reports.frames import free_names

_BETWEEN = {"": 0.9}  # the interval that tables have


def group_effects(
    posterior: Posterior,
    labels: Labels,
    n: Sequence[Floats],
    factor: str | None = None,
    coverage: float = 0.9,
) -> pd.DataFrame:
    """Group effects delta, one row for each factor, level and coefficient that varies by it.

    Parameters
    ----------
    posterior : Posterior
    labels : Labels
    n : G arrays of shape (J_g,)
        Rows, or the sum of their weights, in each level.
    factor : str, optional
        Only this grouping factor.
    coverage : float, default 0.9
        Of the central interval from ``lower`` to ``upper``.

    Returns
    -------
    pandas.DataFrame
        Columns factor, level, coefficient, mean, sd, lower, upper, n, in the user's units; an
        "Intercept" is the effect at x = 0. Behind a link also those of `_with_ratios`.

    Notes
    -----
    Where slopes vary by a factor and the intercept does not, lines of its levels meet at the
    predictors' means, not at x = 0: `coefficients` has their intercepts.
    """
    chosen = range(len(labels.factors)) if factor is None else [find_factor(factor, labels)]
    columns = ["factor", "level", "coefficient", *_DESCRIPTION, "n"]
    columns += ratio_columns(posterior)
    frames = [effects_of(posterior, labels, g, n[g], coverage) for g in chosen]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def coefficients(
    posterior: Posterior,
    labels: Labels,
    codes: Ints,
    values: Mapping[str, Sequence[object]] | None = None,
    coverage: float = 0.9,
    *,
    parts: bool = False,
) -> pd.DataFrame:
    """Coefficients beta = kappa + group effects for combinations of levels.

    Parameters
    ----------
    posterior : Posterior
    labels : Labels
    codes : ndarray of shape (C, G)
        The combinations; a level not seen at fit is -1, its effect a new draw with mean zero.
    values : mapping from group columns to C values each, optional
        What the combinations are called; needed where a level was not seen.
    coverage : float, default 0.9
        Of the central interval from ``lower`` to ``upper``.
    parts : bool, default False
        Whether to report what beta is the sum of: kappa, every factor's delta, every hierarchy's
        gamma = the sum of its deltas.

    Returns
    -------
    pandas.DataFrame
        One row for each combination and coefficient: the group columns, then coefficient, mean,
        sd, lower, upper, in the user's units; "Intercept" is at x = 0. Behind a link also those of
        `_with_ratios`. With ``parts`` a column part
        before coefficient: "kappa", "delta[region]", "delta[region/country]",
        "gamma[region/country]", ..., "beta". A group column that is called as one of these stands
        with an underscore: "mean" as "mean_".
    """
    values = labels.values(codes) if values is None else values
    wanted = _parts(labels) if parts else [_Part("beta", range(len(labels.factors)), True)]
    found = np.stack([_describe_part(posterior, codes, part, coverage) for part in wanted], axis=1)
    n, n_parts, n_coefficients = found.shape[:3]
    times = n_parts * n_coefficients
    taken = ("coefficient", *_DESCRIPTION, *ratio_columns(posterior), *["part"] * parts)
    names = free_names(values, taken)
    columns = [pd.Series(list(value)).repeat(times) for value in values.values()]
    frame = pd.DataFrame(dict(zip(names, columns, strict=True))).reset_index(drop=True)
    if parts:
        frame["part"] = np.repeat([part.name for part in wanted] * n, n_coefficients)
    frame["coefficient"] = list(labels.coefficients) * (n * n_parts)
    return _with_ratios(_with_description(frame, found), posterior, found)


def summary(
    posterior: Posterior, labels: Labels, between: Mapping[str, float] = _BETWEEN
) -> pd.DataFrame:
    """Everything but the group effects, one row for each parameter, in the user's units.

    Parameters
    ----------
    posterior : Posterior
    labels : Labels
    between : mapping of str to float, optional
        Coverages of central intervals, by what the names of their columns end with.

    Returns
    -------
    pandas.DataFrame
        Columns parameter ("kappa", "tau", "omega", "sigma", "nu"), factor, coefficient (a pair of
        them for a correlation), mean, sd, q05, q50, q95, ess_bulk, ess_tail, rhat. "Intercept" is
        at x = 0: its kappa, and its tau and correlations, those of the effects that `group_effects`
        reports; ESS and R-hat are of the same numbers. Those of draws that are independent, as of
        an approximation, are NaN. Correlations come with ``covariance="full"`` only. Behind a link
        also exp of q50, q05 and q95 of kappa, in the columns of `ratio_columns`. Beside
        "overdispersion" there is "phi" = 1 / overdispersion², by its quantiles: as counts may be
        Poisson its mean and sd are infinite.
    """
    names, draws, moments = _population(posterior, labels)
    ends = [end for coverage in between.values() for end in central(coverage)]
    probabilities = sorted({0.5, *ends})
    numbers = describe(draws, probabilities)
    mark(numbers, moments, positive=(names["parameter"] != "kappa").to_numpy())
    columns = ["mean", "sd", *map(_quantile_name, probabilities)]
    frame = names.assign(**dict(zip(columns, numbers.T, strict=True)))
    if not posterior.n_chains:
        frame = frame.assign(ess_bulk=np.nan, ess_tail=np.nan, rhat=np.nan)
    else:
        chains = draws.reshape(len(names), posterior.n_chains, -1)
        found = convergence(np.moveaxis(chains, 0, -1))
        frame = frame.assign(ess_bulk=found.ess_bulk, ess_tail=found.ess_tail, rhat=found.rhat)
    is_kappa = frame["parameter"] == "kappa"  # the others are no logarithms
    logs = [frame[_quantile_name(p)].where(is_kappa).to_numpy() for p in (0.5, *ends)]
    for name, values in zip(ratio_columns(posterior, between), logs, strict=False):
        frame[name] = _exp(values)
    return frame


def _quantile_name(probability: float) -> str:
    """Of the column of a quantile: "q05", "q97.5"."""
    whole, dot, rest = f"{100 * probability:.10g}".partition(".")
    return f"q{whole:>02}{dot}{rest}"


def monte_carlo_errors(posterior: Posterior, labels: Labels) -> Floats:
    """Monte Carlo standard errors of the means of `summary`, (P,): sd over root of the mean's ESS.

    Of independent draws these are all effective. NaN where there is no sd.
    """
    _, draws, moments = _population(posterior, labels)
    errors = errors_of_means(draws, posterior.n_chains)
    errors[moments < BOTH] = np.nan
    return errors


def errors_of_means(draws: Floats, n_chains: int) -> Floats:
    """Monte Carlo standard errors of the means of draws (P, S), chain after chain or none: (P,)."""
    effective: Floats | float = float(draws.shape[1])
    if n_chains:
        effective = ess_mean(np.moveaxis(draws.reshape(len(draws), n_chains, -1), 0, -1))
    errors: Floats = draws.std(axis=1) / np.sqrt(effective)
    return errors


def ratio_columns(posterior: Posterior, between: Mapping[str, float] = _BETWEEN) -> list[str]:
    """Names of the columns for exp of medians and of intervals' ends; none where it is nothing."""
    ratio = posterior.family.link.ratio
    ends = [f"{ratio}_{side}{name}" for name in between for side in ("lower", "upper")]
    return [] if ratio is None else [ratio, *ends]


def where_in_words(labels: Labels, family: Family | None = None) -> str:
    """What the numbers of all these frames refer to, for who reads them.

    With the family, the scale on which they are where that is not the outcome's.
    """
    said = "Numbers are in the units of the data."
    if family is not None and family.scale:
        said = f"Coefficients, effects and tau are on the scale of the {family.scale}."
    if not labels.centred:
        return said
    return (
        f'{said} "{INTERCEPT}", its effects, tau and correlations are at x = 0, where every '
        f'predictor is zero; "{AT_THE_MEANS}" is at the predictors\' training means.'
    )


def _population(posterior: Posterior, labels: Labels) -> tuple[pd.DataFrame, Floats, Ints]:
    """Names, draws (P, S) and finite moments (P,) of the rows of `summary`."""
    blocks = list_population(posterior)
    rows = [
        (name.kind, name.factor or "", name.coefficient or "")
        for block in blocks
        for name in block.names(labels)
    ]
    draws = [block.reported(posterior) for block in blocks]
    moments = [block.moments(posterior) for block in blocks]
    for name, values in inverse_squares(posterior).items():
        rows.append((name, "", ""))
        draws.append(values)
        moments.append(np.zeros(1, dtype=np.int64))
    names = pd.DataFrame(rows, columns=["parameter", "factor", "coefficient"])
    return names, np.vstack(draws), np.concatenate([np.empty(0, dtype=np.int64), *moments])


def inverse_squares(posterior: Posterior) -> dict[str, Floats]:
    """Draws (S,) of what books call 1 over the square of a parameter, by its name there."""
    return {
        parameter.inverse_square: 1 / np.square(np.maximum(draws, _LEAST))
        for parameter in posterior.family.auxiliary
        if parameter.inverse_square is not None
        for draws in [posterior.auxiliary[parameter.name]]
    }


_LEAST = 1e-50  # whose inverse square can be squared
_DESCRIPTION = ("mean", "sd", "lower", "upper")


class _Part(NamedTuple):
    """A part of beta: the effects of some factors, with or without kappa."""

    name: str
    factors: Sequence[int]
    kappa: bool


def find_factor(factor: str, labels: Labels) -> int:
    """Number of a grouping factor given by name."""
    if factor not in labels.factors:
        raise ValueError(
            f"factor: there is no grouping factor {factor!r}. They are {listed(labels.factors)}."
            f"{suggestion(factor, labels.factors)}"
        )
    return labels.factors.index(factor)


def _parts(labels: Labels) -> list[_Part]:
    """What beta is the sum of, and beta."""
    columns = labels.group_columns
    every = range(len(columns))
    finest = [
        g for g in every if columns[g] not in [other[:-1] for other in columns[g + 1 : g + 2]]
    ]
    return [
        _Part("kappa", (), True),
        *(_Part(f"delta[{labels.factors[g]}]", (g,), False) for g in every),
        *(
            _Part(f"gamma[{labels.factors[g]}]", range(g + 1 - len(columns[g]), g + 1), False)
            for g in finest
        ),
        _Part("beta", every, True),
    ]


def _describe_part(posterior: Posterior, codes: Ints, part: _Part, coverage: float) -> Floats:
    """Mean, sd and interval of a part of beta at each row of codes, (C, K, 4)."""
    masked = np.full_like(codes, NO_EFFECT)
    masked[:, part.factors] = codes[:, part.factors]
    if not part.kappa:
        of = (posterior.draws, posterior.mean)
        draws, mean = (replace(x, kappa=np.zeros_like(x.kappa)) for x in of)
        moments = posterior.finite_moments.without_kappa()
        posterior = replace(posterior, draws=draws, mean=mean, moments=moments)
    return at_zero.describe_coefficients(posterior, masked, _probabilities(posterior, coverage))


def effects_of(
    posterior: Posterior,
    labels: Labels,
    g: int,
    n: Floats,
    coverage: float = 0.9,
    levels: Ints | None = None,
) -> pd.DataFrame:
    """Rows of `group_effects` for factor g, of all levels or of some (J,); n is of all."""
    levels = np.arange(posterior.n_levels[g]) if levels is None else levels
    frame = pd.DataFrame(labels.effects(g, levels))
    found = at_zero.describe_effects(posterior, g, _probabilities(posterior, coverage), levels)
    frame = _with_description(frame, found).assign(n=np.repeat(n[levels], found.shape[1]))
    return _with_ratios(frame, posterior, found)


def _probabilities(posterior: Posterior, coverage: float) -> tuple[float, ...]:
    """Below the ends of the interval, and the median where there are ratios."""
    return (*central(coverage), *[0.5] * (posterior.family.link.ratio is not None))


def _with_description(frame: pd.DataFrame, found: Floats) -> pd.DataFrame:
    """Add columns mean, sd, lower, upper, the first of (..., q)."""
    numbers = found.reshape(-1, found.shape[-1]).T
    return frame.assign(**dict(zip(_DESCRIPTION, numbers[: len(_DESCRIPTION)], strict=True)))


def _with_ratios(frame: pd.DataFrame, posterior: Posterior, found: Floats) -> pd.DataFrame:
    """Add exp of the median and of the ends of the interval, where that is a ratio."""
    if posterior.family.link.ratio is None:
        return frame
    _, _, *quantiles = found.reshape(-1, found.shape[-1]).T
    lower, upper, median = map(_exp, quantiles)
    columns = zip(ratio_columns(posterior), (median, lower, upper), strict=True)
    return frame.assign(**dict(columns))


def _exp(values: Floats) -> Floats:
    """exp, infinite without a word."""
    with np.errstate(over="ignore"):
        return np.exp(values)
