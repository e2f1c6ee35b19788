"""Few rows that stand for many: the same evidence, whatever the blocks were."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skhlm import HLMClassifier, HLMRegressor, fit_frames, fit_parquet
from skhlm.condensing.condensed import blocks_of, condense
from skhlm.preparation import prepare

N = 300
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='laplace' did not come close")


def rows_of(seed=0):
    """Rows of shops in regions; one of a single row, one where a predictor is constant."""
    rng = np.random.default_rng(seed)
    shop = rng.integers(12, size=N)
    shop[0] = 12
    frame = pd.DataFrame(
        {
            "price": rng.normal(100, 5, size=N),
            "shop": [f"s{i}" for i in shop],
            "year": 2000.0 + rng.integers(5, size=N),
            "region": pd.array(np.where(shop < 6, 1, 2)),
        }
    )
    frame.loc[frame["shop"] == "s3", "year"] = 2003.0
    frame["y"] = 0.1 * frame["price"] + shop + rng.normal(size=N)
    frame["w"] = rng.integers(4, size=N).astype(float)
    return frame


def divided(frame, cuts):
    return [frame.iloc[part] for part in np.split(np.arange(len(frame)), cuts)]


def assert_same_problem(model, condensed, X, y, weight=None):
    """What the program reads, and what is remembered."""
    ours, spec, _ = prepare(model, X, y, weight)
    theirs, other, _ = prepare(model, condensed.X, condensed.y, condensed.weight)
    theirs, other = condensed.with_extremes(theirs, other)
    one, two = ours.evidence, theirs.evidence
    for weights in (one.weight, two.weight):
        assert (weights > 0).all()
    information = one.cell_information(one.weight)
    scale = np.abs(information).max()
    assert_allclose(two.cell_information(two.weight), information, rtol=0, atol=1e-11 * scale)
    score = one.cell_score(one.weight * one.y)
    assert_allclose(two.cell_score(two.weight * two.y), score, rtol=0, atol=1e-10 * scale)
    squares = one.rss + one.weight @ one.y**2
    assert_allclose(two.rss + two.weight @ two.y**2, squares, rtol=1e-10)
    for name in ("n_obs", "variance", "largest"):
        assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-10)
    assert_array_equal(theirs.codes, ours.codes)
    assert other.labels.levels == spec.labels.levels
    assert other.labels.coefficients == spec.labels.coefficients
    assert_array_equal(other.ranges.low, spec.ranges.low)
    assert_array_equal(other.ranges.high, spec.ranges.high)
    assert_allclose(other.ranges.mean, spec.ranges.mean, rtol=1e-12)
    for a, b in zip(other.level_weights, spec.level_weights, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("cuts", [[], [1], [100, 101, 250], range(1, N)], ids=len)
@pytest.mark.parametrize("groups", ["region/shop", ["shop"], None, ["shop", "year"]], ids=str)
def test_moments_say_all_that_normal_rows_do(groups, cuts):
    frame = rows_of()
    model = HLMRegressor(groups, family="normal")
    used = frame.drop(columns="w")
    if groups is None:
        used = used.drop(columns=["shop", "region"])
    elif "region" not in str(groups):
        used = used.drop(columns="region")
    condensed = condense(model, blocks_of(divided(used, cuts), "y", None))
    assert_same_problem(model, condensed, used.drop(columns="y"), used["y"])
    assert condensed.y.name == "y"


def test_weights_count_and_rows_of_weight_zero_do_not():
    frame = rows_of()
    model = HLMRegressor("region/shop", family="normal")
    condensed = condense(model, blocks_of(divided(frame, [99, 200]), "y", "w"))
    X = frame.drop(columns=["y", "w"])
    assert_same_problem(model, condensed, X, frame["y"], frame["w"])


@pytest.mark.parametrize("change", ["outcome", "predictor", "both"])
def test_what_does_not_vary_has_no_points_of_its_own(change):
    frame = rows_of().drop(columns=["w", "region"])
    if change in ("outcome", "both"):
        frame["y"] = frame["shop"].str[1:].astype(float)
    if change in ("predictor", "both"):
        frame["price"] = frame["year"] = frame["shop"].str[1:].astype(float)
    model = HLMRegressor("shop", family="normal")
    condensed = condense(model, blocks_of(divided(frame, [10, 150]), "y", None))
    if change == "both":
        assert len(condensed.X) == frame["shop"].nunique()
    assert_same_problem(model, condensed, frame.drop(columns="y"), frame["y"])


def test_far_from_zero_the_spread_is_not_lost():
    frame = rows_of().drop(columns=["w", "region"])
    frame["year"] += 1.7e9
    frame["y"] += 1e7
    model = HLMRegressor("shop", family="normal")
    condensed = condense(model, blocks_of(divided(frame, range(10, N, 10)), "y", None))
    ours, *_ = prepare(model, frame.drop(columns="y"), frame["y"], None)
    theirs, *_ = prepare(model, condensed.X, condensed.y, condensed.weight)
    one, two = (p.evidence.cell_information(p.evidence.weight) for p in (ours, theirs))
    assert_allclose(two, one, rtol=0, atol=1e-6 * np.abs(one).max())  # doubles have no more there


@pytest.mark.parametrize("algorithm", ["laplace", "map"])
def test_the_fit_is_that_of_all_rows(algorithm):
    frame = rows_of().drop(columns="w")
    X, y = frame.drop(columns="y"), frame["y"]
    model = HLMRegressor("region/shop", family="normal", algorithm=algorithm, random_state=0)
    whole = model.fit(X, y)
    other = HLMRegressor(**model.get_params())
    assert fit_frames(other, divided(frame, [17, 200]), "y") is other
    assert_allclose(other.predict(X), whole.predict(X), rtol=1e-7)
    assert_allclose(other.predict_interval(X), whole.predict_interval(X), rtol=1e-6)
    ours, theirs = whole.shrinkage_factors(), other.shrinkage_factors()
    assert_allclose(theirs["no_pooling"], ours["no_pooling"], rtol=1e-6)
    assert list(ours["n"]) == list(theirs["n"])
    assert_allclose(other.bayes_r2(X, y).mean, whole.bayes_r2(X, y).mean, rtol=1e-6)
    with pytest.raises(ValueError, match="does not remember the rows"):
        other.bayes_r2()


COUNTS = {
    "poisson": lambda rng, n: rng.integers(4, size=n),
    "binomial": lambda rng, n: rng.integers(2, size=n).astype(float),
}


@pytest.mark.parametrize("family", COUNTS)
def test_equal_rows_are_one_with_their_weight(family):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.integers(3, size=N), "g": list("abcde" * 60)})
    frame["y"] = COUNTS[family](rng, N)
    frame["w"] = rng.integers(3, size=N)
    model = HLMRegressor("g", family=family, algorithm="map", random_state=0, fallback=None)
    condensed = condense(model, blocks_of(divided(frame, [7, 100]), "y", "w"))
    distinct = frame[frame["w"] > 0].groupby(["x", "g", "y"])["w"].sum()
    assert len(condensed.X) == len(distinct)
    found = condensed.X.assign(y=condensed.y, w=condensed.weight).set_index(["x", "g", "y"])["w"]
    assert_array_equal(found.sort_index(), distinct.sort_index())
    X = frame[["x", "g"]]
    assert_same_problem(model, condensed, X, frame["y"], frame["w"])


def test_a_classifier_may_see_one_class_in_a_frame():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.integers(3, size=N), "g": list("abcde" * 60)})
    frame["y"] = np.where(rng.random(N) < 0.4, "yes", "no")
    frame = frame.sort_values("y")
    model = HLMClassifier("g", algorithm="laplace", random_state=0)
    X = frame[["x", "g"]]
    whole = HLMClassifier(**model.get_params()).fit(X, frame["y"])
    fit_frames(model, divided(frame, [50, 150]), "y")
    assert list(model.classes_) == ["no", "yes"]
    assert_allclose(model.predict_proba(X), whole.predict_proba(X), rtol=1e-7)


def test_a_directory_of_parquet_files(tmp_path):
    frame = rows_of()
    for i, part in enumerate(divided(frame, [100, 220])):
        for shop, rows in part.groupby("region"):
            place = tmp_path / f"region={shop}"
            place.mkdir(exist_ok=True)
            rows.drop(columns="region").to_parquet(place / f"{i}.parquet")
    model = HLMRegressor("region/shop", family="normal", algorithm="laplace", random_state=0)
    names = ["price", "shop", "year", "region"]
    fit_parquet(model, tmp_path, "y", sample_weight="w", columns=names)
    whole = HLMRegressor(**model.get_params()).fit(frame[names], frame["y"], frame["w"])
    assert_allclose(model.predict(frame[names]), whole.predict(frame[names]), rtol=1e-7)
    with pytest.raises(FileNotFoundError, match="no file or directory"):
        fit_parquet(model, tmp_path / "other", "y")
    with pytest.raises(ValueError, match="has no column 'cost'"):
        fit_parquet(model, tmp_path, "y", columns=["cost"])


@pytest.mark.parametrize("family", ["student_t", "gamma", "negative_binomial"])
def test_families_that_need_every_row_say_so(family):
    with pytest.raises(ValueError, match=f"family='{family}' needs every row by itself"):
        fit_frames(HLMRegressor("shop", family=family), [rows_of()], "y")


def broken(**change):
    return rows_of().assign(**change)


@pytest.mark.parametrize(
    ("frames", "error", "told"),
    [
        ([], ValueError, "There are no rows"),
        ([rows_of().iloc[:0]], ValueError, "There are no rows"),
        (rows_of(), TypeError, "got one frame"),
        ([rows_of().to_numpy()], TypeError, "got a ndarray among them"),
        ([rows_of(), rows_of().drop(columns="price")], ValueError, "different columns"),
        ([rows_of(), rows_of().drop(columns="y")], ValueError, "no column 'y'"),
        ([rows_of(), broken(price=np.nan)], ValueError, "'price'"),
        ([rows_of(), broken(y=np.inf)], ValueError, "'y' is inf in row 0"),
        ([rows_of(), broken(w=-1.0)], ValueError, "Negative values"),
    ],
    ids=range(9),
)
def test_errors_come_before_stan_and_leave_the_model(frames, error, told):
    model = HLMRegressor("region/shop", family="normal")
    with pytest.raises(error, match=told):
        fit_frames(model, frames, "y", sample_weight="w")
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("label", [None, np.nan])
def test_missing_labels_are_refused_as_by_fit(label):
    frames = [
        pd.DataFrame({"x": np.arange(20.0) % 7, "g": [name] * 10 + [label] * 10, "y": range(20)})
        for name in "abcdef"
    ]
    for family in ("normal", "poisson"):
        with pytest.raises(ValueError, match="Missing values in group columns at fit"):
            fit_frames(HLMRegressor("g", family=family), frames, "y")


@pytest.mark.parametrize("n", [50, 49])
@pytest.mark.parametrize("family", ["normal", "poisson"])
def test_a_frame_may_have_no_weight_or_one_row_of_it(n, family):
    frame = rows_of().drop(columns="region")
    frame["y"] = frame["y"].round().abs()
    frame.loc[: n - 1, "w"] = 0.0
    frame.loc[n:, "w"] += 1
    model = HLMRegressor("shop", family=family)
    condensed = condense(model, blocks_of(divided(frame, [50, 51]), "y", "w"))
    X = frame.drop(columns=["y", "w"])
    assert_same_problem(model, condensed, X, frame["y"], frame["w"])


def test_columns_that_are_numbers_keep_their_order():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 2))).assign(y=rng.normal(size=40))
    frames = [frame.iloc[:20][[0, 1, "y"]], frame.iloc[20:][[1, 0, "y"]]]
    with pytest.raises(ValueError, match="different columns"):
        fit_frames(HLMRegressor(family="normal"), frames, "y")


def test_yes_and_no_are_no_numbers():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.integers(3, size=40), "y": rng.integers(2, size=40)})
    frames = [frame.assign(y=frame["y"] == 1), frame]
    with pytest.raises(TypeError, match="values of different kinds"):
        fit_frames(HLMClassifier(), frames, "y")
    with pytest.raises(TypeError, match="y holds"):
        fit_frames(HLMRegressor(family="poisson"), frames, "y")


def test_what_takes_single_rows_is_not_said_to_pass():
    """Shares merge to ones of many trials, which vary less than chance of few alone makes them."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.integers(3, size=900), "g": list("abcde") * 180, "w": 4})
    frame["y"] = rng.binomial(4, 1 / (1 + np.exp(-0.5 * frame["x"]))) / 4
    model = HLMRegressor("g", family="binomial", algorithm="laplace", random_state=0)
    fit_frames(model, divided(frame, [400]), "y", sample_weight="w")
    names = set(model.diagnostics_.to_frame()["check"])
    assert not names & {"dispersion", "exact fit", "share of one row"}
    assert {"collinear predictors", "levels"} <= names


def test_pipelines_are_refused():
    with pytest.raises(TypeError, match="got a list"):
        fit_frames([], [rows_of()], "y")
