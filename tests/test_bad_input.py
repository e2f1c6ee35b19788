"""Bad input for grouped regression, one kind after the other: what fit and prediction make of it.

Almost all of it is decided before sampling, and tested there: `fit` is what `HLMRegressor.fit` does
before it samples, `read` what its methods that predict do before they calculate.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import ConvergenceWarning

from skhlm import HLMRegressor
from skhlm.exceptions import IdentificationWarning
from skhlm.posterior import at_zero
from skhlm.preparation import prepare

N = 24
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "region": np.repeat(["APAC", "EMEA"], N // 2),
        "country": np.tile(["a", "b", "c"], N // 3),
        "spend": RNG.normal(size=N),
        "price": RNG.normal(size=N),
    }
)
Y = FRAME["spend"].to_numpy() + RNG.normal(size=N)
NESTED = "region/country"


def fit(X=FRAME, y=Y, weight=None, groups=NESTED, **parameters):
    """A model with its problem, the spec that prediction uses, and the canonical rows."""
    model = HLMRegressor(groups, **parameters)
    model._validate_params()
    return model, *prepare(model, X, y, weight)


def read(X, *given, **parameters):
    """Codes (n, G) of the levels of rows to predict by a model of `FRAME`, or of what is given."""
    model, _, spec, _ = fit(*given, **parameters)
    return spec.read(model, X)[1]


def same_problem(one, other):
    """Whether two problems are the same, bit for bit."""
    rows, others = one.evidence, other.evidence
    return one.codes.tobytes() == other.codes.tobytes() and all(
        getattr(rows, name).tobytes() == getattr(others, name).tobytes()
        for name in ("X", "y", "weight", "cell")
    )


def short(**parameters):
    """A model that takes a moment to fit."""
    return HLMRegressor(chains=1, iter_warmup=20, iter_sampling=20, random_state=0, **parameters)


def fit_noting(model, X, y):
    """Fit, and what was warned of besides short chains."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return [w for w in caught if w.category is not ConvergenceWarning]


# --- unseen level at predict ----------------------------------------------------------------------


def test_an_unseen_level_is_predicted_by_the_rest_of_the_model():
    X = FRAME.iloc[:3].assign(region=["APAC", "APAC", "MENA"], country=["a", "?", "?"])
    np.testing.assert_array_equal(read(X), [[0, 0], [0, -1], [-1, -1]])


def test_an_unseen_level_can_be_an_error():
    X = FRAME.iloc[:2].assign(country="?")
    message = r"'region/country': 2 row\(s\).*\('APAC', '\?'\).*unseen='population'"
    with pytest.raises(ValueError, match=message):
        read(X, unseen="error")
    with pytest.raises(
        ValueError, match=r"'country': 2 row\(s\) .* or none: '\?', first in row 0\. Remove"
    ):
        read(
            X.drop(columns="region"), FRAME.drop(columns="region"), groups="country", unseen="error"
        )


# --- NaN or None in a group column ----------------------------------------------------------------


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_group_value_is_an_error_at_fit_and_a_new_level_at_predict(missing):
    country = FRAME["country"].astype(object)
    country[[1, 5]] = missing
    X = FRAME.assign(country=country)
    with pytest.raises(
        ValueError, match=r"group columns at fit .*'country': 2, first in row 1\. Drop these rows"
    ):
        fit(X)
    np.testing.assert_array_equal(np.flatnonzero(read(X)[:, 1] < 0), [1, 5])
    with pytest.raises(ValueError, match=r"'region/country': 2 row\(s\).*\('APAC', None\)"):
        read(X, unseen="error")


# --- mixed types 1 and '1' ------------------------------------------------------------------------


def test_numbers_mixed_with_text_are_an_error_with_an_example_of_each():
    X = FRAME.assign(country=pd.Series([1, "1", 2] * 8, dtype=object))
    with pytest.raises(TypeError, match=r"'country' mixes kinds of labels: 1 is a number, '1' a s"):
        fit(X)


