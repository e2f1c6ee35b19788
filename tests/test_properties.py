"""Frames nobody would think of: either a result or an error that says what is wrong."""

from __future__ import annotations

import datetime as dt
import traceback
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

import skhlm
from skhlm import HLMRegressor
from skhlm.preparation import prepare
from skhlm.priors import Cauchy, Gamma, Normal, StudentT

OURS = tuple(str(Path(package.__file__).parent) for package in (skhlm, sklearn))
MANY = settings(
    max_examples=1500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def objects(values):
    """An array of any objects, one entry each."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def as_given(column):
    """A series; objects stay what they are."""
    return pd.Series(column, dtype=object if column.dtype == object else None)


def one_of(*values):
    """Columns that hold these values in any order, as they are."""
    return lambda rng, n: objects([values[i] for i in rng.integers(len(values), size=n)])


def whole(dtype):
    """Columns of integers over their whole range, the limits included."""
    info = np.iinfo(dtype)
    limits = np.array([info.min, 0, 1, info.max], dtype=dtype)
    return lambda rng, n: limits[rng.integers(4, size=n)]


def as_type(column, dtype):
    return lambda rng, n: pd.Series(column(rng, n)).astype(dtype)


def constant(value, dtype=None):
    return lambda _, n: pd.Series([value] * n, dtype=dtype)


WHEN = pd.Timestamp("2020-01-31")
NUMBERS = {
    "float": lambda rng, n: rng.normal(size=n),
    "float32": lambda rng, n: rng.normal(size=n).astype(np.float32),
    "float16": lambda rng, n: rng.normal(size=n).astype(np.float16),
    "longdouble": lambda rng, n: rng.normal(size=n).astype(np.longdouble),
    "small int": lambda rng, n: rng.integers(0, 4, n),
    "offset": lambda rng, n: 1e9 + rng.normal(size=n),
    "tiny": lambda rng, n: 1e-140 * rng.normal(size=n),
    "large": lambda rng, n: 1e140 * rng.normal(size=n),
    "constant": constant(7.0),
    "bool": lambda rng, n: rng.random(n) < 0.5,
    "nullable float": as_type(lambda rng, n: rng.normal(size=n), "Float64"),
    "arrow int": as_type(lambda rng, n: rng.integers(0, 9, n), "int64[pyarrow]"),
    "sparse": lambda rng, n: pd.arrays.SparseArray(rng.integers(0, 2, n).astype(float)),
    "fraction": one_of(Fraction(1, 3), Decimal("0.1"), 2),
    "text of numbers": one_of("1.5", "2", " 3 "),
    **{dtype: whole(dtype) for dtype in ("int8", "uint8", "int16", "int32", "int64", "uint64")},
}
LABELS = {
    "text": one_of("a", "b", "", " a", "é", "e\u0301", "a\nb", "\x00", "%s {}", "a/b"),
    "string": as_type(one_of("a", "b"), "string"),
    "arrow string": as_type(one_of("a", None), "string[pyarrow]"),
    "category": as_type(one_of("x", "y"), pd.CategoricalDtype(["y", "z", "x"])),
    "ordered": as_type(one_of(1, 2), pd.CategoricalDtype([2, 1], ordered=True)),
    "few": one_of(1, 1.0, True, np.int8(1), 2),
    "nullable bool": as_type(one_of(True, False), "boolean"),
    "dates": one_of(dt.date(2020, 1, 1), dt.datetime(2020, 1, 1), WHEN),
    "timestamps": constant(WHEN, "datetime64[ns]"),
    "zoned": constant(WHEN.tz_localize("Asia/Tokyo")),
}
TROUBLE = {
    "nan": one_of(1.0, np.nan),
    "all nan": constant(np.nan),
    "none": one_of(None),
    "inf": one_of(1.0, np.inf),
    "minus inf": constant(-np.inf),
    "enormous": lambda rng, n: rng.normal(size=n) * 1e300,
    "minute": lambda rng, n: rng.normal(size=n) * 1e-310,
    "beyond float": one_of(10**400, 1),
    "nullable": as_type(one_of(1, None), "Int64"),
    "missing bool": as_type(one_of(True, None), "boolean"),
    "missing": as_type(one_of("a", None), "category"),
    "mixed": one_of(1, "1"),
    "more mixed": one_of(1, WHEN, "a", WHEN.tz_localize("UTC")),
    "containers": one_of({}, [1], (1,), {1}),
    "tuples": one_of((1, 2), (3, 4)),
    "bytes": one_of(b"a", b"b"),
    "complex": lambda rng, n: rng.normal(size=n) * 1j,
    "complex objects": one_of(1j, 2j),
    "durations": constant(5, "timedelta64[s]"),
    "intervals": constant(pd.Interval(0, 1)),
    "periods": constant(pd.Period("2020-01")),
    "not a time": constant(pd.NaT, "datetime64[ns]"),
    "functions": one_of(len, object()),
    "arrays": one_of(np.ones(2), np.ones(3)),
    "surrogates": one_of("\ud800", "a"),
    "signalling": one_of(Decimal("sNaN"), Decimal("inf"), Decimal(1)),
}
COLUMNS = NUMBERS | LABELS | TROUBLE

NAMES = ["a", "b", "c", "a/b", "x0", "Intercept", "intercept", "", " ", "0", "é", "e\u0301", "%s{}"]
STRANGE = ["a", 0, 1.5, ("a", "b"), None, np.nan, WHEN, True, b"a"]


def to_polars(frame):
    return pl.DataFrame({name: frame[name].to_numpy() for name in frame}, strict=False)


CONTAINERS = {
    "pandas": lambda frame: frame,
    "array": lambda frame: frame.to_numpy(),
    "fortran": lambda frame: np.asfortranarray(frame.to_numpy(dtype=object)),
    "list": lambda frame: frame.to_numpy().tolist(),
    "polars": to_polars,
    "lazy": lambda frame: to_polars(frame).lazy(),
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "series": lambda frame: frame.iloc[:, 0],
    "text": str,
    "sparse": lambda frame: sparse.csr_matrix(frame.to_numpy(dtype=np.float64)),
    "index": lambda frame: frame.set_axis([("a", 1)] * len(frame), axis=0),
    "reversed": lambda frame: frame.set_axis(range(len(frame))[::-1], axis=0),
    "records": lambda frame: frame.to_records(index=False),
    "dicts": lambda frame: frame.to_dict("records"),
    "levels": lambda frame: pd.concat({"top": frame}, axis=1),
}
USUAL = ["pandas", "pandas", "pandas", "array", "polars", "arrow"]


@st.composite
def frames(draw, names=None):
    """Any table, as a pandas frame and in any container; sound ones three times in four."""
    sound = draw(st.integers(0, 3)) > 0
    n = draw(st.sampled_from([12, 9, 7, 2] if sound else [12, 2, 1, 0]))
    if names is None:
        pool = st.sampled_from(NAMES if sound else NAMES + STRANGE)
        names = draw(st.lists(pool, min_size=sound, max_size=4, unique=sound))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    kinds = st.sampled_from(list(NUMBERS | LABELS) if sound else list(COLUMNS))
    columns = [as_given(COLUMNS[draw(kinds)](rng, n)) for _ in names]
    frame = pd.DataFrame(dict(enumerate(columns)), index=range(n))
    frame.columns = pd.Index(names, dtype=object)
    container = CONTAINERS[draw(st.sampled_from(USUAL if sound else list(CONTAINERS)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return frame, container(frame)
        except Exception:  # what a library cannot hold is a pandas frame
            return frame, frame


PATHS = [*NAMES, "a/b", "b/a", "c/a", "a/a", "/", "a/", ("a", "b"), ("b", 0), ("a/b",), 0, 1, -1]
PATHS += [2, (0, 1), (1, 2), np.int64(0), (), True, 1.5, None, b"a", {"a"}, {"a": 1}, ["a", "b"]]
PATHS += [10**30, -(10**30), ("a", None), (["a"],), "\ud800", np.array([0, 1]), len, float("nan")]


@st.composite
def groups(draw, frame):
    """Hierarchies of the columns that hold no numbers, or anything at all."""
    if draw(st.integers(0, 3)) == 0:
        path = st.sampled_from(PATHS)
        return draw(st.one_of(st.none(), path, st.lists(path, max_size=2)))
    columns = [column.dtype.kind not in "iuf" for _, column in frame.items()]
    positions = [*np.flatnonzero(columns).tolist(), *draw(st.sets(st.integers(0, 2), max_size=1))]
    positions = [j for j in dict.fromkeys(positions) if j < len(columns)]
    cut = draw(st.integers(0, len(positions)))
    named = all(isinstance(name, str) for name in frame.columns) and draw(st.booleans())
    path = [frame.columns[j] if named else j for j in positions]
    return [tuple(part) for part in (path[:cut], path[cut:]) if part] or None


CHOICES = ["all", "intercept", ["intercept"], ["Intercept"], ["a"], ["b", "Intercept"], [0], []]
CHOICES += [["Intercept", 1], "a", None, 1.5, [None], [["a"]], [1.5], [True], [b"a"], [{}], ("a",)]
CHOICES += [[np.int64(0)], [np.array([1, 2])], [10**30]]
KEYS = ["a", "b", "a/b", "x0", ("a", "b"), ("a",), 0, (0, 1), 9, 1.5, None, True, "Intercept", -1]
VARYING = st.one_of(
    st.just("all"),
    st.sampled_from(CHOICES),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(CHOICES), max_size=2),
)
DENSITIES = [Normal(0, 1), StudentT(3, 0, 1), Cauchy(0, 2), Gamma(2, 0.1), None, 1.0, "normal"]
DENSITIES += [{}, [], Normal]
BY_KEY = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(DENSITIES), max_size=2)
PRIORS = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from(["nu", "sigma", "tau", "kappa", "tau", "kappa", "tua", 1, None]),
        st.one_of(
            st.sampled_from(DENSITIES),
            BY_KEY,
            st.dictionaries(st.sampled_from(KEYS), BY_KEY, max_size=2),
        ),
        max_size=2,
    ),
)


@st.composite
def outcomes(draw, n):
    """Any y, in any container."""
    sound = draw(st.integers(0, 4)) > 0
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    kind = "float" if sound else draw(st.sampled_from(list(COLUMNS)))
    values = as_given(COLUMNS[kind](rng, n))
    forms = {
        "array": values.to_numpy(),
        "list": values.tolist(),
        "series": values,
        "reversed": values.set_axis(values.index[::-1]),
        "column": values.to_numpy()[:, None],
    }
    if not sound:
        forms["short"] = values.iloc[:-1]
        forms["matrix"] = np.column_stack([values, values])
        forms["scalar"] = 1.0
        forms["none"] = None
    return forms[draw(st.sampled_from(list(forms)))]


@st.composite
def weights(draw, n):
    """Any sample_weight."""
    some = np.arange(n) % 3
    sound = [None, np.ones(n), some, some.tolist(), pd.Series(some), some.astype(np.int8), 2.0]
    sound += [pd.Series(some, index=range(n)[::-1]), np.full(n, 1e-3), some.astype("O")]
    trouble = [-np.ones(n), np.zeros(n), np.full(n, np.nan), np.full(n, np.inf), 1j * some]
    trouble += [np.full(n, size) for size in (1e-320, 1e155, 1e300, 1e308)]
    trouble += [some > 0, np.ones(n + 1), np.ones((n, 1)), [[1], [1, 2]], "uniform", {}, True, len]
    trouble += [[value] * n for value in ("a", None, 10**400, {}, pd.NaT)]
    return draw(st.sampled_from(trouble if draw(st.integers(0, 5)) == 0 else sound))


@st.composite
def problems(draw):
    """An estimator and what its fit is given."""
    frame, X = draw(frames())
    model = HLMRegressor(
        draw(groups(frame)),
        varying=draw(VARYING) if draw(st.integers(0, 5)) == 0 else "all",
        priors=draw(PRIORS) if draw(st.integers(0, 5)) == 0 else None,
        fit_intercept=draw(st.integers(0, 4)) > 0,
        autoscale=draw(st.integers(0, 4)) > 0,
        unseen=draw(st.sampled_from(["population", "population", "error"])),
    )
    return model, frame, X, draw(outcomes(len(frame))), draw(weights(len(frame)))


def fingerprint(data):
    """Everything that was given, down to the last bit of each value."""
    if isinstance(data, np.ndarray) and data.dtype != object:
        return data.dtype.str, data.shape, data.strides, data.tobytes()
    if isinstance(data, pd.DataFrame):
        columns = [fingerprint(data.iloc[:, j]) for j in range(data.shape[1])]
        return repr(data.columns.tolist()), repr(data.index.tolist()), columns
    if isinstance(data, pd.Series):
        return str(data.dtype), repr(data.index.tolist()), repr(data.tolist())
    for rows in ("rows", "to_pylist", "toarray", "tolist"):
        if hasattr(data, rows):
            return type(data), repr(getattr(data, rows)())
    return repr(data)


def attempt(function, *data):
    """What a function returns, or None where it raises an error that a user can understand."""
    before = [fingerprint(argument) for argument in data]
    result = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)
        try:
            result = function(*data)
        except (ValueError, TypeError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1].filename
            assert where.startswith(OURS), f"{where} says: {error}"
            assert str(error).strip()
    assert [fingerprint(argument) for argument in data] == before
    return result


def fit(model, X, y, weight):
    """All that fit does before it samples."""
    model._validate_params()
    return prepare(model, X, y, weight)


@MANY
@given(st.data())
def test_whatever_is_given_there_is_a_result_or_an_error_of_ours(data):
    model, frame, X, y, weight = data.draw(problems())
    prepared = attempt(lambda *given: fit(model, *given), X, y, weight)
    if prepared is None:
        return
    problem, spec, _ = prepared
    for array in (problem.evidence.X.T, problem.evidence.y, problem.evidence.weight):
        assert array.dtype == np.float64 and np.isfinite(array).all()
    assert problem.evidence.X.T.shape == (len(problem.evidence.y), len(spec.labels.coefficients))
    assert (problem.evidence.weight > 0).all()
    names = list(frame.columns) if data.draw(st.integers(0, 5)) else None
    _, other = data.draw(frames(names))
    for rows in (X, other):
        read = attempt(lambda rows: spec.read(model, rows), rows)
        if read is not None:
            predictors, codes, columns = read
            assert np.isfinite(predictors).all()
            assert len(predictors) == len(codes)
            new = spec.groups.new_levels(columns, codes)
            assert ((codes < 0) == (new >= 0)).all()


FAULTS = ["nan", "inf", "none", "enormous", "beyond float", "containers", "complex", "durations"]
FAULTS += ["intervals", "not a time", "functions", "text", "timestamps", "missing bool"]


@settings(MANY, max_examples=300)
@given(st.sampled_from(FAULTS), st.sampled_from(NAMES), st.integers(0, 2), st.booleans())
def test_an_error_about_one_column_names_it(fault, name, position, polars):
    rng = np.random.default_rng(position)
    columns = [as_given(NUMBERS["float"](rng, 12)) for _ in range(2)]
    columns.insert(position, as_given(TROUBLE.get(fault, LABELS.get(fault))(rng, 12)))
    frame = pd.DataFrame(dict(enumerate(columns)))
    frame.columns = [name if j == position else f"other {j}" for j in range(3)]
    try:
        X = to_polars(frame) if polars else frame
    except Exception:  # what polars cannot hold is a pandas frame
        X = frame
    with pytest.raises((ValueError, TypeError)) as caught:
        fit(HLMRegressor(), X, np.arange(12.0), None)
    assert repr(name) in str(caught.value)
    assert "other" not in str(caught.value)
