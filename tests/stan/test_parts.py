"""Many rows are swept in parts, by as many threads as there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skhlm.engine.target import build_target
from tests.engine.problems import log_density, make_problem

N = 40_000  # rows of two parts; half of them are one
N_FEW = 500
FAMILIES = ["student_t", "normal", "binomial", "poisson", "negative_binomial", "gamma"]


@pytest.fixture(scope="module", params=FAMILIES)
def target_of(request):
    """The density of any of the rows, in one map."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(N), rng.normal(size=N)])
    shop, item = np.arange(N) % 7, np.arange(N) % 5
    mean = np.exp(0.3 * X[:, 1] + 0.2 * rng.normal(size=7)[shop])
    y = {
        "student_t": lambda: mean + rng.standard_t(4, size=N),
        "normal": lambda: mean + rng.normal(size=N),
        "binomial": lambda: (rng.random(N) < 0.5).astype(float),
        "poisson": lambda: rng.poisson(mean).astype(float),
        "negative_binomial": lambda: rng.poisson(mean * rng.gamma(2.0, 0.5, size=N)).astype(float),
        "gamma": lambda: rng.gamma(2.0, 0.5 * mean),
    }[request.param]()

    def problem(rows):
        return make_problem(X[rows], y[rows], (shop[rows], item[rows]), request.param)

    whole = build_target(problem(slice(N)))
    return lambda rows: replace(whole, problem=problem(rows))


def points_of(target):
    """Some points of the program's parameters."""
    n_aux = len(target.problem.family.auxiliary)
    return np.random.default_rng(1).normal(size=(3, 4 + n_aux + 2 * 2 + 2 * 12))


def test_densities_of_rows_add_up(target_of, tmp_path):
    """Both sides have the same rows, and the rest of the density twice."""
    most, half = slice(N_FEW, N), slice(N // 2 + N_FEW, N)
    points = points_of(target_of(slice(N)))

    def density(*rows):
        picked = np.concatenate([np.arange(N)[some] for some in rows])
        return log_density(target_of(picked).data_block(), points, tmp_path)

    few, other = slice(N_FEW), slice(N_FEW, N // 2 + N_FEW)
    found, expected = density(most) + density(few), density(half) + density(other, few)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-6)


def test_threads_change_nothing(target_of, tmp_path):
    target = target_of(slice(N))
    block, points = target.data_block(), points_of(target)
    one, three = (log_density(block, points, tmp_path, STAN_NUM_THREADS=n) for n in "13")
    np.testing.assert_array_equal(three, one)
