"""The posterior of yes or no, counts and amounts is the model's: as `test_truth.py`, in its order.

Closed forms, an independent posterior, the same data told in two ways, coverage; and what the
approximations, the fallback and a warm start make of such outcomes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skhlm import HLMClassifier, HLMRegressor
from skhlm.exceptions import IdentificationWarning
from skhlm.priors import Normal, StudentT
from tests import oracle
from tests.cases import TIGHT, Table, assert_same_posterior, expected, reported
from tests.chance import SHIFT, assert_near
from tests.link_cases import AUX, LinkCase, drawn, simulated_link
from tests.link_oracle import HAVE_AUXILIARY, LEAST_ESS, OUTCOMES, link_draws, link_posterior

MEAN = {family: special.expit if family == "binomial" else np.exp for family in OUTCOMES}
FEW_DRAWS = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
POOLED = {"g": Normal(0, 1e-5)}


# --- (a) closed forms -----------------------------------------------------------------------------


def test_amounts_without_noise_leave_the_least_cv():
    """Their density piles up at a cv of 0, which is cut at 1e-6."""
    X = pd.DataFrame({"g": np.repeat(np.arange(6), 10), "x": np.linspace(-1, 1, 60)})
    y = np.exp(0.5 * X["x"] + 0.2 * X["g"])
    model = HLMRegressor("g", family="gamma", varying="intercept", chains=2, random_state=SHIFT)
    with pytest.warns(IdentificationWarning, match=r"of sd\(log y\)"):
        model.fit(X, y)
    assert model.diagnostics_.converged
    assert 1e-6 < model.cv_ < 1.2e-6
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-5)


def given(family: str, **priors: Any) -> dict[str, Any]:
    """Priors, the auxiliary parameter known if there is one."""
    known = {HAVE_AUXILIARY[family]: Normal(AUX, TIGHT)} if family in HAVE_AUXILIARY else {}
    return known | priors


@pytest.mark.parametrize("family", ["binomial", "poisson", "gamma"])
def test_conjugate_limits(family):
    """A flat intercept alone: the log rate of a gamma, the log odds of a beta distribution.

    k yes of m: p ~ beta(k, m - k); events: rate ~ gamma(events, exposure); amounts of known shape:
    1 / mean ~ gamma(n shape, shape x sum). The prior's scale of 50 leaves 1e-4 of an sd.
    """
    case = simulated_link(
        family,
        {"g": (3,)},
        n=60,
        exposed=family == "poisson",
        priors=given(family, kappa=Normal(0, 50), tau=POOLED),
    )
    n, total = len(case.y), case.y.sum()
    if family == "binomial":
        a, b = total, n - total
        mean, variance = special.psi(a) - special.psi(b), special.polygamma(1, [a, b]).sum()
    elif family == "poisson":
        mean = special.psi(total) - np.log(case.X["exposure"].sum())
        variance = special.polygamma(1, total)
    else:
        mean = np.log(AUX**-2 * total) - special.psi(n * AUX**-2)
        variance = special.polygamma(1, n * AUX**-2)
    kappa = reported(case.fit())["kappa", "", (), "Intercept"]
    assert_near(
        [kappa.mean, kappa.sd], [mean, np.sqrt(variance)], [kappa.mean_error, kappa.sd_error]
    )


@pytest.mark.parametrize("family", OUTCOMES)
def test_each_level_is_one_integral(family):
    """kappa, tau and the auxiliary parameter given, a level's rows tell of its eta alone.

    A level that was not seen has that of the prior: predictions there need no draws.
    """
    mu, tau = 0.3, 0.7
    prior = stats.norm(mu, tau)
    known = given(family, kappa=Normal(mu, TIGHT), tau={"g": Normal(tau, TIGHT)})
    case = simulated_link(family, {"g": (7,)}, n=60, priors=known)
    fitted, eta = case.fit(), np.linspace(mu - 8 * tau, mu + 8 * tau, 4001)
    found, rows = reported(fitted), []
    for level, y in case.y.groupby(case.X["g"]):
        log_p = OUTCOMES[family].log_density(y.to_numpy()[:, None], eta, np.array(AUX**-2))
        p = special.softmax(log_p.sum(axis=0) + prior.logpdf(eta))
        effect = found["delta", "g", (level,), "Intercept"]
        mean, sd = moments(eta, p)
        rows += [(effect.mean, mean - mu, effect.mean_error), (effect.sd, sd, effect.sd_error)]
        expected_value, its_sd = moments(MEAN[family](eta), p)
        error = its_sd / np.sqrt(fitted.diagnostics_.min_ess_bulk)
        rows += [(fitted.predict(pd.DataFrame({"g": [level]}))[0], expected_value, error)]
    assert_near(*np.transpose(rows))
    new = fitted.predict(pd.DataFrame({"g": ["new"]}))
    value, _ = moments(MEAN[family](eta), special.softmax(prior.logpdf(eta)))
    np.testing.assert_allclose(new, value, rtol=1e-3)


def moments(x: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Mean and sd under probabilities of a grid."""
    mean = p @ x
    return mean, np.sqrt(p @ (x - mean) ** 2)


