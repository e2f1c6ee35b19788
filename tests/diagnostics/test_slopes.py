"""Slopes between levels that are not those within them: how often there is a note, what it says."""

from __future__ import annotations

import re
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.pipeline import make_pipeline

from benchmarks.slopes import Case, exact_values
from skhlm import GroupMeans, HLMClassifier, HLMRegressor
from skhlm.diagnostics import check_slopes
from skhlm.diagnostics.slopes import SLOPE_NOTE, _Data, _scores, probability_of
from skhlm.draws import Draws
from skhlm.families import find_family
from skhlm.inputs.design import Units, canonical_rows
from skhlm.inputs.labels import Labels
from skhlm.posterior import Posterior
from tests.chance import SHIFT, assert_near, at_most

NAME = "slopes between levels"


def data(rng, levels=40, rows=8, more=1.5):
    """x with sd 1 within levels and 2 between, effects of sd 0.5, slope 1 within; eta and X."""
    level = np.repeat(np.arange(levels), rows)
    means = rng.normal(0, 2, levels)
    x = means[level] + rng.normal(size=len(level))
    effect = more * means + rng.normal(0, 0.5, levels)
    X = pd.DataFrame({"firm": [f"firm-{j}" for j in level], "spend": x})
    return X, x + effect[level]


def found(model):
    """The check's row of a fitted model, or None."""
    checks = model.diagnose().set_index("check")
    return checks.loc[NAME] if NAME in checks.index else None


@pytest.mark.parametrize(
    ("levels", "rows", "tau"),
    [(6, 2, 0.0), (12, 5, 0.3), (12, 20, 1.0), (40, 3, 1.0), (200, 2, 0.3)],
)
def test_a_right_model_hardly_ever_gets_a_note(levels, rows, tau):
    """At most one in 200, whichever the levels, rows and effects."""
    values = exact_values(Case("normal", levels, rows, tau), 300, SHIFT)
    assert (values < SLOPE_NOTE).sum() <= at_most(300, SLOPE_NOTE)


@pytest.mark.parametrize(("levels", "more", "missed"), [(40, 0.6, 0.2), (25, 1.2, 0.1)])
def test_other_slopes_between_levels_are_noted(levels, more, missed):
    """Eight rows each, effects of sd 0.5: nine in ten were found, see benchmarks/results."""
    values = exact_values(Case("normal", levels, 8, 0.5, more), 150, SHIFT)
    assert (values >= SLOPE_NOTE).sum() <= at_most(150, missed)


def test_with_known_variances_it_is_the_comparison_of_two_regressions():
    """b between less b within over their standard error, (Mundlak 1978), as t says."""
    rng = np.random.default_rng(SHIFT)
    J, n, tau2, sigma2, S = 30, 4, 0.5, 2.0, 400_000
    x = rng.normal(size=(J, 1)) + rng.normal(size=(J, n))
    y = x + 0.2 * x.mean(axis=1, keepdims=True) + rng.normal(size=(J, 1)) + rng.normal(size=(J, n))
    between = [a.mean(axis=1) - a.mean() for a in (x, y)]
    within = [a - a.mean(axis=1, keepdims=True) for a in (x, y)]
    v = tau2 + sigma2 / n
    (xx_w, xy_w), (xx_b, xy_b) = (((a * a).sum(), (a * b).sum()) for a, b in (within, between))
    z = (xy_b / xx_b - xy_w / xx_w) / np.sqrt(sigma2 / xx_w + v / xx_b)
    precision, known = xx_w / sigma2 + xx_b / v, tau2 / v
    normal = [rng.permutation(stats.norm.ppf((np.arange(S) + 0.5) / S)) for _ in range(2)]
    slope = (xy_w / sigma2 + xy_b / v + np.sqrt(precision) * normal[0]) / precision
    u = known * (xy_b - slope * xx_b) / np.sqrt(xx_b) + np.sqrt(known * sigma2 / n) * normal[1]
    given, tau = -known * np.sqrt(xx_b) * slope, np.full(S, tau2**0.5)
    p = probability_of(u, given, tau, known * tau2, 1, J - 2)
    t = np.sqrt((J - 2) * z**2 / (J - 1 - z**2))
    assert_allclose(stats.t.isf(p / 2, J - 2), t, rtol=0.02, atol=0.03)  # of S draws


