"""Models compared, and weighed, by their leave-one-out densities of the same rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pandas as pd
from scipy.optimize import LinearConstraint, minimize
from sklearn.exceptions import ConvergenceWarning

from skhlm._typing import Floats
from skhlm.posterior.leave_one_out import LeaveOneOut, sum_and_error

_SAME = 1e-6  # relative difference that float32 may make
_PRECISE = 1e-12  # of the mean score, when weights are looked for


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


@overload
def compare_loo(first: LeaveOneOut, second: LeaveOneOut) -> Comparison: ...
@overload
def compare_loo(first: Mapping[str, LeaveOneOut]) -> pd.DataFrame: ...
def compare_loo(
    first: LeaveOneOut | Mapping[str, LeaveOneOut], second: LeaveOneOut | None = None
) -> Comparison | pd.DataFrame:
    """Compare models of the same rows by their leave-one-out densities.

    Parameters
    ----------
    first : LeaveOneOut, or mapping of str to LeaveOneOut
        Results of `HLMRegressor.loo` of models with the same y and weights. Predictors, groups and
        families may differ: rows are paired as they were given. Rows in another order are paired
        where all columns of X are the same. A mapping has several, by the names of the models.
    second : LeaveOneOut, default=None
        Of the second model, where the first is not a mapping.

    Returns
    -------
    comparison : Comparison or DataFrame
        Of two models the difference and its standard error. Of a mapping a frame of one row for
        each model, the best one first: ``model``, ``rank`` (0, 1, ...), ``elpd``, ``p_loo``,
        ``elpd_diff`` (the best model's elpd less this one's), ``weight`` (of stacking, see Notes),
        ``se`` (of elpd), ``dse`` (of the difference) and ``n_unreliable`` (rows whose Pareto k is
        too large).

    Raises
    ------
    ValueError
        If the rows differ; if the mapping has fewer than two results.
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

    Weights of stacking are those of the mixture of all models that predicts rows left out best, ::

        maximise sum_i log sum_k weight_k p_k(y_i | y_-i),   weight_k >= 0, adding up to 1

    and not the probabilities that a model is true: of two that are equal one may have all the
    weight, and a worse one has some where it is better for some rows [2]_.

    References
    ----------
    .. [1] Sivula, Magnusson, Matamoros and Vehtari (2025). Uncertainty in Bayesian leave-one-out
       cross-validation based model comparison. Bayesian Analysis. arXiv:2008.10296
    .. [2] Yao, Vehtari, Simpson and Gelman (2018). Using stacking to average Bayesian predictive
       distributions. Bayesian Analysis 13(3). doi:10.1214/17-BA1091
    """
    if isinstance(first, Mapping):
        if second is not None or len(first) < 2:
            raise ValueError("Give two results, or a mapping of two or more by names of models.")
        _check_results({repr(name): result for name, result in first.items()})
        return _ranked(first)
    _check_results({"first": first, "second": second})
    ours, theirs = _paired([first, second])
    difference = (ours["elpd"] - theirs["elpd"]).to_numpy()
    return Comparison(*sum_and_error(difference, ours["weight"].to_numpy()))


def stacking_weights(elpd: Floats, weight: Floats) -> Floats:
    """Weights (K,) of models with log densities (n, K) of rows left out, of weights (n,).

    A concave problem, by sequential quadratic programming from even weights.
    """
    density = np.exp(elpd - elpd.max(axis=1, keepdims=True))  # of each row over the best one's
    share, K = weight / weight.sum(), density.shape[1]

    def mixed(w: Floats) -> Floats:
        """Density of each row, (n,)."""
        total: Floats = np.maximum(density @ w, np.finfo(np.float64).tiny)
        return total

    def loss(w: Floats) -> float:
        """Minus the mean log density."""
        return -float(share @ np.log(mixed(w)))

    def slope(w: Floats) -> Floats:
        """Its derivative, (K,)."""
        result: Floats = -(share / mixed(w)) @ density
        return result

    found: Any = minimize(
        loss,
        np.full(K, 1 / K),
        jac=slope,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * K,
        constraints=LinearConstraint(np.ones((1, K)), 1.0, 1.0),
        options={"ftol": _PRECISE, "maxiter": 1000},
    )
    weights: Floats = np.clip(found.x, 0.0, 1.0)
    weights /= weights.sum()
    return weights


def _ranked(results: Mapping[str, LeaveOneOut]) -> pd.DataFrame:
    """A row for each model, the best first."""
    names = sorted(results, key=lambda name: -results[name].elpd)
    paired = _paired([results[name] for name in names])
    elpd = np.column_stack([frame["elpd"] for frame in paired])
    weight = paired[0]["weight"].to_numpy(dtype=np.float64)
    differences = [sum_and_error(elpd[:, 0] - own, weight) for own in elpd.T]
    ordered = [results[name] for name in names]
    return pd.DataFrame(
        {
            "model": names,
            "rank": range(len(names)),
            "elpd": [result.elpd for result in ordered],
            "p_loo": [result.p_loo for result in ordered],
            "elpd_diff": [difference for difference, _ in differences],
            "weight": stacking_weights(elpd, weight),
            "se": [result.se for result in ordered],
            "dse": [error for _, error in differences],
            "n_unreliable": [result.n_unreliable for result in ordered],
        }
    )


def _check_results(results: Mapping[str, Any]) -> None:
    """Raise where these are no results; warn of one that is not about its model's posterior."""
    for name, result in results.items():
        if not isinstance(result, LeaveOneOut):
            raise TypeError(
                f"{name} is of type {type(result).__name__}, not a result of HLMRegressor.loo: "
                "compare_loo(model_a.loo(), model_b.loo()), or of more models compare_loo({'a': "
                "model_a.loo(), 'b': ..., 'c': ...})."
            )
        if not result.converged:
            warnings.warn(
                f"The {name} result is of a fit that has not converged, or of an approximation "
                "too far from the posterior, so its elpd is not that of its model, and the "
                "difference says nothing. Fit with algorithm='nuts' until diagnostics_.converged.",
                ConvergenceWarning,
                stacklevel=3,
            )
    discrete = [name for name, result in results.items() if result.is_discrete]
    if 0 < len(discrete) < len(results):
        warnings.warn(
            f"The {discrete[0]} result has probabilities of whole "
            f"numbers, {'the other' if len(results) == 2 else 'another'} densities, whose "
            "logarithms depend on the unit of y, and no difference says which model is better. "
            "Compare families of counts with each other, or all by neg_crps of skhlm.scorers in "
            "cross_validate.",
            UserWarning,
            stacklevel=3,
        )


def _paired(results: Sequence[Any]) -> list[pd.DataFrame]:
    """Results of all for the same rows: in the order given, or else by all that rows hold."""
    first, *others = (_as_given(result) for result in results)
    if all(_is_same_outcome(first, other) for other in others):
        return [first, *others]
    first, *others = (_in_common_order(result) for result in results)
    if not all(_data(first).equals(_data(other)) for other in others):
        raise ValueError(
            "The results are of different rows: y or sample_weight differ, or the rows are in "
            "another order and their columns are not the same. Fit all models to the same y and "
            "sample_weight, rows in the same order; the columns of X may differ then."
        )
    return [pd.DataFrame(frame["pointwise"]) for frame in (first, *others)]


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
