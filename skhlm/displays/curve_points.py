"""Points beside response curves: observed outcomes, and partial residuals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats, Ints
from skhlm.displays.curve_rows import Curves, along, levels_and_exposure, position_of
from skhlm.displays.frames import observed_outcome
from skhlm.methods.fitted import find_hierarchical
from skhlm.posterior import NEW, prediction
from skhlm.wrappers import Route

_NO_CURVE = -1


def locate_observed(estimator: Any, observed: Any, curves: Curves) -> tuple[Floats, Ints, Ints]:
    """Observed points, and which combination of levels they and the curves have.

    Parameters
    ----------
    estimator : estimator
        As for the curves.
    observed : (X, y)
        Rows and outcomes.
    curves : Curves

    Returns
    -------
    points : ndarray of shape (m, 2)
        Inputs, and outcomes: as they would be with the exposure of the curves of the same levels.
    of_points : ndarray of shape (m,)
        Numbers of combinations; -1 with a level that fit has not seen.
    of_curves : ndarray of shape (n,)
    """
    X, y = _pair(observed, curves)
    route = find_hierarchical(estimator)
    levels, exposure = levels_and_exposure(route, X, population=curves.population)
    outcome = observed_outcome(route, y, len(levels))
    of_points, of_curves = _combinations(levels, curves)
    if curves.exposure is not None and exposure is not None:
        mean = pd.Series(curves.exposure).groupby(of_curves).mean()
        outcome = outcome * mean.reindex(of_points).to_numpy() / exposure
    return np.column_stack([along(X, curves.column, curves), outcome]), of_points, of_curves


def locate_partial_residuals(
    estimator: Any, observed: Any, curves: Curves, kind: str
) -> tuple[Floats, Ints, Ints]:
    """Points as far from each curve of their levels as their outcomes are from what is expected.

    A row is at the curve, where its own input is, plus its residual: y - E[y | row], or on the
    scale of a link (y - mu) / (d mu / d eta), the working residual. Arguments and what is returned
    are those of `locate_observed`; a point of several curves is there once for each, as the numbers
    are those of the curves.
    """
    X, y = _pair(observed, curves)
    route = find_hierarchical(estimator)
    levels, _ = levels_and_exposure(route, X, population=curves.population)
    residual, own = _residuals(route, X, y, kind), along(X, curves.column, curves)
    of_points, of_curves = _combinations(levels, curves)
    points, numbers = [np.empty((0, 2))], [np.empty(0, dtype=np.int64)]
    for curve, combination in enumerate(of_curves.tolist()):
        rows = np.flatnonzero(of_points == combination)
        value = curves.mean_at(curve, own[rows]) + residual[rows]
        points.append(np.column_stack([own[rows], value]))
        numbers.append(np.full(len(rows), curve))
    return np.concatenate(points), np.concatenate(numbers), np.arange(len(of_curves))


def _pair(observed: Any, curves: Curves) -> tuple[Any, Any]:
    """Rows and outcomes, if the rows have the input of the curves."""
    if not isinstance(observed, (tuple, list)) or len(observed) != 2:
        raise ValueError("observed must be a pair (X, y) of rows and their outcomes.")
    X, y = observed
    if position_of(X, curves.column) is None:
        raise ValueError(f"observed: X has no column {curves.column!r} to draw the points along.")
    return X, y


def _combinations(levels: Ints, curves: Curves) -> tuple[Ints, Ints]:
    """Numbers of combinations of levels, of points with levels (m, G) and of curves."""
    both = np.concatenate([curves.codes, levels])
    number = np.zeros(len(both), dtype=np.int64)
    if both.shape[1]:
        number = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
    n = len(curves.codes)
    return np.where((levels == NEW).any(axis=1), _NO_CURVE, number[n:]), number[:n]


def _residuals(route: Route, X: Any, y: Any, kind: str) -> Floats:
    """What is left of each outcome, (m,), on the scale of the curves."""
    predictors, codes, _ = route.model._rows(route.features(X))
    posterior, outcome = route.model._posterior, observed_outcome(route, y, len(codes))
    link = posterior.family.link
    if link.linear:
        return outcome - route.outcomes(prediction.expected_value(posterior, predictors, codes))
    if kind != "link":
        raise ValueError(
            "partial_residuals: behind a link parts of the expected value do not add up, and no "
            "residual belongs to one of them. Ask for kind='link', where they do, or for the "
            "observed points."
        )
    eta = prediction.linear_predictor(posterior, predictors, codes)
    working: Floats = (outcome - link.inverse(eta)) / link.derivative(eta)
    return working
