"""R² and intraclass correlations of fitted models."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skhlm
from skhlm import HLMClassifier, HLMRegressor
from skhlm.families import FAMILIES
from skhlm.posterior.variance_shares import variance_over_rows
from tests.chance import SHIFT

PARTS = ["factor", "factor", "all factors", "residual"]
FIVE = 5.0  # posterior sds


def made_rows(n=240):
    rng = np.random.default_rng(6)
    X = pd.DataFrame({"g": np.arange(n) % 8, "h": rng.integers(0, 5, n), "x": rng.normal(size=n)})
    X["days"] = rng.integers(1, 5, n).astype(float)
    return X


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    """A model of each family, those that have one with an exposure."""
    name, rng = request.param, np.random.default_rng(7)
    X = made_rows()
    eta = 0.5 * X["x"] + rng.normal(size=8)[X["g"]] + 0.3 * rng.normal(size=5)[X["h"]]
    family = FAMILIES[name]
    aux = {"sigma": np.array(0.8), "nu": np.array(6.0), "cv": np.array(0.5)}
    y = family.draw(eta.to_numpy(), aux | {"overdispersion": np.array(0.5)}, rng)
    exposure = None if family.scales_outcome or family.is_binary else "days"
    model = HLMRegressor(
        ["g", "h"],
        varying="intercept",
        family=name,
        exposure=exposure,
        random_state=0,
    )
    return model.fit(X if exposure else X.drop(columns="days"), y)


def columns_of(model):
    X = made_rows()
    return X if model.exposure else X.drop(columns="days")


def test_frames_of_every_family(model):
    r2 = model.r2_nakagawa()
    assert r2.columns.tolist() == ["r2", "mean", "sd", "lower", "upper"]
    assert r2["r2"].tolist() == ["marginal", "conditional"]
    icc, all_of_it = model.icc(), model.icc(adjusted=False)
    assert icc["part"].tolist() == PARTS
    assert icc["factor"].tolist() == ["g", "h", "", ""]
    assert all_of_it["part"].tolist() == ["kappa", *PARTS]
    for frame in (r2, icc, all_of_it):
        assert (frame["lower"] < frame["mean"]).all()
        assert (frame["mean"] < frame["upper"]).all()
        assert frame["mean"].between(0, 1).all()
    mean = all_of_it.set_index("part")["mean"]
    np.testing.assert_allclose(mean["kappa"], r2["mean"][0])
    np.testing.assert_allclose(1 - mean["residual"], r2["mean"][1])
    for frame in (icc, all_of_it):
        total = frame.loc[frame["part"] != "all factors", "mean"].sum()
        np.testing.assert_allclose(total, 1)
    assert model.icc(coverage=0.5)["upper"][0] < icc["upper"][0]


def test_rows_given_are_rows_remembered(model):
    X = columns_of(model)
    for method in (model.icc, model.r2_nakagawa):
        pd.testing.assert_frame_equal(method(X), method(), rtol=1e-9)
        weight = np.arange(len(X)) % 3
        repeated = X.loc[X.index.repeat(weight)].reset_index(drop=True)
        pd.testing.assert_frame_equal(method(X, weight), method(repeated), rtol=1e-9)
    file = io.BytesIO()
    skhlm.save(model, file)
    loaded = skhlm.load(file)
    pd.testing.assert_frame_equal(loaded.icc(X), model.icc(), rtol=1e-9)
    with pytest.raises(ValueError, match="does not remember the rows"):
        loaded.icc()
    with pytest.raises(ValueError, match="Give both X and y"):
        model.icc(sample_weight=np.ones(len(X)))


def test_shares_at_the_predictors_of_a_row(model):
    X = columns_of(model).iloc[:6].assign(g=[0, 1, 99, 99, 2, 3])
    frame = model.icc(X, by_row=True)
    numbers = ["mean", "sd", "lower", "upper"]
    assert frame.columns.tolist() == ["row", "g", "h", "part", "factor", *numbers]
    assert frame["part"].tolist() == PARTS * 6
    assert frame["row"].tolist() == np.repeat(np.arange(6), 4).tolist()
    for i in range(6):
        alone = model.icc(X.iloc[[i]])
        np.testing.assert_allclose(frame.loc[frame["row"] == i, "mean"], alone["mean"], rtol=1e-9)
    counts = model._family.is_discrete and not model._family.is_binary
    assert (frame.groupby("part")["mean"].nunique().max() > 2) == counts
    for wrong, told in [
        ({"X": None}, "give X"),
        ({"sample_weight": np.ones(6)}, "leave it out"),
        ({"adjusted": False}, "leave adjusted=True"),
    ]:
        with pytest.raises(ValueError, match=f"by_row=True: .*{told}"):
            model.icc(**({"X": X, "by_row": True} | wrong))


def test_r2_is_near_the_score(fitted, campaigns):
    result = fitted.bayes_r2()
    assert abs(result.mean - fitted.score(*campaigns)) < 0.05
    assert result.lower < result.mean < result.upper
    np.testing.assert_array_equal(fitted.bayes_r2(*campaigns).draws, result.draws)
    with pytest.raises(ValueError, match="coverage"):
        fitted.bayes_r2(coverage=1.5)


def test_marginal_r2_is_that_of_predictors(model):
    whole, marginal = model.bayes_r2(), model.bayes_r2(conditional=False)
    assert 0 < marginal.mean < whole.mean
    X = columns_of(model)
    y = model._fit.rows.y[model._fit.rows.given]
    weight = None
    again = model.bayes_r2(X, y, weight, conditional=False)
    np.testing.assert_array_equal(again.draws, marginal.draws)


def test_exposure_is_nobody_s_part(model):
    if model.exposure is None:
        pytest.skip("none")
    X = columns_of(model)
    longer = X.assign(days=X["days"] * np.where(X["x"] > 0, 1e6, 1e5))
    of_rows, of_longer = (
        variance_over_rows(model._posterior, model._rows(rows)[0], np.ones(len(X)))
        for rows in (X, longer)
    )
    np.testing.assert_array_equal(of_rows.population, of_longer.population)
    np.testing.assert_array_equal(of_rows.factors, of_longer.factors)
    counts = model._family.is_discrete
    assert (of_longer.own < of_rows.own).all() if counts else (of_longer.own == of_rows.own).all()


def test_truth_is_where_the_posterior_is():
    rng = np.random.default_rng(30 + SHIFT)
    X = pd.DataFrame({"g": np.arange(3000) % 100, "x": rng.normal(size=3000)})
    y = 2 * X["x"] + rng.normal(scale=1.5, size=100)[X["g"]] + rng.normal(size=3000)
    model = HLMRegressor("g", varying="intercept", family="normal", random_state=0).fit(X, y)
    total = 4 + 1.5**2 + 1
    for frame, truth in [
        (model.r2_nakagawa(), [4 / total, 6.25 / total]),
        (model.icc(), [1.5**2 / 3.25] * 2 + [1 / 3.25]),
    ]:
        assert (np.abs(frame["mean"] - truth) < FIVE * frame["sd"]).all()


def test_classifiers_pipelines_and_models_without_groups():
    X = made_rows().drop(columns="days")
    y = np.where(X["x"] + (X["g"] > 3) + np.random.default_rng(1).normal(size=240) > 0.5, "a", "b")
    pipe = make_pipeline(
        FunctionTransformer(lambda X: X.assign(x=2 * X["x"])),
        HLMClassifier(["g", "h"], varying="intercept", random_state=0),
    ).fit(X, y)
    assert pipe[-1].icc()["part"].tolist() == PARTS
    assert 0 < pipe[-1].r2_nakagawa()["mean"][0] < 1
    numbers = X["x"] + X["g"] + np.random.default_rng(2).normal(size=240)
    bare = HLMRegressor(family="normal", random_state=0).fit(X, numbers)
    icc = bare.icc()
    assert icc["part"].tolist() == ["all factors", "residual"]
    assert icc["mean"].tolist() == [0, 1]
    r2 = bare.r2_nakagawa()["mean"]
    assert r2[0] == r2[1] > 0.8
