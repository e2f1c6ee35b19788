"""Expected outcomes that are no good are told so, and good ones are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skhlm import HLMClassifier, HLMRegressor
from skhlm.html_report.fit_checks import in_a_sentence, look_at_fit
from skhlm.html_report.point_predictions import PointPredictions, worse_in_words
from skhlm.html_report.sections.verdict import verdicts
from tests.link_models import amounts, classifier, counts, shares

FEW = {"chains": 2, "iter_sampling": 500, "random_state": 0}


def spend(n=600):
    """Revenue that grows as a power of spend, by country."""
    rng = np.random.default_rng(0)
    country, spent = rng.integers(0, 12, n), np.exp(rng.normal(6, 1.2, n))
    mean = np.exp(0.5 + 0.6 * np.log(spent) + 0.3 * rng.normal(size=12)[country])
    return pd.DataFrame({"spend": spent, "country": country}), rng.gamma(2, mean / 2)


@pytest.fixture(scope="module")
def raw():
    """A model in which it grows exponentially, with its rows."""
    X, y = spend()
    return HLMRegressor("country", family="gamma", **FEW).fit(X, y), X, y


def card_on_fit(model, look):
    """What the top of the page says of the fit."""
    return list(verdicts(model.diagnostics_, look))[1]


def test_r2_is_the_score(raw):
    model, X, y = raw
    look = look_at_fit(model, None, None, None)
    assert look.points.r2 == pytest.approx(model.score(X, y))
    assert look.points.error == pytest.approx(np.sqrt(np.mean((y - model.predict(X)) ** 2)))
    assert look.points.spread == pytest.approx(np.std(y))


def test_amounts_that_are_no_logarithms_get_no_clean_bill(raw):
    model, X, y = raw
    assert model.score(X, y) < 0
    look = look_at_fit(model, None, None, None)
    card = card_on_fit(model, look)
    assert 'class="card warn"' in card and "Fit: poor predictions" in card
    assert f"(score) is {model.score(X, y):.2f}: expected outcomes are farther" in card
    assert "give its logarithm instead" in card
    assert not any("look like those observed" in text for text in in_a_sentence(look))


def test_logarithms_get_one():
    X, y = spend()
    model = HLMRegressor("country", family="gamma", **FEW).fit(
        X.assign(spend=np.log(X["spend"])), y
    )
    look = look_at_fit(model, None, None, None)
    assert look.points.least < look.points.r2 and look.worse == []
    (said,) = [text for text in in_a_sentence(look) if "(score)" in text]
    bayes = look.r2.iloc[0]
    assert said == (
        f"R² of the expected outcome (score) is {look.points.r2:.2f}; Bayesian R² is "
        f"{bayes['R²']:.2f} ({bayes['lower']:.2f} to {bayes['upper']:.2f})."
    )


def test_less_than_a_right_model_explains_is_told():
    """Rows of the same levels whose outcomes have nothing to do with them."""
    X, _ = spend()
    X = X.assign(spend=np.log(X["spend"]))
    _, y = spend()
    model = HLMRegressor("country", family="gamma", **FEW).fit(X, y)
    rng = np.random.default_rng(1)
    half = np.where(rng.random(len(y)) < 0.5, rng.permutation(y), y)
    look = look_at_fit(model, X, half, None)
    (said,) = look.worse
    assert 0 < look.points.r2 < look.points.least
    assert "of the rows given than it should if it were right" in said
    assert f"more than {look.points.least:.2f}" in said


@pytest.mark.parametrize("build", [classifier, counts, shares, amounts])
def test_right_models_of_every_link_are_not_doubted(build):
    model = build()
    look = look_at_fit(model, None, None, None)
    assert look.worse == []
    assert look.points.least < look.points.r2 < 1
    assert 'class="card pass"' in card_on_fit(model, look)


def test_classes_are_told_by_their_accuracy():
    model = classifier()
    look = look_at_fit(model, None, None, None)
    rows = model._fit.rows
    yes = float(rows.weight @ rows.y / rows.weight.sum())
    points = look.points
    assert points.most_frequent == pytest.approx(max(yes, 1 - yes))
    assert points.accuracy > points.most_frequent
    assert any(f"{points.accuracy:.1%} of the rows of fit are predicted right" in text
               for text in in_a_sentence(look))  # fmt: skip


def test_classes_that_are_worse_than_the_more_frequent_one_are_told():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=300)})
    model = HLMClassifier(None, **FEW).fit(X, X["x"] > rng.normal(size=300))
    given = X[:100]
    labels = np.where(np.arange(100) < 80, given["x"] < 0, given["x"] > 0)  # mostly the other way
    look = look_at_fit(model, given, labels, None)
    assert look.points.accuracy == pytest.approx(model.score(given, labels))
    (said,) = look.worse
    assert said.startswith(f"accuracy: {model.score(given, labels):.1%} of the rows given are")
    assert "Fit: poor predictions" in card_on_fit(model, look)


def test_weights_that_are_no_whole_numbers_do_not_hide_it(raw):
    _, X, y = raw
    weight = np.full(len(y), 0.5)
    model = HLMRegressor("country", family="gamma", **FEW).fit(X, y, weight)
    look = look_at_fit(model, None, None, None)
    assert look.missing.startswith("The weights are no whole numbers")
    assert look.points.r2 == pytest.approx(model.score(X, y, weight))
    assert "Fit: poor predictions" in card_on_fit(model, look)


def test_outcomes_that_are_all_the_same_have_nothing_to_explain(mode):
    X = pd.DataFrame({"g": np.repeat(["a", "b", "c"], 5)})
    rng = np.random.default_rng(0)
    model = mode(X, rng.normal(size=15), "g", family="normal")
    look = look_at_fit(model, X[:4], np.ones(4), None)
    assert look.points is None and look.worse == []


def test_nothing_is_said_where_nothing_was_replicated(raw):
    assert worse_in_words(PointPredictions(0.1, 1, 1), raw[0], "rows of fit") == []