@pytest.mark.parametrize("one", [1, 1.0, True, np.int8(1), np.float32(1), np.bool_(True)])
def test_equal_numbers_are_one_level(one):
    country = pd.Series([1, one, 2] * 8, dtype=object)
    _, problem, spec, _ = fit(FRAME.assign(region=1, country=country))
    assert spec.labels.levels == (((1,),), ((1, 1), (1, 2)))
    assert problem.n_levels == (1, 2)


# --- type changes fit -> predict ------------------------------------------------------------------

CHANGED = {
    "number to text": (
        [1, 2, 3],
        ["1", "2", "3"],
        "a whole number, at fit and now holds '1', a string",
    ),
    "text to number": (
        ["1", "2", "3"],
        [1, 2, 3],
        "a string, at fit and now holds 1, a whole number",
    ),
    "whole to fraction": (
        [1, 2, 3],
        [1.5, 2.5, 0.1],
        "a whole number, at fit and now holds 1.5, a frac",
    ),
    "date to text": (
        [dt.date(2020, 1, day) for day in (1, 2, 3)],
        ["2020-01-01", "2020-01-02", "2020-01-03"],
        "a date, at fit and now holds '2020-01-01', a string",
    ),
}


@pytest.mark.parametrize(("before", "after", "message"), CHANGED.values(), ids=CHANGED)
def test_a_column_whose_type_changed_is_an_error_and_not_a_silent_mismatch(before, after, message):
    X, other = (FRAME.assign(region=1, country=pd.Series(v * 8)) for v in (before, after))
    with pytest.raises(TypeError, match=f"'country' held labels such as .*{message}"):
        read(other, X)


@pytest.mark.parametrize("dtype", ["float64", "int8", "object", "category", "Int64", "float16"])
def test_a_column_whose_values_are_equal_matches_whatever_its_type(dtype):
    X = FRAME.assign(country=np.tile([1, 2, 3], 8))
    np.testing.assert_array_equal(read(X.astype({"country": dtype}), X), read(X, X))


def test_new_whole_numbers_beside_missing_ones_are_unseen_levels():
    X = FRAME.assign(country=np.tile([1, 2, 3], 8))
    other = X.assign(country=np.tile([4.0, np.nan, 5.0], 8))
    assert (read(other, X)[:, 1] == -1).all()


# --- child under two parents ----------------------------------------------------------------------


def test_a_nested_level_is_its_whole_path():
    _, problem, spec, _ = fit()
    assert problem.n_levels == (2, 6)
    assert spec.labels.levels[1][:4] == (("APAC", "a"), ("APAC", "b"), ("APAC", "c"), ("EMEA", "a"))


def test_a_known_child_under_an_unknown_parent_is_a_new_path():
    X = FRAME.iloc[:2].assign(region="MENA")
    np.testing.assert_array_equal(read(X), [[-1, -1], [-1, -1]])
    only = FRAME[(FRAME["region"] == "EMEA") | (FRAME["country"] == "a")]
    moved = FRAME[(FRAME["region"] == "APAC") & (FRAME["country"] == "b")]
    codes = read(moved, only, Y[only.index])
    np.testing.assert_array_equal(codes, [[0, -1]] * len(moved))


# --- constant predictor, perfectly collinear, near collinear, p > n -------------------------------


@pytest.mark.parametrize("value", [7.0, 0.0, 1e9, -3e-9])
def test_a_constant_predictor_is_kept_and_not_scaled(value):
    model, problem, spec, _ = fit(FRAME.assign(price=value))
    assert spec.labels.coefficients == ("Intercept", "spend", "price")
    assert spec.units.x_scale[1] == 1
    np.testing.assert_array_equal(problem.evidence.X.T[:, 2], 0)
    assert model.n_features_in_ == 4


