"""The rows in the data block say of every cell what the problem's rows say."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.engine.target import build_target
from tests.engine.problems import simulate


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
