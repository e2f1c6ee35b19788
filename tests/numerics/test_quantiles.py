from __future__ import annotations

import numpy as np
import pytest

from skhlm.numerics import quantiles
from skhlm.numerics.quantiles import central, describe, order_statistics, quantiles_of


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


def _rows() -> dict[str, np.ndarray]:
    """Rows of 1,000 numbers of every kind that draws can be."""
    rng = np.random.default_rng(2)
    normal = rng.normal(size=(20, 1000))
    with_nan, infinite = normal.copy(), normal.copy()
    with_nan[3, 5], infinite[7, :20] = np.nan, np.inf
    return {
        "normal": normal,
        "far apart": 1e9 + 1e-3 * normal,
        "heavy tails": rng.standard_cauchy((20, 1000)),
        "ties": rng.poisson(3.0, (20, 1000)).astype(float),
        "equal": np.full((20, 1000), -2.5),
        "tiny": 5e-324 * rng.integers(0, 9, (20, 1000)),
        "huge": 1e308 * rng.uniform(-1.7, 1.7, (20, 1000)),
        "infinite": infinite,
        "nan": with_nan,
    }


@pytest.mark.parametrize("ranks", [[0, 999], [24, 25, 974, 975], [500], [], [0], [999]])
@pytest.mark.parametrize("kind", _rows())
def test_order_statistics_are_those_of_sorted_rows_to_the_last_bit(
    kind: str, ranks: list[int]
) -> None:
    rows, at = _rows()[kind], np.array(ranks, dtype=np.int64)
    with np.errstate(all="raise"):
        found = order_statistics(rows, at)
    assert np.array_equal(found, np.sort(rows, axis=1)[:, at], equal_nan=True)


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.bool_])
def test_numbers_may_be_of_any_kind(dtype: type) -> None:
    rows = np.random.default_rng(3).integers(0, 2, (4, 300)).astype(dtype)
    expected = np.moveaxis(np.quantile(rows.astype(float), [0.1, 0.9], axis=1), 0, -1)
    np.testing.assert_array_equal(quantiles_of(rows, [0.1, 0.9]), expected)


def test_a_quantile_between_equal_numbers_is_that_number() -> None:
    rows = np.random.default_rng(4).choice([0.1, 0.3, 0.7], (200, 1000))
    assert np.isin(quantiles_of(rows, [0.05, 0.5, 0.95]), rows).all()


def test_an_infinite_neighbour_is_no_warning() -> None:
    rows = np.r_[-np.inf, np.arange(399.0), np.inf][None]
    with np.errstate(all="raise"):
        found = quantiles_of(rows, [0.0, 0.001, 0.5, 1.0])
    np.testing.assert_array_equal(found, [[-np.inf, -np.inf, 199.0, np.inf]])


@pytest.mark.parametrize("kind", ["normal", "far apart"])
def test_numbers_are_found_by_their_grade_as_a_rule(kind: str) -> None:
    _, certain = quantiles._by_grade(_rows()[kind], np.array([24, 25, 974, 975]))
    assert certain.mean() > 0.7
