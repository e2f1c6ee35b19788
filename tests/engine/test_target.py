"""Effects that the program leaves out: when, what the density is then, and how they are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skhlm.engine.inference import choose_settings
from skhlm.engine.program.runs import sample
from skhlm.engine.target import build_target
from skhlm.inputs.design import Units
from skhlm.numerics.columns import Columns
from skhlm.posterior import Posterior
from skhlm.progress import Progress
from tests.chance import SHIFT, assert_near, mean_error
from tests.engine.problems import log_density, make_problem

N = 60
CITY = np.arange(N) % 12
STREET = 3 * CITY + np.arange(N) // 24
COUNTRY, REGION = CITY // 2, CITY // 4
CROSSED = np.arange(N) // 15


def problem_of(factors=(CITY,), noise=0.5, seed=0, collinear=False, n_predictors=2, **case):
    """Rows of a hierarchy with an intercept and predictors."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(N), rng.normal(size=(N, n_predictors))])
    if collinear:
        X[:, 2] = 2 * X[:, 1]
    effects = rng.normal(size=(12, 1 + n_predictors))[CITY]
    y = (X * (1 + effects)).sum(axis=1) + noise * rng.normal(size=N)
    return make_problem(X, y, factors, **case)


CASES = {
    "one factor": {},
    "three nested": {"factors": (REGION, COUNTRY, CITY)},
    "some vary": {"factors": (REGION, CITY), "varying": [[0], [1, 2]]},
    "many levels above few rows": {"factors": (CITY, STREET), "varying": [[2, 0], [0]]},
    "many predictors": {"factors": (REGION, COUNTRY), "n_predictors": 7},
    "few of many predictors": {"n_predictors": 9, "varying": [[7, 3]]},
    "nearly exact": {"noise": 1e-3},
    "correlated": {"factors": (REGION, CITY), "covariance": "full"},
    "weighted": {"weight": np.linspace(0.5, 3, N)},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_density_of_the_rest_is_what_a_normal_one_of_the_effects_leaves(case, tmp_path):
    """log p(rest, z_delta) = log p(rest) - |z_delta|^2 / 2 + const., and so are its gradients."""
    target = build_target(problem_of(**case))
    assert target.is_collapsed
    whole = replace(target, is_collapsed=False)
    n_effects = target.problem.n_effects
    points = np.random.default_rng(1).normal(size=(6, n_effects + _n_rest(target)))
    rest, effects = points[:, :-n_effects], points[:, -n_effects:]
    found = log_density(whole.data_block(), points, tmp_path)
    expected = log_density(target.data_block(), rest, tmp_path)
    difference = found[:, 0] - expected[:, 0] + 0.5 * np.square(effects).sum(axis=1)
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-8)
    np.testing.assert_allclose(found[:, 1:-n_effects], expected[:, 1:], rtol=0, atol=1e-7)
    np.testing.assert_allclose(found[:, -n_effects:], -effects, rtol=0, atol=1e-7)


def _n_rest(target):
    """Coordinates beside those of the effects."""
    sizes = [len(a) for a in target.problem.varying]
    correlations = sum(k * (k - 1) // 2 for k in sizes) * (target.problem.covariance == "full")
    return sum(sizes) + 1 + correlations + target.problem.n_coefficients


@pytest.mark.parametrize(
    "case",
    [
        {"factors": (CITY, CROSSED)},
        {"family": "student_t"},
        {"collinear": True},
        {"noise": 1e-9},
        {"factors": ()},
    ],
    ids=str,
)
def test_effects_are_sampled_where_the_map_is_not_their_posterior(case):
    assert not build_target(problem_of(**case)).is_collapsed


def test_effects_left_out_are_drawn_from_the_seed():
    target = build_target(problem_of(factors=(REGION, CITY)))
    columns = Columns.in_memory(np.zeros((2, 3, _n_rest(target))))
    one, again, other, mode = (_whole(target, columns, seed) for seed in (1, 1, 2, None))
    for g in range(2):
        np.testing.assert_array_equal(one.delta[g], again.delta[g])
        assert (one.delta[g] != other.delta[g]).all()
        assert len(np.unique(one.delta[g])) == one.delta[g].size
        assert np.ptp(mode.delta[g], axis=(0, 1)).max() < 1e-12


@pytest.mark.parametrize("case", ["three nested", "correlated"])
def test_draws_are_those_of_a_run_that_samples_the_effects(case):
    """Means of all parameters, their squares, and products of effects with their scales.

    Some 300 numbers, each with its Monte Carlo error: fails by chance below 1e-4.
    """
    problem = problem_of(**CASES[case])
    target = build_target(problem)
    found, expected = (
        _statistics(_draws(target if collapsed else replace(target, is_collapsed=False), seed))
        for collapsed, seed in ((True, 1), (False, 2))
    )
    error = np.hypot(*(np.array([mean_error(x) for x in run]) for run in (found, expected)))
    means = ([x.mean() for x in run] for run in (found, expected))
    assert_near(*means, error)


def _draws(target, seed):
    gaps = dict.fromkeys(["iter_warmup", "fallback"])
    settings = choose_settings(
        algorithm="nuts",
        chains=4,
        iter_sampling=1000,
        adapt_delta=0.9,
        max_treedepth=10,
        n_jobs=2,
        seed=seed + 10 * SHIFT,
        **gaps,
    )
    columns, _ = sample(target.data_block(), settings, Progress())
    return _whole(target, columns, seed)


def _whole(target, columns, seed):
    """Draws of all parameters, those of the effects among them that are left out."""
    draws, left_out = target.draws(columns, seed), target.left_out(seed)
    if left_out is None:
        return draws
    problem, K = target.problem, target.problem.n_coefficients
    units = Units(True, 0.0, 1.0, np.zeros(K - 1), np.ones(K - 1))
    posterior = Posterior.from_draws(
        draws, problem.varying, units, problem.family, left_out=left_out
    )
    made = np.moveaxis(np.asarray(posterior.draws.made)[:-2], -1, 0)
    made = made.reshape(*draws.shape, *made.shape[1:])
    delta = tuple(made if g == left_out.factor else d for g, d in enumerate(draws.delta))
    return replace(draws, delta=delta)


def _statistics(draws):
    """Chains (4, S) of what is compared."""
    tau = np.log(np.concatenate(draws.tau, axis=-1))
    delta = np.concatenate([d.reshape(*d.shape[:2], -1) for d in draws.delta], axis=-1)
    sums = [np.log(np.square(d).sum(axis=2)) for d in draws.delta]
    with_scales = [s * np.log(t) for s, t in zip(sums, draws.tau, strict=True)]
    columns = [draws.kappa, tau, delta, draws.kappa**2, tau**2, delta**2, *sums, *with_scales]
    columns += [np.log(draws.auxiliary["sigma"])[..., None]]
    return np.moveaxis(np.concatenate(columns, axis=-1), -1, 0)