WEAK = {
    "constant predictor": (FRAME.assign(price=7.0), Y, NESTED, "'price'"),
    "perfectly collinear": (FRAME.assign(price=2 * FRAME["spend"] + 1), Y, NESTED, "'price'"),
    "one observation per group": (FRAME.assign(country=range(N)), Y, "country", "'country'"),
    "one group only": (FRAME.assign(country="a"), Y, "country", "'country'"),
    "y constant": (FRAME, np.full(N, 5.0), NESTED, "y"),
}


@pytest.mark.parametrize(("X", "y", "groups", "name"), WEAK.values(), ids=WEAK)
def test_what_the_data_do_not_tell_is_fitted_by_the_prior_with_one_warning(X, y, groups, name):
    X = X if groups == NESTED else X.drop(columns="region")
    model = short(groups=groups)
    caught = fit_noting(model, X, y)
    assert [warning.category for warning in caught] == [IdentificationWarning]
    assert name in str(caught[0].message)
    assert caught[0].filename == __file__
    lower, upper = model.predict_interval(X).T
    assert np.isfinite(model.predict(X)).all() and (lower <= upper).all()


def test_the_coefficient_of_a_constant_predictor_comes_from_its_prior():
    model = short(groups="country", varying="intercept")
    fit_noting(model, FRAME.drop(columns="region").assign(price=7.0), Y)
    price = at_zero.kappa(model._posterior)[2]
    prior = 10 * np.std(Y)  # normal(0, 10) in units of sd(y), as the column is not scaled
    assert abs(price.mean()) < 5 * prior / np.sqrt(len(price))
    assert 0.3 < price.std() / prior < 3


def test_predictions_do_not_mind_collinear_columns():
    X = FRAME[["country", "spend"]]
    model, twice = (short(groups="country", varying="intercept") for _ in range(2))
    fit_noting(model, X, Y)
    again = X.assign(again=X["spend"])
    fit_noting(twice, again, Y)
    spread = np.sqrt(2 / 20) * model.predict(X, return_std=True)[1]
    assert (np.abs(model.predict(X) - twice.predict(again)) < 3 * spread).all()


def test_more_predictors_than_rows_are_fitted():
    X = RNG.normal(size=(8, 12))
    model = short()
    fit_noting(model, X, X[:, 0])
    assert np.isfinite(model.coef_).all() and model.coef_.shape == (12,)


def test_a_constant_y_is_predicted_as_it_is():
    model = short(groups=NESTED)
    fit_noting(model, FRAME, np.full(N, 5.0))
    mean, sd = model.predict(FRAME, return_std=True)
    np.testing.assert_allclose(mean, 5, atol=1e-5)
    assert (sd < 1e-4).all()


# --- few groups -----------------------------------------------------------------------------------


def test_fewer_than_five_levels_are_noted():
    model = short(groups="country", varying="intercept")
    fit_noting(model, FRAME.drop(columns="region"), Y)
    assert any("country" in note and "3" in note for note in model.diagnostics_.notes)


# --- one group with huge n, others tiny -----------------------------------------------------------


def test_a_huge_group_beside_tiny_ones_costs_a_few_rows():
    n = 100_000
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"g": np.r_[np.zeros(n, int), 1, 2, 3], "x": rng.integers(0, 50, n + 3)})
    _, problem, spec, _ = fit(X, rng.integers(0, 20, n + 3) / 4, groups="g", family="normal")
    assert problem.n_levels == (4,)
    np.testing.assert_array_equal(spec.level_weights[0], [n, 1, 1, 1])
    assert len(problem.evidence.y) <= 50 * 20 + 3
    assert problem.evidence.n_obs == n + 3


# --- y x 1e9, x 1e-9 ------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2.0**30, 2.0**-30, 2.0**490])
def test_powers_of_two_change_nothing_but_the_units(factor):
    _, expected, _, _ = fit()
    _, problem, spec, _ = fit(FRAME.assign(spend=FRAME["spend"] * factor), Y * factor)
    assert same_problem(problem, expected)
    assert spec.units.y_scale == factor * fit()[2].units.y_scale


