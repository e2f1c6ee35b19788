"""Reports of models with a link: the outcome in words and symbols, priors, checks, curves."""

from __future__ import annotations

import io
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

import skhlm
from skhlm.html_report.rows import rows_of_fit
from skhlm.html_report.words import in_symbols, in_words, priors_in_words
from tests.link_models import amounts, classifier, counts, shares, shops

pytest.importorskip("matplotlib.pyplot")

MODELS = {
    "classifier": classifier,
    "counts": counts,
    "negative binomial": lambda: counts("negative_binomial"),
    "shares": shares,
    "amounts": amounts,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Text of each report."""
    folder = tmp_path_factory.mktemp("reports")
    for name, model in MODELS.items():
        model().report(folder / f"{name}.html")
    return {name: unescape((folder / f"{name}.html").read_text("utf-8")) for name in MODELS}


@pytest.mark.parametrize(
    ("name", "title", "sum_of", "symbols", "rows", "picture"),
    [
        (
            "classifier",
            "A hierarchical model of bought",
            "log odds of bought = yes; exp of a coefficient is an odds ratio",
            "[y_i = yes] ~ binomial(1, inv_logit(x_i' beta_i))",
            "360 rows (360 distinct ones): {yes} of yes, {no} of no.",
            "among rows of about the same probability",
        ),
        (
            "counts",
            "A hierarchical model of visits",
            "logarithm of the expected visits per unit of the exposure, hours; exp of",
            "y_i ~ poisson(exp(x_i' beta_i + log(exposure_i)))",
            "the exposure, hours, between {least} and {most}",
            "How often each number was observed, hanging from",
        ),
        (
            "shares",
            "A hierarchical model of binomial outcomes",
            "log odds of success in a trial;",
            "trials_i y_i ~ binomial(trials_i, inv_logit(x_i' beta_i))",
            "3,600 trials in 360 rows",
            "among rows of about the same probability",
        ),
        (
            "amounts",
            "A hierarchical model of spent",
            "logarithm of the expected spent; exp of a coefficient is a ratio",
            "y_i ~ gamma(exp(x_i' beta_i), cv)",
            "360 rows (360 distinct ones); the outcome lies between",
            "The outcome, and outcomes that the model replicates.",
        ),
    ],
)
def test_the_outcome_is_told(pages, name, title, sum_of, symbols, rows, picture):
    page, X = pages[name], shops()
    yes, hours = int((X["bought"] == "yes").sum()), X["hours"]
    told = rows.format(yes=yes, no=360 - yes, least=f"{hours.min():.4g}", most=f"{hours.max():.4g}")
    assert f"<h1>{title}</h1>" in page
    for words in (sum_of, symbols, told, picture):
        assert words in page
    assert symbols in in_symbols(MODELS[name]())


@pytest.mark.parametrize("name", list(MODELS))
def test_tables_say_their_scale_and_curves_theirs(pages, name):
    page, model = pages[name], MODELS[name]()
    scale = model._posterior.family.scale
    assert page.count(f"Coefficients, effects and tau are on the scale of the {scale}.") == 4
    ratio = "odds_ratio" if model._posterior.family.is_binary else "rate_ratio"
    assert f">{ratio}</th>" in page
    curve = "The probability of yes" if name == "classifier" else "The expected outcome"
    captions = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert captions[-1].startswith(f"{curve} along price")
    assert ("at the mean exposure of fit" in captions[-1]) == (model._spec.exposure is not None)
    assert (">phi</td>" in page) == (name == "negative binomial")
    for statistic in model._posterior.family.statistics:
        assert f"<td>{statistic}</td>" in page


@pytest.mark.parametrize("name", list(MODELS))
def test_levels_have_trials_where_outcomes_are_shares(pages, name):
    unit = "trials" if name == "shares" else "rows"
    for least in ("fewest", "most"):
        assert f">{least} {unit}</th>" in pages[name]


def test_rows_of_shares_are_compared_by_their_trials(tmp_path):
    model, path = shares(), tmp_path / "r.html"
    X, y = rows_of_fit(model)
    model.report(path, X, y, model._fit.rows.weight)
    assert "<td>mean</td>" in path.read_text("utf-8")
    with pytest.raises(ValueError, match="y holds shares, and sample_weight has not"):
        model.report(path, X, y)
    with pytest.raises(ValueError, match="sample_weight is of rows X and y"):
        model.report(path, sample_weight=model._fit.rows.weight)


@pytest.mark.filterwarnings("ignore")
def test_shares_that_no_trials_can_have_are_not_replicated(tmp_path):
    X = shops()
    model = skhlm.HLMRegressor("shop", family="binomial", algorithm="map", random_state=0)
    model.fit(X[["shop", "price"]], np.linspace(0.1, 0.9, len(X))).report(tmp_path / "r.html")
    told = (tmp_path / "r.html").read_text("utf-8")
    assert "The trials, or successes among them, are no whole numbers" in told


def test_priors_are_told_in_units_of_the_link():
    told = priors_in_words(counts("negative_binomial"))
    centre = counts()._posterior.units.y_center
    assert told[-2:] == [
        "Prior of overdispersion, the coefficient of variation of the rates; 0 is Poisson: "
        "normal(0, 1), cut at 0.",
        "They hold on the scale of the log rate, for the predictors less their means and divided "
        "by their standard deviations; that of the intercept at the predictors' means is about "
        f"{centre:.3g}.",
    ]
    told = priors_in_words(classifier())
    assert told[0] == "Prior of the population-level coefficients: normal(0, 2.5)."
    assert told[-1].endswith("that of the intercept at the predictors' means.")


def test_classes_are_called_by_their_labels():
    words = in_words(classifier())
    assert words[0] == (
        "Logistic regression of bought, which is no or yes, on 2 coefficients: Intercept, price."
    )
    X, y = rows_of_fit(classifier())
    given = shops()
    columns = ["town", "shop", "price"]
    assert sorted(map(tuple, np.column_stack([X[columns], y]).tolist())) == sorted(
        map(tuple, np.column_stack([given[columns], given["bought"]]).tolist())
    )


def test_rows_of_fit_have_their_exposure():
    X, _ = rows_of_fit(counts())
    np.testing.assert_allclose(np.sort(X["hours"]), np.sort(shops()["hours"]))


def test_a_classifier_from_a_file_is_compared_with_labels(tmp_path):
    file = io.BytesIO()
    skhlm.save(classifier(), file)
    file.seek(0)
    X = shops()
    skhlm.load(file).report(tmp_path / "r.html", X[["town", "shop", "price"]], X["bought"])
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "holds no training rows" not in page
    assert "among rows of about the same probability" in page
    with pytest.raises(ValueError, match="no class of the model"):
        other = pd.Series(["maybe"] * len(X))
        skhlm.load(file).report(tmp_path / "x.html", X[["town", "shop", "price"]], other)
    assert not (tmp_path / "x.html").exists()
