"""Effects that are made when asked for: their law, and that it does not matter who asks."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest

from skhlm.draws import LeftOut
from skhlm.posterior.level_effects import LevelEffects, Rest
from tests.chance import SHIFT, assert_near

J, S, K = 7, 50, 3
PARENTS = np.array([0, 0, 1, 1, 1, 2, 2])
CASES = {
    "all vary": {},
    "some vary": {"own": [0, 2]},
    "one varies": {"own": [1]},
    "correlated": {"correlated": True},
    "nested": {"own": [1, 2], "above": [0, 1], "correlated": True},
}


def effects_of(own=(0, 1, 2), above=None, correlated=False, n_draws=S, same=False):
    """Levels of some rows each, and draws of everything else; the same draw throughout if asked."""
    rng = np.random.default_rng(5)
    own = np.array(own)
    x = rng.normal(size=(J, 6, K))
    information = np.einsum("lni,lnj->lij", x[..., own], x)
    score = np.einsum("lni,ln->li", x[..., own], 2 * rng.normal(size=(J, 6)))
    root = np.zeros((len(own), len(own), n_draws))
    for i in range(len(own)):
        root[i, i] = np.exp(rng.normal(size=n_draws))
        if correlated:
            root[i, :i] = rng.normal(size=(i, n_draws))
    delta = rng.normal(size=(5, 2, n_draws))
    delta[-2] = 0
    rest = Rest(
        kappa=rng.normal(size=(K, n_draws)),
        above=() if above is None else (delta,),
        root=root,
        precision=np.exp(rng.normal(size=n_draws)),
    )
    if same:
        rest = rest.some(np.zeros(n_draws, dtype=np.int64))
    factor = 0 if above is None else 1
    return LevelEffects(
        rows=LeftOut(
            factor=factor,
            information=information,
            score=score,
            above=() if above is None else (0,),
            lies_in=() if above is None else (PARENTS,),
            seed=3 + SHIFT,
        ),
        varying=(own,) if above is None else (np.array(above), own),
        rest=rest,
        scale=np.linspace(0.5, 2, len(own)),
        unseen=rng.normal(size=(len(own), n_draws)),
        stream=np.arange(n_draws),
    )


def conditional(effects, level, s):
    """Mean and covariance of a level's effects given draw s, by the textbook."""
    rows, rest = effects.rows, effects.rest
    own, total = effects.varying[rows.factor], rest.kappa[:, s].copy()
    for h, codes, delta in zip(rows.above, rows.lies_in, rest.above, strict=True):
        total[effects.varying[h]] += delta[codes[level], :, s]
    T, c = rest.root[..., s], rest.precision[s]
    V = np.linalg.inv(c * rows.information[level][:, own] + np.linalg.inv(T @ T.T))
    mean = V @ (c * (rows.score[level] - rows.information[level] @ total))
    return effects.scale * mean, np.outer(effects.scale, effects.scale) * V


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_moments_are_those_of_the_mixture(case):
    effects = effects_of(**case)
    for level in range(J):
        means, covariances = zip(*(conditional(effects, level, s) for s in range(S)), strict=True)
        expected = np.mean(covariances, axis=0) + np.cov(means, rowvar=False, ddof=0)
        np.testing.assert_allclose(effects.moments.mean[level], np.mean(means, axis=0), rtol=1e-9)
        np.testing.assert_allclose(effects.moments.covariance[level], expected, rtol=1e-9)
    np.testing.assert_array_equal(effects.means[:J, :, 0], effects.moments.mean)
    assert not effects.means[J:].any()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_draws_have_the_conditional_law(case):
    """Of one draw of the rest, made 4000 times; standard errors are those of independent draws.

    Some 60 numbers a case: fails by chance below 1e-4 (`assert_near`).
    """
    n = 4000
    effects = effects_of(**case, n_draws=n, same=True)
    draws = effects[:J]
    for level in range(J):
        mean, covariance = conditional(effects, level, 0)
        white = np.linalg.solve(np.linalg.cholesky(covariance), draws[level] - mean[:, None])
        size = len(mean)
        assert_near(white.mean(axis=1), np.zeros(size), np.full(size, n**-0.5))
        products = white @ white.T / n
        error = np.sqrt((1 + np.eye(size)) / n)
        assert_near(products.ravel(), np.eye(size).ravel(), error.ravel())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_whoever_asks_is_told_the_same(case):
    effects = effects_of(**case)
    whole = np.asarray(effects)
    assert whole.shape == effects.shape == (J + 2, len(effects.scale), S)
    order = np.array([4, -1, 2, 2, -2, 0, 6])
    np.testing.assert_array_equal(effects[order], whole[order])
    np.testing.assert_array_equal(effects[3], whole[3])
    np.testing.assert_array_equal(effects[order, 0], whole[order, 0])
    np.testing.assert_array_equal(effects[:-2], whole[:-2])
    np.testing.assert_array_equal(whole[-2], 0)
    np.testing.assert_array_equal(whole[-1], effects.unseen)
    picks = np.array([40, 3, 17])
    np.testing.assert_array_equal(np.asarray(effects.some(picks)), whole[..., picks])
    np.testing.assert_array_equal(effects.some(picks).some(slice(1, 3))[5], whole[5][:, picks[1:]])
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(effects))), whole)
    np.testing.assert_allclose(np.asarray(effects.times(-2.0)), -2 * whole, rtol=1e-15)
    np.testing.assert_allclose(effects.times(-2.0).means, -2 * effects.means, rtol=1e-15)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("are_known", [True, False])
