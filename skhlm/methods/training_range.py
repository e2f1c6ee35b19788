"""Where an input of a pipeline was at fit, told from where the predictors made of it were."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from skhlm._typing import Bools, Floats
from skhlm.inputs.design import Ranges

_MOST_OWN = 8  # values of rows that are tried first
_LATTICE = [0.0, *(sign * 4.0**k for k in range(-15, 16) for sign in (1, -1))]
_NUDGE = 1e-5  # of a value: far enough to see what moves
_MOST_STEPS, _GROWTH = 40, 4  # outwards
_ROUNDS, _PARTS = 12, 16  # inwards again

Predictors = Callable[[Floats], Floats]


def training_range(predictors: Predictors, ranges: Ranges, own: Floats) -> tuple[float, float]:
    """Ends of the values for which the predictors that move are in their training ranges.

    Parameters
    ----------
    predictors : callable
        From N values of the input, (N,), to the predictors of one row there, (N, p). Where it
        raises, there are none.
    ranges : Ranges
        Where the predictors were at fit.
    own : ndarray of shape (n,)
        Values of the input that rows have; where these are outside, others are tried.

    Returns
    -------
    low, high : float
        Infinite where the predictors do not tell; NaN where no value was found inside.
    """
    some = own[np.linspace(0, len(own) - 1, _MOST_OWN).astype(np.int64)] if len(own) else own
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pipeline may have no value where we try
        for start in dict.fromkeys([*some.tolist(), *_LATTICE]):
            inside = _inside(predictors, ranges, start)
            if inside is not None:
                return _edge(inside, start, -1), _edge(inside, start, 1)
    return np.nan, np.nan


def _inside(
    predictors: Predictors, ranges: Ranges, start: float
) -> Callable[[Floats], Bools] | None:
    """Whether predictors that are not what they are at the start are inside; None if it is not."""
    pair = _tried(predictors, np.array([start, start * (1 + _NUDGE) or _NUDGE]))
    here = pair[0]
    moves = here != pair[1]
    if np.isnan(pair).any() or not moves.any() or ranges.outside(here)[moves].any():
        return None

    def inside(points: Floats) -> Bools:
        values = _tried(predictors, points)
        outside = ranges.outside(values) | np.isnan(values)
        result: Bools = ~np.any(outside & (values != here), axis=1)
        return result

    return inside


def _tried(predictors: Predictors, points: Floats) -> Floats:
    """Predictors at points, (N, p); NaN at those for which there are none."""
    try:
        return predictors(points)
    except (ValueError, ArithmeticError):
        if len(points) == 1:
            return np.full((1, 1), np.nan)
    return np.vstack(np.broadcast_arrays(*(_tried(predictors, point) for point in points[:, None])))


def _edge(inside: Callable[[Floats], Bools], start: float, direction: int) -> float:
    """The last value inside, going from one inside; infinite where it goes on and on."""
    near, reach = start, 1e-3 * max(abs(start), 1.0)
    for _ in range(_MOST_STEPS):
        far = start + direction * reach
        if not inside(np.array([far]))[0]:
            return _last_inside(inside, near, far)
        near, reach = far, _GROWTH * reach
    return direction * np.inf


def _last_inside(inside: Callable[[Floats], Bools], near: float, far: float) -> float:
    """The last value inside between one that is and one that is not."""
    for _ in range(_ROUNDS):
        points = np.linspace(near, far, _PARTS + 1)
        ok = inside(points[1:-1])
        first = int(np.argmin(ok)) if not ok.all() else len(ok)
        near, far = points[first], points[first + 1]
    return float(near)
