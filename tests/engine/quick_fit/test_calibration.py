from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from skhlm.engine.quick_fit.calibration import (
    Expansion,
    ScaleMaps,
    calibrate,
    score_at_zero,
    to_constants,
    to_rooted_constants,
)
from skhlm.engine.tree_map.forward import to_draws
from skhlm.numerics.forest import learn_forest
from skhlm.priors import Gamma, LocationScale
from tests.engine.problems import (
    location_scale,
    make_problem,
    normal_coordinates,
    simulate,
    trees_of,
)

RNG = np.random.default_rng(2)
N = 40
LEVEL, OTHER = np.arange(N) % 5, np.arange(N) % 3
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
Y = 1 + X[:, 1] + RNG.normal(size=5)[LEVEL] + 0.5 * RNG.normal(size=N)


def constants_of(problem):
    return calibrate(problem, learn_forest(problem.codes, problem.n_levels))


def arrays_of(constants):
    """Every array of the constants."""
    for value in vars(constants).values():
        yield from value if isinstance(value, tuple) else [np.asarray(value)]


# --- close to the truth -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("family", ["student_t", "normal"])
def test_scales_are_near_the_truth(family, seed):
    problem, truth = simulate(2000, 3, 5, 30, 6, 40, seed, family)
    constants = constants_of(problem)
    for (a, b, _), tau in zip(constants.log_tau, truth["tau"], strict=True):
        assert np.all(np.abs(a - np.log(tau)) < 4 * b)
    if family == "student_t":
        a, b, _ = constants.log_aux[:, 1]
        assert abs(a - np.log(truth["nu"] - 1)) < 4 * b
        assert abs(constants.log_aux[0, 0]) < 4 * np.hypot(
            constants.log_aux[1, 0], constants.aux_lean[0, 1]
        )
    else:  # the sd of t(5) noise of scale one, itself estimated with heavy tails
        assert constants.log_aux[0, 0] == pytest.approx(0.5 * np.log(5 / 3), abs=0.1)


def test_leaf_information_is_the_expected_one():
    problem, _ = simulate(500, 2, 3, 10, 3, 8, 0)
    constants = constants_of(problem)
    forest = learn_forest(problem.codes, problem.n_levels)
    leaf = problem.codes[problem.cell, forest.chains[1][-1]]
    for level in range(8):
        rows = problem.X[leaf == level]
        expected = np.exp(constants.log_c) * rows.T @ rows
        np.testing.assert_allclose(constants.leaf_information[1][level], expected, rtol=1e-9)
    nu, excess = 1 + np.exp(constants.log_aux[0, 1]), np.exp(constants.log_aux[0, 0])
    sigma = problem.cuts[0] + excess
    assert np.exp(constants.log_c) == pytest.approx((nu + 1) / (nu + 3) / sigma**2)
    total = constants.leaf_information[1].sum(axis=0)
    np.testing.assert_allclose(constants.auxiliary_information[1], total, rtol=1e-9)
    weights = constants.contrast_weight[1].sum(axis=0)
    np.testing.assert_allclose(weights, np.eye(2), atol=1e-3)  # kappa's prior is nearly flat
    assert not constants.contrast_weight[0].any()


def test_contrasts_keep_out_of_the_way_of_a_tight_kappa():
    problem, _ = simulate(500, 2, 3, 10, 3, 8, 0)
    tight = replace(problem.priors, kappa=location_scale(2, np.inf, 0, 1e-6))
    constants = constants_of(replace(problem, priors=tight))
    assert np.abs(constants.contrast_weight[1].sum(axis=0)).max() < 1e-6


def test_the_map_at_zero_is_a_good_fit():
    """The residuals of its mean coefficients are as large as the noise."""
    problem, _ = simulate(2000, 3, 5, 30, 6, 40, 1)
    forest = learn_forest(problem.codes, problem.n_levels)
    draws = to_draws(
        normal_coordinates(problem, forest, 100),
        problem,
        forest,
        calibrate(problem, forest),
    )
    levels = problem.codes[problem.cell]
    beta = draws.kappa[:, :, None] + sum(d[:, :, levels[:, g]] for g, d in enumerate(draws.delta))
    residual = problem.y - (problem.X * beta.mean(axis=(0, 1))).sum(axis=1)
    assert np.median(np.abs(residual)) == pytest.approx(stats.t(5).ppf(0.75), rel=0.08)


# --- priors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("loc", [1.0, 1000.0])
@pytest.mark.parametrize("family", ["student_t", "normal"])
def test_tight_priors_are_homed_in_on(family, loc, scale):
    spike = LocationScale(np.array([np.inf, np.inf]), np.full(2, loc), np.full(2, scale))
    sigma = LocationScale(np.array([np.inf]), np.array([loc]), np.array([scale]))
    problem = make_problem(X, Y, [LEVEL], family, tau=(spike,), sigma=sigma, nu=Gamma(2e6, 1e5))
    constants = constants_of(problem)
    relative = scale / loc
    slack = 1e-3 * relative + 1e-13
    excess = np.log(loc - problem.cuts[0])
    assert constants.log_aux[0, 0] == pytest.approx(excess, abs=0.1 * relative + slack)
    assert constants.log_aux[1, 0] == pytest.approx(relative, rel=0.05)
    np.testing.assert_allclose(constants.log_tau[0][0], np.log(loc), atol=0.1 * relative + slack)
    if relative > 1e-11:  # a few units in the last place of log tau
        np.testing.assert_allclose(constants.log_tau[0][1], relative, rtol=0.05)
    if family == "student_t":
        assert 1 + np.exp(constants.log_aux[0, 1]) == pytest.approx(20, rel=1e-3)


