"""Means of predictors over groups: numbers, new levels, tables of any kind, pipelines."""

from __future__ import annotations

import datetime as dt
import io
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from joblib import parallel_config
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skhlm
from skhlm import GroupMeans, HLMRegressor, PooledRegressor
from skhlm.group_means import level_means, transform_moved

# The mode is all that these tests look at, whatever the Pareto k of the draws about it.
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='map' did not")

SPEND, NESTED = "spend (mean of country)", "spend (mean of region/country)"


@pytest.fixture
def X():
    """Two regions with a country "a" each; note is no number and has a missing value."""
    return pd.DataFrame(
        {
            "region": ["E", "E", "E", "W", "W"],
            "country": ["a", "a", "b", "a", "a"],
            "spend": [1.0, 3.0, 5.0, 7.0, 8.0],
            "on": [True, False, False, True, True],
            "note": ["v", "w", None, "y", "z"],
        },
        index=[4, 4, 2, 1, 0],
    )


@pytest.fixture
def new():
    """A known country, a new one of a known region with two rows, new and missing regions."""
    return pd.DataFrame(
        {
            "region": ["E", "E", "E", "N", None, None],
            "country": ["a", "z", "z", "z", "a", "a"],
            "spend": [9.0, 1.0, 2.0, 4.0, 5.0, 6.0],
            "on": True,
            "note": "",
        }
    )


def test_every_factor_has_the_means_of_its_levels(X):
    step = GroupMeans("region/country", ["spend", "on"])
    found = step.fit_transform(X)
    pd.testing.assert_frame_equal(found[X.columns], X)
    assert list(found.columns[5:]) == [
        "spend (mean of region)",
        "on (mean of region)",
        NESTED,
        "on (mean of region/country)",
    ]
    third = 1 / 3
    np.testing.assert_allclose(
        found.iloc[:, 5:],
        [
            [3, third, 2, 0.5],
            [3, third, 2, 0.5],
            [3, third, 5, 0],
            [7.5, 1, 7.5, 1],
            [7.5, 1, 7.5, 1],
        ],
    )
    assert step.get_feature_names_out().tolist() == list(found.columns)
    assert step.n_features_in_ == 5
    assert list(step.feature_names_in_) == list(X.columns)
    assert step.groups_ == ("region", "region/country")
    means = step.means_[step.means_["column"] == "spend"]
    assert means["level"].tolist() == [("E",), ("W",), ("E", "a"), ("E", "b"), ("W", "a")]
    assert means["mean"].tolist() == [3, 7.5, 2, 5, 7.5]
    assert means["factor"].tolist() == ["region"] * 2 + ["region/country"] * 3


def test_known_levels_have_training_means_in_whatever_company(X, new):
    step = GroupMeans("region/country", "spend").fit(X)
    for rows in (new, new.head(1)):
        assert step.transform(rows).iloc[0, 5:].tolist() == [3, 2]


@pytest.mark.parametrize(
    ("unseen", "region", "country"),
    [
        ("rows", [3, 3, 3, 4, 5, 6], [2, 1.5, 1.5, 4, 5, 6]),
        ("parent", [3, 3, 3, 4.8, 4.8, 4.8], [2, 3, 3, 4.8, 4.8, 4.8]),
    ],
)
def test_new_levels_have_the_mean_of_their_rows_or_of_their_parent(X, new, unseen, region, country):
    """Each missing value is a level of its own, as it is to the model."""
    step = GroupMeans("region/country", "spend").fit(X)
    found = step.set_params(unseen=unseen).transform(new)
    np.testing.assert_allclose(found.iloc[:, 5:], np.transpose([region, country]), rtol=1e-15)


def test_columns_may_differ_by_factor(X):
    means = GroupMeans(["region/country", "on"], {"region/country": "spend", "region": []})
    assert means.fit(X).get_feature_names_out().tolist()[5:] == [NESTED]
    both = GroupMeans(("region", "country"), {(0, 1): ["spend"], "region": ("on", 2, "on")})
    names = ["on (mean of region)", "spend (mean of region)", NESTED]
    assert both.fit(X).get_feature_names_out().tolist()[5:] == names


