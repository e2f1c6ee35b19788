"""Leave-one-out cross-validation from the draws of one fit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from skhlm._typing import Floats, Ints
from skhlm.inputs.design import Rows
from skhlm.numerics.convergence import MIN_DRAWS, ess_mean
from skhlm.numerics.digits import told_apart
from skhlm.numerics.importance import k_threshold, smooth
from skhlm.numerics.log_sums import log_sum_exp
from skhlm.posterior.posterior import Posterior
from skhlm.posterior.scoring import log_likelihood

ROWS_FOR_EFFICIENCY = 100
_NO_POSTERIOR = "\n  The fit has not converged: these are not densities of the model."


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """Expected log predictive density of rows left out one at a time, by importance sampling.

    Attributes
    ----------
    elpd : float
        Sum over rows of log p(y_i | all other rows), in logarithms of 1 / (unit of y). Higher is
        better.
    se : float
        Its standard error, for rows drawn from a population of rows.
    p_loo : float
        Effective number of parameters: how much lower elpd is than the log predictive density of
        the same rows when they are not left out.
    rows : DataFrame
        The distinct rows that were fitted, equal ones merged: predictors and group columns.
    pointwise : DataFrame
        The same rows' ``y`` and ``weight``, ``elpd`` and ``p_loo`` of one row of such a weight,
        ``pareto_k``, large where a row changes the posterior much, and ``mean``, the expected y
        given all other rows (of a classifier the probability of the second class).
    given : DataFrame
        Each row that was given, in that order, but those of weight 0: which of the distinct rows
        it is (``row``), and its ``weight``. So ``pointwise.iloc[given["row"]]`` are results in the
        order of X.
    n : float
        Rows, or the sum of their weights.
    n_draws : int
        Draws of the posterior.
    r_eff : float
        Effective draws over draws.
    converged : bool, default=True
        Whether the draws can be taken for draws of the posterior, as the model's diagnostics say.
        If not, nothing here can be relied on, whatever Pareto k says.
    is_discrete : bool, default=False
        Whether densities are probabilities of whole numbers, such as counts.
    """

    elpd: float
    se: float
    p_loo: float
    rows: pd.DataFrame
    pointwise: pd.DataFrame
    given: pd.DataFrame
    n: float
    n_draws: int
    r_eff: float
    converged: bool = True
    is_discrete: bool = False

    @property
    def predictions(self) -> Floats:
        """Expected y of each row that was given, in that order, given all other rows: (n,).

        ``E[y_i | y_-i]``, by the same importance weights; rows of weight 0 are not among them.
        """
        mean: Floats = self.pointwise["mean"].to_numpy()[self.given["row"].to_numpy()]
        return mean

    @property
    def threshold(self) -> float:
        """The largest Pareto k at which a row's elpd can be relied on: min(1 - 1/log10(S), 0.7)."""
        return k_threshold(self.n_draws)

    @property
    def n_unreliable(self) -> int:
        """Distinct rows whose Pareto k is above `threshold`."""
        return int((self.pointwise["pareto_k"] > self.threshold).sum())

    def __repr__(self) -> str:
        k = self.pointwise["pareto_k"]
        return (
            f"LeaveOneOut: {self.n:g} rows, {self.n_draws} draws\n"
            f"  elpd  {self.elpd:12.1f}  (standard error {self.se:.1f})\n"
            f"  p_loo {self.p_loo:12.1f}\n"
            f"  Pareto k: largest {told_apart(k.max(), self.threshold, 2)}; {self.n_unreliable} of "
            f"{len(k)} distinct rows above {told_apart(self.threshold, k.max(), 2)}"
            f"{'' if self.converged else _NO_POSTERIOR}"
        )


def leave_one_out(
    posterior: Posterior, rows: Rows, table: pd.DataFrame, *, converged: bool = True
) -> LeaveOneOut:
    """PSIS-LOO of the rows that were fitted.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    table : DataFrame of as many rows
        Their predictors and group columns, as they are shown.
    converged : bool, default=True
        What the model's diagnostics say of the draws.

    Returns
    -------
    LeaveOneOut

    Warns
    -----
    ConvergenceWarning
        If the draws are not those of the posterior.
    UserWarning
        If a Pareto k is above `LeaveOneOut.threshold`.

    Notes
    -----
    A row of weight w counts w times, and one of these is left out: with log p_i^s = log p(y_i |
    draw s), importance ratios are 1 / p_i^s (or its power w for a weight below 1).

    Binomial rows: if any y is a share between 0 and 1, weights are trials, and a row of m trials is
    left out whole, as it was given: log p_i^s is that of its k = m y successes, log C(m, k)
    included. If all are 0 or 1, a row of weight w is w of them, and one is left out.
    """
    r_eff = relative_efficiency(posterior, rows)
    units = _units(rows, whole=posterior.family.is_discrete and bool((rows.y % 1).any()))
    X, codes, y = rows.X[units.row], rows.codes[rows.cell[units.row]], rows.y[units.row]
    constant = posterior.outcome.log_constant(y, units.size)
    values = np.empty((len(y), 4))
    for chosen, log_p in log_likelihood(posterior, X, codes, y, width=8):
        log_p *= units.size[chosen, None]
        log_p += constant[chosen, None]
        Z = posterior.units.centred(X[chosen])
        mean = posterior.family.link.inverse(posterior.draws.expected_value(Z, codes[chosen]))
        values[chosen] = _leave_out(log_p, mean, units.weight[chosen], r_eff)
    elpd, p_loo, k, mean = values.T
    total, error = sum_and_error(elpd, units.weight)
    result = LeaveOneOut(
        elpd=total,
        se=error,
        p_loo=float((units.weight * p_loo).sum()),
        rows=table.iloc[units.row].reset_index(drop=True),
        pointwise=pd.DataFrame(
            {
                **{"y": y, "weight": units.weight, "elpd": elpd, "p_loo": p_loo},
                **{"pareto_k": k, "mean": mean},
            }
        ),
        given=units.given,
        n=float(units.weight.sum()),
        n_draws=posterior.n_draws,
        r_eff=r_eff,
        converged=converged,
        is_discrete=posterior.family.is_discrete,
    )
    _warn_if_not_converged(result)
    _warn_if_unreliable(result)
    return result


