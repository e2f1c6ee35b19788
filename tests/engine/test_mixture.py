"""The sampler of short groups with Student-t residuals: when it draws, and what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skhlm.engine.inference import choose_settings
from skhlm.engine.program.runs import sample
from skhlm.engine.target import build_target
from skhlm.numerics.columns import Columns
from skhlm.progress import Progress
from tests.chance import SHIFT, assert_near, mean_error
from tests.engine.problems import location_scale, make_problem

J, N_EACH = 12, 5
CITY = np.repeat(np.arange(J), N_EACH)
COUNTRY = CITY // 3
CROSSED = np.arange(J * N_EACH) % 4
MANY = np.arange(J * N_EACH) // 2


def problem_of(factors=(CITY,), nu=2.0, n_columns=2, seed=0, **case):
    """Short groups with residuals of heavy tails."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(len(CITY)), rng.normal(size=(len(CITY), n_columns - 1))])
    effects = 0.5 * rng.normal(size=(J, n_columns))[CITY]
    y = (X * (1 + effects)).sum(axis=1) + 0.4 * rng.standard_t(nu, len(CITY))
    return make_problem(X, y, factors, **{"family": "student_t", **case})


CASES = {
    "one factor": {},
    "nested": {"factors": (COUNTRY, CITY)},
    "some vary": {"factors": (COUNTRY, CITY), "varying": [[0], [1]]},
    "correlated": {"covariance": "full"},
    "weighted": {"weight": np.linspace(0.5, 2, len(CITY))},
    "weighs little": {"weight": np.linspace(0.1, 0.7, len(CITY))},
    "student priors": {
        "kappa": location_scale(2, 3, 0.5, 0.5),
        "tau": (location_scale(2, 3, 0, 0.5),),
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_draws_are_those_of_nuts(case):
    """Means of all parameters, of their squares and of logarithms of scales.

    Two samplers that share no code but the posterior; each number has its Monte Carlo error: fails
    by chance below 1e-4.
    """
    target = build_target(problem_of(**case))
    found = _statistics(_draws(replace(target, is_mixture=True), 1, warmup=400))
    expected = _statistics(_draws(target, 2, warmup=200))
    error = np.hypot(*(np.array([mean_error(x) for x in run]) for run in (found, expected)))
    means = ([x.mean() for x in run] for run in (found, expected))
    assert_near(*means, error)


def _draws(target, seed, warmup):
    settings = choose_settings(
        algorithm="nuts",
        fallback=None,
        chains=4,
        iter_warmup=warmup,
        iter_sampling=2000,
        adapt_delta=0.9,
        max_treedepth=10,
        n_jobs=1,
        seed=seed + SHIFT,
    )
    start = target.cold_start(4, seed + SHIFT)
    columns, _ = sample(target.data_block(), settings, Progress(), start)
    return target.draws(columns, seed)


def _statistics(draws):
    """Columns (chains, draws) whose means are compared."""
    bounded = [np.tanh(x) for x in (draws.kappa, *draws.delta)]  # squares have long tails
    scales = [np.log(x) for x in (*draws.tau, *draws.auxiliary.values())]
    partial = [omega[..., 1, 0] for omega in draws.omega]
    parts = [*bounded, *(x**2 for x in bounded), *scales, *partial]
    flat = np.concatenate([x.reshape(*draws.shape, -1) for x in parts], axis=-1)
    return np.moveaxis(flat, -1, 0)


def test_it_draws_where_levels_are_many_and_short_and_tails_heavy():
    problem = problem_of(factors=(MANY,), nu=1.2, varying=[[0]])
    assert build_target(problem).for_chains().is_mixture


ELSEWHERE = {
    "normal": {"family": "normal"},
    "crossed": {"factors": (MANY, CROSSED)},
    "no factor": {"factors": ()},
    "light tails": {"nu": 50.0},
    "few levels": {"factors": (CITY,)},
    "long groups": {"factors": (np.zeros(J * N_EACH, dtype=int),)},
}


@pytest.mark.parametrize("case", ELSEWHERE.values(), ids=ELSEWHERE)
def test_elsewhere_it_is_nuts_that_draws(case):
    given = {"factors": (MANY,), "nu": 1.2, **case}
    varying = [[0]] * len(given["factors"])
    target = build_target(problem_of(**given, varying=varying))
    assert not target.for_chains().is_mixture


def test_a_poor_run_of_nuts_is_followed_by_it():
    """Where it knows the model, whatever the quick fit says of tails."""
    target = build_target(problem_of())
    z = np.random.default_rng(0).normal(size=(2, 50, 2 + 2 + 2 + target.problem.n_effects))
    columns = Columns.in_memory(z)
    other = target.recalibrated(columns, target.draws(columns, 0))
    assert other.is_mixture
    assert other.recalibrated(columns, target.draws(columns, 0)) is other


def test_chains_go_on_from_where_they_ended():
    target = replace(build_target(problem_of(covariance="full")), is_mixture=True)
    start = target.cold_start(2, seed=5)
    names = ["kappa", "tau", "aux", "z_omega", "delta"]
    ends = np.stack([np.concatenate([values[n] for n in names]) for values in start.inits])
    columns = Columns.in_memory(ends[:, None])
    draws = target.draws(columns, 0)
    for chain, values in enumerate(target.end(columns, np.nan).inits):
        for name in names:
            np.testing.assert_array_equal(values[name], start.inits[chain][name])
    assert (draws.auxiliary["nu"] > 1).all()
    assert (draws.tau[0] > 0).all()
    assert (np.linalg.det(draws.omega[0]) > 0).all()
