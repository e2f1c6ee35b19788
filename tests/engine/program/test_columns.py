"""The program's columns as coordinates, and back."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.engine.program.columns import initial_values, read_coordinates
from skhlm.engine.tree_map.forest import learn_forest
from skhlm.families import FAMILIES
from tests.engine.problems import make_problem, n_coordinates, normal_coordinates

ROWS = np.arange(24)
FACTORS = [ROWS % 6 // 2, ROWS % 6, ROWS % 4]


@pytest.fixture(params=[(f, c) for f in FAMILIES for c in ("diagonal", "full")], ids=str)
def problem(request):
    family, covariance = request.param
    X = np.column_stack([np.ones(24), ROWS])
    varying = [[0, 1], [0], [0, 1]]
    return make_problem(X, ROWS + 1, FACTORS, family, covariance, varying)


def test_columns_are_split_in_the_program_s_order(problem):
    forest = learn_forest(problem.codes, problem.n_levels)
    sizes = n_coordinates(problem, forest)
    z = normal_coordinates(problem, forest, n_draws=3)
    program_s = {**vars(z), "z_root": z.z_root.swapaxes(-1, -2)}  # roots one after the other
    columns = np.concatenate([program_s[name].reshape(2, 3, -1) for name in sizes], axis=-1)
    found = read_coordinates(columns, problem, n_roots=len(forest.chains))
    for name, values in vars(z).items():
        np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)
    with pytest.raises(ValueError, match=rf"{columns.shape[-1] - 1} columns .* expected"):
        read_coordinates(columns[..., 1:], problem, n_roots=len(forest.chains))


def test_chains_begin_at_their_first_draws(problem):
    forest = learn_forest(problem.codes, problem.n_levels)
    z = normal_coordinates(problem, forest, n_draws=3)
    for chain, values in enumerate(initial_values(z)):
        assert values.keys() == vars(z).keys()
        for name, value in values.items():
            np.testing.assert_array_equal(value, getattr(z, name)[chain, 0])
