"""Ranges of inputs from those of what is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.inputs.design import Ranges
from skhlm.methods.training_range import training_range


def ranges_of(function, low, high):
    """Where predictors were, if the input went from low to high."""
    values = function(np.linspace(low, high, 1001))
    return Ranges(values.min(axis=0), values.max(axis=0), values.mean(axis=0))


def columns(*functions):
    return lambda points: np.column_stack([function(points) for function in functions])


def strict_log(points):
    if (points <= 0).any():
        raise ValueError("no logarithm")
    return np.log(points)


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (columns(lambda x: x), 0.0, 9.0),
        (columns(lambda x: 3 - 2e5 * x), 5e-6, 5e-5),
        (columns(np.log), 5e-6, 5e-5),
        (columns(strict_log, np.sqrt), 0.3, 1e9),
        (columns(lambda x: x, lambda x: x**2), -2.0, 3.0),
        (columns(lambda t: (t - 1.7e9) / 86400), 1.7e9, 1.7e9 + 3600),
        (columns(np.ones_like, lambda x: np.maximum(x - 2, 0), lambda x: x), -1.0, 5.0),
    ],
)
@pytest.mark.parametrize("where", [0.0, 0.4, 1.0])
def test_the_range_shows_in_the_predictors(function, low, high, where):
    own = np.array([low + where * (high - low)])
    found = training_range(function, ranges_of(function, low, high), own)
    np.testing.assert_allclose(found, (low, high), rtol=1e-6, atol=1e-6 * (high - low))


def test_rows_outside_and_rows_without_a_value():
    function = columns(np.log1p)
    for own in (np.empty(0), np.array([1e6]), np.array([-0.99])):
        found = training_range(function, ranges_of(function, 0.0, 20.0), own)
        np.testing.assert_allclose(found, (0, 20), atol=1e-6)


def test_what_does_not_show():
    periodic = columns(np.sin, np.cos)
    ranges = ranges_of(periodic, 0.0, 2 * np.pi)
    assert training_range(periodic, ranges, np.array([1.0])) == (-np.inf, np.inf)
    constant = columns(np.zeros_like)
    assert np.isnan(training_range(constant, ranges_of(constant, 0, 1), np.array([1.0]))).all()
    ends = training_range(
        columns(lambda x: np.minimum(x, 4.0)), ranges_of(columns(lambda x: x), 0, 4), np.ones(1)
    )
    assert ends == (pytest.approx(0, abs=1e-6), np.inf)
