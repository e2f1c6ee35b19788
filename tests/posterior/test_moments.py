"""Which posteriors have no finite mean or sd, against how their densities fall far out."""

from __future__ import annotations

import io
from math import inf

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

import skhlm
from skhlm import HLMClassifier, HLMRegressor
from skhlm.exceptions import IdentificationWarning
from skhlm.families import FAMILIES, find_family
from skhlm.inputs.design import Units, canonical_rows
from skhlm.posterior.moments import count_moments
from skhlm.preparation import prepare
from skhlm.priors import Cauchy, LocationScale, Normal, Priors, StudentT

BARE = Units(True, 0.0, 1.0, np.zeros(1), np.ones(1))  # an intercept and one predictor as it is
FAR = np.array([1e4, 1e5])
FLAT = Normal(0, 10)
HEAVY = [StudentT(0.5), Cauchy(), StudentT(2), StudentT(3), Normal()]


def priors_of(prior, *, kappa=FLAT, auxiliary=()):
    """One for tau and the family's parameters, another for kappa."""
    return Priors(
        LocationScale.of([kappa] * 2),
        (LocationScale.of([prior]),),
        {name: LocationScale.of([prior]) for name in auxiliary},
        2.0,
    )


def order_of(log_density):
    """The order below which moments are finite, of a density known at two points far out."""
    slope = (log_density[1] - log_density[0]) / np.log(FAR[1] / FAR[0])
    return round(-slope - 1, 2)


def finite(order):
    return int(order > 1) + int(order > 2)


def counted(X, y, level, varying, family, priors):
    rows = canonical_rows(X, y, np.ones(len(y)), level[:, None])
    n_levels = [int(level.max()) + 1]
    return count_moments(priors, rows, BARE, [np.array(varying)], n_levels, find_family(family))


# --- tau ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", HEAVY, ids=str)
@pytest.mark.parametrize("J", [1, 2, 3])
@pytest.mark.parametrize("k", [0, 1])
def test_tau_of_normal_outcomes_as_in_closed_form(prior, J, k):
    """p(y | tau) = N(0, I + 100 X X' + tau² Z Z'); of the slope some levels know nothing."""
    rng = np.random.default_rng(0)
    level = np.arange(12) % J
    X, y = rng.normal(size=(12, 1)) * (level[:, None] < 2), rng.normal(size=12)
    design = np.column_stack([np.ones(12), X])
    Z = design[:, [k]] * (level[:, None] == np.arange(J))
    log_density = []
    for tau in FAR:
        V = np.eye(12) + 100 * design @ design.T + tau**2 * Z @ Z.T
        log_prior = LocationScale.of([prior]).log_density_of_log(np.log(np.array(tau)))
        fit = np.linalg.slogdet(V)[1] + y @ np.linalg.solve(V, y)
        log_density.append(log_prior - np.log(tau) - 0.5 * fit)
    held = J if k == 0 else min(J, 2)
    expected = order_of(log_density)
    assert expected == getattr(prior, "df", 1 if isinstance(prior, Cauchy) else inf) + held or (
        isinstance(prior, Normal) and expected > 1e6
    )
    found = counted(X, y, level, [k], "normal", priors_of(prior))
    assert found.tau[0].tolist() == [finite(expected)]


OUTCOMES = {  # by level: what holds an effect, and what does not
    "binomial": ([[0, 1], [0, 0], [1, 1], [0.5]], [True, False, False, True]),
    "poisson": ([[0, 3], [0, 0], [1]], [True, False, True]),
    "negative_binomial": ([[0, 3], [0, 0], [1]], [True, False, True]),
    "gamma": ([[0.5, 2.0], [1.0]], [True, True]),
    "student_t": ([[0.5, 2.0], [1.0]], [True, True]),
}


def marginal(family, y, tau):
    """The mean of the likelihood of a level's outcomes over N(0, tau²), by quadrature."""
    u = np.linspace(-np.arcsinh(12 * tau), np.arcsinh(12 * tau), 40001)
    effect = np.sinh(u)
    aux = {parameter.name: np.array(1.5) for parameter in family.auxiliary}
    rows = np.array(y, dtype=float)[:, None]
    eta = np.clip(effect, -600, 600)  # where densities are 0 or 1
    log_p = family.log_density(rows, eta, aux).sum(axis=0) - 0.5 * (effect / tau) ** 2
    return logsumexp(log_p + np.log(np.cosh(u))) + np.log((u[1] - u[0]) / tau)


