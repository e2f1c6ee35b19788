from __future__ import annotations

import pickle

import numpy as np
import pytest

from skhlm import draws as draws_module
from skhlm.draws import Draws
from skhlm.inputs.design import Units
from skhlm.posterior import NEW, NO_EFFECT
from skhlm.posterior.rounded_effects import RoundedEffects, round_effects
from tests.draws import auxiliary, posterior_of

J, K, S = 40, 2, 500
RNG = np.random.default_rng(3)
DRAWS = RNG.normal(size=(J, K, 1)) + RNG.gamma(1, size=(J, K, 1)) * RNG.standard_t(
    5, size=(J, K, S)
)
UNSEEN = RNG.normal(size=(K, S))
WHOLE = np.concatenate([DRAWS, np.zeros((1, K, S)), UNSEEN[None]])


def round_all(draws):
    return round_effects(lambda levels: draws[levels], len(draws), UNSEEN)


@pytest.fixture(scope="module")
def effects():
    rounded, _ = round_all(DRAWS)
    return rounded


@pytest.fixture(scope="module")
def half_steps(effects):
    """The most by which each number may be off: rounding, and that of the sum."""
    return np.pad(0.5 * effects.step, [(0, 2), (0, 0)])[:, :, None] * (1 + 1e-9)


def test_draws_are_off_by_half_a_step_at_most(effects, half_steps):
    assert effects.shape == WHOLE.shape
    assert len(effects) == J + 2
    assert (np.abs(np.asarray(effects) - WHOLE) <= half_steps).all()
    np.testing.assert_allclose(effects.step, np.ptp(DRAWS, axis=-1) / 65534)
    assert (0.5 * effects.step < 2e-4 * DRAWS.std(axis=-1)).all()


def test_ends_of_the_range_are_kept(effects):
    found = np.asarray(effects)[:J]
    for end in (np.min, np.max):
        np.testing.assert_allclose(end(found, axis=-1), end(DRAWS, axis=-1), rtol=1e-12, atol=1e-14)


def test_means_are_those_before_rounding():
    _, mean = round_all(DRAWS)
    np.testing.assert_allclose(mean, DRAWS.mean(axis=-1), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    "key",
    [
        3,
        NEW,
        NO_EFFECT,
        slice(5, 20),
        slice(None, -2),
        np.array([7, -1, 7, -2]),
        (np.array([4, NEW, 4]), 1),
        (slice(None), slice(None), 0),
        (2, 0),
        np.arange(J + 2) % 3 == 0,
    ],
    ids=str,
)
def test_picked_as_of_an_array(effects, half_steps, key):
    expected = WHOLE[key]
    assert effects[key].shape == expected.shape
    assert (np.abs(effects[key] - expected) <= np.broadcast_to(half_steps, WHOLE.shape)[key]).all()
    np.testing.assert_array_equal(effects[key], np.asarray(effects)[key])


def test_some_draws_and_multiples(effects):
    whole = np.asarray(effects)
    for picks in (np.array([3, 1, 400]), slice(10, 30)):
        np.testing.assert_array_equal(np.asarray(effects.some(picks)), whole[..., picks])
    np.testing.assert_allclose(np.asarray(effects.times(-3.0)), -3 * whole, rtol=1e-13, atol=1e-13)


def test_equal_draws_stay_as_they_are():
    draws = np.repeat(DRAWS[..., :1], S, axis=-1)
    rounded, _ = round_all(draws)
    np.testing.assert_allclose(rounded[:J], draws, rtol=1e-15)
    zeros, _ = round_all(np.zeros((J, K, S)))
    assert not np.asarray(zeros)[:J].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5, 1e308])
def test_what_rounding_would_lose_is_not_rounded(value):
    draws = DRAWS.copy()
    draws[7, 1, 3] = value
    rounded, mean = round_all(draws)
    assert rounded is None
    np.testing.assert_array_equal(mean, draws.mean(axis=-1))


def test_large_numbers():
    rounded, _ = round_all(1e300 * DRAWS)
    assert isinstance(rounded, RoundedEffects)
    assert np.isfinite(np.asarray(rounded)).all()


def test_blocks_do_not_matter(monkeypatch):
    expected, _ = round_all(DRAWS)
    monkeypatch.setattr("skhlm.posterior.rounded_effects.BLOCK_BYTES", 1)
    found, _ = round_all(DRAWS)
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value)


# --- in a posterior -------------------------------------------------------------------------------


@pytest.fixture
def posteriors(monkeypatch):
    """A function that makes the posterior of some effects, rounded and as they are."""

    def make(effects):
        rng = np.random.default_rng(0)
        shape = (2, S // 2)
        draws = Draws(
            kappa=rng.normal(size=(*shape, K)),
            delta=(np.moveaxis(effects, -1, 0).reshape(*shape, J, K),),
            tau=(rng.gamma(2, size=(*shape, K)),),
            omega=(),
            auxiliary=auxiliary(rng.gamma(2, size=shape), 5.0),
        )
        units = Units(True, 3.0, 2.0, np.array([1.5]), np.array([4.0]))
        found = []
        for many in (1, 10**9):
            monkeypatch.setattr(draws_module, "MANY_EFFECTS", many)
            found.append(posterior_of(draws, (np.arange(K),), units))
        return found

    return make


def test_a_posterior_of_rounded_effects(posteriors):
    rounded, plain = posteriors(DRAWS)
    assert isinstance(rounded.draws.delta[0], RoundedEffects)
    assert isinstance(plain.draws.delta[0], np.ndarray)
    for a, b in ((rounded.mean.delta, plain.mean.delta), (rounded.mean.kappa, plain.mean.kappa)):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)
    bound = 1e-4 * np.ptp(plain.draws.delta[0], axis=-1).max()
    few, few_plain = (p.thinned(40) for p in (rounded, plain))
    for a, b in ((rounded, plain), (few, few_plain)):
        np.testing.assert_allclose(a.draws.delta[0], b.draws.delta[0], rtol=0, atol=bound)
        codes = np.array([[0], [3], [NEW], [NO_EFFECT], [3]])
        Z = np.random.default_rng(1).normal(size=(5, K))
        eta = [p.draws.expected_value(Z, codes) for p in (a, b)]
        np.testing.assert_allclose(*eta, rtol=0, atol=10 * bound)
    np.testing.assert_array_equal(rounded.draws.delta[0][NEW], plain.draws.delta[0][NEW])


def test_effects_that_cannot_be_rounded_are_kept_as_they_are(posteriors):
    effects = DRAWS.copy()
    effects[0, 0, 0] = 1e9
    rounded, plain = posteriors(effects)
    np.testing.assert_array_equal(rounded.draws.delta[0], plain.draws.delta[0])


def test_two_bytes_a_draw(posteriors):
    rounded, _ = posteriors(DRAWS)
    others = sum(array.nbytes for array in (rounded.draws.kappa, *rounded.tau, UNSEEN)) + 3 * 8 * S
    assert len(pickle.dumps(rounded)) < 2 * DRAWS.size + 4 * 8 * J * K + others + 10_000
