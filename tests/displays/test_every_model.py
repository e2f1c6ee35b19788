"""Every display of every family, and of models that others hold."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import skhlm
from skhlm import HLMRegressor
from tests.link_models import amounts, classifier, counts, shares

DISPLAYS = {
    "CoefficientsDisplay": "centre",
    "GroupEffectsDisplay": "mean",
    "LooPitDisplay": "lower",
    "PosteriorPredictiveDisplay": "observed",
    "PriorPosteriorDisplay": "posterior",
    "ResidualsDisplay": "residual",
    "ShrinkageDisplay": "partial_pooling",
    "TraceDisplay": "draws",
}
FAMILIES = {
    "binomial": shares,
    "classes": classifier,
    "gamma": amounts,
    "negative_binomial": lambda: counts("negative_binomial"),
    "poisson": counts,
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", DISPLAYS)
def test_every_family_is_drawn(name, family, assert_legible):
    display = getattr(skhlm, name).from_estimator(FAMILIES[family]())
    assert np.isfinite(getattr(display, DISPLAYS[name])).all()
    assert_legible(display.figure_)


@pytest.mark.parametrize("family", FAMILIES)
def test_population_curves_of_every_family_are_drawn(family, assert_legible):
    display = skhlm.ResponseCurveDisplay.from_estimator(
        FAMILIES[family](), feature="price", population=True
    )
    assert len(display.axes_) == 1
    assert_legible(display.figure_)


@pytest.fixture(scope="module")
def searched(campaigns):
    """A search over a pipeline, fitted with an approximation, and the model it has found."""
    model = HLMRegressor("region", family="normal", algorithm="laplace", random_state=0)
    pipeline = make_pipeline("passthrough", model)
    grid = {"hlmregressor__varying": ["intercept"]}
    X, y = campaigns
    search = GridSearchCV(pipeline, grid, cv=2).fit(X[["region", "spend_1"]], y)
    return search, search.best_estimator_[-1]


@pytest.mark.filterwarnings("ignore:algorithm='laplace' did not")  # good enough for a picture
@pytest.mark.parametrize("name", sorted(set(DISPLAYS) - {"TraceDisplay"}))
def test_models_are_found_in_pipelines_and_searches(name, searched):
    search, model = searched
    display = getattr(skhlm, name)
    inside, alone = display.from_estimator(search), display.from_estimator(model)
    of = DISPLAYS[name]
    np.testing.assert_array_equal(getattr(inside, of), getattr(alone, of))
    figure, ax = plt.subplots()
    assert alone.plot(ax=ax).figure_ is figure
