"""Canonical rows, cells, units and what varies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skhlm.draws import Draws
from skhlm.inputs.columns import Columns
from skhlm.inputs.design import (
    Rows,
    Units,
    canonical_rows,
    coefficient_names,
    learn_units,
    parse_varying,
    settled,
)
from skhlm.inputs.hierarchy import parse_groups
from tests.draws import auxiliary


def make_rows(rng, n=60, levels=(2, 4), ties=True):
    """Raw rows with many ties: predictors (n, 2), y, weights, codes (n, G) with every level."""
    X, y = rng.normal(size=(n, 2)), rng.normal(size=n)
    if ties:
        X, y = np.round(X), np.round(y)
    codes = np.column_stack([np.r_[:J, rng.integers(J, size=n - J)] for J in levels])
    return X, y, rng.integers(1, 4, n).astype(float), codes.astype(np.int64)


def same_bytes(a, b):
    return all(x.tobytes() == y.tobytes() and x.shape == y.shape for x, y in zip(a, b, strict=True))


def arrays(rows):
    return rows.X, rows.y, rows.weight, rows.cell, rows.codes


def model_arrays(rows):
    """Everything the engine sees, as bytes-comparable arrays."""
    units = learn_units(rows, ["a", "b"], autoscale=True, fit_intercept=True)
    return (*arrays(rows)[2:], units.predictors(rows.X), units.outcome(rows.y))


def test_rows_are_sorted_by_cell_and_merged():
    X = np.array([[2.0], [1.0], [2.0], [1.0]])
    rows = canonical_rows(X, np.array([5.0, 6, 5, 7]), np.ones(4), np.array([[1], [0], [1], [0]]))
    np.testing.assert_array_equal(rows.X, [[1], [1], [2]])
    np.testing.assert_array_equal(rows.y, [6, 7, 5])
    np.testing.assert_array_equal(rows.weight, [1, 1, 2])
    np.testing.assert_array_equal(rows.cell, [0, 0, 1])
    np.testing.assert_array_equal(rows.codes, [[0], [1]])


@pytest.mark.parametrize("seed", range(10))
def test_a_fingerprint_knows_neither_order_nor_rounding(seed):
    rng = np.random.default_rng(seed)
    X, y, weight, codes = make_rows(rng, ties=False)
    rows = canonical_rows(X, y, weight / 10, codes)
    order, nearly = rng.permutation(len(y)), 1 + 4e-16
    same = canonical_rows(X[order] * nearly, y[order] * nearly, weight[order] / 10, codes[order])
    assert same.fingerprint() == rows.fingerprint()
    assert len(rows.fingerprint()) == 64


def test_a_fingerprint_knows_every_array():
    X, y, weight, codes = make_rows(np.random.default_rng(0))
    X[0, 0] = 0.0
    other = codes.copy()
    other[-1] = (other[-1] + 1) % 2
    prints = [
        canonical_rows(*raw).fingerprint()
        for raw in (
            (X, y, weight, codes),
            (X + np.array([0, 1e-8]), y, weight, codes),
            (X, y * (1 + 1e-8), weight, codes),
            (X, y, weight * 2, codes),
            (X, y, weight, other),
            (X[:, :1], y, weight, codes),
            (X, y, weight, codes[:, :1]),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert canonical_rows(-X * -1.0, y, weight, codes).fingerprint() == prints[0]


@given(st.integers(0, 2**32 - 1))
def test_cells_are_the_distinct_combinations_of_levels(seed):
    X, y, weight, codes = make_rows(np.random.default_rng(seed), levels=(3, 2, 5))
    rows = canonical_rows(X, y, weight, codes)
    np.testing.assert_array_equal(rows.codes, np.unique(codes, axis=0))
    np.testing.assert_array_equal(np.unique(rows.cell), np.arange(len(rows.codes)))
    assert np.all(np.diff(rows.cell) >= 0)
    before = np.unique(np.column_stack([codes, X, y]), axis=0)
    after = np.column_stack([rows.codes[rows.cell], rows.X, rows.y])
    np.testing.assert_array_equal(np.unique(after, axis=0), before)
    assert len(after) == len(before)
    for g, total in enumerate(rows.level_weights((3, 2, 5))):
        np.testing.assert_array_equal(total, np.bincount(codes[:, g], weight))


def test_without_groups_there_is_one_cell():
    rows = canonical_rows(np.ones((3, 1)), np.arange(3.0), np.ones(3), np.empty((3, 0), np.int64))
    assert rows.codes.shape == (1, 0)
    np.testing.assert_array_equal(rows.cell, [0, 0, 0])
    assert rows.level_weights(()) == ()


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_order_of_rows_changes_no_byte(seed, ties):
    rng = np.random.default_rng(seed)
    X, y, _, codes = make_rows(rng, ties=ties)
    weight = rng.choice([0.1, 0.2, 0.3, 0.7], len(y))
    order = rng.permutation(len(y))
    assert same_bytes(
        model_arrays(canonical_rows(X, y, weight, codes)),
        model_arrays(canonical_rows(X[order], y[order], weight[order], codes[order])),
    )


@given(st.integers(0, 2**32 - 1))
def test_weights_are_repetitions_to_the_last_byte(seed):
    X, y, weight, codes = make_rows(np.random.default_rng(seed))
    times = weight.astype(int)
    repeated = [np.repeat(a, times, axis=0) for a in (X, y, np.ones_like(weight), codes)]
    assert same_bytes(
        model_arrays(canonical_rows(X, y, weight, codes)), model_arrays(canonical_rows(*repeated))
    )


@given(st.integers(0, 2**32 - 1), *[st.integers(-300, 300)] * 3)
def test_powers_of_two_change_nothing_but_the_units(seed, i, j, k):
    X, y, weight, codes = make_rows(np.random.default_rng(seed), ties=False)
    X += [1e9, 0.0]
    rows = canonical_rows(X, y, weight, codes)
    factors = np.ldexp(1.0, [i, j])
    scaled = canonical_rows(X * factors, np.ldexp(y, k), weight, codes)
    assert same_bytes(model_arrays(rows), model_arrays(scaled))
    units, other = (
        learn_units(r, ["a", "b"], autoscale=True, fit_intercept=True) for r in (rows, scaled)
    )
    assert other.y_center == np.ldexp(units.y_center, k)
    assert other.y_scale == np.ldexp(units.y_scale, k)
    np.testing.assert_array_equal(other.x_center, units.x_center * factors)
    np.testing.assert_array_equal(other.x_scale, units.x_scale * factors)


def test_negative_zero_has_the_bytes_of_zero():
    codes = np.zeros((2, 1), np.int64)
    rows = canonical_rows(np.array([[0.0], [-0.0]]), np.array([-0.0, 0.0]), np.ones(2), codes)
    assert rows.weight == [2]
    assert not np.signbit(rows.X).any()
    assert not np.signbit(rows.y).any()


def units_of(x, weight=None, name="x", **options):
    """Units of one predictor, with an outcome of mean 1 and sd 1."""
    x = np.asarray(x, dtype=float)
    weight = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)
    y = np.where(np.arange(len(x)) % 2, 2.0, 0.0)
    rows = Rows(x[:, None], y, weight, np.zeros(len(x), np.int64), np.empty((1, 0), np.int64))
    return learn_units(rows, [name], **{"autoscale": True, "fit_intercept": True, **options})


def test_units_are_weighted_means_and_population_sds():
    units = units_of([1, 2, 4, 8], weight=[1, 2, 2, 1])
    repeated = np.repeat([1, 2, 4, 8], [1, 2, 2, 1])
    assert units.x_center[0] == pytest.approx(repeated.mean(), rel=1e-15)
    assert units.x_scale[0] == pytest.approx(repeated.std(), rel=1e-15)


def test_a_large_offset_costs_no_digits():
    x = np.arange(1000.0)
    units = units_of(x + 1e9)
    assert units.x_center[0] == 1e9 + x.mean()
    assert units.x_scale[0] == pytest.approx(x.std(), rel=1e-14)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e9, 1e150])
def test_a_constant_is_centred_and_not_scaled(value):
    units = units_of([value] * 4)
    assert (units.x_center, units.x_scale) == ([value], [1])


def test_rounding_errors_are_no_variation():
    assert units_of([0.3, 0.1 + 0.2] * 4).x_scale == [1]
    assert units_of([1e9, 1e9 + 1e-3] * 4).x_scale[0] == pytest.approx(5e-4, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150])
def test_units_of_any_reasonable_size(scale):
    units = units_of(np.arange(6.0) * scale)
    assert units.x_scale[0] / scale == pytest.approx(np.arange(6.0).std(), rel=1e-14)
    assert np.isfinite(units.coefficient_scale).all()


@pytest.mark.parametrize("scale", [1e-160, 1e160, 1e307])
def test_units_out_of_range_name_the_column(scale):
    with pytest.raises(ValueError, match=r"values of predictor 'dose' are out of range.*Change"):
        units_of(np.arange(6.0) * scale, name="dose")


def test_autoscale_false_changes_nothing():
    units = units_of([1, 2, 4, 8], autoscale=False)
    X = np.array([[5.0]])
    np.testing.assert_array_equal(units.predictors(X), [[1, 5]])
    np.testing.assert_array_equal(units.centred(X), [[1, 5]])
    np.testing.assert_array_equal(units.outcome(np.array([7.0])), [7])
    np.testing.assert_array_equal(units.coefficient_scale, [1, 1])


def test_without_intercept_nothing_is_centred():
    units = units_of([1, 2, 4, 8], fit_intercept=False)
    assert (units.y_center, units.y_scale, units.x_center) == (0, 1, [0])
    np.testing.assert_array_equal(units.predictors(np.array([[5.0]])), [5 / units.x_scale])
    np.testing.assert_array_equal(units.coefficient_scale, 1 / units.x_scale)


@pytest.mark.parametrize(
    ("shift", "options", "is_centred", "are_users"),
    [
        (0, {}, True, False),
        (-3.75, {}, False, False),
        (-3.75 + 1e-12, {}, False, False),  # standardised columns have means of rounding size
        (0, {"autoscale": False}, False, True),
        (0, {"fit_intercept": False}, False, False),
    ],
)
def test_units_say_where_the_model_is_fitted(shift, options, is_centred, are_users):
    units = units_of(np.array([1, 2, 4, 8]) + shift, **options)
    assert (units.is_centred, units.are_users) == (is_centred, are_users)


UNITS = Units(True, 10.0, 4.0, np.array([3.0, -1.0]), np.array([2.0, 8.0]))


def test_the_model_predicts_the_same_in_both_units():
    rng = np.random.default_rng(0)
    shape = (2, 5)
    varying = (np.array([0, 2]), np.array([1]))
    model = Draws(
        kappa=rng.normal(size=(*shape, 3)),
        delta=(rng.normal(size=(*shape, 4, 2)), rng.normal(size=(*shape, 3, 1))),
        tau=(rng.random((*shape, 2)), rng.random((*shape, 1))),
        omega=(),
        auxiliary=auxiliary(rng.random(shape), rng.random(shape) + 1),
    )
    user = UNITS.draws(model, varying)
    X = rng.normal(size=(7, 2))

    def expected(draws, Z):
        """kappa and the effects of level 1 of each factor, times the predictors."""
        beta = draws.kappa.copy()
        for delta, columns in zip(draws.delta, varying, strict=True):
            beta[..., columns] += delta[..., 1, :]
        return beta @ Z.T

    in_model = UNITS.y_center + UNITS.y_scale * expected(model, UNITS.predictors(X))
    np.testing.assert_allclose(expected(user, UNITS.centred(X)), in_model, rtol=1e-13)
    np.testing.assert_allclose(user.tau[0] / model.tau[0], np.broadcast_to([4, 0.5], (2, 5, 2)))
    np.testing.assert_allclose(user.auxiliary["sigma"], 4 * model.auxiliary["sigma"])
    np.testing.assert_array_equal(user.auxiliary["nu"], model.auxiliary["nu"])


def test_names_of_coefficients():
    assert coefficient_names(["a", "b"], fit_intercept=True) == ("Intercept", "a", "b")
    assert coefficient_names(["Intercept"], fit_intercept=False) == ("Intercept",)
    assert coefficient_names([], fit_intercept=True) == ("Intercept",)
    with pytest.raises(ValueError, match=r"nothing to estimate.*fit_intercept=True"):
        coefficient_names([], fit_intercept=False)
    with pytest.raises(ValueError, match=r"A predictor is called 'Intercept'.*Rename"):
        coefficient_names(["Intercept"], fit_intercept=True)


COLUMNS = Columns(5, ("region", "country", "price", "spend", "industry"))
HIERARCHIES = parse_groups(["region/country", "industry"], COLUMNS)
COEFFICIENTS = ("Intercept", "price", "spend")
ALL = [0, 1, 2]


def parse(varying, coefficients=COEFFICIENTS):
    return [list(v) for v in parse_varying(varying, COLUMNS, HIERARCHIES, coefficients)]


@pytest.mark.parametrize(
    ("varying", "expected"),
    [
        ("all", [ALL, ALL, ALL]),
        ("intercept", [[0], [0], [0]]),
        (["spend"], [[2], [2], [2]]),
        (("spend",), [[2], [2], [2]]),
        ({"spend"}, [[2], [2], [2]]),
        (frozenset({"spend", "Intercept"}), [[0, 2], [0, 2], [0, 2]]),
        (pd.Index(["spend"]), [[2], [2], [2]]),
        (np.array(["spend", "price"]), [[1, 2], [1, 2], [1, 2]]),
        (np.array([3, 2]), [[1, 2], [1, 2], [1, 2]]),
        (pd.Series(["spend"], index=[7]), [[2], [2], [2]]),
        (pl.Series(["spend"]), [[2], [2], [2]]),
        (np.str_("intercept"), [[0], [0], [0]]),
        ({np.str_("region"): np.array(["price"])}, [[1], ALL, ALL]),
        (["spend", "Intercept", "spend"], [[0, 2], [0, 2], [0, 2]]),
        ([3, 2], [[1, 2], [1, 2], [1, 2]]),
        ({}, [ALL, ALL, ALL]),
        ({"industry": "intercept"}, [ALL, ALL, [0]]),
        ({"region/country": "intercept"}, [[0], [0], ALL]),
        ({"region": ["price"]}, [[1], ALL, ALL]),
        ({"region": ["price"], "region/country": "intercept"}, [[1], [0], ALL]),
        ({("region", "country"): "intercept", 4: ["spend"]}, [[0], [0], [2]]),
        ({(0, 1): "intercept", (0,): "all"}, [ALL, [0], ALL]),
    ],
)
def test_every_form_of_varying(varying, expected):
    assert parse(varying) == expected


@pytest.mark.parametrize(
    ("varying", "error", "message"),
    [
        ("spend", TypeError, r"varying: got 'spend'; it is 'all', 'intercept' or a list"),
        (None, TypeError, "varying: got None"),
        (np.array("spend"), TypeError, "varying: got array"),
        (np.array([["spend"]]), TypeError, "varying: got array"),
        (pd.DataFrame({"spend": range(999)}), TypeError, "(?s)varying: got .*it is 'all'"),
        (b"spend", TypeError, "varying: got b'spend'"),
        (set(), ValueError, "varying: the list is empty"),
        ([], ValueError, "varying: the list is empty.*take the factor out of `groups`"),
        ({"region": []}, ValueError, "varying for 'region': the list is empty"),
        (["spnd"], ValueError, r"varying: there is no column 'spnd'.*mean 'spend'\?"),
        ({"region": ["spnd"]}, ValueError, "varying for 'region': there is no column 'spnd'"),
        (["country"], ValueError, "'country' is a group column or the exposure, not a predictor"),
        ([1], ValueError, "'country' is a group column or the exposure, not a predictor"),
        ([1.5], TypeError, "got 1.5 of type float"),
        ({"regoin": "all"}, ValueError, r"no hierarchy or grouping factor 'regoin'.*'region'\?"),
        ({"country": "all"}, ValueError, "no hierarchy or grouping factor 'country'"),
        ({("country",): "all"}, ValueError, "no hierarchy or grouping factor"),
        ({1.5: "all"}, TypeError, "got 1.5 of type float"),
        (["intercept"], ValueError, "varying: in a list the intercept is called 'Intercept'"),
        ({"industry": ["intercept"]}, ValueError, "for 'industry': in a list the intercept is"),
        ({0: "all", "region": "intercept"}, ValueError, "0 and 'region' name the same thing"),
        (
            {"region/country": "all", ("region", "country"): "intercept"},
            ValueError,
            r"'region/country' and \('region', 'country'\) name the same thing. Keep one",
        ),
    ],
)
def test_a_varying_that_makes_no_sense_names_value_and_remedy(varying, error, message):
    with pytest.raises(error, match=message):
        parse(varying)


@pytest.mark.parametrize("varying", ["intercept", ["Intercept"]])
def test_there_must_be_an_intercept_for_it_to_vary(varying):
    with pytest.raises(ValueError, match="no intercept that could vary, as fit_intercept=False"):
        parse(varying, coefficients=("price", "spend"))


def test_what_varies_is_checked_without_groups_too():
    assert parse_varying("all", COLUMNS, (), COEFFICIENTS) == ()
    with pytest.raises(ValueError, match="no column 'spnd'"):
        parse_varying(["spnd"], COLUMNS, (), COEFFICIENTS)


def _rows_and_units(y, fit_intercept):
    rows = canonical_rows(np.zeros((4, 0)), y, np.ones(4), np.zeros((4, 0), dtype=np.int64))
    return rows, learn_units(rows, (), autoscale=True, fit_intercept=fit_intercept)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_an_outcome_of_rounding_errors_is_settled(fit_intercept):
    y = 0.17 + np.array([0.0, 1.0, -1.0, 2.0]) * np.spacing(0.17)
    rows, units = _rows_and_units(y, fit_intercept)
    assert np.ptp(units.outcome(settled(rows.y, units))) == 0
    other = rows.y + np.array([0.0, 0.0, 0.0, 1e-12])
    assert settled(other, units) is other


@pytest.mark.parametrize("steps", range(1, 12))
@pytest.mark.parametrize("size", [0.17, 0.13, 0.9, 1.1, 3e-5, 7e9])
def test_an_outcome_is_settled_where_it_has_no_scale_of_its_own(size, steps):
    y = size + np.array([0.0, 1.0, 0.5, 1.0]) * steps * np.spacing(size)
    rows, units = _rows_and_units(y, fit_intercept=True)
    outcome = units.outcome(settled(rows.y, units))
    assert np.ptp(outcome) == 0 if units.y_scale == 1 else np.ptp(outcome) > 1