def test_kappa_stand_in_has_the_priors_information():
    prior = LocationScale(np.array([np.inf, 3.0]), np.array([1.0, -2.0]), np.array([0.5, 2.0]))
    constants = constants_of(make_problem(X, Y, [LEVEL], kappa=prior))
    np.testing.assert_allclose(constants.prior_precision, [4.0, 4 / 6 / 4])
    np.testing.assert_allclose(constants.prior_score, [4.0, -2 * 4 / 6 / 4])


def test_the_first_root_is_as_wide_as_the_contrasts():
    """With kappa near zero and huge effects q_1 is the other tree's mean effect, sd tau/sqrt(J)."""
    wide = (location_scale(2, np.inf, 1e3, 1),) * 2
    constants = constants_of(make_problem(X, Y, [LEVEL, OTHER], "normal", tau=wide))
    np.testing.assert_allclose(constants.prior_precision**-0.5, 1e3 / np.sqrt(3), rtol=0.01)


# --- invariances --------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["student_t", "normal"])
def test_nothing_depends_on_units(family):
    unit = 1e4
    default = make_problem(X, Y, [LEVEL, OTHER], family)
    scaled = make_problem(
        X,
        unit * Y,
        [LEVEL, OTHER],
        family,
        kappa=location_scale(2, np.inf, 0, 10 * unit),
        tau=(location_scale(2, 1, 0, 2.5 * unit),) * 2,
        sigma=location_scale(1, 1, 0, 2.5 * unit),
    )
    one, other = constants_of(default), constants_of(scaled)
    shift = np.log(unit)
    for a, b in zip(one.log_tau, other.log_tau, strict=True):
        np.testing.assert_allclose(b - [[shift], [0], [0]], a, atol=1e-6)
    other.log_aux[0, 0] -= shift
    np.testing.assert_allclose(other.log_aux, one.log_aux, atol=1e-6)
    np.testing.assert_allclose(other.aux_lean, one.aux_lean, atol=1e-6)
    for F, S in zip(one.leaf_information, other.leaf_information, strict=True):
        np.testing.assert_allclose(unit**2 * S, F, rtol=1e-6)
    for s, u in zip(one.leaf_score, other.leaf_score, strict=True):
        np.testing.assert_allclose(unit * u, s, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["student_t", "normal"])