def test_moments_beside_draws_are_the_same(case, are_known):
    effects = effects_of(**case)
    expected = effects_of(**case).moments
    if are_known:
        assert effects.moments
    for levels in (np.arange(J), np.array([5, 0, 2])):
        draws, moments = effects.with_moments(levels)
        np.testing.assert_array_equal(draws, effects.of(levels))
        for found, whole in zip(moments, expected, strict=True):
            np.testing.assert_array_equal(found, whole[levels])


def test_other_numbers_are_as_good():
    effects = effects_of()
    picks = np.array([9, 20, 30])
    some, other = effects.some(picks), effects.some(picks).renumbered()
    np.testing.assert_array_equal(other.moments.mean, some.moments.mean)
    assert (other[:J] != some[:J]).all()


def test_levels_have_numbers_of_their_own():
    """No two levels, coefficients or draws share a number."""
    effects = effects_of()
    root = np.broadcast_to(np.eye(3)[..., None], (3, 3, S))
    rest = replace(effects.rest, precision=np.zeros(S), root=root)  # what is left is the numbers
    alone = replace(effects, rest=rest, scale=np.ones(3))
    assert len(np.unique(alone[:J])) == J * 3 * S


@pytest.mark.parametrize("tau", [0.0, 1e-200, 1e-160])
def test_an_sd_of_next_to_nothing_leaves_next_to_nothing(tau):
    effects = effects_of()
    root = effects.rest.root.copy()
    root[1] *= tau
    nearly = replace(effects, rest=replace(effects.rest, root=root))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, moments = nearly[:J], nearly.moments
    assert np.isfinite(found).all() and np.isfinite(moments.covariance).all()
    assert np.abs(found[:, 1]).max() <= 1e3 * tau
    others = effects_of(own=[0, 2])
    assert np.abs(found[:, [0, 2]]).min() > 0 < np.abs(others[:J]).min()


def test_a_mode_has_no_noise():
    effects = effects_of()
    mode = replace(effects, rows=replace(effects.rows, seed=None)).some(np.array([4]))
    for level in range(J):
        np.testing.assert_allclose(mode[level][:, 0], conditional(effects, level, 4)[0], rtol=1e-9)
    np.testing.assert_array_equal(mode[:J], mode.means[:J])
