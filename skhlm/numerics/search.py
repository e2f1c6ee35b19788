"""Where an increasing function reaches a value, by Newton's method inside a bracket."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Function = Callable[[float], float]

_MAX_STEPS, _BISECT_EVERY = 400, 4
_TRUSTED = 8  # steps towards a whole number, which can near it from one side
_FARTHEST = 3.0  # of one step, in logarithms
_THERE, _CLOSE = 1e-12, 1e-7  # relative; a last step from close is exact
_WHOLE = 2.0**53  # whole numbers beyond are not next to each other


def reach_whole(rises: Function, rate: Function, target: float, start: float) -> float:
    """The smallest whole number y >= 0 with ``rises(y) >= target``, from a start.

    ``rate(y)`` is about rises(y) - rises(y - 1).
    """
    low, high, y = -1.0, np.inf, max(np.floor(start), 0.0)
    for n in range(1, _MAX_STEPS):
        value = rises(y)
        low, high = (low, y) if value >= target else (y, high)
        if high - low <= max(1.0, high / _WHOLE if np.isfinite(high) else 1.0):
            break
        step = _newton(target - value, rate(y), 2 * (y + 1))
        y = float(np.floor(y + step) if step > 0 else np.ceil(y + step))
        y = min(max(y, low + 1), high - 1) if np.isfinite(high) else max(y, low + 1)
        if n % _BISECT_EVERY == 0 and n > _TRUSTED:
            y = float(np.floor(0.5 * (low + min(high, 4 * low + 9))))
    return high + 0.0  # not -0.0


def reach_positive(rises: Function, rate: Function, target: float, start: float) -> float:
    """The y > 0 with ``rises(y) = target``, whose derivative is ``rate``: on the log scale."""
    low, high, x, before = -np.inf, np.inf, float(np.log(start)), np.inf
    for n in range(1, _MAX_STEPS):
        y = float(np.exp(x))
        value = rises(y)
        low, high = (low, x) if value >= target else (x, high)
        step = _newton(target - value, rate(y) * y, _FARTHEST)
        if abs(step) < _CLOSE or high - low < _THERE:
            x += step if low < x + step < high else 0.0
            break
        known = np.isfinite(low) and np.isfinite(high)
        slow = n % _BISECT_EVERY == 0 and abs(step) > 0.5 * before
        if not low < x + step < high or slow:
            step = 0.5 * (low + high) - x if known else np.copysign(_FARTHEST, target - value)
        x, before = x + step, abs(step)
    return float(np.exp(x))


def _newton(miss: float, rate: float, farthest: float) -> float:
    """The step of Newton's method, no farther than this."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        step = np.float64(miss) / rate
    return float(
        np.clip(np.nan_to_num(step, posinf=farthest, neginf=-farthest), -farthest, farthest)
    )
