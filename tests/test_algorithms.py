"""The approximations beside NUTS: as good as they say, and they say when they are not."""

from __future__ import annotations

import pickle
import warnings
from copy import copy

import numpy as np
import pytest
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from skhlm import HLMRegressor
from skhlm.datasets import load_gapminder
from skhlm.engine import approximation
from skhlm.engine.approximation import _resample, _weighed
from skhlm.engine.program.runs import INITIAL_RADIUS, Approximation
from skhlm.exceptions import NumericalError, SamplingError
from skhlm.posterior import Posterior, at_zero
from skhlm.preparation import prepare
from skhlm.priors import Cauchy
from tests.chance import assert_near

APPROXIMATIONS = ["pathfinder", "laplace", "advi", "map"]
FEW_DRAWS = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N, J = 300, 20
RNG = np.random.default_rng(3)
LEVEL = np.repeat(np.arange(J), N // J)
X = np.column_stack([RNG.normal(size=N), LEVEL])
Y = 2 + 0.5 * X[:, 0] + RNG.normal(size=J)[LEVEL] + RNG.normal(size=N)


def regressor(**settings):
    """Intercepts vary: Pareto k is 0.2 to 0.4 for each approximation, with an sd of 0.08."""
    given = {"groups": 1, "varying": "intercept", "family": "normal", "random_state": 0}
    return HLMRegressor(**(given | settings))


def trusted(**settings):
    """The first of three fits that converges.

    One of Pathfinder's four paths ends badly in one fit of thirty; in three of three, 4e-5.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = (regressor(**settings, random_state=seed).fit(X, Y) for seed in range(3))
        return next(model for model in fits if model.diagnostics_.converged)


@pytest.fixture(scope="module")
def sampled():
    return regressor().fit(X, Y)


@pytest.fixture(scope="module", params=APPROXIMATIONS)
def approximated(request):
    return trusted(algorithm=request.param)


def parameters(model):
    """Draws (P, S) of kappa, every effect, tau and sigma."""
    posterior = model._posterior
    effects = [delta[:-2].reshape(-1, posterior.n_draws) for delta in posterior.draws.delta]
    sigma = posterior.auxiliary["sigma"][None]
    return np.concatenate([posterior.draws.kappa, *effects, *posterior.tau, sigma])


class TestHealthy:
    def test_moments_are_those_of_nuts(self, approximated, sampled):
        """Standard errors of resampled draws are those of the importance ESS."""
        found, expected = parameters(approximated), parameters(sampled)
        checks = {check.name: check for check in approximated.diagnostics_.checks}
        n = min(checks["importance ESS"].value, sampled.diagnostics_.min_ess_bulk)
        sd = expected.std(axis=1)
        assert_near(found.mean(axis=1), expected.mean(axis=1), sd * np.sqrt(2 / n))
        # The sd of tau, the least certain, has an error of 0.03.
        np.testing.assert_allclose(found.std(axis=1) / sd, 1, atol=0.2)

    def test_says_that_it_is_healthy(self, approximated):
        diagnostics = approximated.diagnostics_
        assert diagnostics.algorithm == approximated.algorithm
        assert diagnostics.pareto_k <= 0.7
        assert diagnostics.converged
        assert approximated.summary()[["ess_bulk", "ess_tail", "rhat"]].isna().all(axis=None)

    def test_predicts_as_nuts_does(self, approximated, sampled):
        """Posterior sds are 0.3 and those of outcomes 1, of new levels 1.5; 1,000 draws each."""
        np.testing.assert_allclose(approximated.predict(X), sampled.predict(X), atol=0.1)
        ends, expected = approximated.predict_interval(X), sampled.predict_interval(X)
        np.testing.assert_allclose(ends, expected, atol=0.3)
        new = [[0.0, 99]]  # a level that fit has not seen
        np.testing.assert_allclose(
            approximated.predict_interval(new), sampled.predict_interval(new), atol=0.7
        )


@pytest.mark.parametrize("algorithm", APPROXIMATIONS)
def test_without_groups_the_posterior_has_a_closed_form(algorithm):
    """Flat priors: the slope is Student-t about least squares; MAP's is least squares itself."""
    x = X[:, 0]
    fit = stats.linregress(x, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of one path in a hundred
        model = regressor(groups=None, algorithm=algorithm).fit(x[:, None], Y)
    draws = model._posterior.draws.kappa[1]
    exact = stats.t(N - 2, fit.slope, fit.stderr)
    n = 1500  # effective draws, of 4800
    assert_near(draws.mean(), exact.mean(), exact.std() / np.sqrt(n))
    assert_near(draws.std(), exact.std(), exact.std() / np.sqrt(2 * n))
    if algorithm == "map":
        np.testing.assert_allclose(model.coef_, fit.slope, rtol=1e-3)


def test_the_mode_does_not_depend_on_the_seed():
    """The draws do; predict and the attributes are those of the mode."""
    settings = {"groups": None, "algorithm": "map"}
    one, other = (regressor(**settings, random_state=s).fit(X, Y) for s in (0, 1))
    for name in ("coef_", "intercept_", "sigma_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-10)
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-10)
    assert not np.array_equal(one.predict_interval(X), other.predict_interval(X))
    assert one.sigma_ != pytest.approx(one._posterior.auxiliary["sigma"].mean(), rel=1e-6)


def test_laplace_has_the_means_of_its_draws():
    model = regressor(algorithm="laplace").fit(X, Y)
    np.testing.assert_allclose(model.sigma_, model._posterior.auxiliary["sigma"].mean())
    np.testing.assert_allclose(model.coef_, at_zero.kappa(model._posterior).mean(axis=1)[1:])


@pytest.mark.parametrize("algorithm", APPROXIMATIONS)
def test_same_seed_same_bits(algorithm):
    """Also with another number of threads."""
    settings = {"algorithm": algorithm, "iter_sampling": 50}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [regressor(**settings, n_jobs=n).fit(X, Y) for n in (1, 1, 2)]
    for other in fits[1:]:
        np.testing.assert_array_equal(parameters(other), parameters(fits[0]))
        np.testing.assert_array_equal(other.predict(X), fits[0].predict(X))


@pytest.mark.parametrize("algorithm", ["pathfinder", "map"])
def test_warns_where_it_is_no_approximation(algorithm):
    """Countries of two modes: Pareto k is 1.2 with an sd of 0.1, and 1.5 for Pathfinder."""
    X, y = load_gapminder(return_X_y=True)
    some = X["country"].isin(X.loc[X["continent"] == "Africa", "country"].unique()[::2])
    model = HLMRegressor("country", algorithm=algorithm, random_state=0)
    with pytest.warns(ConvergenceWarning, match=f"algorithm='{algorithm}' did not come close"):
        model.fit(X[some].drop(columns="continent"), y[some])
    assert model.diagnostics_.pareto_k > 0.7
    assert model.diagnostics_.verdict in ("warn", "fail")


def test_fallback_runs_nuts_where_it_is_no_approximation(monkeypatch):
    monkeypatch.setattr("skhlm.engine.algorithms.K_RELIABLE", -np.inf)  # there is none
    model = regressor(algorithm="map", fallback="nuts")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, Y)
    assert model.diagnostics_.algorithm == "nuts"
    assert np.isnan(model.diagnostics_.pareto_k)
    assert model._posterior.n_chains == 4
    np.testing.assert_array_equal(model.predict(X), regressor().fit(X, Y).predict(X))


def test_fallback_keeps_a_good_approximation():
    model = regressor(algorithm="laplace", fallback="nuts").fit(X, Y)
    assert model.diagnostics_.algorithm == "laplace"


@pytest.fixture
def fail(monkeypatch):
    def fail(error):
        def run(*_):
            raise error

        monkeypatch.setitem(approximation._RUNS, "laplace", run)

    return fail


@pytest.fixture
def failing(fail):
    fail(NumericalError("The Stan program failed: Line search failed."))


def test_no_other_algorithm_helps_against_a_full_disk(fail):
    fail(SamplingError("The disk is full."))
    with pytest.raises(SamplingError, match=r"^The disk is full\.$"):
        regressor(algorithm="laplace", fallback="nuts").fit(X, Y)


@pytest.mark.usefixtures("failing")
def test_failure_names_the_remedy_and_leaves_the_model_as_it_was():
    model = regressor(algorithm="map").fit(X, Y)
    before = model.predict(X)
    with pytest.raises(NumericalError, match=r"Line search failed.* fallback='nuts'"):
        model.set_params(algorithm="laplace").fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), before)
    assert model.diagnostics_.algorithm == "map"