def test_weights_are_repetitions_and_weight_zero_is_no_row(X):
    weight = np.array([2, 1, 1, 0, 0])
    step = GroupMeans("region/country", "spend", unseen="parent").fit(X, sample_weight=weight)
    repeated = X.iloc[np.repeat(np.arange(5), weight)]
    expected = GroupMeans("region/country", "spend", unseen="parent").fit(repeated)
    pd.testing.assert_frame_equal(step.means_, expected.means_, check_exact=True)
    np.testing.assert_allclose(step.means_["mean"], [2.5, 5 / 3, 5])
    np.testing.assert_allclose(step.transform(X)[NESTED], [5 / 3, 5 / 3, 5, 2.5, 2.5])


def test_weights_reach_the_step_in_a_pipeline(X):
    y, weight = np.arange(5.0), np.array([2.0, 1, 1, 1, 1])
    table, names = X.drop(columns="note"), (SPEND, "on (mean of country)")
    step, model = GroupMeans("country", ["spend", "on"]), PooledRegressor(["region", "country"])
    by_name = {"groupmeans__sample_weight": weight, "pooledregressor__sample_weight": weight}
    pipeline = make_pipeline(clone(step), model)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = make_pipeline(
            clone(step).set_fit_request(sample_weight=True),
            clone(model).set_fit_request(sample_weight=True),
        ).fit(table, y, sample_weight=weight)
    expected = step.fit(table, sample_weight=weight).means_
    for fitted in (pipeline.fit(table, y, **by_name), routed):
        pd.testing.assert_frame_equal(fitted[0].means_, expected)
        assert set(names) <= set(fitted[:-1].get_feature_names_out())


def test_means_depend_on_no_order_and_are_exact_where_nothing_varies():
    rng = np.random.default_rng(0)
    x, level = np.c_[rng.lognormal(0, 3, 1000), np.repeat([0.1, 1e300], 500)], np.arange(1000) // 50
    means = level_means(x, np.ones(1000), level)
    np.testing.assert_allclose(means[:, 0], x[:, 0].reshape(20, 50).mean(axis=1), rtol=1e-13)
    assert np.array_equal(means[:, 1], x[::50, 1])
    order = rng.permutation(1000)
    assert np.array_equal(level_means(x[order], np.ones(1000), level[order]), means)
    assert np.array_equal(level_means(np.ldexp(x, -9), np.ones(1000), level), np.ldexp(means, -9))
    large = np.full((2, 1), 1.7e308)
    assert level_means(large, np.ones(2), np.zeros(2, dtype=np.int64)) == 1.7e308


TABLES = {
    "pandas": lambda X: X,
    "polars": pl.from_pandas,
    "pyarrow": lambda X: pa.Table.from_pandas(X, preserve_index=False),
    "numbers as names": lambda X: X.set_axis(range(5), axis=1),
    "array": lambda X: X.to_numpy(),
    "list": lambda X: X.to_numpy().tolist(),
}


OUTPUTS = [(table, output) for table in TABLES for output in ("default", "pandas", "polars")]
ROWS_OF_OBJECTS = [(table, "polars") for table in ("array", "list")]  # polars cannot read these


@pytest.mark.parametrize(("table", "output"), [o for o in OUTPUTS if o not in ROWS_OF_OBJECTS])
def test_tables_stay_what_they_are_or_become_what_is_asked(X, new, table, output):
    given, rows = (TABLES[table](X) for X in (X, new))
    named = table in ("pandas", "polars", "pyarrow")
    step = GroupMeans("region/country" if named else (0, 1), 2).set_output(transform=output)
    found = step.fit(given).transform(rows)
    kinds = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}
    own = {"numbers as names": pd.DataFrame, "array": np.ndarray, "list": np.ndarray}
    kind = (kinds | own)[table if output == "default" else output]
    assert type(found) is kind
    if kind is not np.ndarray:
        names = list(getattr(found, "column_names", found.columns))
        assert names == step.get_feature_names_out().tolist()
        assert names[-1] == (NESTED if named else "x2 (mean of x0/x1)")
    means = np.asarray(found)[:, -2:].astype(float)
    assert means.tolist() == [[3, 2], [3, 1.5], [3, 1.5], [4, 4], [5, 5], [6, 6]]


def test_arrays_of_numbers_hold_means_without_loss():
    array = np.array([[0, 1], [0, 4], [1, 2]], dtype="int8")
    found = GroupMeans(0, 1).fit_transform(array)
    assert found.dtype == np.float64
    assert found.tolist() == [[0, 1, 2.5], [0, 4, 2.5], [1, 2, 2]]
    identifiers = np.array([[2**60 + 1, 1], [2**60, 4]])
    assert GroupMeans(0, 1).fit_transform(identifiers)[0, 0] == 2**60 + 1
    names = GroupMeans(0, -1).fit(array).get_feature_names_out(["shop", "price"])
    assert names.tolist() == ["shop", "price", "price (mean of shop)"]


