"""Checks of rows and priors: each fires where it should, with names, and is silent otherwise."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from skhlm import HLMRegressor
from skhlm.datasets import load_gapminder, load_radon, load_sleepstudy, make_campaigns
from skhlm.diagnostics.checks import Check, worst_verdict
from skhlm.exceptions import IdentificationWarning
from skhlm.identification import SEVERE, check_identification, warn_unless_identified
from skhlm.preparation import prepare
from skhlm.priors import Normal

NAMES = [
    "constant predictors",
    "collinear predictors",
    "condition index",
    "degrees of freedom",
    "levels",
    "single level",
    "rows in a level",
    "factors alike",
    "levels to spare",
    "distinct outcomes",
    "exact fit",
    "separation",
    "levels without variation",
    "trials",
    "digits",
    "share of one row",
    "weight of one row",
    "scale of priors",
]


def checks(X, y, sample_weight=None, **parameters) -> dict[str, Check]:
    """All checks by name, without a fit."""
    problem, spec, rows = prepare(HLMRegressor(**parameters), X, y, sample_weight)
    found = check_identification(problem, rows, spec.units, spec.labels)
    assert [check.name for check in found] == NAMES
    assert all((check.advice == "") == (check.verdict == "pass") for check in found)
    return {check.name: check for check in found}


def noticed(found: dict[str, Check]) -> set[str]:
    """Names of the checks that did not pass."""
    return {name for name, check in found.items() if check.verdict != "pass"}


@pytest.fixture
def rows():
    """60 rows of 6 groups with predictors a and b."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    X["group"] = np.arange(60) % 6
    return X, rng.normal(size=60)


# --- silence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_healthy_rows_pass_every_check(seed):
    X, y, _ = make_campaigns(
        200, 1 + seed % 4, n_regions=6, n_countries=12, n_industries=6, random_state=seed
    )
    found = checks(X, y, groups=["region/country", "industry/vertical"])
    assert noticed(found) == set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unless_identified(list(found.values()))


@pytest.mark.parametrize(
    ("load", "groups"),
    [
        (load_sleepstudy, "subject"),
        (load_radon, "state/county"),
        (load_gapminder, "continent/country"),
    ],
)
def test_real_data_pass_every_check(load, groups):
    assert noticed(checks(*load(return_X_y=True), groups=groups)) == set()


def test_without_groups_or_predictors_what_does_not_apply_is_unknown(rows):
    X, y = rows
    found = checks(X[["a", "b"]], y)
    assert noticed(found) == set()
    assert all(np.isnan(found[name].value) for name in ("levels", "rows in a level"))
    assert noticed(checks(X[["group"]], y, groups="group")) == set()
    assert noticed(checks(X[["a"]] + 5, y, fit_intercept=False)) == set()


# --- predictors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("autoscale", [True, False])
def test_collinear_predictors_are_named_and_others_are_not(rows, offset, autoscale):
    X, y = rows
    X = X.assign(c=3 * X["a"] - 2 + offset, d=np.arange(60) ** 2)
    found = checks(X, y, groups="group", autoscale=autoscale)
    assert found["collinear predictors"].value == 1
    assert found["collinear predictors"].verdict == "warn"
    advice = found["collinear predictors"].advice
    assert "'a', 'c'" in advice and "'b'" not in advice and "'d'" not in advice
    assert found["condition index"].verdict == "pass"


def test_number_of_directions_without_information(rows):
    X, y = rows
    X = X.assign(c=X["a"] + X["b"], d=X["a"] - X["b"])
    assert checks(X, y, groups="group")["collinear predictors"].value == 2
    independent = X.assign(c=X["a"] + 1, d=X["b"] ** 2)
    assert checks(independent, y, groups="group")["collinear predictors"].value == 1


def test_without_an_intercept_an_offset_is_no_collinearity(rows):
    X, y = rows
    X = X.assign(c=X["a"] + 1)
    found = checks(X, y, groups="group", fit_intercept=False)
    assert found["collinear predictors"].value == 0
    found = checks(X.assign(one=1.0), y, groups="group", fit_intercept=False)
    assert found["constant predictors"].value == 0
    assert found["collinear predictors"].value == 1


