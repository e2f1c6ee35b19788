"""Marginals of the scales of sparse data, against sums over all that is integrated out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp

from skhlm.engine.quick_fit import calibration, sparse_scales
from skhlm.engine.quick_fit.calibration import calibrate
from skhlm.engine.quick_fit.sparse_scales import SparseScales, is_sparse
from skhlm.engine.quick_fit.sweeps import empirical_bayes
from skhlm.numerics.forest import learn_forest
from skhlm.numerics.quantiles import TAILS
from skhlm.numerics.scale_maps import match_quantiles
from tests.engine.problems import location_scale, make_problem, trees_of
from tests.engine.quick_fit.test_concave import AUX, CONCAVE, LOG_DENSITY, outcomes

RNG = np.random.default_rng(11)
N, J = 60, 24
LEVEL = np.sort(np.concatenate([np.arange(J), RNG.integers(J, size=N - J)]))
REGION = LEVEL // 4
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
EFFECTS = RNG.normal(size=(J, 2)) * [1.4, 0.9]
ETA = -0.3 + EFFECTS[LEVEL, 0] + (0.5 + EFFECTS[LEVEL, 1]) * X[:, 1]
KAPPA = -0.3
LOG_TAU = np.linspace(-6, 3, 25)
TAU = np.exp(LOG_TAU)[:, None]


def normal_nodes(n):
    """Nodes (n,) of N(0, 1), and the logs of their weights."""
    z = np.linspace(-6, 6, n)
    return z, -0.5 * np.square(z) - np.log(np.exp(-0.5 * np.square(z)).sum())


Z, LOG_WEIGHT = normal_nodes(31)  # of effects in units of tau


def fitted(problem):
    """5/50/95% points of log tau, kappa and effects, auxiliary parameters at what they were."""
    (tree,) = trees_of(problem)
    aux = {a.name: np.array(AUX) for a in problem.family.auxiliary}
    scales = SparseScales(problem.evidence, problem.family, problem.priors, tree, aux)
    start = empirical_bayes(problem, [tree])
    return scales.fit(start.log_tau, start.kappa, start.delta)


def log_evidence(family, y, eta, log_weight):
    """Log p(y | ...) of each level (D, J), effects summed over: eta (N, D, M), weights (M,)."""
    density = LOG_DENSITY[family](y[:, None, None], eta, AUX)
    total = np.zeros((J, *density.shape[1:]))
    np.add.at(total, LEVEL, density)
    return logsumexp(total + log_weight, axis=-1).T


def assert_tails(found, log_density, share):
    """Whether 5/50/95% points are those of a density on `LOG_TAU`, but for a share of the width."""
    fine = np.linspace(LOG_TAU[0], LOG_TAU[-1], 2001)
    mass = np.exp(CubicSpline(LOG_TAU, log_density - log_density.max())(fine))
    expected = np.interp(TAILS, np.cumsum(mass) / mass.sum(), fine)
    np.testing.assert_allclose(found, expected, atol=share * (expected[2] - expected[0]))


@pytest.mark.parametrize("family", CONCAVE)
def test_one_scale_by_sums_over_kappa_and_effects(family):
    y = outcomes(family, ETA, seed=3)
    prior = location_scale(1, np.inf, 0.2, 0.8)
    problem = make_problem(X[:, :1], y, [LEVEL], family, kappa=prior)
    z, log_weight = normal_nodes(91)
    log_density = [
        log_evidence(family, y, np.tile(kappa + TAU * z, (N, 1, 1)), log_weight).sum(axis=-1)
        for kappa in 0.2 + 0.8 * z
    ]
    expected = logsumexp(np.array(log_density) + log_weight[:, None], axis=0)
    (found,), _, _ = fitted(problem)
    assert_tails(found[:, 0], expected + problem.priors.tau[0].log_density_of_log(LOG_TAU), 0.03)


def test_scales_of_two_coefficients_by_sums_over_the_effects():
    y = outcomes("binomial", ETA, seed=3)
    known = location_scale(2, np.inf, KAPPA, 1e-3)
    problem = make_problem(X, y, [LEVEL], "binomial", kappa=known)
    log_weight = (LOG_WEIGHT[:, None] + LOG_WEIGHT).ravel()
    joint = np.empty((len(TAU), len(TAU)))
    slopes = np.tile(TAU * Z, (1, len(Z)))  # (D, M^2)
    for i, tau in enumerate(TAU):
        intercepts = np.repeat(tau * Z, len(Z))
        eta = X[:, 0, None, None] * (KAPPA + intercepts) + X[:, 1, None, None] * (KAPPA + slopes)
        joint[i] = log_evidence("binomial", y, eta, log_weight).sum(axis=-1)
    prior = problem.priors.tau[0].log_density_of_log(LOG_TAU)
    joint += prior[:, None] + prior
    (found,), _, _ = fitted(problem)
    assert_tails(found[:, 0], logsumexp(joint, axis=1), 0.1)
    assert_tails(found[:, 1], logsumexp(joint, axis=0), 0.1)


def test_scales_of_nested_factors_by_sums_over_the_effects_of_both():
    """The coarse one has a long tail towards zero, where the fine one takes its place."""
    y = outcomes("binomial", ETA, seed=3)
    known = location_scale(1, np.inf, KAPPA, 1e-3)
    problem = make_problem(X[:, :1], y, [REGION, LEVEL], "binomial", kappa=known)
    joint = np.empty((len(TAU), len(TAU)))
    for i, coarse in enumerate(TAU):
        of_regions = np.empty((len(Z), len(TAU), J // 4))
        for m, z in enumerate(Z):
            eta = np.tile(KAPPA + coarse * z + TAU * Z, (N, 1, 1))
            of_levels = log_evidence("binomial", y, eta, LOG_WEIGHT)
            of_regions[m] = of_levels.reshape(len(TAU), J // 4, 4).sum(axis=-1)
        joint[i] = logsumexp(of_regions + LOG_WEIGHT[:, None, None], axis=0).sum(axis=-1)
    prior = problem.priors.tau[0].log_density_of_log(LOG_TAU)
    joint += prior[:, None] + prior
    (coarse, fine), _, _ = fitted(problem)
    assert_tails(coarse[:, 0], logsumexp(joint, axis=1), 0.1)
    assert_tails(fine[:, 0], logsumexp(joint, axis=0), 0.1)


@pytest.mark.parametrize("family", CONCAVE)
def test_kappa_and_effects_are_the_mode_at_the_median_scales(family):
    """Where what rows and priors say of each of them balances."""
    y = outcomes(family, ETA, seed=5)
    problem = make_problem(X, y, [REGION, LEVEL], family, varying=[[0], [0, 1]])
    log_tau, kappa, (coarse, fine) = fitted(problem)
    known = {a.name: np.array(AUX) for a in problem.family.auxiliary}
    rows, region, level = problem.X, *problem.codes[problem.cell].T
    B = kappa[:, None] + fine[:, level]
    B[0] += coarse[0, region]
    score = problem.family.score(problem.y, (rows.T * B).sum(axis=0), known) * rows.T
    prior = problem.priors.kappa
    np.testing.assert_allclose(score.sum(axis=1), (kappa - prior.loc) / prior.scale**2, atol=0.05)
    for k in range(2):
        of_levels = np.bincount(level, score[k], J)
        expected = fine[k] * np.exp(-2 * log_tau[1][1, k])
        np.testing.assert_allclose(of_levels, expected, atol=0.05)
    of_regions = np.bincount(region, score[0])
    np.testing.assert_allclose(of_regions, coarse[0] * np.exp(-2 * log_tau[0][1, 0]), atol=0.05)


def problem_of(family="binomial", factors=(LEVEL,), weight=None, **parts):
    """A sparse problem, or one that is not quite that."""
    y = outcomes("binomial", ETA, seed=3) + (family == "gamma")
    return make_problem(X, y, list(factors), family, weight=weight, **parts)


CROSSED = RNG.permutation(LEVEL)
SPARSE = [
    ("one factor", {}, True),
    ("counts", {"family": "poisson"}, True),
    ("nested factors", {"factors": (REGION, LEVEL), "varying": [[0], [0]]}, True),
    ("three scales", {"factors": (REGION, LEVEL), "varying": [[0], [0, 1]]}, True),
    ("four scales", {"factors": (REGION, LEVEL)}, False),
    ("crossed factors", {"factors": (LEVEL, CROSSED), "varying": [[0], [0]]}, False),
    ("no factors", {"factors": ()}, False),
    ("many trials a row", {"weight": np.full(N, 50.0)}, True),
    ("many rows a level", {"factors": (REGION // 2,)}, False),
    ("residuals", {"family": "student_t"}, False),
]


@pytest.mark.parametrize(("parts", "expected"), [case[1:] for case in SPARSE])
def test_what_is_sparse(parts, expected):
    problem = problem_of(**parts)
    assert is_sparse(problem.family, problem.evidence, trees_of(problem)) is expected


def test_too_much_work_is_not_done(monkeypatch):
    problem = problem_of()
    work = N * 81 * 25  # rows x points of the grid x nodes of the quadrature
    for most, expected in ((work, True), (work - 1, False)):
        monkeypatch.setattr(sparse_scales, "_MOST", most)
        assert is_sparse(problem.family, problem.evidence, trees_of(problem)) is expected


@pytest.mark.parametrize("family", ["binomial", "negative_binomial"])
def test_the_map_is_matched_to_these_marginals(family, monkeypatch):
    """And auxiliary parameters follow: the scales are those of where they end, or nearly."""
    problem = problem_of(family)
    forest = learn_forest(problem.codes, problem.n_levels)
    fits = []

    class Recorded(SparseScales):
        def fit(self, *arguments):
            fits.append(super().fit(*arguments))
            return fits[-1]

    monkeypatch.setattr(calibration, "SparseScales", Recorded)
    constants = calibrate(problem, forest)
    assert len(fits) == (1 if family == "binomial" else 2)
    ((tails,), _, _) = fits[-1]
    np.testing.assert_array_equal(constants.log_tau[0], match_quantiles(tails))


@pytest.mark.parametrize(
    "y", [np.zeros(N), np.ones(N), (LEVEL < J // 2) * 1.0, (X[:, 1] > 0) * 1.0]
)
@pytest.mark.parametrize("family", ["binomial", "poisson", "negative_binomial"])
def test_levels_that_are_all_zero_or_separated_have_a_map(family, y):
    problem = make_problem(X, y, [LEVEL], family)
    assert is_sparse(problem.family, problem.evidence, trees_of(problem))
    assert calibrate(problem, learn_forest(problem.codes, problem.n_levels)).is_finite
