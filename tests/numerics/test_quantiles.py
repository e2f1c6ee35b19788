from __future__ import annotations

import numpy as np

from skhlm.numerics.quantiles import central, describe, quantiles_of


def test_quantiles_of_agrees_with_numpy() -> None:
    values = np.random.default_rng(0).normal(size=(5, 2, 21))
    probabilities = [0.0, 0.05, 0.123, 0.5, 1.0]
    expected = np.moveaxis(np.quantile(values, probabilities, axis=-1), 0, -1)
    np.testing.assert_allclose(quantiles_of(values, probabilities), expected, rtol=1e-14)
    assert np.array_equal(quantiles_of(values[..., :1], [0.3]), values[..., :1])


def test_description_is_moments_and_quantiles() -> None:
    values = np.random.default_rng(1).normal(size=(3, 40))
    low, high = central(0.8)
    np.testing.assert_allclose([low, high], [0.1, 0.9])
    expected = [values.mean(axis=1), values.std(axis=1), *np.quantile(values, [0.1, 0.9], axis=1)]
    np.testing.assert_allclose(describe(values, (low, high)), np.transpose(expected), rtol=1e-13)