@FEW_DRAWS
@pytest.mark.usefixtures("failing")
def test_fallback_after_a_failure():
    model = regressor(algorithm="laplace", fallback="nuts", iter_sampling=50).fit(X, Y)
    assert model.diagnostics_.algorithm == "nuts"


@pytest.mark.filterwarnings("ignore::skhlm.exceptions.IdentificationWarning")
@pytest.mark.filterwarnings("ignore:algorithm=.* did not come close")
@pytest.mark.parametrize("algorithm", ["laplace", "map"])
def test_rows_that_fit_exactly_are_no_place_for_an_approximation(algorithm):
    """Repeated rows and more coefficients than distinct ones: sigma has nowhere to go but down.

    Pareto k is 1.07 with a standard deviation of 0.12 over seeds: below 0.5 once in a million.
    """
    rows = np.repeat([[1, 3, 1, 2], [2, 1, 1, 4], [3, 3, 1, 6], [4, 1, 1, 8]], 4, axis=0)
    model, y = HLMRegressor([2, 3], algorithm=algorithm, random_state=0), [1.0, 2.0, 1.0, 2.0]
    model.fit(rows, np.repeat(y, 4))
    assert model.diagnostics_.pareto_k > 0.5
    np.testing.assert_allclose(model.predict(rows[::4]), y, atol=1e-3)