def test_weights_are_repetitions(family):
    weight = RNG.integers(1, 4, N)
    rows = np.repeat(np.arange(N), weight)
    weighted = constants_of(make_problem(X, Y, [LEVEL, OTHER], family, weight=weight))
    repeated = constants_of(make_problem(X[rows], Y[rows], [LEVEL[rows], OTHER[rows]], family))
    for a, b in zip(arrays_of(weighted), arrays_of(repeated), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_deterministic():
    problem = make_problem(X, Y, [LEVEL, OTHER], "student_t")
    for a, b in zip(
        arrays_of(constants_of(problem)), arrays_of(constants_of(problem)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


# --- nothing breaks it --------------------------------------------------------------------------

HARD = {
    "no factors": (X, Y, []),
    "one column": (X[:, :1], Y, [LEVEL]),
    "no column": (X[:, :0], Y, []),
    "more columns than rows": (RNG.normal(size=(5, 6)), RNG.normal(size=5), [np.arange(5) % 2]),
    "collinear": (np.column_stack([X, 2 * X[:, 1]]), Y, [LEVEL, OTHER]),
    "a column of zeros": (np.column_stack([X, np.zeros(N)]), Y, [LEVEL, OTHER]),
    "columns of all sizes": (X * [1, 1e8], Y, [LEVEL]),
    "a column of rounding errors": (X * [1, 1e-17], Y, [LEVEL, OTHER]),
    "one row a level": (X, Y, [np.arange(N), OTHER]),
    "one level": (X, Y, [np.zeros(N)]),
    "one level twice, crossed": (X, Y, [np.zeros(N), np.zeros(N), LEVEL]),
    "the same factor twice": (X, Y, [LEVEL, LEVEL]),
    "two rows": (X[:2], Y[:2], [[0, 1], [0, 0]]),
    "ten rows": (X[:10], Y[:10], [LEVEL[:10], OTHER[:10]]),
    "two rows, no factors": (X[:2], Y[:2], []),
    "perfect fit": (X, X @ [1, 2], [LEVEL, OTHER]),
    "perfect fit by levels": (X, X[:, 1] + LEVEL, [LEVEL]),
    "perfect fit, no factors": (X, X @ [1, 2], []),
    "all zero": (X, 0 * Y, [LEVEL]),
    "constant": (X, np.full(N, 1e6), [LEVEL, OTHER]),
    "huge": (X, 1e12 * Y, [LEVEL, OTHER]),
    "tiny": (X, 1e-12 * Y, [LEVEL, OTHER]),
    "outlier": (X, np.where(np.arange(N) == 3, 1e9, Y), [LEVEL, OTHER]),
}


@pytest.mark.parametrize("family", ["student_t", "normal"])
@pytest.mark.parametrize("data", HARD.values(), ids=HARD.keys())
def test_constants_stay_sane(data, family):
    problem = make_problem(*data, family)
    forest = learn_forest(problem.codes, problem.n_levels)
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        constants = calibrate(problem, forest)
        draws = to_draws(normal_coordinates(problem, forest, 20), problem, forest, constants)
    assert all(np.isfinite(a).all() for a in arrays_of(constants))
    assert all(
        np.isfinite(a).all()
        for a in [draws.kappa, draws.auxiliary["sigma"], *draws.delta, *draws.tau]
    )
    for _, b, c in constants.log_tau:
        assert np.all(b > 0)
        assert np.all(np.abs(c) <= 0.8 * b)
    for S in constants.auxiliary_information[1:]:
        size = np.sqrt(np.diag(S))
        assert np.linalg.eigvalsh(S / np.outer(size, size)).min() > 1e-9


# --- constants of given expansions ---------------------------------------------------------------

DRAWN = np.random.default_rng(0)
K, LEVELS = 2, (4, 3)
PRIOR = location_scale(K, np.inf, 0.5, 3.0)
KAPPA = np.array([1.0, -2.0])


def expansion_of(J, scale=1.0):
    root = DRAWN.normal(size=(J, K, K + 2))
    information = scale * root @ np.swapaxes(root, 1, 2)
    return Expansion(DRAWN.normal(size=(J, K)), information, DRAWN.normal(size=(J, K)))


def scales_of(n_factors):
    maps = np.array([[-0.5], [0.3], [0.0]])
    return ScaleMaps((np.tile(maps, K),) * n_factors, maps, np.zeros((1, 1)), 0.0)


@pytest.fixture
def crossed():
    """Two crossed trees, their expansions, and the constants of the map."""
    rows = np.arange(12)
    problem = make_problem(np.ones((12, K)), rows, [rows % J for J in LEVELS])
    trees = trees_of(problem)
    expansions = [expansion_of(tree.n_leaves) for tree in trees]
    return expansions, to_constants(trees, expansions, KAPPA, PRIOR, scales_of(2))


def test_the_score_at_zero_is_that_of_the_quadratic():
    expansion, root = expansion_of(3), np.array([0.2, 0.7])
    found = score_at_zero(expansion, root)
    for found_l, at, F, gradient in zip(found, *vars(expansion).values(), strict=True):
        np.testing.assert_allclose(found_l - F @ (at + root), gradient)


def test_contrasts_weigh_by_what_data_tell_beside_the_prior(crossed):
    (_, second), constants = crossed
    total = second.information.sum(axis=0) + np.eye(K) / 9
    weights = np.stack([np.linalg.inv(total) @ F for F in second.information])
    np.testing.assert_allclose(constants.contrast_weight[1], weights)
    assert not constants.contrast_weight[0].any()


def test_the_first_root_is_kappa_and_the_other_trees_contrasts(crossed):
    (first, second), constants = crossed
    shift = np.einsum("lij,lj->i", constants.contrast_weight[1], second.effects)
    np.testing.assert_allclose(constants.leaf_score[0], score_at_zero(first, KAPPA + shift))
    np.testing.assert_allclose(constants.leaf_score[1], score_at_zero(second, np.zeros(K)))
    assert (constants.prior_precision < 1 / 9).all()  # as it varies by these too
    np.testing.assert_allclose(constants.prior_score, 0.5 * constants.prior_precision)


def test_without_factors_the_root_has_it_all():
    expansion = expansion_of(1)
    problem = make_problem(np.ones((3, K)), np.arange(3.0), [])
    trees = trees_of(problem)
    constants = to_rooted_constants(trees, [expansion], KAPPA, PRIOR, scales_of(0))
    np.testing.assert_allclose(constants.root_information, expansion.information[0])
    np.testing.assert_allclose(constants.root_score, score_at_zero(expansion, KAPPA)[0])
    assert constants.leaf_information == constants.leaf_score == constants.contrast_weight == ()


def test_collinear_columns_and_columns_of_zeros_stay_positive_definite():
    rows = np.arange(4)
    problem = make_problem(np.ones((4, K)), rows, [rows])
    trees = trees_of(problem)
    for information in (np.ones((K, K)), np.diag([1.0, 0.0]), np.zeros((K, K))):
        expansion = Expansion(np.zeros((4, K)), np.tile(information, (4, 1, 1)), np.zeros((4, K)))
        constants = to_constants(trees, [expansion], KAPPA, PRIOR, scales_of(1))
        total = constants.leaf_information[0].sum(axis=0)
        assert np.linalg.eigvalsh(total).min() > 0
        np.testing.assert_allclose(total, 4 * information, atol=1e-7)