@pytest.mark.parametrize("prior", [StudentT(0.5), Cauchy(), StudentT(2)], ids=str)
@pytest.mark.parametrize("name", OUTCOMES)
def test_tau_where_levels_hold_their_effects_on_both_sides(name, prior):
    """Levels of zeros alone, or of ones, leave tau its prior: p(y | tau) does not fall there."""
    family, (outcomes, holds) = find_family(name), OUTCOMES[name]
    log_p = np.array([[marginal(family, y, tau) for tau in FAR] for y in outcomes])
    falls = np.round(-np.diff(log_p)[:, 0] / np.log(10), 1)
    np.testing.assert_array_equal(falls, holds)
    for some in ([0], [0, 1], range(len(outcomes)), [len(outcomes) - 1]):
        y = np.concatenate([outcomes[i] for i in some])
        level = np.repeat(np.arange(len(some)), [len(outcomes[i]) for i in some])
        X = np.random.default_rng(0).normal(size=(len(y), 1))
        found = counted(X, y, level, [0], name, priors_of(prior))
        df = getattr(prior, "df", 1)
        assert found.tau[0].tolist() == [finite(df + falls[list(some)].sum())]
        effects = [2 if falls[i] else found.tau[0][0] for i in some]
        assert found.delta[0][:, 0].tolist() == effects


# --- kappa and the family's parameters ------------------------------------------------------------


@pytest.mark.parametrize("name", ["binomial", "poisson", "normal"])
@pytest.mark.parametrize("seed", range(12))
def test_kappa_of_a_cauchy_prior_has_no_mean_where_the_likelihood_does_not_fall(name, seed):
    """Solitary separators, Ghosh, Li and Mitra (2018); nothing else is claimed."""
    rng, family = np.random.default_rng(seed), find_family(name)
    X, level = rng.integers(-1, 2, size=(5, 1)).astype(float), np.zeros(5, dtype=np.int64)
    y = (X[:, 0] > 0) * 1.0 if seed % 3 else rng.integers(0, 2, size=5).astype(float)
    X = X * 0 if seed == 0 else X
    aux = {parameter.name: np.array(1.0) for parameter in family.auxiliary}
    design = np.column_stack([np.ones(5), X])
    ends = [
        [family.log_density(y, side * 300 * design[:, k], aux).sum() for side in (-1, 1)]
        for k in (0, 1)
    ]
    open_ = np.max(ends, axis=1) > -50
    found = counted(X, y, level, [0], name, priors_of(Normal(), kappa=Cauchy()))
    np.testing.assert_array_equal(found.kappa, np.where(open_, 0, 2))
    normal = counted(X, y, level, [0], name, priors_of(Normal(), kappa=FLAT))
    assert (normal.kappa == 2).all()


@pytest.mark.parametrize("y", [[1.0], [3.0, 2.0], [0.0], [0.0, 0.0], [0.0, 1.0]], ids=str)
@pytest.mark.parametrize("name", ["normal", "student_t", "negative_binomial", "gamma"])
def test_a_scale_of_the_family_as_its_likelihood_falls(name, y):
    family, y = find_family(name), np.array(y)
    if family.find_flaw(y) is not None:
        pytest.skip("no outcomes of the family")
    scale = family.auxiliary[0].name
    others = {parameter.name: np.array(4.0) for parameter in family.auxiliary}
    log_p = [
        family.log_density(y, np.full(len(y), 0.5), others | {scale: np.array(s)}).sum()
        for s in FAR * 1e3
    ]
    power = family.power_of_scale(y, np.ones(len(y)))
    assert round(-(log_p[1] - log_p[0]) / np.log(10), 2) == power
    level = np.zeros(len(y), dtype=np.int64)
    found = counted(y[:, None], y, level, [0], name, priors_of(Cauchy(), auxiliary=[scale]))
    assert found.auxiliary[scale] == finite(1 + power)


