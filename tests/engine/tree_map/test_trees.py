"""Trees of a problem: which cells are under which leaf, and what effects add up to there."""

from __future__ import annotations

import numpy as np

from skhlm.engine.tree_map.forest import learn_forest
from skhlm.engine.tree_map.trees import leaf_effects, learn_trees
from tests.engine.problems import make_problem

N = 24
COUNTRY, VERTICAL = np.arange(N) % 6, np.arange(N) % 4
X, Y = np.ones((N, 3)), np.arange(N)


def trees_of(factors, **options):
    problem = make_problem(X, Y, factors, **options)
    return problem, learn_trees(problem, learn_forest(problem.codes, problem.n_levels))


def test_a_tree_knows_the_leaf_of_every_cell():
    problem, trees = trees_of([COUNTRY // 2, COUNTRY, VERTICAL])
    assert [tree.members for tree in trees] == [(0, 1), (2,)]
    assert [tree.n_leaves for tree in trees] == [6, 4]
    for tree, g in zip(trees, (1, 2), strict=True):
        np.testing.assert_array_equal(tree.leaf, problem.codes[:, g])
    np.testing.assert_array_equal(trees[0].layers[1].parents, np.arange(6) // 2)


def test_without_factors_there_is_one_root():
    _, (tree,) = trees_of([])
    assert (tree.members, tree.layers, tree.n_leaves) == ((), (), 1)
    np.testing.assert_array_equal(leaf_effects(tree, (), 3), np.zeros((3, 1)))


def test_effects_of_nested_levels_add_up():
    varying = [[0, 2], [1, 2]]
    problem, (tree,) = trees_of([COUNTRY // 2, COUNTRY], varying=varying)
    rng = np.random.default_rng(0)
    delta = [rng.normal(size=(2, J)) for J in problem.n_levels]
    found = leaf_effects(tree, delta, 3)
    for j in range(6):
        expected = np.zeros(3)
        expected[varying[0]] += delta[0][:, j // 2]
        expected[varying[1]] += delta[1][:, j]
        np.testing.assert_allclose(found[:, j], expected)
