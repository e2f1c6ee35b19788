"""Normal numbers that depend on whom they are for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm.numerics.numbered_normals import numbered_normals
from tests.chance import SHIFT


@pytest.mark.parametrize("size", [1, 2, 3])
def test_they_are_the_same_whoever_else_there_is(size):
    owners, stream = np.arange(20), np.arange(31)
    whole = numbered_normals(7, owners, stream, size)
    assert whole.shape == (size, 20, 31)
    some, few = np.array([11, 3, 3, 19]), np.array([30, 0, 5])
    found = numbered_normals(7, some, few, size)
    np.testing.assert_array_equal(found, whole[:, some][:, :, few])
    assert len(np.unique(whole)) == whole.size
    assert not np.isin(numbered_normals(8, owners, stream, size), whole).any()


def test_they_are_standard_normal():
    """Kolmogorov's test at 1e-5 of each of three sets, and of correlations 1e-5 in all."""
    z = numbered_normals(1000 + SHIFT, np.arange(200), np.arange(500), 2)
    for numbers in (z, z[:, :, 0], z[0, 0]):
        assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-5
    bound = stats.norm.isf(1e-5 / 8) / np.sqrt(z[0].size)
    for other in (z[1], np.roll(z[0], 1, axis=0), np.roll(z[0], 1, axis=1), z[0] ** 2 - 1):
        assert abs((z[0] * other).mean()) < bound * np.sqrt(np.square(other).mean()) * 1.1


def test_they_are_the_same_in_all_versions():
    """Numbers of the Philox generator of Salmon et al. through Box and Muller, once and for all."""
    expected = [
        [-0.570250515347539, 1.9461275500051387],
        [1.3061721537494964, 0.8000921755350056],
    ]
    found = numbered_normals(7, np.array([0, 99_999]), np.array([0, 1]), 1)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_two_of_them_are_made_of_two_uniform_numbers():
    u = np.random.Generator(np.random.Philox(key=np.array([7, 12], dtype=np.uint64))).random(2)
    radius, angle = np.sqrt(-2 * np.log(1 - u[0])), 2 * np.pi * u[1]
    expected = radius * np.cos(angle), radius * np.sin(angle)
    found = numbered_normals(7, np.array([12]), np.array([0]), 2)[:, 0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_none_are_asked_for():
    assert numbered_normals(7, np.empty(0, dtype=np.int64), np.arange(3), 2).shape == (2, 0, 3)