@pytest.mark.parametrize("r", [0.9, 0.99, 0.999])
def test_condition_index_of_two_predictors(rows, r):
    X, y = rows
    centred = X[["a", "b"]] - X[["a", "b"]].mean()
    q, _ = np.linalg.qr(centred)
    X = X.assign(a=q[:, 0], b=r * q[:, 0] + np.sqrt(1 - r**2) * q[:, 1])
    found = checks(X.assign(other=np.arange(60) % 5), y, groups="group")["condition index"]
    exact = checks(X, y, groups="group")["condition index"].value
    np.testing.assert_allclose(exact, np.sqrt((1 + r) / (1 - r)), rtol=1e-8)
    assert found.verdict == ("note" if r == 0.999 else "pass")
    if r == 0.999:
        assert "'a', 'b'." in found.advice.replace(":", ".")


def test_constant_predictors_are_named(rows):
    X, y = rows
    found = checks(X.assign(unit=0.1, other=0.1 + 1e-18 * np.arange(60)), y, groups="group")
    assert found["constant predictors"].value == 2
    assert "'unit', 'other'" in found["constant predictors"].advice
    assert noticed(found) == {"constant predictors"}


@pytest.mark.parametrize(("n", "noticed_too"), [(6, False), (5, True), (2, True)])
def test_degrees_of_freedom_count_rows_by_weight(n, noticed_too):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    y = rng.normal(size=n)
    found = checks(X, y)
    assert found["degrees of freedom"].value == n - 3
    assert ("degrees of freedom" in noticed(found)) is noticed_too
    assert "collinear predictors" not in noticed(found)
    assert checks(X, y, np.full(n, 2.0))["degrees of freedom"].value == 2 * n - 3


# --- grouping factors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "verdict"), [(1, "note"), (2, "note"), (4, "note"), (5, "pass")]
)
def test_few_levels(rows, levels, verdict):
    X, y = rows
    found = checks(X.assign(group=np.arange(60) % levels), y, groups="group")
    assert (found["levels"].verdict, found["levels"].value) == (verdict, levels)
    assert found["single level"].value == (levels == 1)
    assert worst_verdict(list(found.values())) == ("warn" if levels == 1 else "pass")
    if verdict == "note":
        assert f"group ({levels})" in found["levels"].advice
        assert "try priors='weakly_informative', whose tau" in found["levels"].advice


@pytest.mark.parametrize(
    "parameters",
    [
        {"priors": "weakly_informative"},
        {"priors": {"tau": Normal(0, 0.5)}},
        {"autoscale": False},
        {"family": "poisson"},
    ],
)
def test_lighter_priors_are_no_remedy_where_they_are_there(rows, parameters):
    """Nor where nothing is scaled; of logarithms the default is as light."""
    X, y = rows
    found = checks(X.assign(group=np.arange(60) % 3), np.floor(y**2), groups="group", **parameters)
    assert "matters: try others, priors={'tau': ...}" in found["levels"].advice


def test_one_row_in_every_level(rows):
    X, y = rows
    X = X.assign(row=np.arange(60))
    found = checks(X, y, groups=["group", "row"])
    assert noticed(found) == {"rows in a level"}
    assert (
        "'row'" in found["rows in a level"].advice
        and "'group'" not in found["rows in a level"].advice
    )
    assert noticed(checks(X, y, groups="row", varying=["a"])) == set()
    assert noticed(checks(X.assign(row=np.maximum(np.arange(60), 1)), y, groups="row")) == set()


def test_copies_of_a_row_are_one_row(rows):
    X, y = rows
    X, y = X.loc[X.index.repeat(3)].assign(row=np.repeat(np.arange(60), 3)), np.repeat(y, 3)
    assert "rows in a level" in noticed(checks(X, y, groups="row"))


def test_factors_that_split_the_rows_alike(rows):
    X, y = rows
    X = X.assign(name=[f"group {j}" for j in X["group"]], half=X["group"] % 2)
    both = {"groups": ["group", "name"]}
    assert noticed(checks(X, y, **both)) == {"factors alike"}
    assert "group and name" in checks(X, y, **both)["factors alike"].advice
    apart = checks(X, y, **both, varying={"group": "intercept", "name": ["a"]})
    assert noticed(apart) == set()
    nested = checks(X.drop(columns="name"), y, groups="half/group")
    assert noticed(nested) == {"levels"}


@pytest.mark.parametrize(("count", "verdict"), [(0, "pass"), (3, "pass"), (4, "note"), (5, "warn")])
def test_predictors_of_the_levels(rows, count, verdict):
    X, y = rows
    for j in range(count):
        X[f"is_{j}"] = (X["group"] == j) * 1.0
    found = checks(X, y, groups="group", varying="intercept")["levels to spare"]
    assert found.verdict == verdict
    np.testing.assert_equal(found.value, 6 - 1 - count if count else np.nan)


# --- outcome and scales ---------------------------------------------------------------------------


