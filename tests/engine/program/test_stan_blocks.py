"""The data block says of every cell what the problem's rows say; parameters and coordinates."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.engine.program.stan_blocks import initial_values, read_coordinates
from skhlm.engine.target import build_target
from skhlm.families import FAMILIES
from skhlm.numerics.columns import Columns
from skhlm.numerics.forest import learn_forest
from tests.engine.problems import make_problem, n_coordinates, normal_coordinates, simulate

ROWS = np.arange(24)
FACTORS = [ROWS % 6 // 2, ROWS % 6, ROWS % 4]


@pytest.mark.parametrize("family", ["student_t", "normal"])
def test_every_cell_keeps_its_information(family):
    problem, _ = simulate(200, 3, 2, 5, 2, 4, seed=1, family=family)
    data = build_target(problem).data_block()
    assert data["start"][-1] == data["N"] + 1
    assert data["n_obs"] == pytest.approx(problem.weight.sum())
    assert (data["rss"] > 0) == (family == "normal")
    for cell in range(len(problem.codes)):
        rows = slice(*(data["start"][cell : cell + 2] - 1))
        Z, u, weight = data["X"][:, rows], data["y"][rows], data["weight"][rows]
        mine = problem.cell == cell
        X, y, w = problem.X[mine].T, problem.y[mine], problem.weight[mine]
        np.testing.assert_allclose(Z * weight @ Z.T, X * w @ X.T, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(Z * weight @ u, X * w @ y, rtol=1e-12, atol=1e-12)


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
    n_roots = len(forest.chains)
    found = read_coordinates(Columns.in_memory(columns), problem, n_roots).in_memory()
    for name, values in vars(z).items():
        np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)
    with pytest.raises(ValueError, match=rf"{columns.shape[-1] - 1} columns .* expected"):
        read_coordinates(Columns.in_memory(columns[..., 1:]), problem, n_roots)


def test_chains_begin_at_their_first_draws(problem):
    forest = learn_forest(problem.codes, problem.n_levels)
    z = normal_coordinates(problem, forest, n_draws=3)
    for chain, values in enumerate(initial_values(z)):
        assert values.keys() == vars(z).keys()
        for name, value in values.items():
            np.testing.assert_array_equal(value, getattr(z, name)[chain, 0])
