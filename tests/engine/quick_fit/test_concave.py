"""The quick fit of families whose log density is concave in eta, where its answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from skhlm.engine.quick_fit import sweeps
from skhlm.engine.quick_fit.calibration import calibrate
from skhlm.engine.quick_fit.sweeps import empirical_bayes, first_estimate, has_settled, sweep
from skhlm.engine.tree_map.forward import to_draws
from skhlm.families import FAMILIES
from skhlm.families.concave import ConcaveFamily
from skhlm.numerics.forest import learn_forest
from skhlm.numerics.quantiles import TAILS
from tests.engine.problems import location_scale, make_problem, normal_coordinates, trees_of

CONCAVE = [name for name, family in FAMILIES.items() if isinstance(family, ConcaveFamily)]
RNG = np.random.default_rng(7)
N = 60
LEVEL, OTHER = np.arange(N) % 6, np.arange(N) // 7 % 4
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
OFFSET = RNG.normal(0, 0.5, N)
ETA = X @ [0.6, 0.4] + RNG.normal(0, 0.7, 6)[LEVEL] + RNG.normal(0, 0.5, 4)[OTHER] + OFFSET
AUX = 0.6


def outcomes(name, eta, seed=0):
    family = FAMILIES[name]
    aux = {a.name: np.full(1, AUX) for a in family.auxiliary}
    return family.draw(eta[:, None], aux, np.random.default_rng(seed))[:, 0]


LOG_DENSITY = {
    "binomial": lambda y, eta, _: stats.bernoulli.logpmf(y, 1 / (1 + np.exp(-eta))),
    "poisson": lambda y, eta, _: stats.poisson.logpmf(y, np.exp(eta)),
    "negative_binomial": lambda y, eta, o: stats.nbinom.logpmf(
        y, o**-2, 1 / (1 + np.exp(eta) * o**2)
    ),
    "gamma": lambda y, eta, cv: stats.gamma.logpdf(y, cv**-2, scale=np.exp(eta) * cv**2),
}


@pytest.fixture
def known_scales(monkeypatch):
    """Sweeps that leave every tau where it is."""

    def keep(*arguments):
        return tuple(arguments[4])

    monkeypatch.setattr(sweeps, "marginal_scales", keep)


@pytest.mark.parametrize("name", CONCAVE)
@pytest.mark.usefixtures("known_scales")
def test_the_mode_is_the_dense_one(name):
    """At the scales as they are: by another optimiser, of another log density."""
    y = outcomes(name, ETA)
    problem = make_problem(X, y, [LEVEL, OTHER], name, offset=OFFSET)
    trees = trees_of(problem)
    estimate = empirical_bayes(problem, trees)
    for _ in range(80):
        estimate = sweep(problem, trees, estimate)
    tau = [np.exp(points[1]) for points in estimate.log_tau]
    (aux,) = tuple(problem.family.central(estimate.aux).values()) or (None,)
    Z = np.column_stack(
        [
            X,
            *(X * (j == LEVEL)[:, None] for j in range(6)),
            *(X * (j == OTHER)[:, None] for j in range(4)),
        ]
    )
    sd = np.concatenate([[2.5, 2.5], np.tile(tau[0], 6), np.tile(tau[1], 4)])

    def loss(b):
        return -LOG_DENSITY[name](y, Z @ b + OFFSET, aux).sum() + 0.5 * np.square(b / sd).sum()

    best = optimize.minimize(loss, np.zeros(Z.shape[1]), method="BFGS", options={"gtol": 1e-6})
    found = np.concatenate([estimate.kappa, *(delta.T.ravel() for delta in estimate.delta)])
    assert loss(found) <= best.fun + 1e-7
    np.testing.assert_allclose(found, best.x, atol=2e-3)


@pytest.mark.parametrize("name", ["negative_binomial", "gamma"])
@pytest.mark.usefixtures("known_scales")
def test_an_auxiliary_parameter_is_near_its_exact_marginal(name):
    """All effects and kappa integrated out by quadrature, at the tau as it is."""
    level = np.arange(36) % 9
    eta = 1 + np.random.default_rng(3).normal(0, 0.6, 9)[level]
    y = outcomes(name, eta, seed=4)
    problem = make_problem(
        np.ones((36, 1)), y, [level], name, kappa=location_scale(1, np.inf, 1, 1e-4)
    )
    trees = trees_of(problem)
    estimate = empirical_bayes(problem, trees)
    tau = np.exp(estimate.log_tau[0][1, 0])
    node, weight = np.polynomial.hermite_e.hermegauss(60)

    def log_marginal(log_value):
        """Sum over levels of log of the integral over the level's effect; half-normal prior."""
        value, total = np.exp(log_value), 0.0
        for j in range(9):
            density = LOG_DENSITY[name](y[level == j, None], 1 + tau * node, value).sum(axis=0)
            total += np.log(weight @ np.exp(density - density.max())) + density.max()
        return total - 0.5 * value**2 + log_value

    x = np.linspace(-4, 1.5, 800)
    density = np.array([log_marginal(u) for u in x])
    mass = np.cumsum(np.exp(density - density.max()))
    expected = np.interp(TAILS, mass / mass[-1], x)
    off = (estimate.aux.points[:, 0] - expected) / (np.ptp(expected) / 3.3)
    assert (np.abs(off) < [0.5, 0.25, 0.5]).all()  # of a sd: what Laplace's method leaves out


