"""Parts of predictions against sums, differences, coefficients, quadrature and simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm import (
    GroupMeans,
    HLMClassifier,
    HLMRegressor,
    average_difference,
    average_prediction,
    contributions,
)
from skhlm.posterior import prediction
from tests.chance import assert_near

# Whatever the Pareto k of the draws about a mode.
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='.*' did not")

BAND = ["mean", "lower", "upper"]
FAMILIES = ["normal", "student_t", "binomial", "poisson", "negative_binomial", "gamma"]


@pytest.fixture(scope="module")
def data():
    """Returns of log spend in twelve countries of three regions, and days observed."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"country": np.repeat([f"c{i:02}" for i in range(12)], 15)})
    X["log_spend"] = rng.normal(1, 1, 180)
    X["region"] = X["country"].str[1:].astype(int) % 3
    X["price"] = rng.gamma(9, 0.1, 180)
    slope = 1 + 0.5 * X["region"] + np.repeat(rng.normal(0, 0.2, 12), 15)
    eta = 0.5 + slope * X["log_spend"] - 0.5 * X["price"]
    return X, 0.3 * eta.to_numpy(), rng


@pytest.fixture(scope="module")
def outcomes(data):
    _, eta, rng = data
    counts = rng.poisson(np.exp(eta)).astype(float)
    return {
        "normal": eta + rng.normal(0, 0.3, 180),
        "student_t": eta + 0.2 * rng.standard_t(5, 180),
        "binomial": (rng.random(180) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": counts,
        "negative_binomial": counts,
        "gamma": np.exp(eta) * rng.gamma(5, 0.2, 180),
    }


@pytest.fixture(scope="module", params=FAMILIES)
def of_family(request, data, outcomes):
    return a_model(request.param).fit(data[0], outcomes[request.param])


@pytest.fixture(scope="module")
def model(data, outcomes):
    return a_model("normal").fit(data[0], outcomes["normal"])


@pytest.fixture(scope="module")
def of_counts(data, outcomes):
    return a_model("poisson").fit(data[0], outcomes["poisson"])


def a_model(family="normal", groups="region/country", **arguments):
    settings = {"algorithm": "laplace", "iter_sampling": 150, "random_state": 0}
    return HLMRegressor(groups, family=family, **settings, **arguments)


def with_new(X):
    """Some countries, and a region, that fit has not seen."""
    X = X.copy()
    X.loc[X["country"] == "c03", "country"] = "new"
    X.loc[X["country"] == "c04", ["region", "country"]] = 9, "other"
    return X


def totals(parts):
    return parts.groupby("row", sort=False)["mean"].sum().to_numpy()


def one_part(parts, name):
    return parts[parts["part"] == name].reset_index(drop=True)


@pytest.mark.parametrize("kind", ["mean", "link"])
def test_parts_of_every_family_add_up(of_family, data, kind):
    """To predictions, of new levels, too, whatever the reference."""
    X = with_new(data[0])
    expected = of_family.predict(X, kind=kind)
    for reference in (None, {"log_spend": 0.0, "region": 1}, X.iloc[[7]], X[::-1]):
        parts = contributions(of_family, X, reference, kind=kind)
        np.testing.assert_allclose(totals(parts), expected, rtol=1e-12, atol=1e-12)
    names = ["reference", "log_spend", "price", "region", "region/country"]
    assert parts["part"].tolist() == names * len(X)
    assert parts["source"].tolist() == ["reference", *["input"] * 2, *["factor"] * 2] * len(X)
    found = parts[["country", "region"]].to_numpy()[::5]
    np.testing.assert_array_equal(found, X[["country", "region"]])


@pytest.mark.parametrize("kind", ["mean", "link"])
def test_the_part_of_an_input_is_the_difference_that_it_makes(model, data, kind):
    """As average_difference has it, draws and all: of rows, of groups, of new levels."""
    X = with_new(data[0])
    for by in ("region", "country"):
        parts = contributions(model, X, {"log_spend": 0.3}, by=by, kind=kind)
        difference = average_difference(
            model, X, "log_spend", start=0.3, end=lambda x: x, by=by, kind=kind
        )
        found = one_part(parts, "log_spend")
        np.testing.assert_allclose(found["mean"], difference["difference"], rtol=1e-9)
        known = ~found[by].isin(["new", "other", 0, 9])
        ends = difference[["lower", "upper"]][known]
        np.testing.assert_allclose(found[["lower", "upper"]][known], ends, rtol=1e-9)
        np.testing.assert_array_equal(found["n_rows"], difference["n_rows"])


def test_the_part_of_a_factor_is_what_its_level_has_at_the_reference(model, data):
    """The reference being a country of another region: that of both factors is the difference."""
    X = data[0]
    reference = {"log_spend": 0.5, "price": 1.0, "region": 0, "country": "c00"}
    parts = contributions(model, X, reference)
    there = X.assign(log_spend=0.5, price=1.0)
    both = one_part(parts, "region")["mean"] + one_part(parts, "region/country")["mean"]
    first = X.assign(**reference)
    np.testing.assert_allclose(both, model.predict(there) - model.predict(first), atol=1e-12)
    assert (one_part(parts, "region/country")["mean"][:15] == 0).all()
    row = one_part(parts, "reference")
    np.testing.assert_allclose(row["mean"], model.predict(first), rtol=1e-12)
    ends = model.predict_interval(first, kind="mean")
    np.testing.assert_allclose(row[["lower", "upper"]], ends, rtol=1e-9)


def test_the_default_reference_is_typical(of_counts, data):
    """Predictors at their means, effects zero: kappa alone; effects of countries at the means."""
    X = data[0]
    parts = contributions(of_counts, X, kind="link")
    fitted = of_counts.coefficients(parts=True)
    kappa = fitted[fitted["part"] == "kappa"].groupby("coefficient")["mean"].first()
    means = X[["log_spend", "price"]].mean()
    expected = kappa["Intercept"] + (kappa[means.index] * means).sum()
    np.testing.assert_allclose(one_part(parts, "reference")["mean"], expected, rtol=1e-9)
    effects = of_counts.group_effects("region").pivot(index="level", columns="coefficient")["mean"]
    at_means = effects["Intercept"] + (effects[means.index] * means).sum(axis=1)
    found = one_part(parts, "region").groupby("region")["mean"].first()
    np.testing.assert_allclose(found, at_means, rtol=1e-9)


@pytest.mark.parametrize("family", ["poisson", "binomial", "gamma"])
def test_parts_of_expected_values_are_integrals_along_a_line(family, data, outcomes):
    """Of the link's derivative, part by part in each draw, by Gauss's rule."""
    X = data[0][::13]
    model = a_model(family).fit(data[0], outcomes[family])
    posterior, link = model._posterior, model._posterior.family.link
    predictors, codes, _ = model._rows(X)
    move = predictors - [0.0, X["price"].iloc[0]]
    beta = [posterior.draws.at(codes, k + 1) for k in range(2)]
    terms = [move[:, [k]] * beta[k] for k in range(2)]
    eta = posterior.draws.expected_value(posterior.units.centred(predictors), codes)
    base = predictors - move
    kappa = np.tile(-2, codes.shape)
    start = posterior.draws.expected_value(posterior.units.centred(base), kappa)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    slope = sum(
        0.5 * w * link.derivative(start + 0.5 * (x + 1) * (eta - start))
        for x, w in zip(nodes, weights, strict=True)
    )
    parts = contributions(model, X, {"log_spend": 0.0, "price": X["price"].iloc[0]})
    for name, term in zip(["log_spend", "price"], terms, strict=True):
        draws = term * slope
        found = one_part(parts, name)
        np.testing.assert_allclose(found["mean"], draws.mean(axis=1), rtol=1e-8, atol=1e-12)
        ends = np.quantile(draws, [0.05, 0.95], axis=1).T
        np.testing.assert_allclose(found[["lower", "upper"]], ends, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_means_of_new_levels_are_those_over_their_effects(family, data, outcomes):
    """By simulation of effects, 500 for each draw, of a new country of a new region."""
    model = a_model(family).fit(data[0], outcomes[family]).compact(100)
    X = pd.DataFrame({"country": ["?"], "log_spend": [3.0], "region": [99], "price": [0.5]})
    parts = contributions(model, X, {"log_spend": 0.0})
    posterior, rng = model._posterior, np.random.default_rng(1)
    Z = posterior.units.centred(model._rows(X)[0])[0]
    base = Z.copy()
    base[1] = -posterior.units.x_center[0]
    base[2] = model._spec.ranges.mean[1] - posterior.units.x_center[1]
    size = 500, posterior.n_draws
    u = [rng.standard_normal((3, *size)) * posterior.tau[g][:, None] for g in range(2)]
    beta = posterior.draws.kappa[:, None] + u[0] + u[1]
    terms = [(Z - base)[k] * beta[k] for k in (1, 2)]
    terms += [np.einsum("k,kms->ms", base, u[g]) for g in range(2)]
    link = posterior.family.link
    start = np.broadcast_to(base @ posterior.draws.kappa, size)
    rise = link.inverse(start + sum(terms)) - link.inverse(start)
    for name, term in zip(parts["part"][1:], terms, strict=True):
        draws = term * rise / sum(terms)
        by_draw = draws - draws.mean(axis=0)  # the draws' own spread is in both
        error = by_draw.std() / np.sqrt(draws.size)
        assert_near(draws.mean(), one_part(parts, name)["mean"].item(), error)


def test_intervals_of_new_levels_have_their_variance(model):
    """The part of a new country at the reference: tau there, of normal draws by quantiles."""
    X = pd.DataFrame({"country": ["?"], "log_spend": [3.0], "region": [1], "price": [0.5]})
    found = one_part(contributions(model, X), "region/country")
    assert found["mean"].item() == 0
    posterior = model._posterior
    base = posterior.units.centred(model._spec.ranges.mean[None])
    sd = np.sqrt((posterior.tau[1] ** 2 * base.T**2).sum(axis=0))
    mixture = prediction.Mixture(np.zeros((1, len(sd))), sd[None] ** 2, None)
    q = mixture.quantiles([0.05, 0.95])[0]
    near = mixture.quantiles([0.04, 0.06, 0.94, 0.96])[0]
    density = 0.02 / np.array([near[1] - near[0], near[3] - near[2]])
    error = np.sqrt(0.05 * 0.95 / len(sd)) / density
    assert_near(found[["lower", "upper"]].to_numpy()[0], q, error)


def test_averages_of_parts_are_those_of_rows(of_counts, data):
    X, weight = with_new(data[0]), np.random.default_rng(2).gamma(1, 1, 180)
    weight[:20] = 0
    parts = contributions(of_counts, X, by="region", sample_weight=weight)
    rows = contributions(of_counts, X)
    own = rows.assign(weight=np.repeat(weight, 5), value=rows["mean"] * np.repeat(weight, 5))
    sums = own[own["weight"] > 0].groupby(["region", "part"])[["value", "weight"]].sum()
    expected = sums["value"] / sums["weight"]
    expected = expected.loc[pd.MultiIndex.from_frame(parts[["region", "part"]])]
    np.testing.assert_allclose(parts["mean"], expected, rtol=1e-9)
    whole = average_prediction(of_counts, X, by="region", sample_weight=weight)
    total = parts.groupby("region")["mean"].sum()
    np.testing.assert_allclose(total, whole["mean"], rtol=1e-9)
    some = contributions(of_counts, X, sample_weight=weight)
    assert some["row"].unique().tolist() == list(range(20, 180))
    known = ~rows["country"].isin(["new", "other"]) & (rows["row"] >= 20)
    kept = ~some["country"].isin(["new", "other"])
    np.testing.assert_allclose(some[BAND][kept], rows[BAND][known], rtol=1e-9)


def test_many_rows_in_blocks_are_the_same(of_counts, data, monkeypatch):
    X = data[0]
    whole = contributions(of_counts, X)
    by_country = contributions(of_counts, X, by="country")
    monkeypatch.setattr("skhlm.reports.contributions.JOINT_BYTES", 2**19)
    monkeypatch.setattr("skhlm.reports.contributions.BLOCK_BYTES", 2**17)
    pd.testing.assert_frame_equal(contributions(of_counts, X), whole)
    pd.testing.assert_frame_equal(contributions(of_counts, X, by="country"), by_country)


def test_exposure_has_a_part(data, outcomes):
    """Log days beyond those of the mean exposure, which is certain on the scale of eta."""
    X, days = data[0], np.tile([1.0, 2.0, 4.0], 60)
    model = a_model("poisson", exposure="days").fit(X.assign(days=days), outcomes["poisson"])
    parts = one_part(contributions(model, X.assign(days=days), kind="link"), "days")
    expected = np.log(days) - np.log(days.mean())
    for name in BAND:
        np.testing.assert_allclose(parts[name], expected, atol=1e-12)
    parts = contributions(model, X.assign(days=days), {"days": 1.0})
    assert (one_part(parts, "days")["mean"][days == 1] == 0).all()
    np.testing.assert_allclose(totals(parts), model.predict(X.assign(days=days)), rtol=1e-12)


def test_the_mode_has_parts_that_add_up(data, outcomes):
    for family in ("normal", "poisson"):
        model = HLMRegressor("region", family=family, algorithm="map", random_state=0)
        X = data[0].drop(columns="country")
        model.fit(X, outcomes[family])
        found = totals(contributions(model, X))
        np.testing.assert_allclose(found, model.predict(X), rtol=1e-12)


def test_without_groups_and_without_an_intercept(data, outcomes):
    X = data[0][["log_spend", "price"]]
    model = a_model(groups=None, fit_intercept=False).fit(X, outcomes["normal"])
    parts = contributions(model, X, {"log_spend": 0, "price": 0})
    np.testing.assert_allclose(one_part(parts, "reference")[BAND], 0)
    np.testing.assert_allclose(one_part(parts, "price")["mean"], X["price"] * model.coef_[1])
    parts = contributions(model, X)
    np.testing.assert_allclose(totals(parts), model.predict(X), rtol=1e-12)


# -- what a pipeline is given ---------------------------------------------------------------------


def to_predictors(X):
    """Spend enters by its logarithm and its square, price as it is and times the logarithm."""
    log_spend = np.log(X["spend"])
    made = X[["region", "price"]].assign(log=log_spend, square=X["spend"] ** 2 / 100)
    return made.assign(product=log_spend * X["price"], promo=(X["promo"] == "yes") * 1.0)


@pytest.fixture(scope="module")
def raw(data):
    X = data[0][["region", "price"]].assign(spend=np.exp(data[0]["log_spend"]))
    return X.assign(promo=np.where(np.arange(180) % 4 == 0, "yes", "no"))


@pytest.fixture(scope="module")
def pipeline(raw, outcomes):
    step = FunctionTransformer(to_predictors)
    return make_pipeline(step, a_model("poisson", "region")).fit(raw, outcomes["poisson"])


def test_parts_of_what_is_derived_belong_to_the_column_it_came_from(pipeline, raw):
    parts = contributions(pipeline, raw, kind="link")
    names = ["reference", "price", "price × spend", "spend", "promo", "region"]
    assert parts["part"].tolist() == names * 180
    alone = contributions(pipeline[-1], to_predictors(raw), kind="link")
    together = [one_part(alone, name)["mean"] for name in ("log", "square")]
    np.testing.assert_allclose(one_part(parts, "spend")["mean"], sum(together), atol=1e-12)
    for name, own in (("price × spend", "product"), ("promo", "promo"), ("region", "region")):
        found, expected = one_part(parts, name)[BAND], one_part(alone, own)[BAND]
        np.testing.assert_allclose(found, expected, atol=1e-12)
    mean = contributions(pipeline, raw)
    np.testing.assert_allclose(totals(mean), pipeline.predict(raw), rtol=1e-12)


def test_one_row_is_enough_to_see_what_is_made_of_what(pipeline, raw):
    """Also of a spend of 1, whose logarithm is 0, so that a product with it does not move."""
    whole = contributions(pipeline, raw.assign(spend=1.0))
    one = contributions(pipeline, raw.assign(spend=1.0).iloc[[5]])
    expected = whole[whole["row"] == 5].assign(row=0).reset_index(drop=True)
    is_number = expected["part"] != "promo"  # of which one row has one value: a part all the same
    pd.testing.assert_frame_equal(one[is_number], expected[is_number])
    assert one["part"].tolist() == expected["part"].tolist()


def test_a_reference_of_a_pipeline_is_a_mapping_a_row_or_rows(pipeline, raw):
    values = {"spend": 2.0, "price": 1.0, "promo": "no", "region": 1}
    row = pd.DataFrame([values])
    expected = contributions(pipeline, raw, row)
    for reference in (values, pd.Series(values), raw.assign(**values)):
        pd.testing.assert_frame_equal(contributions(pipeline, raw, reference), expected)
    start = pipeline.predict(row[raw.columns])
    np.testing.assert_allclose(one_part(expected, "reference")["mean"], start[0], rtol=1e-12)
    same = contributions(pipeline, raw, raw)
    assert (same[same["source"] != "reference"][BAND] == 0).all(axis=None)
    with pytest.raises(ValueError, match=r"'product' is made of 'price', too: give a value of all"):
        contributions(pipeline, raw, {"spend": 2.0})


def test_derive_says_the_same_as_a_pipeline(data, outcomes):
    X = data[0].drop(columns="log_spend").assign(spend=np.exp(data[0]["log_spend"]))

    def powers(spend):
        return {"log": np.log(spend), "square": spend**2 / 100}

    def take(X):
        return X.drop(columns="spend").assign(**powers(X["spend"]))

    pipeline = make_pipeline(FunctionTransformer(take), a_model("poisson"))
    pipeline.fit(X, outcomes["poisson"])
    for reference in (None, {"spend": 1.0}, X.iloc[[3]]):
        through = contributions(pipeline, X, reference, by="region")
        arguments = {"by": "region", "derive": {"spend": powers}}
        alone = contributions(pipeline[-1], X, reference, **arguments)
        pd.testing.assert_frame_equal(alone, through)
    polars = contributions(pipeline[-1], pl.from_pandas(X), **arguments)
    expected = contributions(pipeline[-1], X, **arguments)
    pd.testing.assert_frame_equal(polars, expected, check_dtype=False)


def test_means_of_groups_have_parts_of_their_own(data, outcomes):
    X = data[0][["country", "log_spend", "price"]]
    step = GroupMeans("country", "log_spend")
    pipeline = make_pipeline(step, a_model(groups="country", varying="intercept"))
    pipeline.fit(X, outcomes["normal"])
    parts = contributions(pipeline, X.assign(country=X["country"].replace("c01", "new")))
    assert parts["part"].unique().tolist() == [
        *["reference", "log_spend", "price"],
        *["log_spend (mean of country)", "country"],
    ]


def test_classes_have_parts_of_probabilities(data, outcomes):
    X = data[0]
    classifier = HLMClassifier("region/country", algorithm="laplace", random_state=0)
    search = GridSearchCV(classifier, {"fit_intercept": [True]}, cv=2)
    search.fit(X, np.where(outcomes["binomial"] > 0, "yes", "no"))
    X = with_new(X)
    probability = search.predict_proba(X)[:, 1]
    np.testing.assert_allclose(totals(contributions(search, X)), probability, rtol=1e-12)


def test_columns_have_positions_where_they_have_no_names(data, outcomes):
    X = data[0][["region", "log_spend", "price"]].astype(float)
    named = a_model(groups="region").fit(X, outcomes["normal"])
    numbered = a_model(groups=[0]).fit(X.to_numpy(), outcomes["normal"])
    expected = contributions(named, X, {"log_spend": 1, "region": 2.0})
    found = contributions(numbered, X.to_numpy(), {1: 1, 0: 2.0})
    np.testing.assert_allclose(found[BAND], expected[BAND])
    assert found["part"].tolist()[:4] == ["reference", "x1", "x2", "0"]


def test_few_draws_are_warned_of(of_counts, data, monkeypatch):
    monkeypatch.setattr(prediction, "k_threshold", lambda _: -np.inf)
    with pytest.warns(UserWarning, match="rest on a few draws") as caught:
        contributions(of_counts, data[0].assign(country="new"))
    assert caught[0].filename == __file__


ERRORS = {
    "column": ({"reference": {"spend": 1}}, "reference: there is no column 'spend'"),
    "rows": ({"reference": slice(0, 2)}, "reference has 2 rows and X has 180"),
    "list": ({"reference": {"price": [1, 2]}}, "'price' must be one value, got"),
    "missing": ({"reference": {"price": np.nan}}, "'price' must be a value, got nan"),
    "within": ({"reference": {"country": "c01"}}, "'country' is within 'region': give that"),
    "kind": ({"kind": "outcome"}, "'kind' parameter"),
    "derive": ({"derive": {"spend": np.log}}, "derive: there is no column 'spend'"),
    "text": ({"derive": {"country": np.log}}, "'country' must be a finite number in each row"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_is_said(model, data, case):
    arguments, message = ERRORS[case]
    if isinstance(arguments.get("reference"), slice):
        arguments = {"reference": data[0][arguments["reference"]]}
    with pytest.raises(ValueError, match=message):
        contributions(model, data[0], **arguments)


def test_derive_is_held_to_its_word(model, data):
    X = data[0].assign(spend=np.exp(data[0]["log_spend"]))

    def logarithm(spend):
        return {"log_spend": np.log(spend)}

    with pytest.raises(ValueError, match="'log_spend' is derived from several inputs"):
        contributions(model, X, derive={"spend": logarithm, "price": logarithm})
    step = make_pipeline(FunctionTransformer(), model)
    with pytest.raises(ValueError, match="derive: in a pipeline"):
        contributions(step, X, derive={"spend": logarithm})
    of_array = a_model(groups=[0]).fit(X[["region", "price"]].to_numpy(), X["log_spend"])
    with pytest.raises(ValueError, match="derive: predictors have no names"):
        contributions(of_array, X[["region", "price"]].to_numpy(), derive={"spend": logarithm})


def test_categories_of_a_reference_are_those_of_the_column(data, outcomes):
    X = data[0][["region", "price"]].assign(day=pd.Categorical(["Mo", "Sa"] * 90))
    step = FunctionTransformer(lambda X: X.assign(day=(X["day"] == "Sa") * 1.0))
    pipeline = make_pipeline(step, a_model(groups="region")).fit(X, outcomes["normal"])
    parts = one_part(contributions(pipeline, X, {"day": "Sa"}), "day")
    assert (parts["mean"][1::2] == 0).all() and (parts["mean"][::2] != 0).all()
    with pytest.raises(ValueError, match="'Su' is no category of 'day'"):
        contributions(pipeline, X, {"day": "Su"})


def test_other_estimators_are_refused(model, data, outcomes):
    X = data[0]
    with pytest.raises(TypeError, match="got LinearRegression"):
        contributions(LinearRegression().fit(X[["price"]], outcomes["normal"]), X[["price"]])
    transformed = TransformedTargetRegressor(a_model(), func=np.cbrt, inverse_func=np.square)
    transformed.set_params(check_inverse=False).fit(X, outcomes["gamma"])
    with pytest.raises(ValueError, match="y is transformed inside"):
        contributions(transformed, X)
    with pytest.raises(TypeError, match="X must hold rows"):
        contributions(model, "price")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"price": "low"}, "'price' has numbers, and 'low' is no finite one. Give a number, such"),
        ({"price": np.inf}, "'price' has numbers, and inf is no finite one"),
        ({"region": "east"}, "'region' has labels such as 0, and 'east' is of another type"),
        ({"country": np.int64(3)}, "'country' has labels such as 'c00', and 3 is of another type"),
        (pd.DataFrame({"price": [1.0]}), "reference, which needs the columns of X: "),
        (np.zeros((2, 4)), "reference has 2 rows and X has 180"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(model, data, reference, message):
    with pytest.raises(ValueError, match=message):
        contributions(model, data[0], reference)


@pytest.mark.parametrize("reference", ["price", 3, [1, 2, 3, 4], np.zeros(4), np.mean])
def test_a_reference_is_a_mapping_or_a_row(model, data, reference):
    with pytest.raises(TypeError, match=r"reference: give a mapping .* got"):
        contributions(model, data[0], reference)


def test_parts_that_are_nothing_are_zero(data, outcomes):
    """At the means of fit the effect of a slope alone is nothing, and the row itself is no move."""
    X = data[0][["region", "price"]]
    model = HLMRegressor("region", varying=["price"], family="normal", random_state=0)
    model.fit(X, outcomes["normal"])
    parts = contributions(model, X)
    assert (one_part(parts, "region")[BAND] == 0).all(axis=None)
    parts = contributions(model, X, X)
    assert (parts.loc[parts["source"] != "reference", BAND] == 0).all(axis=None)
