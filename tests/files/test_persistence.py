"""Model files: what comes back is what was saved, and hostile files are refused."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import pickle
import random
import runpy
import stat
import struct
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import skhlm
from skhlm import HLMClassifier, HLMRegressor, PooledRegressor, load, save
from skhlm.datasets import load_sleepstudy
from skhlm.exceptions import ModelFileError
from skhlm.families import AUXILIARY, FAMILIES, find_family
from skhlm.files.archive import MAX_BYTES, write_archive
from skhlm.priors import Cauchy, Gamma, Normal, StudentT

DATA = Path(__file__).parents[1] / "data"


def small_fit(X, y, groups=None, **parameters):
    """A fit of few draws, which need not have converged."""
    given = {"chains": 2, "iter_sampling": 40, "random_state": 0, **parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return HLMRegressor(groups, **given).fit(X, y)


def simulated(columns, seed=0, n=60):
    """Rows with a predictor x and group columns of the given labels."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"x": rng.normal(size=n)})
    for name, labels in columns.items():
        places = rng.permutation(n) % len(labels)
        X[name] = pd.Series(list(labels)).take(places).reset_index(drop=True)
    return X, X["x"] + rng.normal(size=n)


OF_THE_PROCESS = {"rows", "request", "seconds"}


def saved(model):
    file = io.BytesIO()
    save(model, file)
    return file.getvalue()


def loaded(content):
    return load(io.BytesIO(content))


# --- the same model -------------------------------------------------------------------------------


def everything(model, X):
    """All that a model predicts, and all that it reports."""
    frames = [model.summary(), model.coefficients()]
    if model.groups_:
        frames += [model.group_effects(), model.shrinkage_factors()]
    arrays = [
        *model.predict(X, return_std=True),
        model.predict_interval(X, 0.5),
        model.predict_interval(X, kind="mean"),
        model.predict_quantiles(X, [0.1, 0.9]),
        model.sample_y(X, 5),
        model.sample_y(X, 5, kind="mean"),
        model.coef_,
    ]
    return arrays, frames


