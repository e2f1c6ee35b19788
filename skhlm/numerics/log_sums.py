"""Sums and means of numbers that are given as logarithms, without overflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skhlm._typing import Floats


def log_sum_exp(x: Floats) -> Floats:
    """Logarithm of the sum of exp(x) along the last axis, (..., S) -> (...)."""
    return _log_of(np.sum, x)


def log_mean_exp(x: Floats) -> Floats:
    """Logarithm of the mean of exp(x) along the last axis, (..., S) -> (...)."""
    return _log_of(np.mean, x)


def _log_of(total: Callable[..., Any], x: Floats) -> Floats:
    """The largest is taken out first, unless it is infinite."""
    largest = x.max(axis=-1)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):  # all may be zero
        logs: Floats = np.log(total(np.exp(x - shift[..., None]), axis=-1)) + shift
    return logs