@pytest.mark.parametrize(
    "labels",
    [["007", "7"], [7, 20], [0.5, 7.0], [False, True], [dt.datetime(2025, 1, d) for d in (1, 2)]],
    ids=str,
)
def test_labels_of_any_type_are_matched_as_by_the_model(labels):
    X = pd.DataFrame({"g": pd.Series([*labels, labels[0]]), "x": [1.0, 2.0, 3.0]})
    step = GroupMeans("g", "x").fit(X.astype({"g": object}))
    assert step.transform(X.assign(g=X["g"].astype("category")))["x (mean of g)"].tolist() == [
        2,
        2,
        2,
    ]
    wrong = X.assign(g=["a", "b", "c"] if not isinstance(labels[0], str) else [1, 2, 3])
    with pytest.raises(TypeError, match="'g' held labels such as"):
        step.transform(wrong)


BAD = [
    ({"columns": "price"}, "columns: there is no column 'price' in X.*'spend'"),
    ({"groups": "city"}, "groups: there is no column 'city'"),
    ({"columns": ["spend", "country"]}, "columns: 'country' is a group column"),
    ({"groups": "region/country", "columns": "region"}, "columns: 'region' is a group column"),
    ({"columns": ["spend", "note"]}, "must be numbers, but these columns are not: 'note'"),
    ({"columns": []}, "columns: there is none"),
    ({"columns": {"country": []}}, "columns: there is none"),
    (
        {"columns": {"county": "spend"}},
        "columns: there is no .*'county'|columns: there is no column",
    ),
    (
        {"columns": {"region": "spend"}},
        "columns: there is no hierarchy or grouping factor 'region'",
    ),
    ({"groups": []}, "groups: the list is empty"),
    ({"groups": None}, "'groups' parameter of GroupMeans must be"),
    ({"columns": None}, "'columns' parameter of GroupMeans must be"),
    ({"unseen": "mean"}, "'unseen' parameter of GroupMeans must be"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD, ids=str)
def test_what_is_wrong_is_named(X, wrong, message):
    step = GroupMeans(**({"groups": "country", "columns": "spend"} | wrong))
    with pytest.raises(ValueError, match=message):
        step.fit(X)
    with pytest.raises(NotFittedError):
        step.transform(X)


def test_missing_values_are_errors_that_name_the_column(X):
    step = GroupMeans("country", "spend").fit(X)
    gap = X.assign(spend=[1.0, np.nan, 5.0, np.inf, 8.0])
    for method in (clone(step).fit, step.transform):
        with pytest.raises(ValueError, match=r"Columns: 'spend': 2 rows\. .* SimpleImputer"):
            method(gap)
    with pytest.raises(ValueError, match=r"Missing values in group columns at fit.*'country': 1"):
        step.fit(X.assign(country=["a", None, "b", "a", "a"]))
    with pytest.raises(
        ValueError, match="the columns of fit, or fit with groups given by position"
    ):
        step.transform(X.to_numpy())
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        step.transform(X.rename(columns={"note": "remark"}))


def test_a_failed_fit_leaves_the_last_one(X):
    step = GroupMeans("country", "spend").fit(X)
    expected = step.transform(X)
    with pytest.raises(ValueError, match=r"X has columns 'spend \(mean of country\)' already"):
        step.fit(expected)
    pd.testing.assert_frame_equal(step.transform(X), expected)


def test_a_parameter_set_after_fit_is_checked(X):
    step = GroupMeans("country", "spend").fit(X).set_params(unseen="zero")
    with pytest.raises(ValueError, match="'unseen' parameter of GroupMeans must be"):
        step.transform(X)


def test_misaligned_weights_are_a_warning(X):
    weight = pd.Series(1.0, index=X.index[::-1])
    with pytest.warns(UserWarning, match="X and sample_weight have the same index") as caught:
        GroupMeans("country", "spend").fit(X, sample_weight=weight)
    assert caught[0].filename == __file__


def test_clones_and_pickles(X, new):
    step = GroupMeans("region/country", "spend", unseen="parent").fit(X)
    again = pickle.loads(pickle.dumps(step))
    pd.testing.assert_frame_equal(again.transform(new), step.transform(new))
    assert clone(step).get_params() == step.get_params()
    assert repr(step) == "GroupMeans(columns='spend', groups='region/country', unseen='parent')"
    with pytest.raises(NotFittedError):
        clone(step).transform(X)


@pytest.fixture(scope="module")
def firms():
    """Forty firms; those that spend more sell more for another reason, too."""
    rng = np.random.default_rng(0)
    firm = np.repeat(np.arange(40), 8)
    size = rng.normal(size=40)[firm]
    spend = 2 * size + rng.normal(size=320)
    effect = 3 * size + rng.normal(0, 0.5, 40)[firm]
    X = pd.DataFrame({"firm": [f"firm-{j:02d}" for j in firm], "spend": spend})
    return X, spend + effect + rng.normal(0, 0.5, 320)


def quick(**settings):
    return HLMRegressor(
        "firm", varying="intercept", family="normal", algorithm="map", random_state=0, **settings
    )


@pytest.fixture(scope="module")
def pipeline(firms):
    return make_pipeline(GroupMeans("firm", "spend"), quick()).fit(*firms)


def test_slopes_within_and_between_and_predictions_for_new_groups(firms):
    """The truth is 1 within and 1 + 3/2 between, but for the noise of means over eight rows.

    Without the means new firms' errors are 3 sd(size), about 3, in place of 0.5 sqrt(2).
    """
    X, y = firms
    old = X["firm"] < "firm-30"
    errors = {}
    for name, steps in {"means": [GroupMeans("firm", "spend")], "plain": []}.items():
        fitted = make_pipeline(*steps, quick()).fit(X[old], y[old])
        errors[name] = np.sqrt(np.mean((fitted.predict(X[~old]) - y[~old]) ** 2))
        if steps:
            within, more = fitted[-1].coef_
    assert within == pytest.approx(1, abs=0.15)
    assert within + more == pytest.approx(2.4, abs=0.3)
    assert errors["means"] < 1
    assert errors["plain"] > 2 * errors["means"]


def test_names_pass_tables_priors_and_files(firms, pipeline):
    name = "spend (mean of firm)"
    model = pipeline[-1]
    assert name in model.summary()["coefficient"].tolist()
    file = io.BytesIO()
    skhlm.save(model, file)
    rows = pipeline[:-1].transform(firms[0])
    np.testing.assert_array_equal(skhlm.load(file).predict(rows), model.predict(rows))
    tight = {"kappa": {name: skhlm.priors.Normal(0, 1e-6)}}
    without = quick(priors=tight).fit(rows, firms[1])
    assert abs(without.coef_[1]) < 1e-3


def test_a_search_over_what_the_mean_of_new_levels_is(firms):
    X, y = firms
    steps = make_pipeline(GroupMeans("firm", "spend"), PooledRegressor("firm"))
    search = GridSearchCV(steps, {"groupmeans__unseen": ["rows", "parent"]}, cv=4).fit(X, y)
    assert search.best_params_ == {"groupmeans__unseen": "rows"}
    assert search.error_score is np.nan
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def identity(X):
    return X


STEPS = {
    "alone": lambda means: means,
    "behind a step": lambda means: make_pipeline(FunctionTransformer(identity), means),
    "in threads": lambda means: make_column_transformer(
        (means, ["firm", "spend"]),
        ("passthrough", ["other"]),
        n_jobs=2,
        verbose_feature_names_out=False,
    ).set_output(transform="pandas"),
}


@pytest.mark.parametrize("steps", STEPS)
def test_moved_rows_keep_the_means_of_the_rows_given(firms, steps):
    X, name = firms[0].assign(other=0.0), "spend (mean of firm)"
    rows = X.head(3).assign(firm=["firm-01", "new", "new"])
    origin = np.array([0, 2, 1, 2])
    moved = rows.iloc[origin].assign(spend=[1.0, 2.0, 3.0, 4.0])
    with parallel_config(backend="threading"):  # threads do not see each other's variables
        step = STEPS[steps](GroupMeans("firm", "spend")).fit(X)
        expected = step.transform(rows)[name]
        found = transform_moved(step.transform, rows, moved, origin)
        after = step.transform(moved)[name]
    assert expected.nunique() == 2
    assert found[name].tolist() == expected.iloc[origin].tolist()
    assert found["spend"].tolist() == [1, 2, 3, 4]
    assert after.tolist()[1:] == [3, 3, 3]  # of the rows passed, as ever