def test_it_says_both_slopes_as_the_model_with_means_has_them():
    rng = np.random.default_rng(SHIFT)
    X, eta = data(rng)
    y = eta + rng.normal(0, 0.5, len(X))
    model = HLMRegressor("firm", varying="intercept", family="normal", random_state=0)
    check = found(model.fit(X, y))
    assert check["verdict"] == "note"
    assert model.diagnostics_.verdict == "pass"
    assert check["advice"] in model.diagnostics_.notes
    numbers = [
        float(x) for x in re.findall(r"spend (\S+) within and (\S+) between", check["advice"])[0]
    ]
    step = GroupMeans("firm", "spend")
    with_means = make_pipeline(step, model).fit(X, y)[-1]
    kappa = with_means._posterior.draws.kappa[1:]
    both = np.stack([kappa[0], kappa.sum(axis=0)])
    assert_near(numbers, both.mean(axis=1), both.std(axis=1) / 4)  # one step, and rounding
    assert found(with_means) is None  # of spend the means are there


def test_what_the_means_explain_is_told():
    rng = np.random.default_rng(SHIFT)
    X, eta = data(rng, levels=300, rows=4)
    model = HLMRegressor("firm", varying="intercept", family="normal", random_state=0)
    advice = found(model.fit(X, eta + rng.normal(0, 0.5, len(X))))["advice"]
    share = float(re.findall(r"which is (\d+)% of the variance of its effects", advice)[0])
    assert share == pytest.approx(100 * 9 / 9.25, abs=4)  # 1.5^2 x 2^2 of 9 + 0.5^2


@pytest.mark.parametrize("family", ["student_t", "poisson", "binomial"])
def test_it_is_there_for_every_family(family):
    rng = np.random.default_rng(SHIFT)
    X, eta = data(rng, levels=80)
    if family == "poisson":
        model, y = (
            HLMRegressor("firm", varying="intercept", family=family),
            rng.poisson(np.exp(eta / 3)),
        )
    elif family == "binomial":
        model, y = HLMClassifier("firm"), rng.random(len(eta)) < 1 / (1 + np.exp(-eta / 2))
    else:
        model, y = HLMRegressor("firm"), eta + rng.standard_t(4, len(eta))
    assert found(model.set_params(random_state=0).fit(X, y))["verdict"] == "note"


def test_of_nested_factors_each_is_looked_at_and_slopes_may_vary():
    rng = np.random.default_rng(SHIFT)
    X, eta = data(rng, levels=60)
    X.insert(0, "region", [f"r{int(name[5:]) % 8}" for name in X["firm"]])
    model = HLMRegressor("region/firm", family="normal", random_state=0)
    check = found(model.fit(X, eta + rng.normal(0, 0.5, len(X))))
    assert check["verdict"] == "note"
    assert "by region/firm that of spend" in check["advice"]


