"""Pictures of models with a link: what they hold, and which scale they say."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skhlm import (
    CoverageDisplay,
    GroupEffectsDisplay,
    PooledRegressor,
    PosteriorPredictiveDisplay,
    ResponseCurveDisplay,
    ShrinkageDisplay,
    TraceDisplay,
)
from skhlm.html_report.rows import rows_of_fit
from skhlm.posterior import prediction
from tests.chance import RATE
from tests.link_models import amounts, classifier, counts, shares, shops

MODELS = [
    (classifier, "log odds", "bought = yes"),
    (counts, "log rate", "visits"),
    (amounts, "log mean", "spent"),
    (shares, "log odds", "outcome"),
]


def rows(model):
    """Rows of fit, as the model takes them."""
    return shops()[list(model.feature_names_in_)]


@pytest.mark.parametrize(("model", "scale", "name"), MODELS)
def test_pictures_of_effects_say_the_scale(model, scale, name, assert_legible):
    model = model()
    for display in (
        GroupEffectsDisplay.from_estimator(model),
        ShrinkageDisplay.from_estimator(model),
    ):
        labels = [axes.get_xlabel() for axes in display.axes_]
        assert labels[0].replace("\n", " ") == f"{scale} of {name}"
        assert_legible(display.figure_)
    trace = TraceDisplay.from_estimator(model, "kappa", kind="trace")
    assert trace.axes_[0].get_ylabel() == f"value ({scale})"
    assert_legible(trace.figure_)
    curve = ResponseCurveDisplay.from_estimator(model, rows(model)[::90], "price", kind="link")
    assert curve.axes_[0].get_ylabel() == f"{scale} of {name}"
    assert_legible(curve.figure_)
    along = np.polyfit(curve.grid, curve.mean.T, 1)
    line = along[0][:, None] * curve.grid + along[1][:, None]
    np.testing.assert_allclose(curve.mean, line, atol=1e-9)  # straight


def test_phi_has_chains_by_its_name_and_no_panel_unasked():
    model = counts("negative_binomial")
    display = TraceDisplay.from_estimator(model, ["phi", "overdispersion"], kind="trace")
    phi, variation = display.draws
    np.testing.assert_allclose(phi, variation**-2.0)
    assert display.titles.tolist() == ["phi", "overdispersion"]
    assert "phi" not in TraceDisplay.from_estimator(model).parameters.tolist()
    with pytest.raises(ValueError, match="there is no parameter 'phi'"):
        TraceDisplay.from_estimator(amounts(), "phi")


def test_points_are_what_they_would_be_with_the_exposure_of_their_curve():
    model, X = counts(), rows(counts()).iloc[::40]
    y = np.arange(len(X), dtype=float)
    same = X.assign(hours=8.0)
    display = ResponseCurveDisplay.from_estimator(model, same, "price", observed=(X, y))
    np.testing.assert_allclose(display.observed[:, 1], y * 8 / X["hours"])
    assert display.axes_[0].get_ylabel() == "visits for hours = 8"
    several = X.assign(hours=np.arange(1.0, len(X) + 1))
    display = ResponseCurveDisplay.from_estimator(model, several, "price", observed=(X, y))
    mean = several["hours"].groupby([X["town"], X["shop"]]).transform("mean")
    np.testing.assert_allclose(display.observed[:, 1], y * mean / X["hours"])
    assert display.axes_[0].get_ylabel() == "visits"


def test_a_given_name_is_used():
    effects = GroupEffectsDisplay.from_estimator(classifier(), outcome="sold")
    assert effects.axes_[0].get_xlabel() == "log odds of sold = yes"


def test_curves_of_a_classifier_are_probabilities(assert_legible):
    model, X = classifier(), rows(classifier())
    display = ResponseCurveDisplay.from_estimator(
        model, X[::60], "price", observed=(X, shops()["bought"])
    )
    assert display.axes_[0].get_ylabel().replace("\n", " ") == "probability of bought = yes"
    np.testing.assert_allclose(display.current[:, 1], model.predict_proba(X[::60])[:, 1])
    assert set(np.unique(display.observed[:, 1])) == {0.0, 1.0}
    assert ((display.mean > 0) & (display.mean < 1)).all()
    assert_legible(display.figure_)
    piped = ResponseCurveDisplay.from_estimator(make_pipeline(model), X[::60], "price")
    np.testing.assert_allclose(piped.current[:, 1], display.current[:, 1])


def test_slopes_of_counts_are_drawn():
    display = ResponseCurveDisplay.from_estimator(
        counts(), rows(counts())[::60], "price", slope=True
    )
    assert display.axes_[0].get_ylabel() == "visits\nper unit of price"
    assert not np.allclose(display.mean[:, 0], display.mean[:, -1], rtol=0.1)


def test_a_rootogram_holds_roots_of_frequencies(assert_legible):
    display = PosteriorPredictiveDisplay.from_estimator(counts())
    y = shops()["visits"].to_numpy()
    assert display.kind_ == "rootogram"
    root = display.rootogram_
    assert np.diff(root.edges).tolist() == [1.0] * (len(root.edges) - 1)
    seen = np.bincount(y.astype(int), minlength=len(root.observed))
    np.testing.assert_allclose(root.observed**2, seen)
    replicated = display.replicated
    for value in (0, 1, 7):
        each = (replicated == value).sum(axis=1)
        assert root.expected[value] == pytest.approx(np.sqrt(each.mean()))
        hanging = np.quantile(root.expected[value] - np.sqrt(each), [0.05, 0.95])
        np.testing.assert_allclose(root.band[:, value], hanging)
        bar = display.bars_[value]
        assert bar.get_y() == pytest.approx(root.expected[value])
        assert bar.get_height() == pytest.approx(-root.observed[value])
    assert display.ax_.get_xlabel() == "visits"
    assert_legible(display.figure_)


def test_wide_counts_share_bins():
    rng = np.random.default_rng(0)
    display = PosteriorPredictiveDisplay(
        observed=rng.poisson(5000, 300), replicated=rng.poisson(5000, (20, 300))
    ).plot()
    width = np.diff(display.rootogram_.edges)
    assert len(width) <= 61
    assert np.ptp(width) == 0
    assert width[0] > 1
    assert (display.rootogram_.observed**2).sum() == pytest.approx(300)


def test_a_rootogram_shows_zeros_that_the_model_has_not():
    rng = np.random.default_rng(0)
    y = rng.poisson(4.0, 400) * (rng.random(400) < 0.7)
    display = PosteriorPredictiveDisplay(observed=y, replicated=rng.poisson(y.mean(), (200, 400)))
    root = display.plot().rootogram_
    assert root.expected[0] - root.observed[0] < root.band[0, 0] - 2


@pytest.mark.parametrize("given", [False, True])
def test_a_calibration_curve_holds_shares_by_probability(given, assert_legible):
    model, X, y = classifier(), rows(classifier()), shops()["bought"]
    data = (X, y) if given else ()
    display = PosteriorPredictiveDisplay.from_estimator(model, *data)
    assert display.kind_ == "calibration"
    found = display.reliability_
    frame = pd.DataFrame({"p": display.probability, "y": display.observed})
    frame = frame.sort_values("p", kind="stable")
    assert sorted(frame["p"]) == pytest.approx(sorted(model.predict_proba(X)[:, 1]))
    n = len(found.probability)
    inner = np.quantile(display.probability, np.arange(1, n) / n)
    which = (frame["p"].to_numpy()[:, None] > inner).sum(axis=1)
    expected = frame.groupby(which).mean()
    np.testing.assert_allclose(found.probability, expected["p"], rtol=1e-12)
    np.testing.assert_allclose(found.observed, expected["y"], rtol=1e-12)
    assert display.ax_.get_xlabel() == "posterior mean probability of bought = yes"
    assert_legible(display.figure_)


def test_the_band_of_a_calibration_curve_is_binomial():
    """All rows of a bin with one probability: the quantiles of a binomial share."""
    rng = np.random.default_rng(0)
    p = np.repeat([0.2, 0.5, 0.9], 60)
    replicated = (rng.random((2000, 180)) < p).astype(float)
    display = PosteriorPredictiveDisplay(
        observed=replicated[0], replicated=replicated, probability=p
    )
    found = display.plot().reliability_
    for k, q in enumerate([0.2, 0.5, 0.9]):
        for end, tail in zip(found.band[:, k], (0.05, 0.95), strict=True):
            below = stats.binom.cdf([60 * end - 1, 60 * end], 60, q)
            spread = stats.norm.isf(RATE / 12) * np.sqrt(0.05 * 0.95 / 2000)
            assert below[0] - spread <= tail <= below[1] + spread


def test_shares_are_counted_by_trials():
    display = PosteriorPredictiveDisplay.from_estimator(shares(), n_replicates=20)
    assert display.kind_ == "calibration"
    assert len(display.observed) == 3600
    X, y = rows_of_fit(shares())
    weight = shares()._fit.rows.weight
    given = PosteriorPredictiveDisplay.from_estimator(shares(), X, y, weight, n_replicates=20)
    for mine, theirs in zip(
        vars(given.reliability_).values(), vars(display.reliability_).values(), strict=True
    ):
        np.testing.assert_allclose(mine, theirs)
    with pytest.raises(ValueError, match="y holds shares, and sample_weight has not"):
        PosteriorPredictiveDisplay.from_estimator(shares(), X, y)


def test_sizes_of_levels_are_trials_of_shares():
    for model, unit in ((shares(), "trials"), (classifier(), "rows"), (counts(), "rows")):
        display = ShrinkageDisplay.from_estimator(model)
        (size,) = [
            text.get_text()
            for text in display.legend_.get_texts()
            if re.match("[0-9]", text.get_text())
        ]
        n = model.shrinkage_factors()["n"].iloc[-1]
        assert size == f"{n:g} {unit}"


def test_other_kinds_stay_possible():
    display = PosteriorPredictiveDisplay.from_estimator(counts(), kind="ecdf", n_replicates=5)
    assert len(display.replicated_lines_.get_segments()) == 5
    assert PosteriorPredictiveDisplay.from_estimator(amounts(), n_replicates=5).kind_ == "density"
    with pytest.raises(ValueError, match="kind='calibration' needs the probability"):
        display.plot(kind="calibration")


def test_coverage_of_counts_is_that_of_their_transform():
    """Of outcomes drawn from the model itself: within the binomial band at a rate of 1e-4."""
    model = counts()
    X = rows(model)
    predictors, codes, columns = model._rows(X)
    new = model._spec.groups.new_levels(columns, codes)
    rng = np.random.default_rng(1)
    y = np.concatenate(
        [
            prediction.joint_draws(model._posterior, predictors, codes, new, 1, rng)[:, 0]
            for _ in range(3)
        ]
    )
    display = CoverageDisplay.from_estimator(model, pd.concat([X] * 3), y, nominal=[0.3, 0.6, 0.9])
    n = len(y)
    for nominal, actual in zip(display.nominal, display.actual[0], strict=True):
        tail = RATE / 6
        # rows of one draw share its parameters, which are known far better than an outcome
        low, high = stats.binom.ppf([tail, 1 - tail], n, nominal) / n
        assert low - 0.03 <= actual <= high + 0.03
    plain = model.predict_interval(X, coverage=0.3)
    inside = (plain[:, 0] <= y[: len(X)]) & (y[: len(X)] <= plain[:, 1])
    assert inside.mean() > display.actual[0, 0] + 0.02  # which intervals of whole numbers exceed


def test_coverage_of_labels_by_hand():
    """A yes with probability p is uniform over the upper p of (0, 1)."""
    model, X, y = classifier(), rows(classifier())[:7], shops()["bought"][:7]
    p = model.predict_proba(X)[:, 1]
    is_yes = (y == model.classes_[1]).to_numpy()
    low, high = np.where(is_yes, 1 - p, 0.0), np.where(is_yes, 1.0, 1 - p)
    display = CoverageDisplay.from_estimator(model, X, y, nominal=[0.5, 0.9])
    for nominal, actual in zip([0.5, 0.9], display.actual[0], strict=True):
        lower, upper = (1 - nominal) / 2, (1 + nominal) / 2
        common = np.maximum(np.minimum(high, upper) - np.maximum(low, lower), 0)
        assert actual == pytest.approx((common / (high - low)).mean(), rel=1e-9)
    again = CoverageDisplay.from_estimator(model, X, y, nominal=[0.5, 0.9])
    np.testing.assert_array_equal(again.actual, display.actual)


def test_coverage_of_labels_by_any_classifier():
    model, X, y = classifier(), rows(classifier()), shops()["bought"]
    other = LogisticRegression().fit(X[["price"]], y)
    display = CoverageDisplay.from_estimators({"hierarchical": model}, X, y, nominal=[0.5, 0.9])
    plain = CoverageDisplay.from_estimator(other, X[["price"]], y, nominal=[0.5, 0.9])
    for actual in (display.actual[0], plain.actual[0]):
        np.testing.assert_allclose(actual, [0.5, 0.9], atol=0.13)
    with pytest.raises(ValueError, match="shares of several trials"):
        CoverageDisplay.from_estimator(shares(), rows(shares()), np.full(360, 0.5))
    X, share = rows_of_fit(shares())
    pooled = PooledRegressor("shop", family="binomial").fit(X, share, np.full(len(share), 10))
    with pytest.raises(ValueError, match="shares of several trials"):
        CoverageDisplay.from_estimator(pooled, X, share)
