"""Posterior predictive checks: is what was observed like what the model would have produced?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from skhlm._typing import Floats, Ints
from skhlm.inputs.columns import listed, suggestion
from skhlm.numerics.blocks import JOINT_BYTES, blocks
from skhlm.numerics.quantiles import central, quantiles_of
from skhlm.posterior import prediction
from skhlm.posterior.posterior import Posterior

Statistic = Callable[[Floats], Floats]  # along the first axis: (n, ...) -> (...)


def parse_statistics(statistics: object) -> list[tuple[str, Statistic]]:
    """Names and functions along the first axis.

    From a name, a function of y (n,), a list of these, or a mapping from names to them.
    """
    if isinstance(statistics, str) or callable(statistics):
        statistics = [statistics]
    if isinstance(statistics, Mapping) and statistics:
        return [(str(name), _statistic(function)) for name, function in statistics.items()]
    if not isinstance(statistics, (list, tuple)) or not statistics:
        raise TypeError(
            f"statistics: got {statistics!r}; give a list of names ({listed(STATISTICS)}) or of "
            "functions of y, or a mapping from names to functions."
        )
    return [(_name(statistic), _statistic(statistic)) for statistic in statistics]


def predictive_check(
    posterior: Posterior,
    X: Floats,
    codes: Ints,
    new_levels: Ints,
    y: Floats,
    statistics: Sequence[tuple[str, Statistic]],
    groups: Sequence[Ints],
    n_samples: int,
    rng: np.random.Generator,
    coverage: float = 0.9,
) -> pd.DataFrame:
    """Statistics of y and of outcomes that the model would produce for the same rows.

    Parameters
    ----------
    posterior : Posterior
    X, codes, new_levels
        Predictors (n, p), levels and new levels (n, G) of the rows, as in `prediction.joint_draws`.
    y : ndarray of shape (n,)
    statistics : sequence of names and functions of an array along its first axis
    groups : sequence of ndarrays
        Rows over which each statistic is taken.
    n_samples : int
        Number of replications of y.
    rng : numpy.random.Generator
    coverage : float, default 0.9
        Of the interval from lower to upper.

    Returns
    -------
    pandas.DataFrame
        One row for each group and statistic: group (its number), statistic, observed, mean, lower,
        upper, p_value.
    """
    names = [name for name, _ in statistics]
    observed = _values(y[:, None], statistics, groups)[..., 0]
    replicated = np.empty((*observed.shape, n_samples))
    for block in blocks(n_samples, JOINT_BYTES // (8 * len(y))):
        size = block.stop - block.start
        draws = prediction.joint_draws(posterior, X, codes, new_levels, size, rng)
        replicated[..., block] = _values(draws, statistics, groups)
    lower, upper = np.moveaxis(quantiles_of(replicated, central(coverage)), -1, 0)
    frame = pd.DataFrame(
        {
            "group": np.repeat(np.arange(len(groups)), len(names)),
            "statistic": names * len(groups),
            "observed": observed.ravel(),
            "mean": replicated.mean(axis=-1).ravel(),
            "lower": lower.ravel(),
            "upper": upper.ravel(),
            "p_value": (replicated >= observed[..., None]).mean(axis=-1).ravel(),
        }
    )
    frame.loc[frame["observed"].isna() | frame["mean"].isna(), "p_value"] = np.nan
    return frame


def _values(
    draws: Floats, statistics: Sequence[tuple[str, Statistic]], groups: Sequence[Ints]
) -> Floats:
    """Every statistic of every group of rows of draws (n, S): (groups, statistics, S)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [[statistic(draws[rows]) for _, statistic in statistics] for rows in groups]
    result: Floats = np.array(values, dtype=np.float64)
    return result


def _mean(y: Floats) -> Floats:
    return np.asarray(y.mean(axis=0))


def _sd(y: Floats) -> Floats:
    """Standard deviation with n - 1; NaN for one row."""
    sd: Floats = np.sqrt(((y - y.mean(axis=0)) ** 2).sum(axis=0) / np.float64(len(y) - 1))
    return sd


def _skewness(y: Floats) -> Floats:
    """Third central moment over the second's power 3/2; NaN where y is constant."""
    deviation = y - y.mean(axis=0)
    deviation = deviation / np.abs(deviation).max(axis=0)  # cubes of amounts may overflow
    square = deviation**2
    return np.asarray((square * deviation).mean(axis=0) / square.mean(axis=0) ** 1.5)


def _zeros(y: Floats) -> Floats:
    """Share of zeros."""
    return np.asarray((y == 0).mean(axis=0))


def _dispersion(y: Floats) -> Floats:
    """Variance, with n - 1, over the mean: about 1 for Poisson counts of one mean."""
    return np.asarray(_sd(y) ** 2 / y.mean(axis=0))


STATISTICS: dict[str, Statistic] = {
    "mean": _mean,
    "sd": _sd,
    "min": lambda y: np.asarray(y.min(axis=0)),
    "median": lambda y: np.asarray(np.median(y, axis=0)),
    "max": lambda y: np.asarray(y.max(axis=0)),
    "skewness": _skewness,
    "zeros": _zeros,
    "dispersion": _dispersion,
}


def _name(statistic: object) -> str:
    return (
        statistic if isinstance(statistic, str) else str(getattr(statistic, "__name__", statistic))
    )


def _statistic(statistic: object) -> Statistic:
    """A function along the first axis, from a name or a function of y (n,)."""
    if callable(statistic):
        return lambda draws: np.array([_number(statistic, y) for y in draws.T])
    if not isinstance(statistic, str) or statistic not in STATISTICS:
        raise ValueError(
            f"statistics: there is no statistic {statistic!r}. There are {listed(STATISTICS)}, and "
            f"any function of y.{suggestion(statistic, STATISTICS)}"
        )
    return STATISTICS[statistic]


def _number(statistic: Callable[[Floats], object], y: Floats) -> float:
    """What a user's function says of y (n,)."""
    value = np.asarray(statistic(y))
    if value.ndim or value.dtype.kind not in "biuf":
        raise TypeError(f"statistics: {_name(statistic)!r} must return one number, got {value!r}.")
    return float(value)