def test_constant_outcome(rows):
    X, _ = rows
    found = checks(X, np.full(60, 0.1), groups="group")
    assert noticed(found) == {"distinct outcomes"}
    assert "y is 0.1" in found["distinct outcomes"].advice


def test_exact_fit_pooled_or_within_groups(rows):
    X, y = rows
    assert noticed(checks(X, 1 + 2 * X["a"] - X["b"], groups="group")) == {"exact fit"}
    effect = np.random.default_rng(1).normal(size=6)
    within = checks(X, effect[X["group"]] + X["a"], groups="group")
    assert noticed(within) == {"exact fit"}
    expected = np.linalg.lstsq(np.column_stack([np.ones(60), X[["a", "b"]]]), y, rcond=None)[1]
    pooled = checks(X[["a", "b"]], y)["exact fit"].value
    np.testing.assert_allclose(pooled, np.sqrt(expected[0] / 60) / y.std(), rtol=1e-10)


def test_digits_lost_far_from_zero(rows):
    X, y = rows
    seconds = 1.7e9 + 3600 * np.arange(60)
    assert "digits" not in noticed(checks(X.assign(time=seconds), y, groups="group"))
    found = checks(X.assign(b=X["b"] + 1e12), y, groups="group")["digits"]
    assert "'b'" in found.advice and "'a'" not in found.advice
    sd = (X["b"] + 1e12).std(ddof=0)
    np.testing.assert_allclose(found.value, np.spacing(1e12) / sd, rtol=1e-6)
    assert "'y'" in checks(X, y + 1e12, groups="group")["digits"].advice


def test_one_row_that_has_the_variance(rows):
    X, y = rows
    y[7] = 300.0
    found = checks(X, y, groups="group")["share of one row"]
    assert "y (" in found.advice
    np.testing.assert_allclose(found.value, (y[7] - y.mean()) ** 2 / (60 * y.var()), rtol=1e-10)


def test_a_row_has_the_share_of_its_weight(rows):
    """Weights below one are parts of rows; a weight of two is two rows, of which one is told."""
    X, y = rows
    y[7] = 300.0
    whole, half, twice = (
        checks(X, y, np.full(60, w), groups="group")["share of one row"].value for w in (1, 0.5, 2)
    )
    np.testing.assert_allclose([half, twice], [whole, whole / 2], rtol=1e-10)


def test_one_row_that_has_the_weight(rows):
    X, y = rows
    weight = np.ones(60)
    weight[0] = 59 * 4
    found = checks(X, y, weight, groups="group")["weight of one row"]
    assert (found.verdict, found.value) == ("warn", 0.8)


def test_priors_in_the_wrong_units(rows):
    X, y = rows
    default = checks(X, y, groups="group")["scale of priors"]
    np.testing.assert_allclose(default.value, 10, rtol=1e-12)
    raw = checks(X.assign(a=X["a"] * 1e-4), y, groups="group", autoscale=False)["scale of priors"]
    assert "kappa[a]" in raw.advice and "kappa[b]" not in raw.advice and "sigma" not in raw.advice
    far = checks(X, y + 1e5, groups="group", autoscale=False)["scale of priors"]
    assert "kappa[Intercept]" in far.advice and "tau" not in far.advice
    vague = checks(X, y, groups="group", priors={"kappa": Normal(0, 1e5)})["scale of priors"]
    assert "kappa[Intercept at the means] (1e+05)" in vague.advice
    wide = checks(X, y, groups="group", priors={"tau": {"b": Normal(0, 1e5)}})["scale of priors"]
    assert "tau[group, b] (1e+05)" in wide.advice
    tight = checks(X, y, groups="group", priors={"kappa": Normal(0, 0.05), "tau": Normal(0, 0.02)})
    assert tight["scale of priors"].verdict == "pass"


# --- behind a link --------------------------------------------------------------------------------

OUTCOMES = {
    "binomial": lambda rng, p: rng.binomial(1, p).astype(float),
    "poisson": lambda rng, p: rng.poisson(4 * p).astype(float),
    "negative_binomial": lambda rng, p: rng.negative_binomial(2, 1 / (1 + p)).astype(float),
    "gamma": lambda rng, p: rng.gamma(2, p),
}


