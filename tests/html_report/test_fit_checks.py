"""How well a model fits: what is unlike it is said, and what is like it is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skhlm import HLMClassifier
from skhlm.html_report.fit_checks import in_a_sentence, look_at_fit

LEVELS = np.repeat(np.arange(12), 25)


def data(seed=3):
    """Rows of 12 shops, and what is expected of each."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"shop": LEVELS, "price": rng.normal(size=300)})
    return X, (rng.normal(size=12)[LEVELS] + X["price"]).to_numpy(), rng


@pytest.fixture(scope="module")
def right(mode):
    """A model of outcomes that are drawn from such a one, and its rows."""
    X, eta, rng = data()
    y = eta + rng.normal(size=300)
    return mode(X, y, "shop", family="normal"), X, y


def test_a_right_model_is_like_its_data(right):
    model, _, _ = right
    look = look_at_fit(model, None, None, None)
    assert look.unlike == []
    assert look.overall["statistic"].tolist() == list(model._posterior.family.statistics)
    assert len(look.by_factor["shop"]) == 2 * 12
    said = in_a_sentence(look)
    assert said[0].startswith("Outcomes that the model replicates look like those observed by")
    inside = look.intervals.coverage["rows inside"].iloc[2]
    assert f"90% intervals hold {inside:.1%} of the rows of fit." in said
    assert inside == pytest.approx(0.9, abs=0.07)  # 4 sd of 300 rows, which fit has seen


def test_surprising_levels_come_first(right):
    check = look_at_fit(right[0], None, None, None).by_factor["shop"]
    distance = (check["p_value"] - 0.5).abs().to_numpy()
    assert (np.diff(distance) <= 0).all()


def test_residuals_are_normal_scores_of_the_transforms(right):
    model, X, y = right
    found = look_at_fit(model, X, y, None).intervals
    z = (y - model.predict(X)) / model.sigma_
    order = np.argsort(found.residuals)
    assert np.corrcoef(np.sort(found.residuals), np.sort(z))[0, 1] > 0.99
    assert np.corrcoef(found.residuals, z)[0, 1] > 0.99
    assert len(order) == 300
    np.testing.assert_allclose(found.fitted, model.predict(X), atol=0.2)


def test_an_outcome_far_out_is_unlike_normal_residuals(mode):
    X, eta, rng = data()
    y = eta + rng.normal(size=300)
    y[7] += 40
    look = look_at_fit(mode(X, y, "shop", family="normal"), None, None, None)
    told = {text.partition(":")[0]: text for text in look.unlike}
    assert {"max", "skewness"} <= told.keys()
    assert "while 99% of the outcomes that the model replicates have one between" in told["max"]
    assert "(predictive p = 0.000)" in told["max"]


def test_p_values_of_one_are_unlike_unless_they_are_ties(mode):
    X, eta, rng = data()
    y = rng.poisson(np.exp(1 + eta / 4)) + 1.0  # no zeros, of which the model expects a few
    look = look_at_fit(mode(X, y, "shop", family="poisson"), None, None, None)
    assert look.overall.set_index("statistic")["p_value"]["zeros"] == 1
    assert any(text.startswith("zeros") for text in look.unlike)
    large = 200 + rng.poisson(200, size=300).astype(float)  # none, and none expected
    look = look_at_fit(mode(X, large, "shop", family="poisson"), None, None, None)
    assert look.overall.set_index("statistic")["p_value"]["zeros"] == 1
    assert not any(text.startswith("zeros") for text in look.unlike)


def test_levels_that_vary_more_are_told(mode):
    X, eta, rng = data()
    scale = np.where(np.arange(12) % 2, 0.2, 3.0)[LEVELS]
    look = look_at_fit(
        mode(X, eta + scale * rng.normal(size=300), "shop", family="normal"), None, None, None
    )
    assert any(text.startswith("sd by shop: ") for text in look.unlike)


def test_parts_of_r2_add_up(right):
    look = look_at_fit(right[0], None, None, None)
    whole, *parts = look.r2["R²"]
    assert whole == pytest.approx(sum(parts))
    assert whole == pytest.approx(right[0].bayes_r2().mean, abs=0.03)
    assert look.r2["part"].tolist() == [
        "all (conditional)",
        "population level (marginal)",
        "effects of shop",
    ]


def test_other_rows_are_not_left_out(right):
    model, X, y = right
    look = look_at_fit(model, X[:100], y[:100], None)
    assert look.r2 is None and look.loo is None
    assert look.loo_missing.startswith("R² and leave-one-out densities are of the rows of fit. X")
    assert "of the rows given." in in_a_sentence(look)[1]


def test_rows_that_are_too_many_are_said_to_be(right, monkeypatch):
    monkeypatch.setattr("skhlm.html_report.fit_checks._MOST_ROWS", 100)
    monkeypatch.setattr("skhlm.html_report.fit_checks._MOST_LEVELS", 10)
    look = look_at_fit(right[0], None, None, None)
    assert look.loo is None
    assert "of 300 distinct rows would take minutes" in look.loo_missing
    assert len(look.intervals.residuals) == 100
    assert look.too_many == ["shop"]


def test_yes_or_no_has_no_intervals():
    X, eta, rng = data()
    y = rng.random(300) < 1 / (1 + np.exp(-eta))
    model = HLMClassifier("shop", algorithm="laplace", random_state=0).fit(X, y)
    look = look_at_fit(model, None, None, None)
    assert look.intervals is None
    assert look.overall["statistic"].tolist() == ["mean"]