def assert_same(model, other, X):
    (arrays, frames), (other_arrays, other_frames) = everything(model, X), everything(other, X)
    for a, b in zip(arrays, other_arrays, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(frames, other_frames, strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
    parameters = (f"{name}_" for name in AUXILIARY)
    scalars = ("intercept_", "tau_", *parameters, "groups_", "n_features_in_")
    assert all(getattr(model, name, None) == getattr(other, name, None) for name in scalars)
    assert str(model.diagnostics_) == str(other.diagnostics_)
    assert model.get_params() == other.get_params()
    assert [type(v) for v in model.get_params().values()] == [
        type(v) for v in other.get_params().values()
    ]


DAYS = [datetime(2024, 1, 1), datetime(2024, 7, 1, 12, 30, 0, 1), datetime(2025, 1, 1)]
ZONE = timezone(timedelta(hours=5, minutes=45))
KINDS = {
    "text": ["b", "a/ü", "日本\n", ""],
    "whole": [3, -1, 2**70],
    "flag": [True, False],
    "number": [0.1, -np.inf, 7.0],
    "day": DAYS,
    "instant": [day.replace(tzinfo=ZONE) for day in DAYS],
    "nanosecond": [pd.Timestamp("2024-01-01") + pd.Timedelta(k, "ns") for k in range(3)],
}


@pytest.fixture(scope="module")
def models(fitted, campaigns):
    """Models of many kinds, and rows for each."""
    kinds = simulated(KINDS)
    rng = np.random.default_rng(1)
    plain = rng.normal(size=(50, 4))
    plain[:, 1], plain[:, 3] = np.arange(50) % 4, np.arange(50) // 10
    y = rng.normal(size=50)
    priors = {"nu": Gamma(3, 0.2), "kappa": {"x0": StudentT(np.float64(3))}, "tau": Cauchy(0, 2)}
    return {
        "campaigns": (fitted, campaigns[0].iloc[:60]),
        "labels of every kind": (
            small_fit(*kinds, list(KINDS), varying="intercept", random_state=None),
            kinds[0],
        ),
        "full, normal, positions": (
            small_fit(plain, y, [(np.int64(1), 3)], family="normal", covariance="full"),
            plain,
        ),
        "no groups": (small_fit(plain, y, priors=priors, autoscale=False, chains=1), plain),
        "a set of priors": (
            small_fit(plain, y, 1, priors="weakly_informative", algorithm="map"),
            plain,
        ),
        "only groups": (
            small_fit(plain[:, [1]], y, 0, random_state=np.random.RandomState(0)),
            plain[:, [1]],
        ),
        "mode, no intercept": (
            small_fit(
                *simulated({"g": "abc"}),
                "g",
                algorithm="map",
                fit_intercept=False,
                varying={"g": ["x"]},
                priors={"sigma": Normal()},
            ),
            simulated({"g": "abcd"})[0],
        ),
    }


@pytest.mark.parametrize(
    "name",
    [
        "campaigns",
        "labels of every kind",
        "full, normal, positions",
        "no groups",
        "a set of priors",
        "only groups",
        "mode, no intercept",
    ],
)
def test_file_pickle_and_memory_agree_bit_for_bit(models, name, tmp_path):
    model, X = models[name]
    save(model, tmp_path / "model.skhlm")
    other = load(tmp_path / "model.skhlm")
    if isinstance(model.random_state, np.random.RandomState):
        assert other.random_state is None
        model = copy.copy(model).set_params(random_state=None)
    assert_same(model, other, X)
    assert_same(pickle.loads(pickle.dumps(model)), other, X)
    assert vars(other).keys() == vars(model).keys()  # a new attribute must be saved as well
    gone = OF_THE_PROCESS | {name for name, value in vars(model._fit).items() if value is None}
    assert {name for name, value in vars(other._fit).items() if value is None} == gone
    assert (
        other._fit.fingerprint == model._fit.fingerprint == models[name][0]._fit.rows.fingerprint()
    )
    assert other._spec.outcome_name == model._spec.outcome_name
    assert saved(other) == saved(model)
    assert_same(model.compact(20), loaded(saved(model.compact(20))), X)


OUTCOMES = {  # of any number
    "binomial": lambda y: (y > 0) * 1.0,
    "poisson": lambda y: np.floor(np.exp(y)),
    "negative_binomial": lambda y: np.floor(np.exp(y)),
    "gamma": np.exp,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_each_family_comes_back(family, tmp_path):
    X, y = simulated({"g": "abcdef"})
    model = small_fit(X, OUTCOMES.get(family, np.asarray)(y), "g", family=family)
    save(model, tmp_path / "model.skhlm")
    other = load(tmp_path / "model.skhlm")
    assert_same(model, other, X.assign(g=["new", *X["g"][1:]]))
    ours, theirs = model._posterior, other._posterior
    assert theirs.family == ours.family == find_family(family)
    assert list(theirs.auxiliary) == [parameter.name for parameter in ours.family.auxiliary]
    for name, draws in ours.auxiliary.items():
        np.testing.assert_array_equal(theirs.auxiliary[name], draws)
    np.testing.assert_array_equal(theirs.sample, ours.outcome.sample)
    assert theirs.outcome.error_variance == ours.outcome.error_variance
    assert {name for name in vars(model) if name.endswith("_")} == {
        name for name in vars(other) if name.endswith("_")
    }


@pytest.mark.filterwarnings("ignore:algorithm='map'")
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_the_mode_comes_back(covariance):
    X, y = simulated({"g": "abcdef"})
    model = HLMRegressor("g", algorithm="map", covariance=covariance, random_state=0).fit(X, y)
    ours, theirs = model._posterior.mode, loaded(saved(model))._posterior.mode
    np.testing.assert_array_equal(theirs.draws.kappa, ours.draws.kappa)
    np.testing.assert_array_equal(theirs.draws.delta[0][:-2], ours.draws.delta[0][:-2])
    np.testing.assert_array_equal(theirs.covariance(0), ours.covariance(0))
    assert theirs.auxiliary == ours.auxiliary
    assert loaded(saved(model.compact(20)))._posterior.mode.n_draws == 1


@pytest.mark.parametrize("at", [0, 2])
def test_an_exposure_comes_back(at):
    X, y = simulated({"g": "abcdef"})
    X.insert(at, "days", np.exp(X["x"] / 2))
    model = small_fit(X, OUTCOMES["poisson"](y), "g", family="poisson", exposure="days")
    other = loaded(saved(model))
    assert_same(model, other, X.assign(days=X["days"] * 3))
    assert (other._spec.exposure, other._spec.units.has_offset) == (at, True)
    np.testing.assert_array_equal(other._spec.ranges.mean, model._spec.ranges.mean)
    for wrong in (7, -1, list(X).index("g"), True):
        manifest = unpacked(saved(model))
        with pytest.raises(ModelFileError):
            loaded(forged(manifest, lambda m, to=wrong: m["content"].update(exposure=to)))


CLASS_LABELS = {
    "strings": np.array(["no", "yes"]),
    "objects": np.array(["no", "yes"], dtype=object),
    "booleans": np.array([False, True]),
    "whole numbers": np.array([1, 2], dtype=np.int8),
    "numbers": np.array([-1.0, 1.0]),
    "days": np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]"),
    "seconds": np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[s]"),
    "nanoseconds": np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[ns]"),
    "durations": np.array([1, 2], dtype="timedelta64[us]"),
}


def classifier(X, y, algorithm="map", **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = HLMClassifier("g", algorithm=algorithm, iter_sampling=40, random_state=0)
        return model.set_params(**parameters).fit(X, y)


@pytest.mark.parametrize("labels", CLASS_LABELS.values(), ids=CLASS_LABELS)
def test_a_classifier_comes_back(labels, tmp_path):
    X, y = simulated({"g": "abcdef"})
    model = classifier(X, labels[(y > 0) * 1], algorithm="nuts", chains=2)
    save(model, tmp_path / "model.skhlm")
    other = load(tmp_path / "model.skhlm")
    assert type(other) is HLMClassifier and other.classes_.dtype == labels.dtype
    for method in ("predict", "predict_proba", "decision_function", "predict_interval", "sample_y"):
        np.testing.assert_array_equal(getattr(other, method)(X), getattr(model, method)(X))
    assert saved(other) == saved(model)


@pytest.mark.parametrize("kind", ["datetime64[25s]", "longdouble"])
def test_labels_that_a_file_could_not_give_back_are_not_written(kind):
    X, y = simulated({"g": "abcdef"})
    model = classifier(X, np.where(y > 0, 1, 0).astype(kind))
    with pytest.raises(TypeError, match=r"cannot keep labels of type (dat|float).*Pickle the mode"):
        saved(model)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": None},
        {"classes": {"tuple": ["str", {"tuple": ["a"]}]}},
        {"classes": {"tuple": ["str", {"tuple": ["b", "a"]}]}},
        {"classes": {"tuple": ["str", {"tuple": ["a", 1]}]}},
        {"classes": {"tuple": ["os.system", {"tuple": ["a", "b"]}]}},
        {"classes": {"tuple": ["str"]}},
        {"estimator": "HLMRegressor"},
        {"family": "normal"},
        {"family": "poisson"},
        {"units": {"tuple": [True, 0.0, 2.0]}},
    ],
)
def test_classes_that_are_none_are_refused(change):
    X, y = simulated({"g": "abcdef"})
    model = classifier(X, np.where(y > 0, "b", "a"))
    manifest = unpacked(saved(model))
    with pytest.raises(ModelFileError):
        loaded(forged(manifest, lambda m: m["content"].update(change)))


@pytest.mark.parametrize("family", ["student_t", "normal"])
def test_older_files_tell_the_family_by_its_parameters(family):
    X, y = simulated({"g": "abc"})
    model = small_fit(X, y, "g", family=family, algorithm="map")
    older = loaded(forged(unpacked(saved(model)), lambda m: m["content"].pop("family") and None))
    assert_same(model, older, X)


def without_attribute(content, name):
    """The file without an attribute of the model."""

    def change(manifest):
        pairs = manifest["content"]["attributes"]["mapping"]
        pairs[:] = [pair for pair in pairs if pair[0] != name]

    return forged(unpacked(content), change)


def test_a_file_older_than_a_family_lacks_what_only_that_family_has():
    model = small_fit(*simulated({}), family="normal", algorithm="map")
    older = without_attribute(saved(model), "nu_")
    assert loaded(older).nu_ == model.nu_ == np.inf
    with pytest.raises(ModelFileError, match="attributes: not those of a model"):
        loaded(without_attribute(older, "sigma_"))


def test_labels_keep_their_types(models):
    model, X = models["labels of every kind"]
    other = loaded(saved(model))
    for mine, theirs in zip(model._spec.labels.levels, other._spec.labels.levels, strict=True):
        assert mine == theirs
        assert [type(v) for (v,) in mine] == [type(v) for (v,) in theirs]
    seen = other.predict_interval(X[:3], kind="mean")
    unseen = other.predict_interval(X[:3].assign(instant=DAYS[0].replace(tzinfo=timezone.utc)))
    assert not np.isclose(seen, unseen).any()


def test_named_zones_keep_their_instants():
    zone = "Europe/Berlin"
    days = pd.to_datetime(DAYS).tz_localize(zone)
    X, y = simulated({"day": list(days)})
    model = small_fit(X, y, "day")
    other = loaded(saved(model))
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    assert [level for (level,) in other._spec.labels.levels[0]] == list(days)


def test_equal_models_are_equal_files_that_numpy_reads(models, tmp_path):
    model, _ = models["full, normal, positions"]
    content = saved(model)
    assert saved(model) == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    kappa = model._posterior.draws.kappa
    np.testing.assert_array_equal(np.load(tmp_path / "kappa.npy"), kappa)
    assert (tmp_path / "kappa.npy").read_bytes() == npy(kappa)
    draws = model._posterior.draws
    made = draws.made  # they are no part of the file
    arrays = [draws.kappa, *model._posterior.omega, *(d for d in draws.delta if d is not made)]
    numbers = sum(array.nbytes for array in arrays)
    assert made is not None and f"factor{made.rows.factor}.delta.npy" not in archive.namelist()
    assert len(content) < 1.25 * numbers + 50_000  # names, scales, sums of levels, the sampler


def test_parameters_that_a_file_cannot_keep(models):
    class Word(str):
        __slots__ = ()

    model = copy.copy(models["no groups"][0]).set_params(family=Word("normal"))
    assert type(loaded(saved(model)).family) is str
    model.set_params(priors={"sigma": lambda: 0})
    with pytest.raises(TypeError, match="parameters: a model file cannot keep"):
        saved(model)
    with pytest.raises(ValueError, match="chains"):
        saved(model.set_params(priors=None, chains=0))


def test_what_cannot_be_saved(fitted, tmp_path):
    class Mine(HLMRegressor):
        pass

    path = tmp_path / "model.skhlm"
    with pytest.raises(NotFittedError):
        save(HLMRegressor(), path)
    for other in (Mine(), PooledRegressor(), HLMRegressor, {}):
        with pytest.raises(TypeError, match="an HLMRegressor or an HLMClassifier"):
            save(other, path)
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        load(path)
    with pytest.raises(FileNotFoundError):
        save(fitted, tmp_path / "no" / "model.skhlm")


def test_errors_name_the_path_that_was_given(models, tmp_path):
    model, _ = models["no groups"]
    for path, error in [
        (tmp_path / "no" / "model.skhlm", FileNotFoundError),
        (tmp_path, IsADirectoryError),
    ]:
        with pytest.raises(error) as caught:
            save(model, path)
        named = path if error is IsADirectoryError else path.parent
        assert caught.value.filename == str(named)
        assert str(named) in str(caught.value) and "/." not in str(caught.value)
    for path in (3, None, b"model.skhlm", [tmp_path]):
        for function in (load, lambda path: save(model, path)):
            with pytest.raises(TypeError, match=r"path: got .*give the path of a model file"):
                function(path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_what_was_there(models, tmp_path, monkeypatch):
    path = tmp_path / "model.skhlm"
    path.write_text("precious")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(models["no groups"][0], path)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    save(models["no groups"][0], str(path))
    assert load(path).groups is None
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(_ordinary(tmp_path).stat().st_mode)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_pipe_is_no_model_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(
            ModelFileError, match=f"'{path}' cannot be loaded as a model: it is a p"
        ):
            load(path)


def _ordinary(folder):
    """A file as anybody makes it."""
    (folder / "ordinary").touch()
    return folder / "ordinary"


def test_a_model_beyond_the_limits_is_refused_with_advice():
    huge = np.broadcast_to(np.zeros(1), (MAX_BYTES // 8, 1))
    file = io.BytesIO()
    with pytest.raises(ValueError, match=r"save model\.compact\(\)"):
        write_archive(file, {}, {f"a{i}": np.zeros(1) for i in range(5000)}, "0")
    assert huge.nbytes > MAX_BYTES - 8 and not file.getvalue()


def test_threads_may_share_a_model(models):
    model, X = models["labels of every kind"]
    model, expected, found = loaded(saved(model)), model.predict_interval(X), []
    threads = [
        threading.Thread(target=lambda: found.append(model.predict_interval(X))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(np.array_equal(expected, interval) for interval in found)


# --- fewer draws ----------------------------------------------------------------------------------


def test_compact_keeps_point_predictions_and_the_model(fitted, campaigns):
    X = campaigns[0].iloc[:60].assign(country=lambda X: X["country"].where(X.index % 7 > 0))
    before = pickle.dumps(fitted)
    small = fitted.compact()
    assert pickle.dumps(fitted) == before
    np.testing.assert_array_equal(small.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(small.coefficients()["mean"], fitted.coefficients()["mean"])
    assert small.diagnostics_ is fitted.diagnostics_
    share = 400 / fitted._posterior.n_draws
    assert len(saved(small)) < (share + 0.05) * len(saved(fitted))
    assert small._posterior.n_draws == 400
    assert fitted.compact(10**9)._posterior.n_draws == fitted._posterior.n_draws
    assert fitted.compact(1)._posterior.n_draws == fitted._posterior.n_chains
    assert (small.summary()["rhat"] < 1.1).all()


def test_compact_draws_are_evenly_spaced(fitted):
    kappa = fitted._posterior.draws.kappa[0].reshape(4, -1)
    small = fitted.compact(12)._posterior.draws.kappa[0].reshape(4, -1)
    length = kappa.shape[1]
    places = [int((k + 0.5) * length / 3) for k in range(3)]
    np.testing.assert_array_equal(small, kappa[:, places])


def test_compact_intervals_are_within_monte_carlo_error(fitted, campaigns):
    """The end of a central 90% interval has standard error sd sqrt(0.05 0.95 / S) / phi(1.645)."""
    X = campaigns[0].iloc[:100].assign(country="elsewhere")
    X = pd.concat([campaigns[0].iloc[:100], X])
    small = fitted.compact(400)
    sd = fitted.sample_y(X, 2000, kind="mean").std(axis=1)
    error = sd * np.sqrt(0.05 * 0.95 / 400) / 0.1031
    off = small.predict_interval(X, kind="mean") - fitted.predict_interval(X, kind="mean")
    assert (np.abs(off) < 5 * error[:, None]).all()
    assert np.sqrt((off**2 / error[:, None] ** 2).mean()) < 1.5
    off = small.predict_interval(X) - fitted.predict_interval(X)
    assert (np.abs(off) < 5 * fitted.predict(X, return_std=True)[1][:, None] * 0.106).all()


# --- files of this version, later -----------------------------------------------------------------


def test_a_stored_file_predicts_what_it_did():
    predictions = runpy.run_path(str(DATA / "derive.py"))["predictions"]
    stored = json.loads((DATA / "sleepstudy.json").read_text())
    model = load(DATA / "sleepstudy.skhlm")
    assert model._fit.fingerprint == ""  # which that version did not write
    assert model._spec.outcome_name is None
    assert model._spec.priors is None
    found = predictions(model)
    assert found.keys() == stored.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, stored[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_predicts_where_little_is_installed(tmp_path):
    """Neither cmdstanpy nor the extras; no process, no file opened to write."""
    X, _ = load_sleepstudy(return_X_y=True)
    model = load(DATA / "sleepstudy.skhlm")
    np.save(tmp_path / "expected.npy", model.predict_interval(X))
    X.to_csv(tmp_path / "X.csv", index=False)
    script = f"""
import sys
for name in ("cmdstanpy", "tqdm", "matplotlib", "arviz", "polars", "pyarrow"):
    sys.modules[name] = None
import numpy, pandas, skhlm
from skhlm import load  # with all that it imports
X, expected = pandas.read_csv("X.csv", dtype={{"subject": str}}), numpy.load("expected.npy")
def forbid(event, args):
    written = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if written or event.startswith(("subprocess", "os.", "socket")) and event != "os.listdir":
        raise RuntimeError(event)
sys.addaudithook(forbid)
model = skhlm.load({str(DATA / "sleepstudy.skhlm")!r})
numpy.testing.assert_array_equal(model.predict_interval(X), expected)
model.predict(X, return_std=True), model.sample_y(X), model.group_effects(), model.summary()
model.compact(8).coefficients()
"""
    package = Path(skhlm.__file__).parents[1]
    subprocess.run(
        [sys.executable, "-B", "-c", script],
        cwd=tmp_path,
        check=True,
        env={"PYTHONPATH": str(package)},
    )


# --- hostile files --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny():
    """Rows, and a model file of few kB of them, with everything in it that a file can have."""
    X, y = simulated({"region": [1, 2], "place": ["a", "b", "c"]}, n=24)
    model = small_fit(X, y, "region/place", covariance="full", chains=2, iter_sampling=4)
    model.set_params(random_state=7, priors={"sigma": Cauchy(0.0, 2.5)}, varying={"region": ["x"]})
    return X, saved(model)


def unpacked(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of members that come twice
        for name, data in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, data)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def forged(members, change):
    """The file with a changed manifest."""
    manifest = json.loads(members["manifest.json"])
    manifest = change(manifest) or manifest
    return packed({**members, "manifest.json": json.dumps(manifest)})


def with_member(members, name, data, **entry):
    """The file with another array, its checksum put right."""

    def change(manifest):
        found = {**manifest["arrays"][name], "sha256": hashlib.sha256(data).hexdigest(), **entry}
        manifest["arrays"][name] = found

    return forged({**members, f"{name}.npy": data}, change)


def with_array(members, name, array):
    entry = {"dtype": array.dtype.str, "shape": list(array.shape)}
    return with_member(members, name, npy(array), **entry)


def hostile(content):
    """Files that no `save` wrote, by what is wrong with them."""
    members = unpacked(content)
    yield from _foreign(members)
    for share in range(0, 100, 5):
        yield f"cut at {share}%", content[: len(content) * share // 100]
    yield "cut by a byte", content[:-1]
    yield "appended", content + b"x"
    yield "prefixed", b"#!/bin/sh\n" + content
    yield from _odd_archives(members, content)
    yield from _odd_json(members)
    yield from _odd_manifests(members)
    yield from _odd_arrays(members)


def _odd_json(members):
    """What is hardly JSON."""
    text = members["manifest.json"].decode()
    yield "not JSON", packed({**members, "manifest.json": text[:-1]})
    yield "NaN token", packed({**members, "manifest.json": text.replace("0.0", "NaN", 1)})
    yield "infinite number", packed({**members, "manifest.json": text.replace("2.5", "1e999", 1)})
    yield "twice in JSON", packed({**members, "manifest.json": '{"schema":1,' + text[1:]})
    yield "deep JSON", packed({**members, "manifest.json": "[" * 10**6})
    yield "long number", packed({**members, "manifest.json": "1" * 10**7})
    yield "long JSON", packed({**members, "manifest.json": " " * (2**26 + 1)})
    for depth in (40, 900):
        value = json.loads("[" * depth + "]" * depth)
        yield (
            f"a value {depth} deep",
            forged(members, lambda m, v=value: m["content"].update(parameters=v)),
        )


def _odd_arrays(members):
    """Arrays that no model has."""
    kappa, sigma, label = (
        np.lib.format.read_array(io.BytesIO(members[f"{name}.npy"]))
        for name in ("kappa", "sigma", "factor1.label")
    )
    yield (
        "pickle in an array",
        with_member(
            members, "kappa", npy(np.array([{}, print], dtype=object), allow_pickle=True), shape=[2]
        ),
    )
    yield "object array", with_member(members, "kappa", members["kappa.npy"], dtype="|O")
    yield "other dtype", with_array(members, "kappa", kappa.astype(np.float32))
    yield "big endian", with_array(members, "kappa", kappa.astype(">f8"))
    yield "integers for floats", with_array(members, "kappa", kappa.astype(np.int64))
    yield "Fortran order", with_array(members, "kappa", np.asfortranarray(kappa))
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31 - 1) + b"{" * 1000
    yield "header of 2 GiB", with_member(members, "kappa", header)
    yield "wrong checksum", packed({**members, "kappa.npy": members["kappa.npy"][:-1] + b"\x01"})
    for value in (np.nan, np.inf, -np.inf):
        for name, array in (("kappa", kappa), ("sigma", sigma)):
            wrong = array.copy()
            wrong.flat[1] = value
            yield f"{value} in {name}", with_array(members, name, wrong)
    yield "sigma below zero", with_array(members, "sigma", -sigma)
    yield "fewer draws", with_array(members, "kappa", kappa[:, 1:])
    yield "another axis", with_array(members, "kappa", kappa[None])
    yield "no draws", with_array(members, "sigma", sigma[:0])
    for value in (-1, 99, 2**62):
        yield f"code {value}", with_array(members, "factor1.label", label * 0 + value)
    yield "levels not in order", with_array(members, "factor1.label", label[::-1].copy())


def _foreign(members):
    """Files of other kinds."""
    model, dump = HLMRegressor(), io.BytesIO()
    joblib.dump(model, dump)
    yield "empty", b""
    yield "text", b"no model" * 100
    yield "pickle", pickle.dumps(model)
    yield "joblib", dump.getvalue()
    yield "a lone array", members["kappa.npy"]
    arrays = io.BytesIO()
    np.savez(arrays, kappa=np.zeros(3))
    yield "npz", arrays.getvalue()
    yield "empty archive", packed({})
    yield "zeros", bytes(10**6)


def _odd_archives(members, content):
    """Archives with members that no model has."""
    evil = {**members}
    for name in ("../evil", "/etc/evil", "..\\evil", "C:evil", "kappa", "kappa.npy/", "evil.py"):
        yield f"extra member {name}", packed({**evil, name: b"x"})
    yield "missing member", packed({k: v for k, v in members.items() if k != "sigma.npy"})
    yield "no manifest", packed({k: v for k, v in members.items() if k != "manifest.json"})
    pairs = list(members.items())
    yield "duplicate member", packed([*pairs, pairs[-1]])
    yield "duplicate manifest", packed([*pairs, pairs[0]])
    yield "compressed", packed(members, zipfile.ZIP_DEFLATED)
    yield "bomb", packed({**members, "kappa.npy": bytes(10**8)}, zipfile.ZIP_DEFLATED)
    yield "thousands of members", packed({**members, **{f"a{i}.npy": b"" for i in range(5000)}})
    link = zipfile.ZipInfo("kappa.npy")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    yield (
        "symbolic link",
        packed([*[p for p in pairs if p[0] != "kappa.npy"], (link, "/etc/hosts")]),
    )
    encrypted = bytearray(content)
    place = encrypted.rindex(b"PK\x01\x02") + 8
    encrypted[place] |= 1
    yield "encrypted", bytes(encrypted)
    overlapping = bytearray(content)
    end = struct.unpack("<4s4H2LH", content[-22:])
    overlapping[end[6] + 42 : end[6] + 46] = struct.pack("<L", 2**31)
    yield "member beyond the end", bytes(overlapping)
    renamed = content.replace(b"kappa.npy", b"../ev.npy")
    yield "renamed member", renamed
    many = bytearray(content)
    many[-14:-10] = b"\xff\xff\xff\xff"
    yield "directory of 65535 entries", bytes(many)


def _odd_manifests(members):
    """Manifests that no model has."""

    def content(**values):
        return forged(members, lambda m: m["content"].update(values))

    yield "from the future", forged(members, lambda m: m.update(schema=2, written_by="9.9.9"))
    yield "schema zero", forged(members, lambda m: m.update(schema=0))
    yield "schema true", forged(members, lambda m: m.update(schema=True))
    yield "odd writer", forged(members, lambda m: m.update(written_by="\x1b[31m"))
    yield "other format", forged(members, lambda m: m.update(format="other"))
    yield "extra entry", forged(members, lambda m: m.update(code="print()"))
    yield "extra content", content(code="print()")
    yield "odd fingerprint", content(fingerprint="\x1b[31m")
    yield "odd name of y", content(outcome_name=3)
    yield "odd priors", content(priors=3)
    yield "no set of priors", content(priors="weak")
    yield "priors that are no priors", content(priors={"mapping": [["sigma", 1.0]]})
    yield "priors of nothing", content(priors={"mapping": [["Sigma", {"mapping": []}]]})
    yield "a list", forged(members, lambda m: [m])
    yield "other class", content(estimator="os.system")
    yield "unknown tag", content(parameters={"os.system": {"command": "true"}})
    yield "unknown parameter", content(parameters={"mapping": [["__class__", 1]]})
    yield "no hierarchy", content(hierarchies={"tuple": []})
    yield (
        "column out of range",
        content(hierarchies={"tuple": [{"tuple": [{"tuple": [9]}, False]}]}),
    )
    for shape in ([-1, 8], [2**40, 2**40], [2**31, 2**31, 0], [2**63], ["2", 8], [], None, 8):
        yield (
            f"shape {shape}",
            forged(members, lambda m, s=shape: m["arrays"]["kappa"].update(shape=s)),
        )
    yield (
        "odd array name",
        forged(
            {**members, "../x.npy": members["sigma.npy"]},
            lambda m: m["arrays"].update({"../x": m["arrays"]["sigma"]}),
        ),
    )
    yield (
        "array of no use",
        forged(
            {**members, "spare.npy": members["sigma.npy"]},
            lambda m: m["arrays"].update(spare=m["arrays"]["sigma"]),
        ),
    )


def test_priors_are_those_of_the_fit_and_in_older_files_those_of_the_parameters(tiny):
    X, content = tiny
    assert loaded(content)._spec.priors is None
    older = loaded(forged(unpacked(content), lambda m: m["content"].pop("priors") and None))
    assert older._spec.priors == older.priors == {"sigma": Cauchy(0.0, 2.5)}
    np.testing.assert_array_equal(older.predict(X), loaded(content).predict(X))


@pytest.fixture(scope="module")
def corpus(tiny):
    """Hostile files by what is wrong with them; the good one that they come from loads."""
    loaded(tiny[1])
    files = dict(hostile(tiny[1]))
    assert len(files) > 80
    return files


def test_hostile_files_are_refused_soon(corpus):
    for name, data in corpus.items():
        start = time.process_time()  # whatever else the machine does
        with pytest.raises(ModelFileError) as caught:
            loaded(data)
        assert time.process_time() - start < 1, name
        message = str(caught.value)
        assert message.startswith("The file cannot be loaded as a model: "), name
        assert len(message) < 400 and message.isprintable(), name
        assert isinstance(caught.value, ValueError)


def test_messages_say_what_to_do(corpus, tmp_path):
    path = tmp_path / "model.skhlm"
    for name, words in {
        "from the future": "written by skhlm 9.9.9 in a later format .*: upgrade skhlm",
        "pickle": "no model file",
        "cut by a byte": "cut off",
        "wrong checksum": "array kappa: its checksum is wrong",
        "nan in sigma": "array sigma: holds NaN or infinity",
        "compressed": "is compressed",
    }.items():
        path.write_bytes(corpus[name])
        with pytest.raises(ModelFileError, match=f"model.skhlm' cannot be loaded .*{words}"):
            load(path)


def test_hostile_files_run_import_and_write_nothing(tiny, corpus, tmp_path):
    for number, data in enumerate(corpus.values()):
        (tmp_path / f"{number}.skhlm").write_bytes(data)
    (tmp_path / "good.skhlm").write_bytes(tiny[1])
    before = sorted(path.name for path in tmp_path.iterdir())
    script = """
import sys, pathlib, skhlm
from skhlm.exceptions import ModelFileError
from skhlm.families import AUXILIARY, FAMILIES, find_family
files = sorted(pathlib.Path(".").glob("[0-9]*.skhlm"))
skhlm.load("good.skhlm")
seen = []
def watch(event, args):
    written = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    wrong = ("exec", "compile", "import", "marshal", "pickle", "subprocess", "socket", "os.")
    if written or event.startswith(wrong):
        seen.append((event, args))
sys.addaudithook(watch)
refused = 0
for file in files:
    try:
        skhlm.load(file)
    except ModelFileError:
        refused += 1
skhlm.load("good.skhlm")
assert not seen, seen[:5]
assert refused == len(files) > 80, refused
"""
    package = Path(skhlm.__file__).parents[1]
    subprocess.run(
        [sys.executable, "-B", "-c", script],
        cwd=tmp_path,
        check=True,
        env={"PYTHONPATH": str(package)},
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def refused_or_finite(content, X):
    """Whether a file is refused; a model that it is all the same must predict numbers."""
    try:
        model = loaded(content)
    except ModelFileError:
        return True
    with np.errstate(all="ignore"):
        interval = (
            model.predict_interval(X, coverage=0.5, kind="mean") if model.unseen != "error" else 0.0
        )
    assert np.isfinite(interval).all()
    return False


def leaves(value, path=()):
    """Paths of everything in JSON."""
    yield path
    if isinstance(value, (dict, list)):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(entry, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    changed = value.copy()
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


WRONG = [None, True, -1, 10**30, 1.5, "x", [], {"tuple": []}, {"float": "nan"}]


def test_every_field_of_the_manifest_with_other_values(tiny):
    X, content = tiny
    members = unpacked(content)
    manifest = json.loads(members["manifest.json"])
    rng = random.Random(0)
    refused = [
        refused_or_finite(forged(members, lambda m, p=path, v=wrong: replaced(m, p, v)), X)
        for path in leaves(manifest)
        for wrong in rng.sample(WRONG, 1)
    ]
    assert len(refused) > 300
    assert np.mean(refused) > 0.8


def test_random_bytes(tiny):
    X, content = tiny
    rng, refused = random.Random(0), 0
    for _ in range(800):
        data = bytearray(content)
        for _ in range(rng.choice([1, 1, 1, 3, 10])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            start = rng.randrange(len(data))
            del data[start : start + rng.randrange(1, 100)]
        refused += refused_or_finite(bytes(data), X)
    assert refused > 600  # dates and the like of zip members mean nothing


@pytest.mark.parametrize("family", ["binomial", "poisson", "negative_binomial", "gamma"])
def test_random_numbers_in_arrays_behind_a_link(family):
    X, y = simulated({"g": "abc"}, n=24)
    model = small_fit(X, OUTCOMES[family](y), "g", family=family, algorithm="map", iter_sampling=10)
    members = unpacked(saved(model))
    rng = random.Random(0)
    arrays = {
        name: np.lib.format.read_array(io.BytesIO(data))
        for name, data in members.items()
        if name.endswith(".npy")
    }
    names = sorted(name for name, array in arrays.items() if array.size)
    refused = 0
    for _ in range(60):
        name = rng.choice(names)
        array = arrays[name].copy()
        wrong = rng.choice([0, -1, 2, 1e6, np.nan, np.inf] if array.dtype.kind == "f" else [-1])
        array.flat[rng.randrange(array.size)] = wrong
        refused += refused_or_finite(with_array(members, name.removesuffix(".npy"), array), X)
    assert 10 < refused < 60


def test_random_numbers_in_arrays(tiny):
    X, content = tiny
    members = unpacked(content)
    rng = random.Random(0)
    names = sorted(name for name in members if name.endswith(".npy"))
    for _ in range(250):
        name = rng.choice(names)
        array = np.lib.format.read_array(io.BytesIO(members[name])).copy()
        wrong = rng.choice(
            [0, -1, 1, 2, 1e6, np.nan, np.inf] if array.dtype.kind == "f" else WRONG[2:3]
        )
        array.flat[rng.randrange(array.size)] = wrong
        refused_or_finite(with_array(members, name.removesuffix(".npy"), array), X)
