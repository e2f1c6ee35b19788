"""Model files of many effects, which are kept in two bytes a draw."""

from __future__ import annotations

import io
import pickle
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skhlm import draws
from skhlm.exceptions import ModelFileError
from skhlm.posterior.rounded_effects import RoundedEffects
from tests.files.test_persistence import (
    assert_same,
    loaded,
    packed,
    saved,
    simulated,
    small_fit,
    unpacked,
    with_array,
)

LABELS = {"region": [1, 2, 3], "place": ["a", "b", "c", "d"]}
CASES = {
    "student_t": {},
    "full": {"covariance": "full"},
    "crossed": {"groups": ["region", "place"], "family": "normal"},
    "poisson": {"family": "poisson", "varying": "intercept"},
    "laplace": {"algorithm": "laplace"},
    "mode": {"algorithm": "map"},
}


def fit(case):
    X, y = simulated(LABELS)
    if case.get("family") == "poisson":
        y = np.floor(np.exp(y))
    return X, small_fit(X, y, **{"groups": "region/place", "family": "student_t", **case})


@pytest.fixture(scope="module")
def models():
    """A function that fits a case with all effects rounded, and with none."""
    found = {}

    def make(name):
        if name not in found:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(draws, "MANY_EFFECTS", 1)
                X, rounded = fit(CASES[name])
            found[name] = X, rounded, fit(CASES[name])[1]
        return found[name]

    return make


@pytest.mark.parametrize("name", CASES)
def test_file_pickle_and_memory_agree_bit_for_bit(models, name):
    X, model, _ = models(name)
    assert all(isinstance(d, RoundedEffects) for d in model._posterior.draws.delta)
    other = loaded(saved(model))
    assert_same(model, other, X)
    assert_same(pickle.loads(pickle.dumps(model)), other, X)
    assert saved(other) == saved(model)
    assert_same(model.compact(20), loaded(saved(model.compact(20))), X)


@pytest.mark.parametrize("name", ["student_t", "crossed", "laplace", "mode"])
def test_rounded_effects_change_little(models, name):
    """A run is the same to the last bit; its effects are off by a 131,068th of their range.

    (One that is followed by another, with a map learned from its effects, is not the same.)
    """
    X, model, plain = models(name)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    assert model.tau_ == plain.tau_
    for rows in (X, X.assign(place="z")):
        mean, sd = model.predict(rows, return_std=True)
        plain_mean, plain_sd = plain.predict(rows, return_std=True)
        np.testing.assert_allclose(mean, plain_mean, rtol=2e-6, atol=2e-6)
        np.testing.assert_allclose(sd, plain_sd, rtol=1e-3)
    for a, b in zip(model._posterior.draws.delta, plain._posterior.draws.delta, strict=True):
        half = 0.51 * np.ptp(b, axis=-1, keepdims=True) / 65534
        assert (np.abs(a - b) <= half + 1e-7 * np.abs(b)).all()  # and single precision
    a, b = (m.group_effects() for m in (model, plain))
    np.testing.assert_allclose(a["mean"], b["mean"], rtol=0, atol=1e-3 * b["sd"].max())
    np.testing.assert_allclose(a["sd"], b["sd"], rtol=1e-3)


def test_means_are_those_of_the_draws_before(models):
    _, model, plain = models("student_t")
    for a, b in zip(model._posterior.mean.delta, plain._posterior.mean.delta, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)  # single precision, double sums


def test_a_file_of_two_bytes_a_draw(models):
    _, model, plain = models("student_t")
    n_draws = sum(d[:-2].size for d in plain._posterior.draws.delta)
    assert len(saved(plain)) - len(saved(model)) > 5 * n_draws


def hostile(members):
    """Files of rounded effects that no fit leaves, by what is wrong with them."""
    effects = {
        name: np.load(_member(members, f"factor1.{name}")) for name in ("codes", "middle", "step")
    }
    codes, step, middle = effects["codes"].copy(), -effects["step"], effects["middle"].copy()
    codes[0, 0, 0], middle[0, 0] = -32768, np.nan
    for name, array in {
        "codes": codes,
        "codes of 64 bits": effects["codes"].astype(np.int64),
        "codes that are floats": effects["codes"].astype(np.float64),
        "codes of fewer draws": effects["codes"][..., 1:],
        "step": step,
        "step of another shape": effects["step"][1:],
        "step too large": np.full_like(step, 1e307),
        "middle": middle,
        "middle too large": np.full_like(middle, 1.7e308),
    }.items():
        yield name, with_array(members, f"factor1.{name.split()[0]}", np.ascontiguousarray(array))
    label = np.load(_member(members, "factor1.label"))
    yield "labels of 16 bits", with_array(members, "factor1.label", label.astype(np.int16))
    yield "no step", packed({k: v for k, v in members.items() if k != "factor1.step.npy"})


def _member(members, name):
    return io.BytesIO(members[f"{name}.npy"])


def test_hostile_files_are_refused(models):
    _, model, _ = models("student_t")
    for name, content in hostile(unpacked(saved(model))):
        with pytest.raises(ModelFileError):
            loaded(content)
            pytest.fail(name)


def test_a_warm_fit_goes_on_from_rounded_effects(models):
    X, model, _ = models("student_t")
    warm = pickle.loads(pickle.dumps(model)).set_params(warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # these are few draws
        assert warm.fit(X, np.sin(np.arange(len(X)))).sigma_ > 0
