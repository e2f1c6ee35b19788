"""The joint density of rows of new levels: closed forms, quadrature, propriety."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.inputs.design import Units
from skhlm.posterior import NEW, Posterior
from skhlm.posterior.joint_density import joint_log_density
from skhlm.posterior.scoring import log_predictive_density
from tests.draws import auxiliary, posterior_of, with_auxiliary

LEVELS = (3, 4)
VARYING = (np.array([0, 1]), np.array([0]))
UNITS = Units(True, 0.0, 1.0, np.array([2.0]), np.array([1.0]))


def make_posterior(
    n_draws: int, *, student: bool = False, varying: Any = VARYING, tau: float = 1.0
) -> Posterior:
    """Arbitrary draws of an intercept and a slope that vary by two factors."""
    rng = np.random.default_rng(0)
    shape = (1, n_draws)
    sizes = [len(columns) for columns in varying]
    correlation = np.stack([np.eye(k) for k in [2] * n_draws])
    correlation[:, 0, 1] = correlation[:, 1, 0] = rng.uniform(-0.9, 0.9, n_draws)
    omega = [correlation[:, :k, :k].reshape(*shape, k, k) for k in sizes]
    draws = Draws(
        kappa=rng.normal(size=(*shape, 2)),
        delta=tuple(rng.normal(size=(*shape, J, k)) for J, k in zip(LEVELS, sizes, strict=True)),
        tau=tuple(tau * rng.gamma(9, 1 / 9, size=(*shape, k)) for k in sizes),
        omega=tuple(omega),
        auxiliary=auxiliary(
            rng.gamma(20, 0.05, size=shape),
            2.5 + rng.gamma(2, 2, size=shape) if student else None,
        ),
    )
    return posterior_of(draws, varying, UNITS)


@pytest.fixture
def rows() -> tuple[Floats, Ints, Ints, Floats]:
    """Nine rows: two known, some of two new levels of either factor, crossed and not."""
    rng = np.random.default_rng(1)
    codes = np.array(
        [[0, 1], [2, 3], [NEW, 0], [NEW, 1], [NEW, NEW], [1, NEW], [NEW, 2], [0, NEW], [1, NEW]]
    )
    new = np.array(
        [[-1, -1], [-1, -1], [0, -1], [0, -1], [0, 0], [-1, 0], [1, -1], [-1, 1], [-1, 1]]
    )
    return rng.normal(2, 1, size=(9, 1)), codes, new, rng.normal(size=9)


def dense_normal(posterior: Posterior, X: Floats, codes: Ints, new: Ints, y: Floats) -> Floats:
    """Log joint density of each draw by scipy's multivariate normal distribution, (S,)."""
    Z = np.column_stack([np.ones(len(X)), X - 2])
    result = []
    for s in range(posterior.n_draws):
        beta = np.tile(posterior.draws.kappa[:, s], (len(X), 1))
        covariance = posterior.auxiliary["sigma"][s] ** 2 * np.eye(len(X))
        for g, columns in enumerate(posterior.varying):
            seen = codes[:, g] != NEW
            beta[np.ix_(seen, columns)] += posterior.draws.delta[g][codes[seen, g], :, s]
            shared = (new[:, g, None] == new[None, :, g]) & ~seen[:, None]
            covariance += shared * (
                Z[:, columns] @ posterior.covariance(g)[..., s] @ Z[:, columns].T
            )
        mean = (Z * beta).sum(axis=1)
        result.append(stats.multivariate_normal(mean, covariance).logpdf(y))
    return np.array(result)


def score(posterior: Posterior, rows: Any, weight: Any = None) -> float:
    X, codes, new, y = rows
    return joint_log_density(
        posterior, X, codes, new, y, np.ones(len(y)) if weight is None else weight
    )


@pytest.mark.parametrize("tau", [1.0, 0.0, 1e3])
def test_normal_density_is_scipys(rows, tau) -> None:
    posterior = make_posterior(40, tau=tau)
    expected = logsumexp(dense_normal(posterior, *rows)) - np.log(40)
    assert score(posterior, rows) == pytest.approx(expected, rel=1e-9)


def test_many_blocks_of_draws_are_one(rows, monkeypatch) -> None:
    posterior = make_posterior(40)
    whole = score(posterior, rows)
    monkeypatch.setattr("skhlm.posterior.joint_density.JOINT_BYTES", 3000)
    assert score(posterior, rows) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("student", [False, True])
def test_weights_are_repetitions(rows, student) -> None:
    posterior = make_posterior(400, student=student)
    times = np.array([2, 1, 3, 0, 1, 2, 1, 1, 2])
    repeated = [np.repeat(array, times, axis=0) for array in rows]
    assert score(posterior, rows, times.astype(float)) == pytest.approx(
        score(posterior, repeated), abs=0.02 if student else 1e-9
    )


