"""Fits to Dask's frames and lazy predictions, in threads and on a cluster of two processes."""

from __future__ import annotations

import os

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import cross_val_score

from skhlm import HLMClassifier, HLMRegressor

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.filterwarnings("ignore:algorithm='laplace' did not come close")
FIT = {"family": "normal", "algorithm": "laplace", "random_state": 0}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 400
    found = pd.DataFrame({"x": rng.normal(size=n), "g": rng.integers(9, size=n).astype(str)})
    found["y"] = found["x"] + found["g"].astype(int) + rng.normal(size=n)
    found["w"] = rng.integers(1, 3, size=n)
    return found


@pytest.fixture(scope="module")
def whole(frame):
    return HLMRegressor("g", **FIT).fit(frame[["x", "g"]], frame["y"], frame["w"])


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def lazy(frame, npartitions=7):
    return dd.from_pandas(frame, npartitions=npartitions, sort=False)


def assert_fit(rows, frame, whole):
    model = HLMRegressor("g", **FIT).fit(rows[["x", "g"]], rows["y"], rows["w"])
    X = frame[["x", "g"]]
    assert_allclose(model.predict(X), whole.predict(X), rtol=1e-7)
    assert model.n_features_in_ == 2
    return model


@pytest.mark.parametrize("npartitions", [1, 7, 60])
def test_the_fit_is_that_of_all_rows(frame, whole, npartitions):
    assert_fit(lazy(frame, npartitions), frame, whole)


def test_partitions_without_rows_do_not_matter(frame):
    rows = lazy(frame)
    rows = rows.map_partitions(
        lambda part: part if part["x"].iloc[:1].sum() > 0 else part.iloc[:0], meta=rows._meta
    )
    kept = rows.compute()
    assert 0 < len(kept) < len(frame)
    alone = HLMRegressor("g", **FIT).fit(kept[["x", "g"]], kept["y"], kept["w"])
    model = assert_fit(rows, kept, alone)
    assert_array_equal(model.predict(rows[["x", "g"]]).compute(), model.predict(kept[["x", "g"]]))


def test_predictions_are_lazy_and_the_same(frame, whole):
    X, rows = frame[["x", "g"]], lazy(frame)[["x", "g"]]
    found = whole.predict(rows)
    assert dask.is_dask_collection(found)
    assert_array_equal(found.compute(), whole.predict(X))
    interval = whole.predict_interval(rows, coverage=0.5)
    assert interval.shape[1] == 2
    assert_array_equal(interval.compute(), whole.predict_interval(X, coverage=0.5))
    assert_array_equal(whole.predict_quantiles(rows).compute(), whole.predict_quantiles(X))
    _, std = whole.predict(rows, return_std=True)
    assert_array_equal(std.compute(), whole.predict(X, return_std=True)[1])
    strict = HLMRegressor("g", **FIT, unseen="error").fit(X, frame["y"])
    assert_array_equal(strict.predict(rows).compute(), strict.predict(X))


def test_classes(frame):
    two = frame.assign(x=frame["x"].round(), y=np.where(frame["y"] > 4, "b", "a"))
    X, rows = two[["x", "g"]], lazy(two)
    model = HLMClassifier("g", algorithm="laplace", random_state=0)
    model.fit(rows[["x", "g"]], rows["y"])
    whole = HLMClassifier("g", algorithm="laplace", random_state=0).fit(X, two["y"])
    assert_allclose(model.predict_proba(X), whole.predict_proba(X), rtol=1e-6)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        found = getattr(model, method)(rows[["x", "g"]]).compute()
        assert_array_equal(found, getattr(model, method)(X))


def test_errors(frame):
    rows, model = lazy(frame), HLMRegressor("g", family="normal")
    with pytest.raises(TypeError, match="y: X is a Dask frame, and y a Series"):
        model.fit(rows[["x", "g"]], frame["y"])
    with pytest.raises(ValueError, match="y has 3 partitions and X 7"):
        model.fit(rows[["x", "g"]], lazy(frame, 3)["y"])
    with pytest.raises(ValueError, match="needs every row by itself"):
        HLMRegressor("g").fit(rows[["x", "g"]], rows["y"])
    with pytest.raises(ValueError, match="no column 'shop'"):
        HLMRegressor("shop", family="normal").fit(rows[["x", "g"]], rows["y"])


def test_other_methods_want_rows(frame, whole):
    rows = lazy(frame)[["x", "g"]]
    with pytest.raises(TypeError, match=r"pass X.compute\(\)"):
        whole.sample_y(rows)
    with pytest.raises(TypeError, match=r"pass X.compute\(\)"):
        whole.predict(rows.to_dask_array(lengths=True))


def test_on_two_processes(cluster, frame, whole):
    assert cluster.scheduler_info()["workers"]
    model = assert_fit(lazy(frame), frame, whole)
    X, rows = frame[["x", "g"]], lazy(frame)[["x", "g"]]
    assert_array_equal(model.predict(rows).compute(), model.predict(X))


@pytest.mark.usefixtures("cluster")
def test_a_killed_worker_costs_its_work_alone(frame, whole, tmp_path):
    """The first process to see one partition ends itself there; another one does the work."""
    rows, mark = lazy(frame), tmp_path / "killed"

    def deadly(part, number):
        if number == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        return part

    parts = [dask.delayed(deadly)(part, i) for i, part in enumerate(rows.to_delayed())]
    assert_fit(dd.from_delayed(parts, meta=rows._meta), frame, whole)
    assert mark.exists()


@pytest.mark.usefixtures("cluster")
def test_cross_validation_on_the_cluster(frame):
    X, y = frame[["x", "g"]], frame["y"]
    here = cross_val_score(HLMRegressor("g", **FIT), X, y, cv=3)
    with joblib.parallel_config(backend="dask"):
        there = cross_val_score(HLMRegressor("g", **FIT), X, y, cv=3, n_jobs=2)
    assert_allclose(there, here, rtol=1e-3)  # a shift of seeds does not reach other processes