@pytest.mark.parametrize("family", HAVE_AUXILIARY)
def test_intercept_and_auxiliary_parameter_are_a_plane(family):
    """Both unknown, and nothing else: a grid of 200 x 200."""
    name = HAVE_AUXILIARY[family]
    case = simulated_link(family, {"g": (3,)}, n=60, priors={"tau": POOLED})
    kappa, aux = np.linspace(-1.5, 2.5, 200)[:, None], np.linspace(0.01, 2, 200)
    y = case.y.to_numpy()[:, None, None]
    log_p = OUTCOMES[family].log_density(y, kappa, aux**-2.0).sum(axis=0)
    p = special.softmax(log_p - kappa**2 / (2 * 2.5**2) - aux**2 / 2)
    found = reported(case.fit())
    ours = found["kappa", "", (), "Intercept"], found[name, "", (), ""]
    theirs = moments(kappa[:, 0], p.sum(axis=1)), moments(aux, p.sum(axis=0))
    assert_near(
        [(it.mean, it.sd) for it in ours], theirs, [(it.mean_error, it.sd_error) for it in ours]
    )


# --- (b) the oracle -------------------------------------------------------------------------------

CASES = {
    "binomial, nested": simulated_link("binomial", {"region/country": (5, 12)}, n=150),
    "binomial, trials, crossed, slopes": simulated_link(
        "binomial", {"g": (8,), "h": (6,)}, 1, 120, weighted=True, varying={"h": ["Intercept"]}
    ),
    "poisson, slopes, full": simulated_link("poisson", {"g": (10,)}, 1, covariance="full"),
    "poisson, crossed, exposure, weights": simulated_link(
        "poisson", {"g": (10,), "h": (8,)}, exposed=True, weighted=True
    ),
    "negative binomial, nested, exposure": simulated_link(
        "negative_binomial", {"region/country": (5, 12)}, exposed=True
    ),
    "negative binomial, slopes, weights, priors": simulated_link(
        "negative_binomial",
        {"g": (8,)},
        1,
        weighted=True,
        priors={
            "kappa": Normal(0.5, 0.4),
            "tau": {"g": StudentT(3, 0.2, 0.5)},
            "overdispersion": StudentT(5, 0.5, 0.2),
        },
    ),
    "gamma, crossed, weights": simulated_link("gamma", {"g": (8,), "h": (6,)}, 0, weighted=True),
    "gamma, slopes, full, exposure": simulated_link(
        "gamma", {"g": (10,)}, 1, covariance="full", exposed=True
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_posterior_is_the_oracles(name):
    case = CASES[name]
    truth = link_posterior(case.for_oracle(), seed=SHIFT)
    assert truth.ess > LEAST_ESS and truth.largest_weight < 0.05
    assert_same_posterior(reported(case.fit()), expected(case, truth))


def test_autoscale_moves_no_outcome():
    """Predictors are standardised, and priors are about the log of events per exposure.

    b_1 = b'_1 / s and b_0 = b'_0 + centre - b_1 c, with primes in the model's units.
    """
    case = simulated_link(
        "poisson", {"g": (8,)}, 1, exposed=True, varying={"g": ["Intercept"]}, seed=3
    )
    case = replace(case, X=case.X.assign(x1=40 + 15 * case.X["x1"]))
    x, y, exposure = (v.to_numpy() for v in (case.X["x1"], case.y, case.X["exposure"]))
    centre, c, s = np.log((y.sum() + 0.5) / exposure.sum()), x.mean(), x.std()
    model = replace(case.for_oracle(((x - c) / s)[:, None]), offset=np.log(exposure) + centre)
    scales, theta, weight = link_draws(model, seed=SHIFT)
    slope = theta[:, 1] / s
    draws: dict[tuple, np.ndarray] = {
        ("kappa", "", (), "Intercept"): theta[:, 0] + centre - slope * c,
        ("kappa", "", (), "x1"): slope,
        ("tau", "g", (), "Intercept"): scales.tau[0][:, 0],
    }
    for j, level in enumerate(case.levels("g")[1]):
        draws["delta", "g", level, "Intercept"] = theta[:, 2 + j]
    truth: Table = {key: oracle.weighted_estimate(weight, x) for key, x in draws.items()}
    assert_same_posterior(reported(case.fit(autoscale=True)), truth)


# --- (c) the same data, told in two ways ----------------------------------------------------------


def draws_of(model: Any) -> list[np.ndarray]:
    """Everything that was drawn."""
    posterior = model._posterior
    draws = posterior.draws
    return [draws.kappa, *draws.delta, *posterior.tau, *posterior.auxiliary.values()]


def brief(family: str, **settings: Any) -> HLMRegressor:
    """A model of few draws."""
    few = {"chains": 2, "iter_sampling": 100, "random_state": 0}
    return HLMRegressor("g", family=family, **(few | settings))


def assert_same_draws(one: Any, other: Any) -> None:
    """Bit for bit."""
    for ours, theirs in zip(draws_of(one), draws_of(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@FEW_DRAWS
def test_shares_of_trials_are_their_yes_and_no_bit_for_bit():
    """So are the classes of a classifier, and the rows in another order."""
    rng = np.random.default_rng(5)
    cells = pd.DataFrame({"g": np.repeat(list("abcdef"), 4), "x": np.tile([0.3, 1, 2.1, 3], 6)})
    trials = rng.integers(1, 50, len(cells))
    yes = rng.binomial(trials, 0.3)
    shares = brief("binomial").fit(cells, yes / trials, sample_weight=trials)
    X = cells.loc[np.repeat(cells.index, trials)].reset_index(drop=True)
    y = np.concatenate([np.arange(m) < k for m, k in zip(trials, yes, strict=True)]).astype(int)
    order = rng.permutation(len(y))
    X, y = X.loc[order], y[order]
    assert_same_draws(brief("binomial").fit(X, y), shares)
    settings = {name: value for name, value in shares.get_params().items() if name not in NUMBERS}
    classifier = HLMClassifier(**settings).fit(X, np.where(y, "yes", "no"))
    assert_same_draws(classifier, shares)
    np.testing.assert_array_equal(classifier.predict_proba(cells)[:, 1], shares.predict(cells))


NUMBERS = {"family", "exposure"}
"""What a classifier has no parameter for."""


def test_events_of_intervals_are_those_of_their_union():
    """Of a quarter, three quarters and a year and a half, exactly or to rounding of logarithms.

    Of draws that start from nothing but a mode: along a chain rounding would grow.
    """
    case = simulated_link("poisson", {"g": (8,)}, n=60, exposed=True)
    parts = np.array([0.25, 0.75, 1.5])
    exposure = case.X["exposure"].to_numpy()
    X = case.X.loc[np.repeat(case.X.index, 3)].assign(exposure=np.outer(exposure, parts).ravel())
    split = np.random.default_rng(0).multinomial(case.y.astype(int), parts / parts.sum())
    whole = case.X.assign(exposure=parts.sum() * exposure)
    settings = {"exposure": "exposure", "algorithm": "laplace", "random_state": 0}
    model = HLMRegressor("g", family="poisson", **settings)
    one, other = clone(model).fit(whole, case.y), clone(model).fit(X, split.ravel())
    for ours, theirs in zip(draws_of(one), draws_of(other), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


@FEW_DRAWS
@pytest.mark.parametrize("family", OUTCOMES)
def test_weights_are_rows_given_again_bit_for_bit(family):
    case = simulated_link(family, {"g": (5,)}, 1, 40)
    weight = np.random.default_rng(1).integers(0, 4, 40)
    again = np.repeat(np.arange(40), weight)
    one = brief(family).fit(case.X, case.y, sample_weight=weight)
    assert_same_draws(brief(family).fit(case.X.loc[again], case.y[again]), one)


# --- (d) coverage ---------------------------------------------------------------------------------


@FEW_DRAWS
@pytest.mark.parametrize("family", OUTCOMES)
def test_intervals_cover_the_truth(family):
    """90% intervals of kappa, effects and coefficients of combinations, over 20 data sets.

    Some 3,600 numbers for each family. Those of one data set are correlated: its share has an sd of
    0.07 at most, as if there were 20 of them, so the mean of twenty one of 0.015. The data are
    always the same, with shares from 0.88 to 0.92. Other draws move an end by 0.1 sd, so that one
    number in 25 may change sides: that gives the share an sd of 0.005, a sixth of what it is from
    0.85 and 0.95.
    """
    covered = [share_covered(family, seed) for seed in range(20)]
    assert 0.85 < np.mean(covered) < 0.95


def share_covered(family: str, seed: int) -> float:
    """Of one data set: levels 10 and 8, crossed; slopes vary by one of them."""
    rng = np.random.default_rng(seed)
    n, sizes = 160, {"g": 10, "h": 8}
    X = pd.DataFrame(
        {"x": rng.normal(size=n), **{k: rng.integers(J, size=n) for k, J in sizes.items()}}
    )
    kappa = rng.normal([0.5, 0.3], 0.3)
    effects = {"g": rng.normal(0, [0.5, 0.4], (10, 2)), "h": rng.normal(0, [0.4, 0], (8, 2))}
    beta = kappa + sum(effects[k][X[k]] for k in sizes)
    y = drawn(family, beta[:, 0] + beta[:, 1] * X["x"].to_numpy(), rng)
    varying = {"g": "all", "h": "intercept"}
    model = HLMRegressor(
        ["g", "h"], family=family, varying=varying, chains=2, iter_sampling=250, random_state=seed
    ).fit(X, y)
    names = ["Intercept", "x"]
    found = model.summary().query("parameter == 'kappa'").set_index("coefficient").loc[names]
    inside = [(found["q05"] <= kappa) & (kappa <= found["q95"])]
    for row in model.group_effects().itertuples():
        effect = effects[row.factor][row.level[0], names.index(row.coefficient)]
        inside.append(pd.Series([row.lower <= effect <= row.upper]))
    both = model.coefficients()
    value = kappa + sum(effects[k][both[k].to_numpy(int)] for k in sizes)
    value = value[np.arange(len(both)), both["coefficient"].map(names.index)]
    inside.append((both["lower"] <= value) & (value <= both["upper"]))
    return float(pd.concat(inside).mean())


# --- (e) other ways to the posterior --------------------------------------------------------------


@pytest.fixture(scope="module")
def sampled() -> Mapping[str, tuple[LinkCase, Any]]:
    """A case of each family, and its posterior by NUTS."""
    cases = {
        family: simulated_link(family, {"g": (12,)}, 1, 240, varying={"g": ["Intercept"]})
        for family in OUTCOMES
    }
    return {family: (case, case.fit()) for family, case in cases.items()}


@pytest.mark.parametrize("algorithm", ["pathfinder", "laplace", "advi", "map"])
@pytest.mark.parametrize("family", OUTCOMES)
def test_approximations_are_as_good_as_they_say(family, algorithm, sampled):
    """Where Pareto k is at most 0.7: errors are those of the importance ESS."""
    case, reference = sampled[family]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvergenceWarning)
        model = case.fit(algorithm=algorithm)
    if model.diagnostics_.pareto_k > 0.7:
        assert [warning.category for warning in said] == [ConvergenceWarning]
        return
    checks = {check.name: check for check in model.diagnostics_.checks}
    n = min(checks["importance ESS"].value, reference.diagnostics_.min_ess_bulk)
    found, truth = (
        np.concatenate([d.reshape(-1, d.shape[-1]) for d in draws_of(m)])
        for m in (model, reference)
    )
    sd = truth.std(axis=1)
    assert_near(found.mean(axis=1), truth.mean(axis=1), sd * np.sqrt(2 / n))


@pytest.mark.parametrize("family", OUTCOMES)
def test_a_warm_start_ends_in_the_same_posterior(family, sampled):
    """After the first half of the rows, all of them."""
    case, reference = sampled[family]
    half = slice(None, len(case.y) // 2)
    model = HLMRegressor(**reference.get_params()).set_params(warm_start=True, random_state=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.set_params(iter_sampling=200).fit(case.X[half], case.y[half])
    model.set_params(iter_sampling=1000).fit(case.X, case.y)
    assert_same_posterior(reported(model), reported(reference))


@FEW_DRAWS
@pytest.mark.parametrize("family", OUTCOMES)
def test_nuts_is_the_fallback(family, sampled, monkeypatch):
    """Where no Pareto k is good enough: the draws are those of NUTS, bit for bit."""
    case, _ = sampled[family]
    sampler = brief(family).fit(case.X, case.y)
    monkeypatch.setattr("skhlm.engine.algorithms.K_RELIABLE", -np.inf)
    model = brief(family, algorithm="laplace", fallback="nuts").fit(case.X, case.y)
    assert model.diagnostics_.algorithm == "nuts"
    assert_same_draws(model, sampler)
