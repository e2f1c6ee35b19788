"""The inverse of the tree map: it takes draws to coordinates that the map takes back to them."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.engine.target import build_target
from skhlm.engine.tree_map.backward import to_coordinates
from tests.engine.problems import draws_at, make_problem, normal_coordinates

N = 90
RNG = np.random.default_rng(7)
CITY = RNG.integers(12, size=N)
VERTICAL = RNG.integers(6, size=N)
X = np.column_stack([np.ones(N), RNG.normal(size=(N, 2))])
Y = X @ [1, 0.5, -1] + RNG.normal(size=12)[CITY] + RNG.normal(size=6)[VERTICAL] + RNG.normal(size=N)

ONE_TREE = {
    "no factor": {"factors": []},
    "one factor": {"factors": [CITY]},
    "normal": {"factors": [CITY], "family": "normal"},
    "nested": {"factors": [CITY // 4, CITY // 2, CITY]},
    "full": {"factors": [CITY // 3, CITY], "covariance": "full"},
    "some vary": {"factors": [CITY // 3, CITY], "varying": [[1], [0, 2]]},
}
SEVERAL_TREES = {
    "crossed": {"factors": [CITY, VERTICAL]},
    "nested and crossed": {
        **{"factors": [CITY // 4, CITY, VERTICAL // 2, VERTICAL], "covariance": "full"},
        **{"varying": [[0], [0, 1, 2], [0, 2], [1, 2]]},
    },
}


def target_and_coordinates(case):
    target = build_target(make_problem(X, Y, **{"family": "student_t", **case}))
    return target, normal_coordinates(target.problem, target.forest, 20)


def inverse(target, draws):
    return to_coordinates(draws, target.problem, target.forest, target.constants)


@pytest.mark.parametrize("case", ONE_TREE.values(), ids=list(ONE_TREE))
def test_one_tree_gives_back_every_coordinate(case):
    target, z = target_and_coordinates(case)
    again = inverse(target, draws_at(target, z))
    for name, values in vars(z).items():
        if values is not None:
            np.testing.assert_allclose(vars(again)[name], values, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("case", SEVERAL_TREES.values(), ids=list(SEVERAL_TREES))
def test_several_trees_give_back_every_parameter(case):
    target, z = target_and_coordinates(case)
    draws = draws_at(target, z)
    again = draws_at(target, inverse(target, draws))
    for old, new in zip(arrays(draws), arrays(again), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-10, atol=1e-10)


def arrays(draws):
    found = []
    draws.map(lambda x: found.append(x) or x)
    return found


def test_auxiliary_roots_are_at_their_conditional_means():
    """Given the effects they are normal about it, so on average no draw moves the root's z."""
    target, z = target_and_coordinates(SEVERAL_TREES["crossed"])
    draws = draws_at(target, z)
    once = inverse(target, draws)
    twice = inverse(target, draws_at(target, once))
    np.testing.assert_allclose(twice.z_root, once.z_root, atol=1e-9)
    assert np.abs(once.z_root[..., 1] - z.z_root[..., 1]).max() > 0.1
