from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from skhlm.numerics.forest import build_trees, leaf_effects, leaf_sums, learn_forest

COUNTRY = np.repeat(np.arange(6), 4)
REGION = np.array([0, 0, 1, 1, 1, 2])[COUNTRY]
CITY = np.arange(24) // 2
VERTICAL = np.arange(24) % 4
INDUSTRY = VERTICAL // 2
BLOCK = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2])[CITY]  # of cities, across countries
ALL = np.zeros(24, dtype=int)

CASES = {
    "one factor": ([COUNTRY], [(0,)]),
    "crossed": ([COUNTRY, VERTICAL], [(0,), (1,)]),
    "nested": ([REGION, COUNTRY], [(0, 1)]),
    "nested, listed fine to coarse": ([COUNTRY, REGION], [(1, 0)]),
    "three deep": ([REGION, COUNTRY, CITY], [(0, 1, 2)]),
    "three deep in another order": ([CITY, REGION, COUNTRY], [(1, 2, 0)]),
    "two hierarchies": ([REGION, COUNTRY, INDUSTRY, VERTICAL], [(0, 1), (2, 3)]),
    "two hierarchies, mixed": ([VERTICAL, REGION, INDUSTRY, COUNTRY], [(1, 3), (2, 0)]),
    "two children: the finer continues": (
        [REGION, COUNTRY, REGION * 10 + VERTICAL],
        [(0, 2), (1,)],
    ),
    "a grandchild beside a child": ([REGION, COUNTRY, CITY, BLOCK], [(0, 1, 2), (3,)]),
    "equal sizes: the first is the parent": ([COUNTRY, 5 - COUNTRY], [(0, 1)]),
    "one level contains all": ([COUNTRY, ALL, VERTICAL], [(1, 0), (2,)]),
    "one level twice": ([ALL, ALL], [(0, 1)]),
}


def codes_of(factors):
    """Distinct level combinations (C, G), levels numbered by value, and the n_levels."""
    labels = [np.unique(factor, return_inverse=True)[1] for factor in factors]
    return np.unique(np.column_stack(labels), axis=0), [label.max() + 1 for label in labels]


@pytest.mark.parametrize(("factors", "chains"), CASES.values(), ids=CASES.keys())
def test_chains(factors, chains):
    assert learn_forest(*codes_of(factors)).chains == tuple(chains)


@pytest.mark.parametrize(("factors", "_"), CASES.values(), ids=CASES.keys())
def test_every_level_lies_in_its_parent(factors, _):
    codes, n_levels = codes_of(factors)
    forest = learn_forest(codes, n_levels)
    assert sorted(forest.order) == list(range(len(factors)))
    for chain in forest.chains:
        assert not forest.parents[chain[0]].any()
        for parent, child in pairwise(chain):
            np.testing.assert_array_equal(forest.parents[child][codes[:, child]], codes[:, parent])


def test_no_factors():
    forest = learn_forest(np.zeros((1, 0), dtype=np.int64), ())
    assert forest.chains == ()
    assert forest.parents == ()
    assert forest.order == ()


def test_tree_order_goes_down_each_chain():
    codes, n_levels = codes_of([VERTICAL, REGION, INDUSTRY, COUNTRY])
    assert learn_forest(codes, n_levels).order == (1, 3, 2, 0)


def test_order_of_the_cells_does_not_matter():
    codes, n_levels = codes_of([CITY, REGION, COUNTRY, VERTICAL])
    shuffled = codes[np.random.default_rng(0).permutation(len(codes))]
    one, other = learn_forest(codes, n_levels), learn_forest(shuffled, n_levels)
    assert one.chains == other.chains
    for p, q in zip(one.parents, other.parents, strict=True):
        np.testing.assert_array_equal(p, q)


# --- trees ---------------------------------------------------------------------------------------


def trees_of(factors, varying=None):
    """Codes and trees of some factors; two coefficients vary by each of them, unless given."""
    codes, n_levels = codes_of(factors)
    subsets = [np.array(a) for a in varying or [[0, 1]] * len(factors)]
    return codes, build_trees(learn_forest(codes, n_levels), codes, subsets)


def test_a_tree_knows_the_leaf_of_every_cell():
    codes, trees = trees_of([COUNTRY // 2, COUNTRY, VERTICAL])
    assert [tree.members for tree in trees] == [(0, 1), (2,)]
    assert [tree.n_leaves for tree in trees] == [6, 4]
    for tree, g in zip(trees, (1, 2), strict=True):
        np.testing.assert_array_equal(tree.leaf, codes[:, g])
    np.testing.assert_array_equal(trees[0].layers[1].parents, np.arange(6) // 2)


def test_without_factors_there_is_one_root():
    codes = np.zeros((1, 0), dtype=np.int64)
    (tree,) = build_trees(learn_forest(codes, ()), codes, ())
    assert (tree.members, tree.layers, tree.n_leaves) == ((), (), 1)
    np.testing.assert_array_equal(leaf_effects(tree, (), 3), np.zeros((3, 1)))


def test_effects_of_nested_levels_add_up():
    varying = [[0, 2], [1, 2]]
    _, (tree,) = trees_of([COUNTRY // 2, COUNTRY], varying)
    rng = np.random.default_rng(0)
    delta = [rng.normal(size=(2, J)) for J in (3, 6)]
    found = leaf_effects(tree, delta, 3)
    for j in range(6):
        expected = np.zeros(3)
        expected[varying[0]] += delta[0][:, j // 2]
        expected[varying[1]] += delta[1][:, j]
        np.testing.assert_allclose(found[:, j], expected)


def test_leaves_have_the_sums_of_their_cells():
    codes, trees = trees_of([CITY, VERTICAL])
    numbers = np.random.default_rng(0).normal(size=(2, 2, len(codes)))
    for tree in trees:
        found = leaf_sums(tree, numbers)
        assert found.shape == (2, 2, tree.n_leaves, 1)
        for j in range(tree.n_leaves):
            expected = numbers[..., tree.leaf == j].sum(axis=-1)
            np.testing.assert_allclose(found[..., j, 0], expected)