# --- models ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_the_default_leaves_everything_finite_of_two_levels_or_more(name, covariance):
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"g": np.arange(20) % 2, "x": rng.normal(size=20) + 3})
    model = HLMRegressor("g", family=name, covariance=covariance)
    problem, spec, rows = prepare(model, X, rng.integers(0, 2, 20) + (name == "gamma"), None)
    found = count_moments(
        problem.priors, rows, spec.units, problem.varying, problem.n_levels, problem.family
    )
    assert all((count == 2).all() for count in (found.kappa, *found.tau, *found.delta))
    assert {*found.auxiliary.values()} <= {2}


@pytest.fixture(scope="module")
def single():
    """A factor of one level, whose tau has a mean and no sd."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"g": "a", "x": rng.normal(size=40) + 3})
    y = X["x"] + rng.normal(size=40)
    with pytest.warns(IdentificationWarning):
        return HLMRegressor("g", iter_sampling=500, random_state=0).fit(X, y)


def test_tables_say_that_an_sd_is_infinite(single):
    summary = single.summary().set_index("parameter")
    assert np.isinf(summary.loc["tau", "sd"]).all()
    assert np.isfinite(summary.loc["tau", ["mean", "q05", "q50", "q95"]]).all(axis=None)
    assert np.isfinite(summary.drop("tau")["sd"]).all()
    known, new = (single.coefficients(levels) for levels in (None, {"g": "b"}))
    assert np.isfinite(known["sd"]).all()
    assert np.isinf(new["sd"]).all()
    assert np.isfinite(new[["mean", "lower", "upper"]]).all(axis=None)
    parts = single.coefficients({"g": "b"}, parts=True).set_index("part")["sd"]
    assert np.isfinite(parts["kappa"]).all()
    assert np.isinf(parts["delta[g]"]).all()
    assert np.isfinite(single.group_effects()["sd"]).all()


def test_the_sd_of_a_prediction_is_infinite_for_a_new_level_alone(single):
    X = pd.DataFrame({"g": ["a", "b"], "x": [3.0, 3.0]})
    mean, sd = single.predict(X, return_std=True)
    assert np.isfinite(mean).all()
    assert np.isfinite(sd).tolist() == [True, False]
    budget = single.interval_budget(X).set_index(["row", "part"])["share"]
    assert budget.loc[1, "new level"] == 1


def test_a_file_a_compact_model_and_a_lighter_prior(single):
    file = io.BytesIO()
    skhlm.save(single, file)
    for other in (skhlm.load(file), single.compact(50)):
        for table in ("summary", "group_effects", "coefficients"):
            ours, theirs = getattr(single, table)(), getattr(other, table)()
            np.testing.assert_array_equal(np.isinf(ours["sd"]), np.isinf(theirs["sd"]))
    lighter = skhlm.load(file).set_params(priors="weakly_informative")
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"g": "a", "x": rng.normal(size=40) + 3})
    with pytest.warns(IdentificationWarning):
        lighter.fit(X, X["x"] + rng.normal(size=40))
    assert np.isfinite(lighter.summary()["sd"]).all()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_effects_of_levels_without_variation_follow_a_cauchy_tau():
    """Two levels of three are of one class alone: tau has a mean and no sd, nor have they."""
    X = pd.DataFrame({"g": [*"aaaabbbbcccc"]})
    y = [0, 1, 0, 1, *[1] * 8]
    short = {"priors": {"tau": Cauchy(0, 1)}, "iter_sampling": 50, "random_state": 0}
    model = HLMClassifier("g", **short)
    effects = model.fit(X, y).group_effects().set_index("level")
    assert np.isinf(effects["sd"]).tolist() == [False, True, True]
    assert np.isfinite(effects["mean"]).all()
    assert np.isinf(model.coefficients()["sd"]).tolist() == [False, True, True]
    same = HLMRegressor("g", family="binomial", **short).fit(X, np.ones(12))
    effects, summary = same.group_effects(), same.summary().set_index("parameter")
    assert np.isnan(effects["mean"]).all()
    assert np.isinf(summary.loc["tau", "mean"])
    assert same.tau_ == {"g": {"Intercept": np.inf}}
    assert np.isfinite([model.tau_["g"]["Intercept"], same.intercept_]).all()
    assert np.isfinite(summary.loc["kappa", ["mean", "sd"]].astype(float)).all()