@pytest.mark.parametrize(("n_usable", "reliable"), [(60, True), (40, False)])
def test_draws_without_a_density_are_left_out(n_usable, reliable):
    """Where they are the most, the others are not relied on, however equal their ratios are."""
    columns, log_ratio = np.arange(100.0)[:, None], np.zeros(100)
    log_ratio[n_usable:] = [-np.inf, np.nan] * ((100 - n_usable) // 2)
    found, statistics = _weighed(Approximation(columns, log_ratio), seed=1)
    np.testing.assert_array_equal(found, columns[:n_usable])
    assert statistics.pareto_k == (0 if reliable else np.inf)
    assert statistics.resampled == reliable


def test_no_draw_with_a_density():
    nowhere = Approximation(np.zeros((3, 1)), np.full(3, -np.inf))
    with pytest.raises(NumericalError, match=r"No draw .* Set fallback='nuts'"):
        _weighed(nowhere, seed=1)


def test_resampling_gives_each_draw_its_share():
    weights = RNG.dirichlet(np.full(50, 0.5))
    picks = _resample(weights, seed=4)
    counts = np.bincount(picks, minlength=50)
    assert len(picks) == 50
    assert np.all(np.abs(counts - 50 * weights) < 1)
    np.testing.assert_array_equal(_resample(weights, seed=4), picks)


def test_equal_weights_pick_every_draw_once():
    np.testing.assert_array_equal(_resample(np.full(1000, 1e-3), seed=1), np.arange(1000))


@pytest.fixture(scope="module", params=["normal", "student_t"])
def refits(request):
    """A warm refit with one level more, and a cold one."""
    seen, settings = LEVEL > 0, {"family": request.param, "iter_sampling": 1000}
    warm = regressor(**settings, warm_start=True).fit(X[seen], Y[seen])
    assert warm._posterior.n_levels == (J - 1,)
    return warm.fit(X, Y), regressor(**settings).fit(X, Y)


def test_a_warm_refit_has_the_posterior_of_a_cold_one(refits):
    warm, cold = refits
    assert warm._posterior.n_levels == (J,)
    found, expected = parameters(warm), parameters(cold)
    assert not np.array_equal(found, expected)
    n = min(warm.diagnostics_.min_ess_bulk, cold.diagnostics_.min_ess_bulk)
    sd = expected.std(axis=1)
    assert_near(found.mean(axis=1), expected.mean(axis=1), sd * np.sqrt(2 / n))
    # The sd of tau, the least certain, has an error of 0.03.
    np.testing.assert_allclose(found.std(axis=1) / sd, 1, atol=0.2)


def test_the_next_fit_begins_at_the_last_draws(monkeypatch):
    """In the user's units, whatever scales and centres the new rows have; new effects at 0."""
    seen = LEVEL > 0
    model = regressor(varying="all", warm_start=True).fit(X[seen], Y[seen])
    draws = parameters(model)
    ends = draws.reshape(len(draws), 4, -1)[..., -1]
    begun = {}

    def begin(_problem, settings, _diagnose, _progress, earlier):
        begun.update(earlier=earlier, warmup=settings.iter_warmup)
        raise SamplingError("far enough")

    monkeypatch.setattr("skhlm.estimator.infer", begin)
    with pytest.raises(SamplingError, match="far enough"):
        model.fit(X, Y)
    _, spec, _ = prepare(model, X, Y, None)
    before = model._posterior
    again = Posterior.from_draws(begun["earlier"].last, before.varying, spec.units, before.family)
    shift = spec.units.x_center[0] - model._spec.units.x_center[0]
    kappa = ends[:2].copy()
    kappa[0] += shift * kappa[1]
    np.testing.assert_allclose(again.draws.kappa, kappa, rtol=1e-12)
    np.testing.assert_array_equal(again.draws.delta[0][0], 0)
    np.testing.assert_allclose(again.draws.delta[0][1:J, 1], ends[2:-3].reshape(J - 1, 2, 4)[:, 1])
    np.testing.assert_allclose(again.auxiliary["sigma"], ends[-1], rtol=1e-12)
    assert begun["warmup"] == 50


@pytest.mark.parametrize(
    "other",
    [{"family": "student_t"}, {"groups": None}, {"varying": "all"}, {"covariance": "full"}],
    ids=str,
)
def test_another_model_starts_afresh(other):
    model = regressor(iter_sampling=50, chains=2, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, Y).set_params(**other).fit(X, Y)
        cold = regressor(iter_sampling=50, chains=2, **other).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), cold.predict(X))


