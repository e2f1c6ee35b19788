"""Constants of the map from expansions of the log likelihood."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.engine.quick_fit.expansion import (
    Expansion,
    ScaleMaps,
    score_at_zero,
    to_constants,
    to_rooted_constants,
)
from tests.engine.problems import location_scale, make_problem, trees_of

RNG = np.random.default_rng(0)
K, LEVELS = 2, (4, 3)
PRIOR = location_scale(K, np.inf, 0.5, 3.0)
KAPPA = np.array([1.0, -2.0])


def expansion_of(J, scale=1.0):
    root = RNG.normal(size=(J, K, K + 2))
    information = scale * root @ np.swapaxes(root, 1, 2)
    return Expansion(RNG.normal(size=(J, K)), information, RNG.normal(size=(J, K)))


def scales_of(n_factors):
    maps = np.array([[-0.5], [0.3], [0.0]])
    return ScaleMaps((np.tile(maps, K),) * n_factors, maps, np.zeros((1, 1)), 0.0)


@pytest.fixture
def crossed():
    """Two crossed trees, their expansions, and the constants of the map."""
    rows = np.arange(12)
    problem = make_problem(np.ones((12, K)), rows, [rows % J for J in LEVELS])
    trees = trees_of(problem)
    expansions = [expansion_of(tree.n_leaves) for tree in trees]
    return expansions, to_constants(trees, expansions, KAPPA, PRIOR, scales_of(2))


def test_the_score_at_zero_is_that_of_the_quadratic():
    expansion, root = expansion_of(3), np.array([0.2, 0.7])
    found = score_at_zero(expansion, root)
    for found_l, at, F, gradient in zip(found, *vars(expansion).values(), strict=True):
        np.testing.assert_allclose(found_l - F @ (at + root), gradient)


def test_contrasts_weigh_by_what_data_tell_beside_the_prior(crossed):
    (_, second), constants = crossed
    total = second.information.sum(axis=0) + np.eye(K) / 9
    weights = np.stack([np.linalg.inv(total) @ F for F in second.information])
    np.testing.assert_allclose(constants.contrast_weight[1], weights)
    assert not constants.contrast_weight[0].any()


def test_the_first_root_is_kappa_and_the_other_trees_contrasts(crossed):
    (first, second), constants = crossed
    shift = np.einsum("lij,lj->i", constants.contrast_weight[1], second.effects)
    np.testing.assert_allclose(constants.leaf_score[0], score_at_zero(first, KAPPA + shift))
    np.testing.assert_allclose(constants.leaf_score[1], score_at_zero(second, np.zeros(K)))
    assert (constants.prior_precision < 1 / 9).all()  # as it varies by these too
    np.testing.assert_allclose(constants.prior_score, 0.5 * constants.prior_precision)


def test_without_factors_the_root_has_it_all():
    expansion = expansion_of(1)
    problem = make_problem(np.ones((3, K)), np.arange(3.0), [])
    trees = trees_of(problem)
    constants = to_rooted_constants(trees, [expansion], KAPPA, PRIOR, scales_of(0))
    np.testing.assert_allclose(constants.root_information, expansion.information[0])
    np.testing.assert_allclose(constants.root_score, score_at_zero(expansion, KAPPA)[0])
    assert constants.leaf_information == constants.leaf_score == constants.contrast_weight == ()


def test_collinear_columns_and_columns_of_zeros_stay_positive_definite():
    rows = np.arange(4)
    problem = make_problem(np.ones((4, K)), rows, [rows])
    trees = trees_of(problem)
    for information in (np.ones((K, K)), np.diag([1.0, 0.0]), np.zeros((K, K))):
        expansion = Expansion(np.zeros((4, K)), np.tile(information, (4, 1, 1)), np.zeros((4, K)))
        constants = to_constants(trees, [expansion], KAPPA, PRIOR, scales_of(1))
        total = constants.leaf_information[0].sum(axis=0)
        assert np.linalg.eigvalsh(total).min() > 0
        np.testing.assert_allclose(total, 4 * information, atol=1e-7)