@dataclass(frozen=True)
class _Units:
    """What is left out at once: ``size`` copies of some row, and so often, ``weight``: (u,) each.

    ``given`` is that of `LeaveOneOut`.
    """

    row: Ints
    size: Floats
    weight: Floats
    given: pd.DataFrame


def _units(rows: Rows, *, whole: bool) -> _Units:
    """A copy of each row at a time, or rows of trials ``whole``, as they were given."""
    row, weight = rows.given, rows.given_weight
    if not len(row):  # nobody knows how they were given
        row, weight = np.arange(len(rows.y)), rows.weight
    if not whole:
        given = pd.DataFrame({"row": row, "weight": weight})
        return _Units(np.arange(len(rows.y)), np.ones(len(rows.y)), rows.weight, given)
    distinct, unit = np.unique(np.column_stack([row, weight]), axis=0, return_inverse=True)
    unit = unit.reshape(-1).astype(np.int64)
    count = np.bincount(unit).astype(np.float64)
    given = pd.DataFrame({"row": unit, "weight": np.ones(len(unit))})
    return _Units(distinct[:, 0].astype(np.int64), distinct[:, 1], count, given)


def relative_efficiency(posterior: Posterior, rows: Rows) -> float:
    """Effective draws of p(y_i | draw) over draws, averaged over rows evenly spaced."""
    return efficiency_of_rows(posterior, rows.X, rows.codes[rows.cell], rows.y)


def efficiency_of_rows(posterior: Posterior, X: Floats, codes: Ints, y: Floats) -> float:
    """The same of rows with predictors (n, p), levels (n, G) and outcomes (n,)."""
    if posterior.n_chains == 0:
        return 1.0
    n = len(y)
    some = np.unique(np.linspace(0, n - 1, min(n, ROWS_FOR_EFFICIENCY)).astype(np.int64))
    few = X[some], codes[some], y[some]
    efficiencies = [
        _efficiency(log_p, posterior.n_chains) for _, log_p in log_likelihood(posterior, *few)
    ]
    known = np.concatenate(efficiencies)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else 1.0


def _efficiency(log_p: Floats, n_chains: int) -> Floats:
    """ESS of the mean of exp(log_p), (b, S) chain after chain, over S: (b,)."""
    n_draws = log_p.shape[1]
    if n_draws < MIN_DRAWS * n_chains:
        return np.full(len(log_p), np.nan)
    p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    efficiency: Floats = ess_mean(np.moveaxis(p.reshape(len(p), n_chains, -1), 0, -1)) / n_draws
    return efficiency


def _leave_out(log_p: Floats, mean: Floats, weight: Floats, r_eff: float) -> Floats:
    """elpd, p_loo, Pareto k and the expected y, (b, 4), of rows with weights (b,).

    From log p_i^s and E[y_i | s], (b, S) both.
    """
    smoothed = smooth(-np.minimum(weight, 1)[:, None] * log_p, r_eff)
    elpd = log_sum_exp(smoothed.log_weights + log_p)
    in_sample = log_sum_exp(log_p) - np.log(log_p.shape[1])
    expected = (np.exp(smoothed.log_weights) * mean).sum(axis=1)
    return np.column_stack([elpd, in_sample - elpd, smoothed.pareto_k, expected])


def sum_and_error(values: Floats, weight: Floats) -> tuple[float, float]:
    """Sum of values (n,) of weighted rows, and its standard error sqrt(n Var(values))."""
    total = float((weight * values).sum())
    return total, float(np.sqrt((weight * (values - total / weight.sum()) ** 2).sum()))


def _warn_if_not_converged(result: LeaveOneOut) -> None:
    if not result.converged:
        warnings.warn(
            "The fit has not converged, or is an approximation too far from the posterior (see "
            "diagnostics_): elpd is that of its draws and not of the model, even where Pareto k of "
            "every row is small. Fit with algorithm='nuts' before models are compared.",
            ConvergenceWarning,
            stacklevel=4,
        )


def _warn_if_unreliable(result: LeaveOneOut) -> None:
    if result.n_unreliable:
        k, threshold = result.pointwise["pareto_k"], result.threshold
        warnings.warn(
            f"Pareto k is above {told_apart(threshold, k.max(), 2)} for {result.n_unreliable} of "
            f"{len(k)} distinct rows, and up to {told_apart(k.max(), threshold, 2)}: the posterior "
            "without such a row differs too much from the posterior with it, so elpd may be wrong. "
            "Look at these rows (`pointwise`), or use cross_validate, which fits again.",
            UserWarning,
            stacklevel=4,
        )