@pytest.mark.parametrize("name", CONCAVE)
def test_the_map_is_made_of_expected_information_at_the_mode(name):
    problem = make_problem(X, outcomes(name, ETA), [LEVEL, OTHER], name, offset=OFFSET)
    trees = trees_of(problem)
    estimate = empirical_bayes(problem, trees)
    constants = calibrate(problem, learn_forest(problem.codes, problem.n_levels))
    assert constants.log_c == 0
    rows, family = problem.evidence, problem.family
    aux = dict(zip((a.name for a in family.auxiliary), np.exp(constants.log_aux[0]), strict=True))
    W = np.broadcast_to(family.information(estimate.seen.eta, aux), len(rows.y)) * rows.weight
    leaf = problem.codes[rows.cell, 1]
    for j in range(4):
        own = rows.X[:, leaf == j]
        expected = (W[leaf == j] * own) @ own.T
        np.testing.assert_allclose(constants.leaf_information[1][j], expected, rtol=1e-6)
        g = rows.weight * family.score(rows.y, estimate.seen.eta, aux)
        score = expected @ estimate.delta[1][:, j] + own @ g[leaf == j]
        np.testing.assert_allclose(constants.leaf_score[1][j], score, rtol=1e-6, atol=1e-8)


def test_complete_pooling_is_the_glm_s():
    y = outcomes("poisson", ETA)
    problem = make_problem(X, y, [LEVEL], "poisson", offset=OFFSET)

    def loss(b):
        return -LOG_DENSITY["poisson"](y, X @ b + OFFSET, None).sum() + np.square(b).sum() / 12.5

    best = optimize.minimize(loss, np.zeros(2))
    np.testing.assert_allclose(first_estimate(problem).kappa, best.x, atol=0.03)


@pytest.mark.parametrize("name", ["poisson", "negative_binomial", "gamma"])
def test_exposure_is_counted_by_the_intercept(name):
    """A thousand times the exposure: the same rates, a thousandth each."""
    y = outcomes(name, ETA)
    flat = location_scale(2, np.inf, 0, 1e4)
    one = make_problem(X, y, [LEVEL], name, offset=OFFSET, kappa=flat)
    other = make_problem(X, y, [LEVEL], name, offset=OFFSET + np.log(1000), kappa=flat)
    a, b = (empirical_bayes(problem, trees_of(problem)) for problem in (one, other))
    np.testing.assert_allclose(b.kappa, a.kappa - [np.log(1000), 0], atol=1e-5)
    np.testing.assert_allclose(b.delta[0], a.delta[0], atol=1e-5)
    np.testing.assert_allclose(b.log_tau[0], a.log_tau[0], atol=1e-4)