_LATER = {
    "the same": (X, Y),
    "y in other units": (X, 100 * Y),
    "y shifted": (X, Y + 1e6),
    "a predictor in other units": (X * [1000, 1], Y),
    "a predictor shifted": (X + np.array([1e6, 0]), Y),
    "another relation": (X, Y[::-1] - 50 * X[:, 0]),
    "other rows": (X[::3], Y[::3]),
    "fewer levels": (X[LEVEL > J // 2], Y[LEVEL > J // 2]),
    "tiny residuals": (X, 3 * X[:, 0] + 1e-6 * Y),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("later", _LATER)
@pytest.mark.parametrize("family", ["normal", "student_t"])
def test_no_chain_begins_far_from_the_posterior(later, family, monkeypatch):
    """Whatever the data have become, a warm start is as near as a cold one."""
    model = regressor(family=family, algorithm="laplace", warm_start=True).fit(X, Y)
    begun = {}

    def begin(_target, _settings, _diagnose, _progress, start):
        begun.update(start=start)
        raise SamplingError("far enough")

    monkeypatch.setattr("skhlm.engine.algorithms.run_nuts", begin)
    with pytest.raises(SamplingError, match="far enough"):
        model.set_params(algorithm="nuts", iter_sampling=50).fit(*_LATER[later])
    for inits in begun["start"].inits:
        for values in inits.values():
            assert (np.abs(values) <= INITIAL_RADIUS).all()


@pytest.mark.parametrize("algorithm", ["pathfinder", "map"])
def test_approximations_take_a_warm_start_too(algorithm):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # tails may be poor; means are not
        model = regressor(algorithm=algorithm, warm_start=True).fit(X[:-30], Y[:-30]).fit(X, Y)
    cold = trusted(algorithm=algorithm)
    # Ten standard errors of the means.
    np.testing.assert_allclose(model.predict(X), cold.predict(X), atol=0.1)


@pytest.mark.parametrize("algorithm", ["nuts", "laplace"])
def test_a_warm_fit_of_the_same_keeps_the_model(algorithm, monkeypatch):
    settings = {"algorithm": algorithm, "chains": 2, "iter_sampling": 50}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = regressor(**settings).fit(X, Y).set_params(warm_start=True)
    before = dict(vars(model))
    order = RNG.permutation(N)

    def begin(*_):
        raise SamplingError("it runs")

    monkeypatch.setattr("skhlm.estimator.infer", begin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert model.set_params(n_jobs=1).fit(X[order], Y[order]) is model
    assert all(vars(model)[name] is before[name] for name in ("_fit", "coef_"))
    again = pickle.loads(pickle.dumps(model))
    for other, data in [
        (copy(model), (X, Y + 1)),
        (copy(model).set_params(random_state=1), (X, Y)),
        (copy(model).set_params(random_state=None), (X, Y)),
        (copy(model).set_params(iter_sampling=60), (X, Y)),
        (copy(model).set_params(priors={"sigma": Cauchy(0, 1)}), (X, Y)),
        (copy(model).set_params(warm_start=False), (X, Y)),
        (model.compact(20), (X, Y)),
        (again, (X, Y)),
    ]:
        with pytest.raises(SamplingError, match="it runs"):
            other.fit(*data)


def test_a_warm_fit_of_the_same_warns_again():
    model = regressor(chains=2, iter_sampling=20, max_treedepth=1, warm_start=True)
    for _ in range(2):
        with pytest.warns(ConvergenceWarning, match="has not converged") as caught:
            model.fit(X, Y)
        assert caught[0].filename == __file__


def test_nuts_may_follow_an_approximation():
    model = regressor(algorithm="laplace", warm_start=True).fit(X, Y)
    model.set_params(algorithm="nuts").fit(X, Y)
    assert model.diagnostics_.algorithm == "nuts"
    assert model.diagnostics_.converged


@FEW_DRAWS
def test_a_cold_fit_forgets_the_last_one():
    model = regressor(groups=None, iter_sampling=50).fit(X, Y)
    expected = parameters(model)
    np.testing.assert_array_equal(parameters(model.fit(X[:-30], Y[:-30]).fit(X, Y)), expected)