@pytest.mark.parametrize("case", ["balanced", "of levels", "slope alone", "no intercept", "few"])
def test_where_there_is_no_such_difference_there_is_no_check(case):
    rng = np.random.default_rng(SHIFT)
    X, eta = data(rng, levels=4 if case == "few" else 12)
    if case == "balanced":
        X["spend"] = np.tile(np.arange(8.0), len(X) // 8)
    if case == "of levels":
        X["spend"] = X.groupby("firm")["spend"].transform("mean")
    settings = {
        "slope alone": {"varying": ["spend"]},
        "no intercept": {"fit_intercept": False},
    }.get(case, {"varying": "intercept"})
    model = HLMRegressor("firm", **settings, priors="weakly_informative", random_state=0)
    model.fit(X, eta + rng.normal(size=len(X)))
    assert found(model) is None


def test_many_levels_take_no_time():
    """Of 100,000 levels and 300,000 rows: seconds even on a busy machine."""
    rng = np.random.default_rng(SHIFT)
    J, shape, varying = 100_000, (2, 100), (np.array([0]),)
    level = np.repeat(np.arange(J), 3)
    X, y = rng.normal(size=(len(level), 3)), rng.normal(size=len(level))
    rows = canonical_rows(X, y, np.ones(len(y)), level[:, None])
    draws = Draws(
        kappa=rng.normal(size=(*shape, 4)),
        delta=(rng.normal(size=(*shape, J, 1)),),
        tau=(rng.uniform(0.9, 1.1, (*shape, 1)),),
        omega=(),
        auxiliary={"sigma": np.ones(shape)},
    )
    units = Units(True, 0.0, 1.0, np.zeros(3), np.ones(3))
    posterior = Posterior.from_draws(draws, varying, units, find_family("normal"))
    levels = (tuple((str(j),) for j in range(J)),)
    labels = Labels(("Intercept", "a", "b", "c"), ("g",), (("g",),), levels, varying)
    started = perf_counter()
    (check,) = check_slopes(posterior, rows, labels)
    assert perf_counter() - started < 20
    assert check.verdict == "pass"


COVARIANCE, TAU2, SIGMA2 = np.array([[0.8, 0.3], [0.3, 0.5]]), 0.6, 1.5


def crossed_rows(rng, sizes, N=160):
    """Rows of two crossed factors that x goes with."""
    codes = np.column_stack([rng.integers(0, J, N) for J in sizes])
    codes[: max(sizes)] = np.column_stack([np.arange(max(sizes)) % J for J in sizes])
    x = sum((rng.normal(size=J)[codes[:, g]] for g, J in enumerate(sizes)), rng.normal(size=N))
    return canonical_rows(x[:, None], rng.normal(size=N) + 2 * x, np.ones(N), codes)


def exact_posterior(rng, rows, sizes, S=40_000):
    """Draws of all effects, of correlated ones by the first factor, variances known."""
    x, codes = rows.X[:, 0], rows.codes[rows.cell]
    first, second = (np.eye(J)[codes[:, g]] for g, J in enumerate(sizes))
    Z = np.column_stack([np.ones(len(x)), x, first, first * x[:, None], second])
    n, J = 2 + 2 * sizes[0], sizes[0]
    precision = Z.T @ Z / SIGMA2
    precision[2:n, 2:n] += np.kron(np.linalg.inv(COVARIANCE), np.eye(J))
    precision[n:, n:] += np.eye(sizes[1]) / TAU2
    root = np.linalg.cholesky(np.linalg.inv(precision))
    mean = root @ (root.T @ Z.T @ rows.y / SIGMA2)
    drawn = mean[:, None] + root @ rng.normal(size=(len(root), S))
    correlation = COVARIANCE[0, 1] / np.sqrt(COVARIANCE[0, 0] * COVARIANCE[1, 1])
    of_first = drawn[2:n].reshape(2, J, S).transpose(2, 1, 0)
    draws = Draws(
        kappa=drawn[:2].T[None],
        delta=(of_first[None], drawn[n:].T[None, :, :, None]),
        tau=(np.tile(np.sqrt(np.diag(COVARIANCE)), (1, S, 1)), np.full((1, S, 1), TAU2**0.5)),
        omega=(
            np.tile([[1, correlation], [correlation, 1]], (1, S, 1, 1)),
            np.ones((1, S, 1, 1)),
        ),
        auxiliary={"sigma": np.full((1, S), SIGMA2**0.5)},
    )
    units = Units(True, 0.0, 1.0, np.zeros(1), np.ones(1))
    varying = (np.array([0, 1]), np.array([0]))
    return Posterior.from_draws(draws, varying, units, find_family("normal"))


def dense_score(rows, sizes, g):
    """z of the level means of factor g as a predictor, from the covariance of all outcomes."""
    x, codes = rows.X[:, 0], rows.codes[rows.cell]
    first, second = (np.eye(J)[codes[:, h]] for h, J in enumerate(sizes))
    both = np.stack([first, first * x[:, None]])
    V = np.einsum("anj,ab,bmj->nm", both, COVARIANCE, both)
    Vi = np.linalg.inv(V + TAU2 * second @ second.T + SIGMA2 * np.eye(len(x)))
    X, own = np.column_stack([np.ones(len(x)), x]), (first, second)[g]
    P = Vi - Vi @ X @ np.linalg.solve(X.T @ Vi @ X, X.T @ Vi)
    m = own @ (own.T @ x / own.sum(axis=0))
    return m @ P @ rows.y / np.sqrt(m @ P @ m)


def test_of_crossed_factors_and_correlated_slopes_it_is_the_score_of_the_whole_model():
    """z = m' P y / sqrt(m' P m), with P from dense matrices."""
    rng, sizes = np.random.default_rng(SHIFT), (9, 7)
    rows = crossed_rows(rng, sizes)
    posterior = exact_posterior(rng, rows, sizes)
    for g, scores in _scores(posterior, _Data.at_the_mean(posterior, rows)):
        z, free = dense_score(rows, sizes, g), sizes[g] - 2
        t = np.sqrt(free * z**2 / (free + 1 - z**2))
        (p,) = scores.probabilities(n_chains=1)
        assert_allclose(stats.t.isf(p / 2, free), t, rtol=0.05, atol=0.05)