@pytest.mark.parametrize("student", [False, True])
def test_without_new_levels_rows_are_independent_given_the_draw(rows, student) -> None:
    posterior = make_posterior(1, student=student)
    X, codes, new, y = (array[:2] for array in rows)
    assert score(posterior, (X, codes, new, y)) == pytest.approx(
        log_predictive_density(posterior, X, codes, y).sum(), rel=1e-12
    )


def test_a_model_without_factors() -> None:
    draws = Draws(np.ones((1, 1, 2)), (), (), (), auxiliary([[1.0]]))
    posterior = posterior_of(draws, (), UNITS)
    none = np.empty((3, 0), dtype=np.int64)
    found = joint_log_density(
        posterior, np.full((3, 1), 2.0), none, none, np.array([1.0, 0, 2]), np.ones(3)
    )
    assert found == pytest.approx(stats.norm.logpdf([0, 1, 1]).sum(), rel=1e-12)


INTERCEPT = (np.array([0]), np.array([0]))


def by_quadrature(posterior: Posterior, X: Floats, code: int, y: Floats) -> float:
    """Log joint density of rows of one new level of factor 0, of an intercept only."""
    total = []
    for s in range(posterior.n_draws):
        kappa = posterior.draws.kappa[:, s]
        expected = kappa[0] + (X[:, 0] - 2) * kappa[1] + posterior.draws.delta[1][code, 0, s]
        tau = posterior.tau[0][0, s]
        sigma, nu = (posterior.auxiliary[name][s] for name in ("sigma", "nu"))
        u = np.linspace(-9 * tau, 9 * tau, 20001)
        t = stats.t.logpdf((y - expected - u[:, None]) / sigma, nu) - np.log(sigma)
        log_density = t.sum(axis=1) + stats.norm.logpdf(u, scale=tau)
        total.append(logsumexp(log_density) + np.log(u[1] - u[0]))
    return float(logsumexp(total) - np.log(len(total)))


@pytest.mark.parametrize("y", [[0.1, 0.4, -0.3, 1.0], [4.0, -4.0, 0.0], [9.0], [7.0] * 6])
def test_student_t_density_is_the_quadratures(y) -> None:
    # Rows that agree, that contradict each other, and that contradict the prior.
    posterior = make_posterior(60, student=True, varying=INTERCEPT)
    n = len(y)
    X = np.linspace(1.5, 2.5, n)[:, None]
    codes = np.column_stack([np.full(n, NEW), np.full(n, 2)])
    new = np.column_stack([np.zeros(n, dtype=np.int64), np.full(n, -1)])
    expected = by_quadrature(posterior, X, 2, np.array(y))
    found = joint_log_density(posterior, X, codes, new, np.array(y), np.ones(n))
    assert found == pytest.approx(expected, abs=0.02)


def test_student_t_with_many_degrees_of_freedom_is_normal(rows) -> None:
    normal = make_posterior(400)
    posterior = with_auxiliary(normal, nu=np.full(400, 1e9))
    assert score(posterior, rows) == pytest.approx(score(normal, rows), abs=0.02)


def test_rows_of_one_new_level_know_of_each_other() -> None:
    # Two rows with the same unlikely value: likelier together than apart.
    posterior = make_posterior(200)
    X, y = np.full((2, 1), 2.0), np.full(2, 5.0)
    codes = np.array([[NEW, 0], [NEW, 0]])
    together, apart = np.array([[0, -1], [0, -1]]), np.array([[0, -1], [1, -1]])
    assert score(posterior, (X, codes, together, y)) > score(posterior, (X, codes, apart, y)) + 1


def test_expected_density_is_best_at_the_truth() -> None:
    rng = np.random.default_rng(2)
    truth, *others = (make_posterior(1, tau=tau) for tau in (1.0, 0.3, 3.0))
    n = 4
    X = np.full((n, 1), 2.0)
    codes = np.column_stack([np.full(n, NEW), np.zeros(n, dtype=np.int64)])
    new = np.column_stack([np.zeros(n, dtype=np.int64), np.full(n, -1)])
    data = simulate(truth, n, 200, rng)
    scores = [[score(model, (X, codes, new, y)) for y in data] for model in (truth, *others)]
    best, *worse = np.array(scores)
    for other in worse:
        gain = best - other
        assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))


def simulate(posterior: Posterior, n: int, times: int, rng: np.random.Generator) -> Floats:
    """Outcomes of a new level of factor 0, known level 0 of factor 1, at x = 2: (times, n)."""
    u = rng.normal(size=(times, 1)) * posterior.tau[0][0, 0]
    mean = posterior.draws.kappa[0, 0] + posterior.draws.delta[1][0, 0, 0]
    return mean + u + rng.normal(size=(times, n)) * posterior.auxiliary["sigma"][0]