def test_shares_of_trials_are_their_trials_bit_for_bit():
    cell = np.arange(40) % 8
    x = (np.arange(40) % 3) * 1.0
    y = RNG.integers(0, 2, 40) * 1.0
    trials = make_problem(np.column_stack([np.ones(40), x]), y, [cell], "binomial")
    key = cell * 3 + x.astype(int)
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    m = np.bincount(which)
    shares = make_problem(
        np.column_stack([np.ones(len(m)), x[first]]),
        np.bincount(which, y) / m,
        [cell[first]],
        "binomial",
        weight=m,
    )
    a, b = (calibrate(p, learn_forest(p.codes, p.n_levels)) for p in (trials, shares))
    for one, other in zip(vars(a).values(), vars(b).values(), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


# --- nothing breaks it --------------------------------------------------------------------------

ONES, ZEROS = np.ones(N), np.zeros(N)
POSITIVE = np.exp(RNG.normal(size=N))
HARD = {
    "binomial, nothing but 0": ("binomial", ZEROS, [LEVEL, OTHER], {}),
    "binomial, nothing but 1": ("binomial", ONES, [LEVEL, OTHER], {}),
    "binomial, a single 1": ("binomial", (np.arange(N) == 3) * 1.0, [LEVEL, OTHER], {}),
    "binomial, levels all 0 or all 1": ("binomial", (LEVEL < 3) * 1.0, [LEVEL], {}),
    "binomial, x separates": ("binomial", (X[:, 1] > 0) * 1.0, [LEVEL, OTHER], {}),
    "binomial, a row a level": ("binomial", np.arange(N) % 2.0, [np.arange(N), OTHER], {}),
    "binomial, 1e6 trials": ("binomial", LEVEL / 7.0, [LEVEL], {"weight": np.full(N, 7e6)}),
    "binomial, no factors": ("binomial", ZEROS, [], {}),
    "poisson, nothing but 0": ("poisson", ZEROS, [LEVEL, OTHER], {}),
    "poisson, 0 at exposures": ("poisson", ZEROS, [LEVEL], {"offset": 8 * OFFSET}),
    "poisson, 1e6": ("poisson", np.round(1e6 * POSITIVE), [LEVEL, OTHER], {}),
    "poisson, equal counts": ("poisson", 7 * ONES, [LEVEL, OTHER], {}),
    "poisson, one outlier": ("poisson", np.where(np.arange(N) == 3, 1e5, 1.0), [LEVEL, OTHER], {}),
    "poisson, levels from 0 to 1e6": ("poisson", np.floor(10.0 ** (1.2 * LEVEL)) - 1, [LEVEL], {}),
    "negative binomial, nothing but 0": ("negative_binomial", ZEROS, [LEVEL, OTHER], {}),
    "negative binomial, 1e6": ("negative_binomial", np.round(1e6 * POSITIVE), [LEVEL], {}),
    "negative binomial, equal counts": ("negative_binomial", 7 * ONES, [LEVEL, OTHER], {}),
    "negative binomial, a row a level": (
        "negative_binomial",
        np.arange(N) * 1.0,
        [np.arange(N)],
        {},
    ),
    "gamma, equal": ("gamma", ONES, [LEVEL, OTHER], {}),
    "gamma, all sizes": ("gamma", POSITIVE**12, [LEVEL, OTHER], {}),
    "gamma, tiny": ("gamma", 1e-200 * POSITIVE, [LEVEL], {}),
    "gamma, two rows": ("gamma", POSITIVE[:2], [LEVEL[:2]], {}),
}


def assert_sane(problem):
    """Constants and the draws they give are numbers, and nothing overflows on the way."""
    forest = learn_forest(problem.codes, problem.n_levels)
    with np.errstate(all="raise", under="ignore"):
        constants = calibrate(problem, forest)
        draws = to_draws(normal_coordinates(problem, forest, 20), problem, forest, constants)
    assert constants.is_finite
    arrays = [draws.kappa, *draws.delta, *draws.tau, *draws.auxiliary.values()]
    assert all(np.isfinite(a).all() for a in arrays)
    return constants


@pytest.mark.parametrize(("name", "y", "factors", "options"), HARD.values(), ids=HARD.keys())
def test_constants_stay_sane(name, y, factors, options):
    problem = make_problem(X[: len(y)], y, factors, name, **options)
    constants = assert_sane(problem)
    assert all((np.abs(maps[0]) < 25).all() for maps in constants.log_tau)


@pytest.mark.parametrize("seed", range(40))
def test_small_problems_of_any_kind(seed):
    rng = np.random.default_rng(seed)
    name, n = CONCAVE[seed % len(CONCAVE)], int(rng.choice([1, 3, 10, 40, 120]))
    X = np.column_stack([np.ones(n), rng.normal(size=(n, rng.integers(0, 3)))])
    factors = [
        rng.integers(0, 1 + n // rng.choice([1, 3, 10]), n) for _ in range(rng.integers(0, 3))
    ]
    if len(factors) == 2 and rng.random() < 0.5:
        factors[1] = 1000 * factors[0] + factors[1] % 3  # nested
    eta = 2 * rng.normal() + X.sum(axis=1)
    for level in factors:
        eta = eta + rng.normal(0, rng.choice([0, 0.5, 3]), level.max() + 1)[level]
    offset = rng.normal(0, rng.choice([0, 1, 5]), n)
    weight = rng.choice([1.0, 2.0, 50.0], n) if rng.random() < 0.5 else None
    y = outcomes(name, np.clip(eta + offset, -30, 14), seed)
    assert_sane(make_problem(X, y, factors, name, weight=weight, offset=offset))


def test_far_levels_do_not_send_the_sweeps_astray():
    """Rates of levels over ten orders of magnitude, at exposures as different."""
    rng = np.random.default_rng(1)
    level = np.arange(120) % 12
    offset = rng.uniform(-8, 8, 120)
    rate = np.linspace(-4, 6, 12)
    y = rng.poisson(np.exp(np.minimum(rate[level] + offset, 15))).astype(float)
    problem = make_problem(
        np.ones((120, 1)), y, [level, np.arange(120) % 7], "poisson", offset=offset
    )
    trees = trees_of(problem)
    estimate = empirical_bayes(problem, trees)
    assert has_settled(estimate, sweep(problem, trees, estimate))
    assert np.exp(estimate.log_tau[0][1, 0]) == pytest.approx(rate.std(), rel=0.5)
