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
_SAME = 1e-6  # relative difference that float32 may make
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
        The same rows' ``y`` and ``weight``, ``elpd`` and ``p_loo`` of one row of such a weight, and
        ``pareto_k``: large where a row changes the posterior much.
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


@dataclass(frozen=True)
class Comparison:
    """How much better one model predicts the same rows than another.

    Attributes
    ----------
    elpd_diff : float
        The first model's elpd less the second's; above zero the first predicts better.
    se : float
        Standard error of the difference, which the rows' differences have.
    """

    elpd_diff: float
    se: float


def compare_loo(first: LeaveOneOut, second: LeaveOneOut) -> Comparison:
    """Compare two models of the same rows by their leave-one-out densities.

    Parameters
    ----------
    first, second : LeaveOneOut
        Results of `HLMRegressor.loo` of models with the same y and weights. Predictors, groups and
        families may differ: rows are paired as they were given. Rows in another order are paired
        where all columns of X are the same.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If the rows differ.
    TypeError
        If something else is given, as the models themselves.

    Warns
    -----
    ConvergenceWarning
        If a result is of a fit that has not converged, or of an approximation that is too far from
        the posterior: neither is then the better model for a larger elpd.
    UserWarning
        If one has densities, as the normal distribution, and the other probabilities of whole
        numbers, as Poisson's.

    Notes
    -----
    A difference below about 4, or of a few standard errors, says little; the standard error is too
    small for fewer than about 100 rows or where both models fit badly [1]_.

    References
    ----------
    .. [1] Sivula, Magnusson, Matamoros and Vehtari (2025). Uncertainty in Bayesian leave-one-out
       cross-validation based model comparison. Bayesian Analysis. arXiv:2008.10296
    """
    _check_results(first, second)
    ours, theirs = _paired(first, second)
    difference = (ours["elpd"] - theirs["elpd"]).to_numpy()
    return Comparison(*_sum_and_error(difference, ours["weight"].to_numpy()))


def _check_results(first: LeaveOneOut, second: LeaveOneOut) -> None:
    """Raise where these are no results; warn of one that is not about its model's posterior."""
    for name, result in {"first": first, "second": second}.items():
        if not isinstance(result, LeaveOneOut):
            raise TypeError(
                f"{name} is of type {type(result).__name__}, not a result of HLMRegressor.loo: "
                "compare_loo(model_a.loo(), model_b.loo())."
            )
        if not result.converged:
            warnings.warn(
                f"The {name} result is of a fit that has not converged, or of an approximation "
                "too far from the posterior, so its elpd is not that of its model, and the "
                "difference says nothing. Fit with algorithm='nuts' until diagnostics_.converged.",
                ConvergenceWarning,
                stacklevel=3,
            )
    if first.is_discrete != second.is_discrete:
        warnings.warn(
            f"The {'first' if first.is_discrete else 'second'} result has probabilities of whole "
            "numbers, the other densities, whose logarithms depend on the "
            "unit of y, and no difference says which model is better. Compare families of counts "
            "with each other, or all by neg_crps of skhlm.scorers in cross_validate.",
            UserWarning,
            stacklevel=3,
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
    values = np.empty((len(y), 3))
    for chosen, log_p in log_likelihood(posterior, X, codes, y, width=8):
        log_p *= units.size[chosen, None]
        log_p += constant[chosen, None]
        values[chosen] = _leave_out(log_p, units.weight[chosen], r_eff)
    elpd, p_loo, k = values.T
    total, error = _sum_and_error(elpd, units.weight)
    result = LeaveOneOut(
        elpd=total,
        se=error,
        p_loo=float((units.weight * p_loo).sum()),
        rows=table.iloc[units.row].reset_index(drop=True),
        pointwise=pd.DataFrame(
            {"y": y, "weight": units.weight, "elpd": elpd, "p_loo": p_loo, "pareto_k": k}
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


def _leave_out(log_p: Floats, weight: Floats, r_eff: float) -> Floats:
    """elpd, p_loo and Pareto k, (b, 3), of rows with log p_i^s (b, S) and weights (b,)."""
    smoothed = smooth(-np.minimum(weight, 1)[:, None] * log_p, r_eff)
    elpd = log_sum_exp(smoothed.log_weights + log_p)
    in_sample = log_sum_exp(log_p) - np.log(log_p.shape[1])
    return np.column_stack([elpd, in_sample - elpd, smoothed.pareto_k])


def _sum_and_error(values: Floats, weight: Floats) -> tuple[float, float]:
    """Sum of values (n,) of weighted rows, and its standard error sqrt(n Var(values))."""
    total = float((weight * values).sum())
    return total, float(np.sqrt((weight * (values - total / weight.sum()) ** 2).sum()))


def _paired(first: LeaveOneOut, second: LeaveOneOut) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results of both for the same rows: in the order given, or else by all that rows hold."""
    ours, theirs = _as_given(first), _as_given(second)
    if _is_same_outcome(ours, theirs):
        return ours, theirs
    ours, theirs = _in_common_order(first), _in_common_order(second)
    if not _data(ours).equals(_data(theirs)):
        raise ValueError(
            "The two results are of different rows: y or sample_weight differ, or the rows are in "
            "another order and their columns are not the same. Fit both models to the same y and "
            "sample_weight, rows in the same order; the columns of X may differ then."
        )
    return pd.DataFrame(ours["pointwise"]), pd.DataFrame(theirs["pointwise"])


def _as_given(result: LeaveOneOut) -> pd.DataFrame:
    """Results of each row that was given, in that order."""
    rows = result.pointwise.iloc[result.given["row"].to_numpy()].reset_index(drop=True)
    return rows.assign(weight=result.given["weight"].to_numpy())


def _is_same_outcome(ours: pd.DataFrame, theirs: pd.DataFrame) -> bool:
    """Whether y and weights are the same row by row, to the digits of a float32."""
    return len(ours) == len(theirs) and all(
        np.allclose(ours[name], theirs[name], rtol=_SAME, atol=0) for name in ("y", "weight")
    )


def _in_common_order(result: LeaveOneOut) -> pd.DataFrame:
    """Rows and results side by side, in an order that does not depend on the model.

    That of canonical rows depends on which columns are group columns.
    """
    frame = pd.concat({"rows": result.rows, "pointwise": result.pointwise}, axis=1)
    columns = sorted(_data(frame).columns, key=str)
    text = frame[columns].astype(str)
    return frame.loc[text.sort_values(columns).index].reset_index(drop=True)


def _data(frame: pd.DataFrame) -> pd.DataFrame:
    """What does not depend on the model, in a frame of `_in_common_order`, columns by name."""
    given = [("pointwise", "y"), ("pointwise", "weight")]
    return frame[sorted([*(c for c in frame.columns if c[0] == "rows"), *given], key=str)]


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