@pytest.fixture
def many():
    """600 rows of 20 groups with predictors a and b and something to learn of them."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(600, 2)), columns=["a", "b"])
    X["group"] = np.arange(600) % 20
    X["days"] = rng.uniform(1, 9, 600)
    return X, 1 / (1 + np.exp(-X["a"])), rng


@pytest.mark.parametrize("family", OUTCOMES)
def test_healthy_outcomes_behind_a_link_pass_every_check(many, family):
    X, p, rng = many
    y = OUTCOMES[family](rng, p)
    assert noticed(checks(X, y, groups="group", family=family)) == set()
    assert (
        noticed(checks(X, 1e3 * y if family == "gamma" else y, groups="group", family=family))
        == set()
    )
    if family != "binomial":
        found = checks(X, y, groups="group", family=family, exposure="days")
        assert noticed(found) == set()
    exact = checks(X, y, family=family)["exact fit"].value
    assert exact > 0.1 if family == "gamma" else np.isnan(exact)


def test_amounts_that_predictors_give_exactly_are_severe(many):
    X, _, _ = many
    mean = np.exp(1 + X["a"] + 0.1 * X["group"])
    for y, exposure in ((mean, None), (mean * X["days"], "days")):
        predictors = X if exposure else X.drop(columns="days")
        found = checks(predictors, y, groups="group", family="gamma", exposure=exposure)
        assert noticed(found) == {"exact fit"}
        assert "as cv goes to its lower bound" in found["exact fit"].advice
    expected = np.linalg.lstsq(np.column_stack([np.ones(600), X[["a", "b"]]]), np.log(mean))[1]
    pooled = checks(X[["a", "b"]], mean, family="gamma")["exact fit"].value
    np.testing.assert_allclose(
        pooled, np.sqrt(expected[0] / 600) / np.log(mean).std(ddof=0), rtol=1e-9
    )


def test_amounts_that_are_all_equal_are_severe(many):
    X, _, _ = many
    found = checks(X, np.full(600, 3.0), groups="group", family="gamma")
    assert noticed(found) == {"distinct outcomes"}
    assert "y is 3 in every row: there is no variation to explain, and cv goes" in (
        found["distinct outcomes"].advice
    )
    found = checks(X, 3 * X["days"], groups="group", family="gamma", exposure="days")
    assert "y is 3 per exposure in every row" in found["distinct outcomes"].advice


def test_a_predictor_that_tells_yes_from_no_is_severe(many):
    X, _, _ = many
    y = (X["a"] > 0.3).astype(float)
    found = checks(X, y, groups="group", family="binomial")["separation"]
    assert (found.verdict, found.value) == ("warn", 1)
    assert "'a'" in found.advice and "'b'" not in found.advice
    with pytest.warns(IdentificationWarning, match="without exception where y is 0 or 1: 'a'"):
        warn_unless_identified([found])
    assert checks(-X, y, groups="group", family="binomial")["separation"].value == 1
    flipped = y.where(y.index != y.idxmax(), 0)  # one row on the wrong side
    flipped[X["a"].idxmax()] = 0
    assert checks(X, flipped, groups="group", family="binomial")["separation"].verdict == "pass"


@pytest.mark.parametrize("family", ["binomial", "poisson", "negative_binomial"])
def test_a_column_whose_rows_are_all_zero_is_noted(many, family):
    X, p, rng = many
    X, y = X.assign(rare=(np.arange(600) < 9) * 1.0), OUTCOMES[family](rng, p)
    assert checks(X, y, groups="group", family=family)["separation"].verdict == "pass"
    y[:9] = 0
    found = checks(X, y, groups="group", family=family)["separation"]
    assert (found.verdict, found.value) == ("note", 1)
    assert "'rare'" in found.advice
    y[:9] = [1, *[0] * 8]
    assert checks(X, y, groups="group", family=family)["separation"].verdict == "pass"


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize(("levels", "verdict"), [(4, "pass"), (5, "note")])
def test_levels_without_variation_are_noted(many, family, levels, verdict):
    X, _, rng = many
    y = rng.binomial(1, 0.5, 600).astype(float)
    y[X["group"] < levels] = 0
    found = checks(X, y, groups="group", family=family)["levels without variation"]
    assert (found.value, found.verdict) == (levels / 20, verdict)


def test_levels_of_ones_are_without_variation_too(many):
    X, _, rng = many
    y = rng.binomial(1, 0.5, 600).astype(float)
    y[X["group"] < 2], y[X["group"] > 16] = 0, 1
    found = checks(X, y, groups="group", family="binomial")["levels without variation"]
    assert found.value == 5 / 20 and "0 or 1 in every row" in found.advice


@pytest.mark.parametrize("family", ["binomial", "poisson", "negative_binomial"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_outcomes_all_at_a_bound(many, family, value):
    found = checks(many[0], np.full(600, value), groups="group", family=family)
    bound = value == 0 or family == "binomial"
    assert ("distinct outcomes" in noticed(found)) is bound
    assert found["scale of priors"].verdict == "pass"


def test_one_row_a_level_is_known_of_counts_and_not_of_yes_and_no(many):
    X, p, rng = many
    X = X.assign(row=np.arange(600))
    advice = {}
    for family, draw in OUTCOMES.items():
        found = checks(X, draw(rng, p), groups="row", family=family)
        advice[family] = found["rows in a level"].advice
    assert "single yes or no" in advice["binomial"]
    assert "overdispersion" in advice["negative_binomial"] and "cv" in advice["gamma"]
    assert advice["poisson"] == ""
    share = rng.binomial(9, p) / 9
    found = checks(X, share, np.full(600, 9.0), groups="row", family="binomial")
    assert found["rows in a level"].verdict == "pass"


def test_shares_without_trials_are_severe(many):
    X, p, rng = many
    share = rng.binomial(4, p) / 4
    found = checks(X, share, groups="group", family="binomial")["trials"]
    assert found.value == ((share % 1) > 0).sum()
    with pytest.warns(IdentificationWarning, match="Give the trials"):
        warn_unless_identified([found])
    for weight in (np.full(600, 4.0), np.full(600, 8.0)):
        assert checks(X, share, weight, groups="group", family="binomial")["trials"].value == 0
    scaled = checks(X, share, np.full(600, 0.9), groups="group", family="binomial")["trials"]
    assert scaled.value == ((share % 1) > 0).sum()
    thirds = rng.binomial(3e6, p) / 3e6
    weight = np.full(600, 3e6)
    assert checks(X, thirds, weight, groups="group", family="binomial")["trials"].value == 0


def test_priors_behind_a_link_are_judged_in_its_units(many):
    X, p, rng = many
    y = OUTCOMES["poisson"](rng, p)
    raw = checks(X.assign(a=X["a"] * 1e-4), y, groups="group", family="poisson", autoscale=False)
    assert "kappa[a]" in raw["scale of priors"].advice
    assert "kappa[b]" not in raw["scale of priors"].advice
    assert "the log of y's mean" in raw["scale of priors"].advice
    far = checks(X, y, groups="group", family="poisson", priors={"tau": Normal(0, 1e3)})
    assert "tau[group, a] (1e+03)" in far["scale of priors"].advice


def test_two_values_are_a_class(rows):
    X, y = rows
    found = checks(X, np.where(y > 0, 3.0, 1.0), groups="group")["distinct outcomes"]
    assert found.verdict == "note" and "two values, 1 and 3: HLMClassifier" in found.advice


# --- invariance -----------------------------------------------------------------------------------


def test_weights_are_repetition_and_order_does_not_matter(rows):
    X, y = rows
    X = X.assign(c=X["a"] + X["b"])
    weight = np.random.default_rng(1).integers(1, 4, 60)
    index = np.random.default_rng(2).permutation(np.repeat(np.arange(60), weight))
    weighted = checks(X, y, weight, groups="group")
    repeated = checks(X.iloc[index], y[index], groups="group")
    assert list(map(str, weighted.values())) == list(map(str, repeated.values()))


@pytest.mark.parametrize("scale", [2.0**-400, 2.0**30, 2.0**400])
def test_units_do_not_matter(rows, scale):
    X, y = rows
    one = checks(X, y, groups="group")
    other = checks(X.assign(a=X["a"] * scale, b=X["b"] / scale), y * scale, groups="group")
    assert list(map(str, one.values())) == list(map(str, other.values()))


# --- the warning ----------------------------------------------------------------------------------


def test_severe_findings_are_one_warning_and_others_none(rows):
    X, y = rows
    X = X.assign(unit=1.0, c=X["a"], half=X["group"] % 2)
    found = checks(X, y, groups="half/group")
    assert noticed(found) == {"constant predictors", "collinear predictors", "levels"}
    with pytest.warns(IdentificationWarning) as caught:
        others = warn_unless_identified(list(found.values()))
    assert len(caught) == 1
    assert {check.name for check in others} == set(NAMES) - {
        "constant predictors",
        "collinear predictors",
    }
    text = str(caught[0].message)
    for part in ("'unit'", "'a', 'c'", "leave", "See diagnostics_"):
        assert part in text
    assert "levels" not in text
    assert set(SEVERE) < set(NAMES)


def test_an_outcome_among_the_predictors_is_severe(rows):
    X, y = rows
    with pytest.warns(IdentificationWarning, match="is y, or what it was computed from, among"):
        warn_unless_identified(list(checks(X.assign(leak=2 * y - 1), y, groups="group").values()))
