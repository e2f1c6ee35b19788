"""Bent maps: increasing, invertible, and through the quantiles they are given."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.numerics.scale_maps import TAIL, bent, bent_slope, match_quantiles, unbent

Z = np.linspace(-6, 6, 25)
QUANTILES = np.array([[-2.0, 0.0, -9.0], [0.0, 1.0, -8.9], [1.5, 2.0, -1.0]])  # (3, 3)


def test_the_map_goes_through_the_quantiles_unless_they_are_too_skewed():
    found = bent(match_quantiles(QUANTILES), np.array([-TAIL, 0.0, TAIL])).T
    np.testing.assert_allclose(found[:, :2], QUANTILES[:, :2], rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(np.diff(found[[0, 2], 2]), 8.0)  # as wide, but less bent
    assert found[1, 2] == -8.9


@pytest.mark.parametrize("z", [-1e6, *Z, 1e6])
def test_the_slope_is_the_derivative_and_positive(z):
    coefficients, step = match_quantiles(QUANTILES), 1e-5 * max(1, abs(z))
    ends = bent(coefficients, np.array([z - step, z + step]))
    slope = bent_slope(coefficients, np.array([z]))[:, 0]
    np.testing.assert_allclose(np.diff(ends)[:, 0] / (2 * step), slope, rtol=1e-5)
    assert (slope > 0).all()


@pytest.mark.parametrize("lean", [0.0, 3.0])
def test_the_inverse_comes_back(lean):
    coefficients = match_quantiles(QUANTILES)
    found = unbent(coefficients, bent(coefficients, Z) + lean, lean)
    np.testing.assert_allclose(found, np.broadcast_to(Z, found.shape), atol=1e-9)


def test_quantiles_that_coincide_leave_an_increasing_map():
    coefficients = match_quantiles(np.full((3, 1), 2.0))
    assert (np.diff(bent(coefficients, Z * 1e6)) > 0).all()
