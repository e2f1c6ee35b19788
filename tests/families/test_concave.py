"""What the quick fit is told by families whose log density is concave in eta."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm.families import FAMILIES, Evidence
from skhlm.families.concave import ConcaveFamily, LogTails
from skhlm.families.family import Swept
from skhlm.numerics.quantiles import TAILS
from skhlm.numerics.scale_maps import bent

CONCAVE = {name: f for name, f in FAMILIES.items() if isinstance(f, ConcaveFamily)}
RNG = np.random.default_rng(5)
N = 400
ETA = RNG.normal(0.5, 0.8, N)
PRIORS = {a.name: a.numbers(a.prior) for f in CONCAVE.values() for a in f.auxiliary}


@pytest.fixture(params=CONCAVE.values(), ids=CONCAVE.keys())
def family(request):
    """Each of them in turn."""
    return request.param


def aux_of(family):
    return {a.name: np.float64(0.6) for a in family.auxiliary}


def evidence_of(family, weight=None):
    """Rows that do not merge, as predictors differ; and their eta, in an order of their own."""
    aux = {name: np.full(1, value) for name, value in aux_of(family).items()}
    y = family.draw(ETA[:, None], aux, np.random.default_rng(1))[:, 0]
    weight = np.ones(N) if weight is None else weight
    rows = Evidence.of_rows(ETA[:, None], y, weight, np.zeros(N, dtype=np.int64), 1)
    rows = family.compress(rows)
    assert len(rows.y) == N
    return rows, rows.X[0]


def fit_of(family, value=0.6):
    return LogTails(np.log(value * np.outer([0.8, 1, 1.25], np.ones(len(family.auxiliary)))))


def swept(eta, log_volume=lambda informations: np.zeros(len(informations))):
    return Swept(eta, N, lambda: np.zeros(N), log_volume)


def test_the_own_mean_is_between_outcome_and_common_mean(family):
    for y in (0.0, 1.0) if family.name == "binomial" else (0.0, 1.0, 1e6):
        y = max(y, 1e-30) if family.name == "gamma" else y
        for mean in (1e-6, 0.3, 1 - 1e-6):
            own = family.own_mean(np.array([y]), np.ones(1), np.array([mean]))[0]
            assert min(y, mean) < own < max(y, mean) + 0.5
            many = family.own_mean(np.array([y]), np.array([1e9]), np.array([mean]))[0]
            assert abs(many - y) <= max(1e-6, 0.06 * abs(mean - y))


def test_the_start_is_finite_wherever_outcomes_are(family):
    y = {"binomial": [0.0, 1.0, 0.5], "gamma": [1e-300, 1.0, 1e12]}.get(family.name, [0, 1, 1e12])
    rows = Evidence.of_rows(np.ones((3, 1)), np.array(y), np.ones(3), np.zeros(3, np.int64), 1)
    with np.errstate(all="raise"):
        information, score = family.start(rows)
    assert (information > 0).all()
    assert np.isfinite(score).all()


def test_working_rows_are_a_newton_step_about_eta(family):
    """Where no outcome pulls far: information, and W (eta - rest) + score."""
    weight = RNG.uniform(0.5, 2, N)
    rows, eta = evidence_of(family, weight)
    fit, aux = fit_of(family), aux_of(family)
    working = family.working_information(rows, eta, fit)
    score, information = family.score(rows.y, eta, aux), family.information(eta, aux)
    near = np.abs(score) < 5 * information
    assert near.mean() > 0.9
    expected = rows.weight * information
    np.testing.assert_allclose(working[near], np.broadcast_to(expected, N)[near], rtol=1e-12)
    rest = eta - 0.3
    found = family.working_score(rows, eta, rest, working, fit)
    np.testing.assert_allclose(found, 0.3 * working + rows.weight * score, rtol=1e-9, atol=1e-12)
    of_map, gradient = family.expansion(rows, eta, fit)
    np.testing.assert_allclose(of_map, np.broadcast_to(expected, N), rtol=1e-12)
    np.testing.assert_allclose(gradient, rows.weight * score, rtol=1e-12)


def test_no_row_pulls_its_eta_far(family):
    rows, _ = evidence_of(family)
    for eta in (np.full(N, -30.0), np.full(N, 9.0)):
        working = family.working_information(rows, eta, fit_of(family))
        pull = family.working_score(rows, eta, eta, working, fit_of(family))
        assert (np.abs(pull) <= 5 * working * (1 + 1e-12)).all()
        assert (working >= rows.weight * family.information(eta, aux_of(family))).all()


def test_the_log_likelihood_is_that_of_the_rows_up_to_a_constant(family):
    rows, eta = evidence_of(family, RNG.uniform(0.5, 2, N))
    off, size = [], []
    for value in (1e-60, 1e-7, 1e-3, 0.4, 20.0):
        for at in (eta, eta + 0.5):
            aux = {name: np.float64(value) for name in aux_of(family)}
            size.append(rows.weight @ family.log_density(rows.y, at, aux))
            off.append(family.log_likelihood(rows, at, aux) - size[-1])
    assert (np.abs(np.array(off) - off[-1]) <= 1e-9 + 1e-13 * np.abs(size)).all()


@pytest.mark.parametrize(
    ("name", "log_density"),
    [
        ("negative_binomial", lambda y, mu, o: stats.nbinom.logpmf(y, o**-2, 1 / (1 + mu * o**2))),
        ("gamma", lambda y, mu, cv: stats.gamma.logpdf(y, cv**-2, scale=mu * cv**2)),
    ],
)
@pytest.mark.parametrize("lost", [0.0, 30.0])
def test_an_auxiliary_parameter_has_its_posterior(name, log_density, lost):
    """At a known eta; a volume that falls with information takes degrees of freedom away."""
    family = FAMILIES[name]
    rows, eta = evidence_of(family)
    seen = swept(
        eta, lambda informations: np.array([-lost * np.log(w.sum()) for w in informations])
    )
    fit = LogTails(np.log([[0.2], [0.7], [1.5]]))
    for _ in range(2):
        fit = family.fit(rows, seen, PRIORS, fit, 25)
    (parameter,) = family.auxiliary
    x = np.linspace(-3, 2, 4001)
    density = -0.5 * np.exp(2 * x) + x  # half-normal of the parameter
    for i, value in enumerate(np.exp(x)):
        density[i] += log_density(rows.y, np.exp(eta), value).sum()
        told = np.broadcast_to(family.information(eta, {parameter.name: value}), N).sum()
        density[i] -= lost * np.log(told)
    mass = np.cumsum(np.exp(density - density.max()))
    expected = np.interp(TAILS, mass / mass[-1], x)
    np.testing.assert_allclose(fit.points[:, 0], expected, atol=0.04 * np.ptp(expected))
    maps, lean = fit.maps()
    np.testing.assert_allclose(bent(maps[:, 0], np.zeros(1)), fit.logs[0])
    assert not lean.any()


def test_poisson_counts_leave_overdispersion_near_zero_and_proper():
    family = FAMILIES["negative_binomial"]
    y = np.random.default_rng(2).poisson(np.exp(ETA)).astype(float)
    rows = Evidence.of_rows(ETA[:, None], y, np.ones(N), np.zeros(N, dtype=np.int64), 1)
    rows = family.compress(rows)
    fit = LogTails(np.log([[0.2], [0.7], [1.5]]))
    with np.errstate(all="raise", under="ignore"):
        for _ in range(3):
            fit = family.fit(rows, swept(rows.X[0]), PRIORS, fit, 25)
    low, middle, high = np.exp(fit.points[:, 0])
    assert 1e-3 < low < middle < high < 0.5


def test_families_without_parameters_have_nothing_to_fit():
    family = FAMILIES["poisson"]
    rows, eta = evidence_of(family)
    fit = family.fit(rows, swept(eta), {}, family.first_fit(rows, eta, ()), 25)
    assert fit.logs == ()
    assert [a.shape for a in fit.maps()] == [(3, 0), (0, 0)]
    assert fit.is_near(fit)


def test_the_sweeps_end_where_the_medians_hardly_move():
    fit = LogTails(np.array([[-1.0], [0.0], [1.0]]))
    assert fit.is_near(LogTails(fit.points + np.array([[0], [0.15], [0]])))
    assert not fit.is_near(LogTails(fit.points + np.array([[0], [0.25], [0]])))
