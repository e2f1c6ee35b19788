from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from skhlm.engine.quick_fit.calibration import calibrate
from skhlm.engine.tree_map.forward import Coordinates, MapConstants, to_draws
from skhlm.numerics.columns import Columns
from skhlm.numerics.forest import learn_forest
from tests.engine.loop_map import loop_map
from tests.engine.problems import location_scale, make_problem, n_coordinates, normal_coordinates

N = 60
RNG = np.random.default_rng(5)
CITY = RNG.integers(12, size=N)
COUNTRY = (CITY // 2) % 6
REGION = COUNTRY // 3
VERTICAL = RNG.integers(4, size=N)
INDUSTRY = VERTICAL // 2
X = np.column_stack([np.ones(N), RNG.normal(size=(N, 2)) + 0.3 * REGION[:, None]])
Y = X @ [1, 0.5, -1] + RNG.normal(size=12)[CITY] + RNG.normal(size=4)[VERTICAL] + RNG.normal(size=N)

ONE_TREE = {
    "no factor": {"factors": []},
    "one factor": {"factors": [COUNTRY]},
    "two nested": {"factors": [REGION, COUNTRY]},
    "three nested, listed fine to coarse": {"factors": [CITY, COUNTRY, REGION]},
    "subset": {"factors": [COUNTRY], "varying": [[0, 2]]},
    "subsets, nested": {"factors": [REGION, COUNTRY, CITY], "varying": [[1], [0, 2], [0]]},
    "disjoint subsets": {"factors": [REGION, COUNTRY], "varying": [[0], [1, 2]]},
    "full covariance": {"factors": [REGION, COUNTRY], "covariance": "full"},
    "weights": {"factors": [COUNTRY], "weight": RNG.uniform(0.3, 4, N)},
    "prior": {"factors": [COUNTRY], "kappa": location_scale(3, np.inf, 0.7, 0.2)},
}
CROSSED = {
    "two trees": {"K": 2, "factors": [REGION, COUNTRY, INDUSTRY, VERTICAL]},
    "three trees": {"K": 2, "factors": [VERTICAL, COUNTRY, np.arange(N) % 5]},
    "subsets, crossed": {
        "K": 2,
        "factors": [COUNTRY, VERTICAL, INDUSTRY],
        "varying": [[0], [1], [0, 1]],
    },
    "full covariance, crossed": {"K": 2, "factors": [COUNTRY, VERTICAL], "covariance": "full"},
}


def build(case, family="normal"):
    """A problem, its forest and constants; "K" is the number of columns, three unless given."""
    options = dict(case)
    problem = make_problem(X[:, : options.pop("K", 3)], Y, family=family, **options)
    forest = learn_forest(problem.codes, problem.n_levels)
    return problem, forest, calibrate(problem, forest)


def scrambled(constants, seed=0):
    """Constants that are as wrong as can be, but valid: the map must not rely on their origin."""
    rng = np.random.default_rng(seed)

    def spd(shape):
        half = rng.normal(size=shape)
        return half @ np.swapaxes(half, -1, -2)

    return replace(
        constants,
        leaf_information=tuple(spd(F.shape) for F in constants.leaf_information),
        leaf_score=tuple(rng.normal(size=s.shape) for s in constants.leaf_score),
        contrast_weight=tuple(rng.normal(size=W.shape) for W in constants.contrast_weight),
        auxiliary_information=spd(constants.auxiliary_information.shape),
        auxiliary_mean=rng.normal(size=constants.auxiliary_mean.shape),
        root_score=rng.normal(size=constants.root_score.shape) * (constants.root_score != 0),
        log_aux=np.array([[-0.2, 1.0], [0.2, 0.3], [0.0, 0.1]])[:, : constants.log_aux.shape[1]],
        log_c=0.3,
    )


def one_draw(z, chain, draw):
    return {name: None if a is None else a[chain, draw] for name, a in vars(z).items()}


@pytest.mark.parametrize("family", ["normal", "student_t"])
@pytest.mark.parametrize("case", (ONE_TREE | CROSSED).values(), ids=(ONE_TREE | CROSSED).keys())
def test_the_formulas_one_draw_at_a_time(case, family):
    problem, forest, constants = build(case, family)
    constants = scrambled(constants)
    z = normal_coordinates(problem, forest, 3)
    draws = to_draws(z, problem, forest, constants)
    for chain, draw in np.ndindex(2, 3):
        expected = loop_map(one_draw(z, chain, draw), problem, forest, constants)
        close = {"rtol": 1e-8, "atol": 1e-8}
        np.testing.assert_allclose(draws.kappa[chain, draw], expected.kappa, **close)
        for g in range(len(problem.n_levels)):
            np.testing.assert_allclose(draws.delta[g][chain, draw], expected.delta[g], **close)
            np.testing.assert_allclose(draws.tau[g][chain, draw], expected.tau[g], **close)
            if problem.covariance == "full":
                np.testing.assert_allclose(draws.omega[g][chain, draw], expected.omega[g], **close)
        assert draws.auxiliary.keys() == expected.auxiliary.keys()
        for name, value in draws.auxiliary.items():
            np.testing.assert_allclose(value[chain, draw], expected.auxiliary[name], **close)


def test_shapes_are_the_users():
    problem, forest, constants = build(CROSSED["subsets, crossed"], "student_t")
    draws = to_draws(normal_coordinates(problem, forest, 7), problem, forest, constants)
    assert draws.shape == (2, 7)
    assert draws.kappa.shape == (2, 7, 2)
    assert [d.shape for d in draws.delta] == [(2, 7, 6, 1), (2, 7, 4, 1), (2, 7, 2, 2)]
    assert [tau.shape for tau in draws.tau] == [(2, 7, 1), (2, 7, 1), (2, 7, 2)]
    assert draws.omega == ()
    assert all(d.flags.c_contiguous for d in draws.delta)


def test_chunks_and_threads_do_not_matter(monkeypatch):
    problem, forest, constants = build(CROSSED["subsets, crossed"], "student_t")
    z = normal_coordinates(problem, forest, 7)
    whole = to_draws(z, problem, forest, constants)
    monkeypatch.setattr("skhlm.engine.tree_map.forward._CHUNK", 1)
    alone, together = (to_draws(z, problem, forest, constants, n_threads) for n_threads in (1, 2))
    for expected, one, two in zip(*map(arrays, (whole, alone, together)), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-10)
        assert np.array_equal(one, two)


@pytest.fixture
def two_trees():
    """A problem of two crossed factors, and coordinates of seven draws of two chains."""
    problem, forest, constants = build(CROSSED["subsets, crossed"], "student_t")
    return problem, forest, constants, normal_coordinates(problem, forest, 7)


def test_coordinates_in_pieces(two_trees, monkeypatch):
    """Read a chunk at a time, of chains in two pieces, they give the same draws."""
    problem, forest, constants, z = two_trees
    monkeypatch.setattr("skhlm.engine.tree_map.forward._CHUNK", 200)
    parts = [Columns.in_memory(part) for part in np.split(z.z_delta, [3], axis=1)]
    pieces = replace(z, z_delta=parts[0].followed_by(parts[1]))
    draws = [to_draws(some, problem, forest, constants) for some in (z, pieces)]
    for one, other in zip(*map(arrays, draws), strict=True):
        np.testing.assert_array_equal(one, other)


def test_many_effects_are_in_single_precision(two_trees, monkeypatch):
    problem, forest, constants, z = two_trees
    expected = to_draws(z, problem, forest, constants)
    monkeypatch.setattr("skhlm.draws.MANY_EFFECTS", 5)  # of 6, 4 and 2 x 2
    draws = to_draws(z, problem, forest, constants)
    assert [d.dtype for d in draws.delta] == [np.float32, np.float64, np.float64]
    np.testing.assert_array_equal(draws.delta[0], expected.delta[0].astype(np.float32))
    for one, other in zip(arrays(draws)[2:], arrays(expected)[2:], strict=True):
        np.testing.assert_array_equal(one, other)
    mode = Coordinates(**{name: values[:1, :1] for name, values in vars(z).items()})
    assert to_draws(mode, problem, forest, constants).delta[0].dtype == np.float64


def arrays(draws):
    return [draws.kappa, *draws.delta, *draws.tau, *draws.auxiliary.values()]


def test_correlations_follow_the_lkj_transform():
    problem, forest, constants = build(ONE_TREE["full covariance"])
    draws = to_draws(normal_coordinates(problem, forest, 50), problem, forest, constants)
    for omega in draws.omega:
        np.testing.assert_allclose(np.einsum("...ii->...i", omega), 1, rtol=1e-12)
        assert np.linalg.eigvalsh(omega).min() > 0


# --- the map is the posterior -------------------------------------------------------------------


def at_fixed_scales(problem, forest, points, seed=3):
    """Coordinates with rows of ``points`` (D, K R + E) as z_root and z_delta, the rest fixed."""
    rng = np.random.default_rng(seed)
    shapes, n = n_coordinates(problem, forest), len(points)
    K, R = shapes["z_root"]
    fixed = {
        name: np.broadcast_to(0.6 * rng.normal(size=shapes[name]), (1, n, *shapes[name]))
        for name in ("z_tau", "z_aux", "z_omega")
    }
    return Coordinates(
        **fixed,
        z_root=points[:, : K * R].reshape(1, n, K, R),
        z_delta=points[:, K * R :][None],
    )


def stacked(draws):
    """kappa and every effect of each draw, (D, P)."""
    n = draws.shape[1]
    return np.concatenate([draws.kappa[0], *(d.reshape(n, -1) for d in draws.delta)], axis=1)


def dense_posterior(problem, draws):
    """Mean, covariance and log evidence of (kappa, delta) at the first draw's scales."""
    levels, w = problem.codes[problem.cell], problem.weight
    design, prior = [problem.X], [np.diag(problem.priors.kappa.scale**2)]
    for g, a in enumerate(problem.varying):
        member = np.eye(problem.n_levels[g])[levels[:, g]]
        design.append((member[:, :, None] * problem.X[:, None, a]).reshape(len(w), -1))
        omega = draws.omega[g][0, 0] if draws.omega else np.eye(len(a))
        Sigma = omega * np.outer(draws.tau[g][0, 0], draws.tau[g][0, 0])
        prior += [Sigma] * problem.n_levels[g]
    D, sigma = np.hstack(design), draws.auxiliary["sigma"][0, 0]
    size = sum(map(len, prior))
    covariance, loc, start = np.zeros((size, size)), np.zeros(size), 0
    for block in prior:
        covariance[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    loc[: problem.X.shape[1]] = problem.priors.kappa.loc
    precision = np.linalg.inv(covariance) + D.T @ (D * w[:, None]) / sigma**2
    score = np.linalg.solve(covariance, loc) + D.T @ (w * problem.y) / sigma**2
    marginal = D @ covariance @ D.T + np.diag(sigma**2 / w)
    evidence = stats.multivariate_normal(D @ loc, marginal).logpdf(problem.y)
    return np.linalg.solve(precision, score), np.linalg.inv(precision), evidence


@pytest.mark.parametrize("case", ONE_TREE.values(), ids=ONE_TREE.keys())
def test_one_tree_with_normal_noise_is_its_posterior(case):
    problem, forest, constants = build(case)
    shapes = n_coordinates(problem, forest)
    size = int(np.prod(shapes["z_root"]) + shapes["z_delta"][0])
    points = np.vstack([np.zeros(size), np.eye(size)])
    draws = to_draws(at_fixed_scales(problem, forest, points), problem, forest, constants)
    theta = stacked(draws)
    mean, root = theta[0], (theta[1:] - theta[0]).T
    expected_mean, expected_covariance, _ = dense_posterior(problem, draws)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(root @ root.T, expected_covariance, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CROSSED.values(), ids=CROSSED.keys())
def test_auxiliary_roots_integrate_out(case):
    """The density of z, a Gaussian at fixed scales, has the posterior's moments and evidence."""
    problem, forest, constants = build({**case, "kappa": location_scale(2, np.inf, 0.2, 1.5)})
    constants = scrambled(constants)
    shapes = n_coordinates(problem, forest)
    K, R = shapes["z_root"]
    size = K * R + shapes["z_delta"][0]
    i, j = np.triu_indices(size)
    unit = np.eye(size)
    points = np.vstack([np.zeros(size), unit, unit[i] + unit[j]])
    z = at_fixed_scales(problem, forest, points)
    draws = to_draws(z, problem, forest, constants)
    density = log_density(z, draws, problem, forest, constants)
    at_zero, at_unit, at_pair = np.split(density, [1, 1 + size])
    precision = np.zeros((size, size))
    precision[i, j] = precision[j, i] = at_unit[i] + at_unit[j] - at_pair - at_zero
    gradient = at_unit - at_zero + 0.5 * np.diag(precision)
    theta = stacked(draws)
    root = (theta[1 : 1 + size] - theta[0]).T
    mean = theta[0] + root @ np.linalg.solve(precision, gradient)
    covariance = root @ np.linalg.solve(precision, root.T)
    expected_mean, expected_covariance, expected_evidence = dense_posterior(problem, draws)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(covariance, expected_covariance, rtol=1e-6, atol=1e-6)
    log_integral = at_zero[0] + 0.5 * gradient @ np.linalg.solve(precision, gradient)
    log_integral -= 0.5 * np.linalg.slogdet(precision)[1] - 0.5 * size * np.log(2 * np.pi)
    for S in constants.auxiliary_information[1:]:
        log_integral += 0.5 * np.linalg.slogdet(S)[1] - 0.5 * K * np.log(2 * np.pi)
    assert log_integral == pytest.approx(expected_evidence, abs=1e-6)


def log_density(z, draws, problem, forest, constants):
    """Log density of z (D,) at fixed scales: likelihood, priors, auxiliary roots, Jacobian."""
    levels, n = problem.codes[problem.cell], draws.shape[1]
    eta = problem.X @ draws.kappa[0].T
    prior = problem.priors.kappa
    total = stats.norm(prior.loc, prior.scale).logpdf(draws.kappa[0]).sum(axis=1)
    for g, a in enumerate(problem.varying):
        delta, tau = draws.delta[g][0], draws.tau[g][0, 0]
        eta += np.einsum("dnk,nk->nd", delta[:, levels[:, g]], problem.X[:, a])
        omega = draws.omega[g][0, 0] if draws.omega else np.eye(len(a))
        effects = stats.multivariate_normal(np.zeros(len(a)), omega * np.outer(tau, tau))
        total += effects.logpdf(delta).reshape(n, -1).sum(axis=1)
    noise = stats.norm(0, draws.auxiliary["sigma"][0, 0] / np.sqrt(problem.weight))
    total += noise.logpdf((problem.y[:, None] - eta).T).sum(axis=1)
    at = [loop_map(one_draw(z, 0, d), problem, forest, constants) for d in range(n)]
    return total + np.array([m.log_jacobian + m.log_auxiliary for m in at])


# --- memory -------------------------------------------------------------------------------------


def test_memory_is_bounded_by_the_draws_themselves():
    n = 300
    factors = [np.arange(n), np.arange(n) % 20]
    problem = make_problem(np.ones((n, 5)), np.arange(n), factors)
    forest = learn_forest(problem.codes, problem.n_levels)
    K, F = 5, np.broadcast_to(np.eye(5), (n, 5, 5))
    constants = MapConstants(
        leaf_information=(F,),
        leaf_score=(np.zeros((n, K)),),
        contrast_weight=(np.zeros((n, K, K)),),
        auxiliary_information=np.zeros((1, K, K)),
        auxiliary_mean=np.zeros((1, K)),
        root_information=np.zeros((K, K)),
        root_score=np.zeros(K),
        prior_precision=np.ones(K),
        prior_score=np.zeros(K),
        log_tau=(np.tile([[0.0], [1.0], [0.0]], 5),) * 2,
        log_aux=np.array([[0.0], [0.1], [0.0]]),
        aux_lean=np.zeros((1, 1)),
        log_c=0.0,
    )
    z = normal_coordinates(problem, forest, 150)
    tracemalloc.start()
    draws = to_draws(z, problem, forest, constants)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = sum(d.nbytes for d in draws.delta)
    assert peak < 3 * size + 60e6
