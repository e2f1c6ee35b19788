"""A label is one level, whatever type it comes in: at fit, at predict, from files, from tables."""

from __future__ import annotations

import datetime as dt
import io
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone

import skhlm
from skhlm import HLMRegressor
from skhlm.cli import main
from skhlm.preparation import prepare

UTC, NEW_YORK = dt.timezone.utc, "America/New_York"
DAYS = [dt.datetime(2025, 10, day) for day in (24, 25, 26)]
INSTANTS = [dt.datetime(2025, 10, 26, hour, 30, tzinfo=UTC) for hour in (0, 1, 2)]
LABELS = {
    "text": ["NA", "007", "7"],
    "whole": [7, 20, 101],
    "flag": [False, True],
    "fraction": [0.1, 2.5, 7.0],
    "day": DAYS,
    "instant": INSTANTS,
}
WHOLE = ["int8", "uint64", "float16", "float32", "float64", "Int64", "UInt8", "Float32"]
REPRESENTATIONS = {
    "text": ["object", "string", "category", "string[pyarrow]", "large_string[pyarrow]"],
    "whole": [*WHOLE, "object", "category", "int64[pyarrow]", "float[pyarrow]"],
    "flag": ["bool", "boolean", "object", "category", "bool[pyarrow]", "int8"],
    "fraction": ["float64", "Float64", "object", "category", "double[pyarrow]"],
    "day": ["datetime64[s]", "datetime64[ns]", "object", "category", "timestamp[us][pyarrow]"],
    "instant": [
        "datetime64[us, Europe/Berlin]",
        f"datetime64[ns, {NEW_YORK}]",
        "object",
        "category",
        pd.ArrowDtype(pa.timestamp("us", "Europe/Berlin")),
    ],
}
CASES = [(kind, dtype) for kind, dtypes in REPRESENTATIONS.items() for dtype in dtypes]


@pytest.fixture(scope="module")
def models():
    """For each kind of labels a model that tells all levels apart, and its rows."""
    return {kind: _fitted(labels) for kind, labels in LABELS.items()}


def _fitted(labels):
    place = np.arange(60) % len(labels)
    rng = np.random.default_rng(0)
    g = pd.Series(labels, dtype=object).take(place).reset_index(drop=True)
    X = pd.DataFrame({"g": g, "x": rng.normal(size=60)})
    model = HLMRegressor(
        "g", varying="intercept", family="normal", algorithm="map", iter_sampling=50, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few levels, few draws: what is asked is which level
        model.fit(X, 10.0 * place + X["x"] + 0.1 * rng.normal(size=60))
    expected = model.predict(X)
    assert np.ptp([expected[place == k].mean() for k in range(len(labels))]) > 5
    return model, X, expected


@pytest.mark.parametrize(("kind", "dtype"), CASES, ids=str)
def test_any_type_means_the_same_levels(models, kind, dtype):
    model, X, expected = models[kind]
    typed = X.assign(g=X["g"].astype(dtype))
    np.testing.assert_array_equal(model.predict(typed), expected)
    _, spec, _ = prepare(clone(model), typed, np.arange(60) % 7.0, None)
    assert spec.labels.levels == model._spec.labels.levels


OTHERS = {
    "decimals": ("fraction", lambda g: np.array([Decimal(str(v)) for v in g], dtype=object)),
    "dates": ("day", lambda g: np.array([v.date() for v in g], dtype=object)),
    "numpy's dates": ("day", lambda g: np.array([np.datetime64(v) for v in g], dtype=object)),
    "numpy's days": ("day", lambda g: np.array([*g], dtype="datetime64[D]")),
    "zones": ("instant", lambda g: [v.astimezone(dt.timezone(dt.timedelta(hours=9))) for v in g]),
    "numpy's text": ("text", lambda g: np.array([*map(np.str_, g)], dtype=object)),
}


@pytest.mark.parametrize(("kind", "change"), OTHERS.values(), ids=OTHERS)
def test_other_objects_mean_the_same_levels(models, kind, change):
    model, X, expected = models[kind]
    np.testing.assert_array_equal(model.predict(X.assign(g=change(X["g"]))), expected)


@pytest.mark.parametrize("kind", LABELS)
def test_other_frames_mean_the_same_levels(models, kind):
    model, X, expected = models[kind]
    table = pa.Table.from_pandas(X.assign(g=X["g"].infer_objects()), preserve_index=False)
    coded = table.set_column(0, "g", table["g"].dictionary_encode())
    for frame in (table, coded, pl.from_arrow(table)):
        np.testing.assert_array_equal(model.predict(frame), expected)


@pytest.mark.parametrize("kind", LABELS)
def test_files_keep_the_levels(models, kind):
    model, X, expected = models[kind]
    file = io.BytesIO()
    skhlm.save(model, file)
    loaded = skhlm.load(file)
    np.testing.assert_array_equal(loaded.predict(X), expected)
    mine, theirs = (m._spec.labels.levels[0] for m in (model, loaded))
    assert (mine, [*map(repr, mine)]) == (theirs, [*map(repr, theirs)])


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_the_command_line_reads_labels_as_the_model_knows_them(models, kind, suffix, tmp_path):
    model, X, expected = models[kind]
    skhlm.save(model, tmp_path / "m.skhlm")
    table, found = tmp_path / f"d.{suffix}", tmp_path / f"p.{suffix}"
    if suffix == "parquet":
        X.assign(g=X["g"].infer_objects()).to_parquet(table)
    else:
        X.to_csv(table, index=False)
    assert main(["predict", str(tmp_path / "m.skhlm"), str(table), "-o", str(found)]) == 0
    read = pd.read_parquet if suffix == "parquet" else pd.read_csv
    np.testing.assert_allclose(read(found)["prediction"], expected, rtol=1e-12)


@pytest.mark.parametrize("kind", LABELS)
def test_labels_without_their_type_are_other_levels_or_an_error(models, kind):
    model, X, _ = models[kind]
    wrong = X.assign(g=X["g"].map(str) if kind != "text" else np.arange(60))
    with pytest.raises(TypeError, match="'g' held labels such as"):
        model.predict(wrong)
