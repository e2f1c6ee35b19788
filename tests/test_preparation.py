"""From what `fit` is given to a problem: outcomes behind a link, and the exposure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from skhlm import HLMClassifier, HLMRegressor
from skhlm.families import FAMILIES, find_family
from skhlm.families.links import LOG
from skhlm.preparation import prepare

N = 60
RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "shop": np.arange(N) % 5,
        "price": RNG.normal(3, 2, N),
        "days": RNG.uniform(0.5, 30, N),
        "size": RNG.normal(-1, 0.1, N),
    }
)
OUTCOMES = {
    "student_t": RNG.normal(size=N),
    "normal": RNG.normal(size=N),
    "binomial": RNG.binomial(4, 0.3, N) / 4,
    "poisson": RNG.poisson(3, N).astype(float),
    "negative_binomial": RNG.negative_binomial(2, 0.3, N).astype(float),
    "gamma": RNG.gamma(2, 1, N),
}
COUNTED = [name for name, family in FAMILIES.items() if family.link == LOG]
SCALED = [name for name, family in FAMILIES.items() if family.scales_outcome]
LINKED = [name for name in FAMILIES if name not in SCALED]


def prepared(family, X=ROWS, y=None, weight=None, groups="shop", **parameters):
    """The problem, what prediction remembers, and the canonical rows."""
    y = OUTCOMES[family] if y is None else y
    model = HLMRegressor(groups, family=family, **parameters)
    model._validate_params()
    return model, *prepare(model, X, y, weight)


def test_these_are_all_families():
    assert OUTCOMES.keys() == FAMILIES.keys()
    assert set(COUNTED) == {"poisson", "negative_binomial", "gamma"}
    assert set(SCALED) == {"student_t", "normal"}


# --- the outcome ----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", LINKED)
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_an_outcome_behind_a_link_is_never_scaled(family, scale):
    y = OUTCOMES[family] * (1 if family == "binomial" else scale)
    _, problem, spec, _ = prepared(family, y=y)
    assert spec.units.y_scale == 1
    assert problem.evidence.mean == pytest.approx(y.mean(), rel=1e-12)
    np.testing.assert_allclose(spec.units.x_scale, ROWS[["price", "days", "size"]].std(ddof=0))


@pytest.mark.parametrize("family", COUNTED)
def test_the_centre_is_the_logarithm_of_the_mean_rate(family):
    y, weight = OUTCOMES[family], RNG.integers(1, 4, N)
    events = weight @ y + (0.5 if find_family(family).is_discrete else 0)
    plain = prepared(family, weight=weight)[2].units.y_center
    assert plain == pytest.approx(np.log(events / weight.sum()), rel=1e-12)
    rate = prepared(family, weight=weight, exposure="days")[2].units.y_center
    assert rate == pytest.approx(np.log(events / (weight @ ROWS["days"])), rel=1e-12)


@pytest.mark.parametrize("family", LINKED)
@pytest.mark.parametrize("parameters", [{"autoscale": False}, {"fit_intercept": False}])
def test_without_autoscale_or_an_intercept_nothing_is_centred(family, parameters):
    _, problem, spec, _ = prepared(family, **parameters)
    assert (spec.units.y_center, spec.units.y_scale) == (0, 1)
    assert not problem.evidence.offset.any()


def test_log_odds_are_not_centred():
    assert prepared("binomial")[2].units.y_center == 0


@pytest.mark.parametrize("family", SCALED)
def test_residual_families_have_no_offset(family):
    _, problem, spec, _ = prepared(family)
    assert not problem.evidence.offset.any()
    assert problem.evidence.mean == pytest.approx(0, abs=1e-12)
    assert spec.units.y_scale == pytest.approx(OUTCOMES[family].std(), rel=1e-12)


BAD = {
    "a negative count": ("poisson", 7, -1.0, "^y is -1 in row 7: "),
    "a fraction of a count": ("negative_binomial", 3, 0.5, r"^y is 0\.5 in row 3: "),
    "a share above one": ("binomial", 9, 1.25, r"^y is 1\.25 in row 9: .*trials.*sample_weight"),
    "a share below zero": ("binomial", 0, -0.25, r"^y is -0\.25 in row 0: "),
    "an amount of zero": ("gamma", 11, 0.0, "^y is 0 in row 11: "),
}


@pytest.mark.parametrize(("family", "row", "value", "message"), BAD.values(), ids=BAD)
def test_an_outcome_that_cannot_be_is_named_with_its_row(family, row, value, message):
    y = OUTCOMES[family].copy()
    y[row] = value
    weight = np.ones(N)
    weight[:row] = 0  # rows are those of X, whatever is left out
    weight[row:] += 1
    with pytest.raises(ValueError, match=message):
        prepared(family, y=y, weight=weight)


EXTREME = {
    "a huge count": ("poisson", 1e300, r"^y is 1e\+300 in row 3: .* family='gamma'"),
    "a large count": ("negative_binomial", 1e14, r"^y is 1e\+14 in row 3: .* events in all"),
    "a huge amount": ("gamma", 1e300, r"^y is 1e\+300 in row 3: .*Change the unit"),
    "a tiny amount": ("gamma", 1e-300, r"^y is 1e-300 in row 3: .*Change the unit"),
}


@pytest.mark.parametrize(("family", "value", "message"), EXTREME.values(), ids=EXTREME)
def test_an_outcome_too_extreme_for_doubles_is_named(family, value, message):
    y = OUTCOMES[family].copy()
    y[3] = value
    with pytest.raises(ValueError, match=message):
        prepared(family, y=y)


@pytest.mark.parametrize("family", FAMILIES)
def test_yes_or_no_is_for_the_classifier(family):
    with pytest.raises(TypeError, match=r"y holds yes/no values \(bool\).*HLMClassifier"):
        prepared(family, y=OUTCOMES[family] > 1)


# --- the exposure ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", COUNTED)
@pytest.mark.parametrize("exposure", ["days", 2, -2])
def test_the_exposure_is_an_offset_and_no_predictor(family, exposure):
    model, problem, spec, rows = prepared(family, exposure=exposure)
    assert spec.labels.coefficients == ("Intercept", "price", "size")
    assert (spec.exposure, spec.units.has_offset) == (2, True)
    assert problem.evidence.n_coefficients == 3
    assert all(len(columns) == 3 for columns in problem.varying)
    predictors, _, _ = spec.read(model, ROWS)
    np.testing.assert_array_equal(predictors[:, -1], np.log(ROWS["days"]))
    np.testing.assert_allclose(spec.units.offset(rows.X), rows.X[:, -1] + spec.units.y_center)


@pytest.mark.parametrize("family", COUNTED)
def test_eta_is_the_same_in_both_units(family):
    """y_center + log exposure + x' beta of the model, and z' kappa + log exposure of the user."""
    _, problem, spec, rows = prepared(family, exposure="days")
    beta = np.array([0.3, -0.2, 0.5])
    units = spec.units
    theirs = units.predictors(rows.X) @ beta + units.offset(rows.X)
    kappa = beta * units.coefficient_scale
    kappa[0] += units.y_center
    ours = units.centred(rows.X) @ np.append(kappa, 1.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert problem.n_coefficients == len(beta)


def test_exposure_alone_is_enough_to_fit():
    _, problem, spec, _ = prepared("poisson", ROWS[["days"]], groups=None, exposure="days")
    assert (problem.n_coefficients, spec.labels.coefficients) == (1, ("Intercept",))


def test_another_unit_of_the_exposure_moves_the_centre_alone():
    _, problem, spec, _ = prepared("negative_binomial", exposure="days")
    hours = ROWS.assign(days=24 * ROWS["days"])
    _, other, theirs, _ = prepared("negative_binomial", hours, exposure="days")
    assert spec.units.y_center - theirs.units.y_center == pytest.approx(np.log(24), rel=1e-12)
    np.testing.assert_allclose(problem.evidence.offset, other.evidence.offset, atol=1e-12)


def test_rows_made_from_what_was_learned_are_read_as_they_were():
    model, _, spec, rows = prepared("poisson", exposure="days")
    X = spec.as_given(rows.X, rows.codes[rows.cell])
    assert list(X.columns) == list(ROWS.columns)
    predictors, codes, _ = spec.read(model, X)
    np.testing.assert_allclose(predictors, rows.X, rtol=1e-15)
    np.testing.assert_array_equal(codes, rows.codes[rows.cell])


def test_a_typical_exposure_is_the_mean_one():
    weight = RNG.integers(1, 4, N)
    ranges = prepared("poisson", weight=weight, exposure="days")[2].ranges
    assert np.exp(ranges.mean[-1]) == pytest.approx(np.average(ROWS["days"], weights=weight))
    assert np.exp(ranges.low[-1]) == pytest.approx(ROWS["days"].min())


@pytest.mark.parametrize("exposure", [None, "days"])
def test_rows_differ_by_their_exposure(exposure):
    twice = pd.concat([ROWS, ROWS.assign(days=ROWS["days"] * 2)])
    y = np.tile(OUTCOMES["poisson"], 2)
    X = twice if exposure else twice.drop(columns="days")
    rows = prepared("poisson", X, y=y, exposure=exposure)[3]
    assert len(rows.y) == (2 * N if exposure else N)
    one, other = (prepared("poisson", X, y=y, exposure=exposure)[3] for X in (X, X[::-1]))
    assert exposure is None or one.fingerprint() != other.fingerprint()


def changed(value, row=4):
    days = ROWS["days"].copy().astype(object)
    days[row] = value
    return ROWS.assign(days=days)


BAD_EXPOSURE = {
    "zero": (changed(0), "days", r"column 'days' is 0 in row 4, and it must be a positive number"),
    "negative": (changed(-2), "days", "is -2 in row 4"),
    "two": (changed([0, 0], [4, 5]), "days", r"is 0 in row 4 \(2 such rows in all\), and it must"),
    "missing": (changed(None), "days", "is nan in row 4"),
    "infinite": (changed(np.inf), "days", "is inf in row 4"),
    "text": (ROWS.assign(days="a"), "days", "column 'days' does not hold numbers"),
    "no column": (ROWS, "dyas", r"no column 'dyas' in X.*Did you mean 'days'\?"),
    "no position": (ROWS, 7, "no column 7 in X"),
    "a group": (ROWS, "shop", "'shop' is a group column as well"),
}


@pytest.mark.parametrize(("X", "exposure", "message"), BAD_EXPOSURE.values(), ids=BAD_EXPOSURE)
def test_an_exposure_that_cannot_be_one(X, exposure, message):
    with pytest.raises(ValueError, match=f"exposure: .*{message}"):
        prepared("poisson", X, exposure=exposure)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in COUNTED])
def test_an_exposure_needs_a_logarithm(family):
    trials = r"Trials are the sample_weight of shares, y = successes / trials\."
    ending = trials if family == "binomial" else r"or choose one of these\."
    with pytest.raises(ValueError, match=rf"got 'days'.*'poisson'.*exposure=None.*{ending}$"):
        prepared(family, exposure="days")


def test_a_bad_exposure_at_prediction_is_named_too():
    model, _, spec, _ = prepared("poisson", exposure="days")
    with pytest.raises(ValueError, match="exposure: column 'days' is 0 in row 4"):
        spec.read(model, changed(0))


@pytest.mark.parametrize("about", [{"varying": ["days"]}, {"priors": {"kappa": {"days": None}}}])
def test_an_exposure_has_no_coefficient(about):
    with pytest.raises(ValueError, match=r"'days'.*coefficients are 'Intercept', 'price', 'size'"):
        prepared("poisson", exposure="days", **about)


# --- classes --------------------------------------------------------------------------------------


def test_a_classifier_is_the_binomial_family_of_zeros_and_ones():
    yes = RNG.random(N) < 0.4
    model = HLMClassifier("shop")
    problem, spec, rows = prepare(model, ROWS, np.where(yes, "yes", "no"), None)
    _, theirs, _, same = prepared("binomial", y=yes.astype(float))
    assert problem.family == theirs.family
    np.testing.assert_array_equal(rows.y, same.y)
    for name in ("X", "y", "weight", "offset", "cell"):
        assert getattr(problem.evidence, name).tobytes() == getattr(theirs.evidence, name).tobytes()
    assert spec.classes.labels.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(spec.read_outcome(["yes", "no"], 2), [1, 0])


def test_classes_are_those_of_rows_that_count():
    labels = np.array(["a", "b", "c"])[np.arange(N) % 3]
    weight = (labels != "c").astype(float)
    _, spec, _ = prepare(HLMClassifier("shop"), ROWS, labels, weight)
    assert spec.classes.labels.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match=r"one class alone, 'a' in all 20 rows"):
        prepare(HLMClassifier("shop"), ROWS, labels, (labels == "a").astype(float))


def test_the_model_of_a_share_starts_at_even_odds():
    """The intercept's prior is where the log odds are 0, whatever the share."""
    _, spec, _ = prepare(HLMClassifier("shop"), ROWS, np.arange(N) < 3, None)
    assert spec.units.y_center == logit(0.5)