@pytest.mark.parametrize("factor", [1e9, 1e-9, 1e150, 1e-150])
def test_other_factors_change_nothing_beyond_rounding(factor):
    _, expected, _, _ = fit()
    _, problem, _, _ = fit(FRAME.assign(price=FRAME["price"] * factor), Y * factor)
    np.testing.assert_allclose(problem.evidence.X.T, expected.evidence.X.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(problem.evidence.y, expected.evidence.y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("factor", [1e155, 1e-155, 1e300, 1e-300])
def test_sizes_whose_squares_overflow_are_an_error_that_names_the_column(factor):
    with pytest.raises(ValueError, match=r"values of y are out of range .*Change their unit"):
        fit(y=Y * factor)
    with pytest.raises(ValueError, match=r"values of predictor 'price' are out of range"):
        fit(FRAME.assign(price=FRAME["price"] * factor))


@pytest.mark.parametrize("factor", [1e9, 1e-9])
def test_predictions_follow_the_units_of_y(factor):
    model, scaled = short(groups="country"), short(groups="country")
    X = FRAME.drop(columns="region")
    fit_noting(model, X, Y)
    fit_noting(scaled, X, Y * factor)
    error = model.predict(X, return_std=True)[1] * np.sqrt(2 / 20)
    assert (np.abs(scaled.predict(X) / factor - model.predict(X)) < 3 * error).all()


# --- predictors with offset 1e9 -------------------------------------------------------------------


@pytest.mark.parametrize("offset", [1e9, -1e12])
def test_an_offset_costs_no_digits(offset):
    whole = np.arange(N, dtype=float)
    _, expected, _, _ = fit(FRAME.assign(price=whole))
    _, problem, _, _ = fit(FRAME.assign(price=whole + offset))
    np.testing.assert_allclose(problem.evidence.X.T, expected.evidence.X.T, rtol=1e-13, atol=1e-13)


def test_levels_spelt_otherwise_are_new_but_not_in_silence():
    model, _, spec, _ = fit()
    with pytest.warns(UserWarning, match="country: 'A' for 'a'; country: 'B' for 'b'") as caught:
        codes = spec.read(model, FRAME.assign(country=FRAME["country"].str.upper()))[1]
    assert len(caught) == 1
    assert (codes[:, 1] < 0).all()


# --- inf or NaN in X, y ---------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity or a value too")])
def test_what_is_not_finite_is_said_in_the_words_of_scikit_learn(value, what):
    bad = np.where(np.arange(N) == 3, value, Y)
    with pytest.raises(ValueError, match=rf"^Input X contains {what}.*Columns: 'spend': 1 row\."):
        fit(FRAME.assign(spend=bad))
    with pytest.raises(ValueError, match=rf"^Input y contains {what}"):
        fit(y=bad)
    model, _, spec, _ = fit()
    with pytest.raises(ValueError, match=rf"^Input X contains {what}.*'spend': 1 row\."):
        spec.read(model, FRAME.assign(spend=bad))


# --- integer overflow -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint64", "int64"])
def test_integers_of_any_width_are_numbers_and_levels(dtype):
    limits = np.iinfo(dtype)
    values = np.tile(np.array([limits.min, limits.max, 1], dtype=dtype), 8)
    _, problem, spec, rows = fit(FRAME.assign(country=values, price=values), y=values)
    assert spec.labels.levels[1][0] == ("APAC", int(limits.min))
    assert problem.codes.max() == 5
    assert set(rows.X[:, 1]) == set(values.astype(float))
    assert set(rows.y) == set(values.astype(float))


def test_identifiers_beyond_32_bits_and_beyond_floats_are_told_apart():
    large = pd.Series([2**40, 2**63 + 1, 2**63 + 2] * 8, dtype=object)
    _, problem, spec, _ = fit(FRAME.assign(country=large))
    assert problem.n_levels == (2, 6)
    assert spec.labels.levels[1][2] == ("APAC", 2**63 + 2)


def test_a_whole_number_that_no_float_can_hold_is_an_error_that_names_its_column():
    X = FRAME.assign(price=pd.Series([10**400] * N, dtype=object))
    with pytest.raises(ValueError, match=r"columns are not: 'price' \(int too large"):
        fit(X)


# --- empty frame, no features ---------------------------------------------------------------------


def test_no_rows_and_no_columns_are_said_in_the_words_of_scikit_learn():
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        fit(FRAME.iloc[:0], Y[:0])
    with pytest.raises(ValueError, match=r"Found array with 0 feature\(s\).*minimum of 1"):
        fit(FRAME[[]], groups=None)
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        read(FRAME.iloc[:0])
    with pytest.raises(ValueError, match=r"1 sample\(s\).*minimum of 2"):
        fit(FRAME.iloc[:1], Y[:1])


# --- all group columns, no predictors -------------------------------------------------------------


def test_group_columns_alone_are_a_model_of_intercepts():
    _, problem, spec, _ = fit(FRAME[["region", "country"]])
    assert spec.labels.coefficients == ("Intercept",)
    np.testing.assert_array_equal(problem.evidence.X.T, 1)


# --- duplicated column names ----------------------------------------------------------------------


@pytest.mark.parametrize("groups", [None, "a", 0])
def test_columns_of_the_same_name_are_an_error(groups):
    X = FRAME[["spend", "price"]].set_axis(["a", "a"], axis=1)
    with pytest.raises(ValueError, match=r"several columns of the same name: 'a'\. Rename"):
        fit(X, groups=groups)
    with pytest.raises(TypeError, match="only supported if all input features have string names"):
        fit(X.set_axis(["a", 1], axis=1), groups=groups)


# --- reordered, missing or extra columns; an array after a frame ----------------------------------


def test_columns_must_be_those_of_fit_in_their_order():
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        read(FRAME[["country", "region", "spend", "price"]])
    with pytest.raises(ValueError, match=r"(?s)seen at fit time, yet now missing.*price"):
        read(FRAME.drop(columns="price"))
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time.*extra"):
        read(FRAME.assign(extra=1.0))


def test_an_array_after_a_frame_is_an_error_or_a_warning():
    with pytest.raises(ValueError, match="X has no column names, but `groups` names columns of X"):
        read(FRAME.to_numpy())
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        codes = read(FRAME.to_numpy(), groups=(0, 1))
    np.testing.assert_array_equal(codes, read(FRAME))


# --- categorical dtype, unused categories; different category order -------------------------------


@pytest.mark.parametrize("ordered", [False, True])
def test_categories_that_no_row_has_are_no_levels(ordered):
    dtype = pd.CategoricalDtype(["z", "c", "b", "a"], ordered=ordered)
    X = FRAME.astype({"country": dtype})
    _, problem, spec, _ = fit(X)
    assert same_problem(problem, fit()[1])
    assert spec.labels.levels == fit()[2].labels.levels
    unseen = X.assign(country=pd.Categorical(["z"] * N, dtype=dtype))
    assert (read(unseen, X)[:, 1] == -1).all()


def test_categories_match_by_label_and_not_by_code():
    one, other = (pd.CategoricalDtype(order) for order in (["a", "b", "c"], ["c", "a", "b"]))
    X = FRAME.astype({"country": one})
    np.testing.assert_array_equal(read(FRAME.astype({"country": other}), X), read(FRAME))


# --- nullable and pyarrow types, polars -----------------------------------------------------------

TYPED = {
    "nullable": FRAME.convert_dtypes(),
    "pyarrow": FRAME.convert_dtypes(dtype_backend="pyarrow"),
    "string[pyarrow]": FRAME.astype({"region": "string[pyarrow]", "country": "string[python]"}),
    "polars": pl.from_pandas(FRAME),
    "polars categorical": pl.from_pandas(FRAME).cast({"country": pl.Categorical}),
}


@pytest.mark.parametrize("X", TYPED.values(), ids=TYPED)
def test_every_type_is_the_same_problem(X):
    assert same_problem(fit(X)[1], fit()[1])
    np.testing.assert_array_equal(read(X), read(FRAME))


@pytest.mark.parametrize("dtype", ["Float64", "Int64", "boolean", "double[pyarrow]"])
def test_a_missing_number_is_not_a_number_in_every_type(dtype):
    price = pd.array([None] + [1] * (N - 1), dtype=dtype)
    with pytest.raises(ValueError, match=r"Input X contains NaN\. Columns: 'price': 1 row\."):
        fit(FRAME.assign(price=price))


# --- boolean predictors, numeric strings, dates ---------------------------------------------------


def test_booleans_are_zero_and_one_and_may_be_levels():
    flag = FRAME["price"] > 0
    as_flag, as_number = fit(FRAME.assign(price=flag)), fit(FRAME.assign(price=flag * 1.0))
    assert same_problem(as_flag[1], as_number[1])
    _, _, spec, _ = fit(FRAME.assign(country=flag))
    assert spec.labels.levels[1][:2] == (("APAC", False), ("APAC", True))


def test_text_that_spells_numbers_is_converted_as_scikit_learn_does():
    X = FRAME.assign(price=FRAME["price"].map(repr).astype(object))
    assert same_problem(fit(X)[1], fit()[1])


@pytest.mark.parametrize("values", ["date", "duration", "zoned"])
def test_dates_are_no_predictors(values):
    when = pd.Series(pd.Timestamp("2020-01-31"), index=range(N))
    when = {"date": when, "duration": when - when, "zoned": when.dt.tz_localize("UTC")}[values]
    with pytest.raises(TypeError, match=r"dates or times: 'price'\. Turn them into numbers"):
        fit(FRAME.assign(price=when))


def test_complex_predictors_are_not_cut_to_their_real_parts():
    with pytest.raises(ValueError, match=r"Complex data not supported, .* complex: 'price'"):
        fit(FRAME.assign(price=1j * FRAME["price"]))


# --- misaligned index -----------------------------------------------------------------------------


def test_rows_are_paired_by_position_with_a_warning_where_labels_disagree():
    backwards = pd.Series(Y, index=FRAME.index[::-1])
    with pytest.warns(UserWarning, match=r"X and y have the same index labels in different orders"):
        assert same_problem(fit(y=backwards)[1], fit()[1])
    with pytest.warns(UserWarning, match=r"X and sample_weight have.*sample_weight.loc\[X.index\]"):
        fit(weight=pd.Series(1.0, index=FRAME.index[::-1]))
    assert same_problem(fit(y=pd.Series(Y, index=range(100, 100 + N)))[1], fit()[1])


# --- sample weights -------------------------------------------------------------------------------

BAD_WEIGHTS = {
    "negative": (np.r_[-1, np.ones(N - 1)], "Negative values in data passed to `sample_weight`"),
    "all zero": (np.zeros(N), "Sample weights must contain at least one non-zero number"),
    "NaN": (np.r_[np.nan, np.ones(N - 1)], "Input sample_weight contains NaN"),
    "infinite": (np.full(N, np.inf), "Input sample_weight contains infinity"),
    "too large to add": (np.full(N, 1e308), "sum of sample_weight is too large for a float"),
    "short": (np.ones(N - 1), r"sample_weight.shape == \(23,\), expected \(24,\)"),
    "text": (["a"] * N, "sample_weight must hold numbers"),
    "too large": ([10**400] * N, "sample_weight must hold numbers"),
}


@pytest.mark.parametrize(("weight", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_weights_that_cannot_be_used(weight, message):
    with pytest.raises(ValueError, match=message):
        fit(weight=weight)


def test_a_group_of_total_weight_zero_is_unseen():
    weight = (FRAME["country"] != "b").astype(float)
    X = FRAME.drop(columns="region")
    assert fit(X, Y, weight, groups="country")[1].n_levels == (2,)
    codes = read(X, X, Y, weight, groups="country")
    np.testing.assert_array_equal(codes[:, 0], np.tile([0, -1, 1], 8))


def test_a_weight_is_a_repetition():
    weight = np.arange(N) % 3
    again = np.repeat(np.arange(N), weight)
    repeated = FRAME.iloc[again].reset_index(drop=True)
    assert same_problem(fit(weight=weight)[1], fit(repeated, Y[again])[1])
    assert "frequency weights" in HLMRegressor.fit.__doc__.lower()
    assert "lme4" in HLMRegressor.fit.__doc__


# --- float32, F-order, read-only, lists, 1-D ------------------------------------------------------


def test_layouts_and_containers_are_one_problem():
    array = FRAME[["spend", "price"]].to_numpy()
    expected = fit(array, groups=None)[1]
    readonly = np.array(array)
    readonly.flags.writeable = False
    for X in (np.asfortranarray(array), readonly, array.tolist(), array.astype(object)):
        assert same_problem(fit(X, groups=None)[1], expected)
    single = fit(array.astype(np.float32), groups=None)[1]
    np.testing.assert_allclose(single.evidence.X.T, expected.evidence.X.T, atol=1e-6)
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        fit(array[:, 0], groups=None)


# --- labels ---------------------------------------------------------------------------------------

ODD = ["", " ", "  ", " a", "a", "A", "a\n", "a\x00", "\x00", "\t", "/", "%s", "{}", "nan", "None"]
ODD += ["é", unicodedata.normalize("NFD", "é"), "\u200b", "😀", "x" * 10_000, "-1", "NA"]


def test_labels_are_what_they_are_to_the_last_character():
    X = pd.DataFrame({"g": pd.Series(ODD * 2, dtype=object), "x": range(2 * len(ODD))})
    y = np.arange(len(X)) % 7
    with pytest.warns(UserWarning, match="differ from others by case, white space or Unicode form"):
        model, problem, spec, _ = fit(X, y, groups="g")
    assert [level for (level,) in spec.labels.levels[0]] == sorted(ODD)
    codes = spec.read(model, X)[1][:, 0]
    np.testing.assert_array_equal(codes, [sorted(ODD).index(label) for label in ODD * 2])
    strange = X.assign(g=pd.Series([label + "\u0301" for label in ODD * 2], dtype=object))
    known = [label + "\u0301" in ODD for label in ODD * 2]
    np.testing.assert_array_equal(spec.read(model, strange)[1][:, 0] >= 0, known)
    assert problem.n_levels == (len(ODD),)


def test_half_a_character_is_an_error():
    X = FRAME.astype({"country": object})
    with pytest.raises(ValueError, match=r"'country': label 'a\\ud800' holds '\\ud800', half a"):
        fit(X.assign(country=pd.Series(["a\ud800", "b"] * 12, dtype=object)))
    with pytest.raises(ValueError, match=r"column 'x\\udfff' holds '\\udfff', half a character"):
        fit(X.set_axis(pd.Index(["region", "country", "x\udfff", "price"], dtype=object), axis=1))


def test_names_of_columns_may_be_odd_too():
    X = FRAME.set_axis(["", " ", "a\n/%s{}", "é"], axis=1)
    _, problem, spec, _ = fit(X, groups=("", " "))
    assert spec.labels.factors == ("", "/ ")
    assert spec.labels.coefficients == ("Intercept", "a\n/%s{}", "é")
    assert same_problem(problem, fit()[1])


def test_a_million_levels_are_read():
    n = 1_000_000
    X = pd.DataFrame({"id": np.arange(n) * 7 % n, "x": np.zeros(n)})
    model, problem, spec, _ = fit(X, np.arange(n) % 5, groups="id")
    assert problem.n_levels == (n,)
    np.testing.assert_array_equal(spec.read(model, X.iloc[:9])[1][:, 0], X["id"].iloc[:9])


def test_levels_in_the_order_of_values_whatever_the_rows():
    _, _, spec, _ = fit(FRAME.iloc[::-1], Y[::-1])
    assert spec.labels.levels == fit()[2].labels.levels
