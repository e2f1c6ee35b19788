"""Draws the pictures of this folder: ``python docs/pictures/draw.py``; about a minute."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from PIL import Image
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import skhlm
from skhlm.datasets import load_airfare, load_gapminder, load_radon, load_sleepstudy, make_campaigns

HERE = Path(__file__).parent
SINCE = "decades since 1980"


def main() -> None:
    """Fit the models and draw each display once with few and once with many groups."""
    plt.switch_backend("agg")
    _classrooms()
    _sleepstudy()
    _gapminder()
    _radon()
    _advertisers()
    _airfares()
    _firms()
    _report()


def _classrooms() -> None:
    """The twenty classes of ``docs/pooling.md``."""
    rng = np.random.default_rng(1)
    n_pupils = np.array([4, 40, *rng.integers(5, 30, 18)])
    true_mean = np.r_[74.0, 66.0, rng.normal(60, 5, 18)]
    X = pd.DataFrame({"classroom": np.repeat([f"{k:02d}" for k in range(1, 21)], n_pupils)})
    score = np.repeat(true_mean, n_pupils) + rng.normal(0, 10, len(X))
    model = skhlm.HLMRegressor("classroom", family="normal", random_state=0).fit(X, score)
    _write(skhlm.ShrinkageDisplay.from_estimator(model, outcome="test score"), "classrooms")


def _sleepstudy() -> None:
    """Reaction times of 18 subjects on ten days without sleep."""
    X, y = load_sleepstudy(return_X_y=True)
    model = skhlm.HLMRegressor("subject", random_state=0).fit(X, y)
    reaction = {"outcome": "reaction time (ms)"}
    today = X[X["days"] == 3]
    curves = skhlm.ResponseCurveDisplay.from_estimator(
        model, today, "days", observed=(X, y), **reaction
    )
    _write(curves, "response_curve")
    population = skhlm.ResponseCurveDisplay.from_estimator(
        model, None, "days", population=True, observed=(X, y), partial_residuals=True, **reaction
    )
    _write(population, "population_curve")
    coefficients = skhlm.CoefficientsDisplay.from_estimator(model, levels="all", **reaction)
    _write(coefficients, "coefficients")
    _write(skhlm.ResidualsDisplay.from_estimator(model, **reaction), "residuals")
    _write(skhlm.LooPitDisplay.from_estimator(model), "loo_pit")
    asked = ["kappa", "tau", "sigma", "nu"]
    _write(skhlm.PriorPosteriorDisplay.from_estimator(model, asked), "prior_posterior")
    normal = skhlm.HLMRegressor("subject", family="normal", random_state=0).fit(X, y)
    tails = skhlm.ResidualsDisplay.from_estimator(normal, kinds="quantiles", **reaction)
    _write(tails, "residuals_normal")
    few = X["subject"].isin(X["subject"].unique()[:6])
    model_of_few = skhlm.HLMRegressor("subject", random_state=0).fit(X[few], y[few])
    of_few = skhlm.PriorPosteriorDisplay.from_estimator(model_of_few, ["tau", "nu"])
    _write(of_few, "prior_posterior_few")
    _write(skhlm.GroupEffectsDisplay.from_estimator(model, **reaction), "group_effects")
    _write(skhlm.PosteriorPredictiveDisplay.from_estimator(model, X, y, **reaction), "predictive")
    _write(skhlm.TraceDisplay.from_estimator(model), "trace")


def _report() -> None:
    """The top of a report, as Chromium shows it."""
    X, y = load_sleepstudy(return_X_y=True)
    model = skhlm.HLMRegressor("subject", random_state=0).fit(X, y)
    browser = shutil.which("chromium")
    if browser is None:
        print("report.png stays as it is: there is no Chromium")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.html")
        model.report(path, title="Reaction times without sleep")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += [f"--screenshot={HERE / 'report.png'}", "--window-size=1000,760"]
        subprocess.run([browser, *options, path.as_uri()], check=True, capture_output=True)


def _gapminder() -> None:
    """Life expectancy in 142 countries; the calibration of three models on years held out."""
    X, y = load_gapminder(return_X_y=True)
    X = X[["continent", "country"]].assign(**{SINCE: (X["year"] - 1980) / 10})
    few, rest, y_few, y_rest = train_test_split(X, y, train_size=0.3, random_state=0)
    groups = "continent/country"
    models: dict[str, Any] = {
        "hierarchical": skhlm.HLMRegressor(groups, family="normal", random_state=0),
        "pooled": skhlm.PooledRegressor(groups),
        "unpooled": skhlm.UnpooledRegressor(groups),
    }
    for model in models.values():
        model.fit(few, y_few)
    _write(skhlm.CoverageDisplay.from_estimators(models, rest, y_rest), "coverage")
    latest = X.loc[X.groupby("country")[SINCE].idxmax()]
    curves = skhlm.ResponseCurveDisplay.from_estimator(
        models["hierarchical"],
        pd.DataFrame(latest),
        SINCE,
        observed=(few, y_few),
        outcome="life expectancy (years)",
    )
    _write(curves, "response_curve_many")


def _radon() -> None:
    """Radon in the homes of hundreds of counties."""
    X, y = load_radon(return_X_y=True)
    model = skhlm.HLMRegressor("state/county", family="normal", random_state=0).fit(X, y)
    radon = {"outcome": "log radon (log pCi/L)"}
    _write(skhlm.ShrinkageDisplay.from_estimator(model, "state", **radon), "shrinkage")
    _write(skhlm.ShrinkageDisplay.from_estimator(model, **radon), "shrinkage_many")
    _write(skhlm.GroupEffectsDisplay.from_estimator(model, **radon), "group_effects_many")


def _advertisers() -> None:
    """The simulated campaigns of ``docs/curves.md`` and ``docs/allocation.md``."""
    X, y, _ = make_campaigns(1000, n_predictors=1, n_regions=6, n_countries=12, random_state=28)
    groups = ["region/country", "industry/vertical"]
    model = skhlm.HLMRegressor(groups, random_state=0).fit(X, y)
    six = X.drop_duplicates("country").head(6)
    curves = skhlm.ResponseCurveDisplay.from_estimator(model, six, "spend_1", outcome="return")
    _write(curves, "curves")
    campaigns = X.assign(spend=np.exp(2 + 0.8 * X["spend_1"])).drop(columns="spend_1")
    found = skhlm.optimize_allocation(
        model,
        campaigns,
        "spend",
        by="country",
        derive=lambda spend: {"spend_1": (np.log(spend) - 2) / 0.8},
    )
    _write(skhlm.AllocationDisplay.from_allocation(found), "allocation")


def _airfares() -> None:
    """The routes of ``docs/worked-example.md``."""
    table, fare = load_airfare(return_X_y=True)
    some = table["route"].astype(int) % 4 == 0
    table = table[some]
    predictors = {
        "years": table["year"] - 1997,
        "distance": np.log2(table["distance"] / 1000),
        "passengers": np.log2(table["passengers"] / 500),
        "share": 10 * table["largest_share"],
    }
    model = skhlm.HLMRegressor("route", family="normal", varying="intercept", random_state=0)
    model.fit(table[["route"]].assign(**predictors), np.log(fare[some]))
    display = skhlm.CoefficientsDisplay.from_estimator(model, list(predictors), outcome="log fare")
    _write(display, "worked_coefficients")


def _firms() -> None:
    """The simulated firms of ``docs/group-means.md``, of which thirty are known."""
    rng = np.random.default_rng(0)
    firm = np.repeat(np.arange(40), 8)
    size = rng.normal(size=40)
    X = pd.DataFrame({"firm": [f"firm-{j:02d}" for j in firm]})
    X["spend"] = 2 * size[firm] + rng.normal(size=320)
    y = X["spend"] + (3 * size + rng.normal(0, 0.5, 40))[firm] + rng.normal(0, 0.5, 320)
    model = skhlm.HLMRegressor("firm", varying="intercept", family="normal", random_state=0)
    pipeline = make_pipeline(skhlm.GroupMeans("firm", "spend"), model)
    old = X["firm"] < "firm-30"
    pipeline.fit(X[old], y[old])
    rows = pd.DataFrame({"firm": ["firm-00", "another"], "spend": [2.0, 4.0]})
    curves = skhlm.ResponseCurveDisplay.from_estimator(pipeline, rows, "spend", outcome="sales")
    _write(curves, "group_means")


def _write(display: Any, name: str) -> None:
    """Write a drawn display, in few colours to keep the file small, and close its figure."""
    buffer = BytesIO()
    display.figure_.savefig(buffer, dpi=80)
    Image.open(buffer).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(
        HERE / f"{name}.png", optimize=True
    )
    plt.close(display.figure_)


if __name__ == "__main__":
    main()
