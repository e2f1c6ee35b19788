"""The command line and outcomes that are counts, shares, amounts, or one of two classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import skhlm
from skhlm import HLMClassifier, HLMRegressor
from skhlm.cli.fields import holds_numbers
from tests.cli.running import run

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
HOW = ("--groups", "shop", "--algorithm", "map", "--iter-sampling", 100, "--random-state", 0)
PARAMETERS = {"groups": ["shop"], "algorithm": "map", "iter_sampling": 100, "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    """Visits, costs, orders that come back: 150 rows of six shops."""
    rng = np.random.default_rng(0)
    shop = np.arange(150) % 6
    price, days = rng.normal(size=150), rng.uniform(1, 9, 150).round(1)
    rate = np.exp(rng.normal(0, 0.5, 6)[shop] + 0.5 * price - 1)
    trials = rng.integers(1, 9, 150)
    back = rng.random(150) < rate / (1 + rate)
    return pd.DataFrame({"shop": shop, "price": price, "days": days, "trials": trials}).assign(
        shop="s" + pd.Series(shop.astype(str)),
        visits=rng.poisson(rate * days),
        cost=rate * days * rng.gamma(4, 0.25, 150),
        share=rng.binomial(trials, rate / (1 + rate)) / trials,
        flag=back,
        one=back.astype(int),
        word=np.where(back, "yes", "None"),
        same="yes",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rows):
    """data.csv, data.parquet."""
    folder = tmp_path_factory.mktemp("outcomes")
    rows.to_csv(folder / "data.csv", index=False)
    rows.to_parquet(folder / "data.parquet", index=False)
    return folder


def fit(folder, *options, data="data.csv", name="m"):
    """A fit by options: its exit code, 0 or 4 where the mode is far from the posterior."""
    model = folder / f"{name}.skhlm"
    return run("fit", folder / data, "--predictors", "price", *options, *HOW, "-o", model)


def predicted(folder, *options, data="data.csv"):
    arguments = (folder / "m.skhlm", folder / data, *options, "-o", folder / "p.parquet")
    assert run("predict", *arguments) == 0
    return pd.read_parquet(folder / "p.parquet")


@pytest.mark.parametrize(
    ("target", "family", "exposure", "weight"),
    [
        ("visits", "poisson", "days", None),
        ("visits", "negative_binomial", None, None),
        ("cost", "gamma", "days", None),
        ("share", "binomial", None, "trials"),
        ("cost", "student_t", None, None),
        ("cost", "normal", None, None),
    ],
)
def test_families_are_the_estimators(folder, rows, target, family, exposure, weight):
    options = ["--target", target, "--family", family]
    options += ["--exposure", exposure] if exposure else []
    options += ["--sample-weight", weight] if weight else []
    assert fit(folder, *options) in (0, 4)
    X = rows[["shop", "price"] + [exposure] * (exposure is not None)]
    model = HLMRegressor(family=family, exposure=exposure, **PARAMETERS)
    model.fit(X, rows[target], None if weight is None else rows[weight])
    loaded = skhlm.load(folder / "m.skhlm")
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.get_params() == model.get_params()
    kind = "mean" if family == "binomial" else "outcome"
    written = predicted(folder, "--coverage", 0.8)
    assert np.array_equal(written["prediction"], model.predict(X))
    assert np.array_equal(written[["lower", "upper"]], model.predict_interval(X, 0.8, kind))
    written = predicted(folder, "--kind", "mean")
    assert np.array_equal(written[["lower", "upper"]], model.predict_interval(X, 0.9, "mean"))


@pytest.mark.parametrize("data", ["data.csv", "data.parquet"])
@pytest.mark.parametrize("target", ["word", "flag", "one"])
def test_two_classes_are_a_classifiers(folder, rows, capsys, target, data):
    assert fit(folder, "--target", target, data=data) in (0, 4)
    assert "is one of two classes" in capsys.readouterr().err
    X = rows[["shop", "price"]]
    model = HLMClassifier(**PARAMETERS).fit(X, rows[target])
    loaded = skhlm.load(folder / "m.skhlm")
    assert loaded.classes_.tolist() == model.classes_.tolist()
    written = predicted(folder, data=data)
    probability = [f"probability_{label}" for label in model.classes_]
    assert list(written)[len(rows.columns) :] == ["prediction", *probability, "lower", "upper"]
    assert written["prediction"].tolist() == model.predict(X).tolist()
    assert np.array_equal(written[probability], model.predict_proba(X))
    assert np.array_equal(written[["lower", "upper"]], model.predict_interval(X))


def test_zeros_and_ones_are_classes_unless_a_family_is_named(folder, capsys):
    assert fit(folder, "--target", "one") in (0, 4)
    assert "classes, 0, 1: this is a classifier. --family normal fits" in capsys.readouterr().err
    assert isinstance(skhlm.load(folder / "m.skhlm"), HLMClassifier)
    for family in ("binomial", "normal"):
        assert fit(folder, "--target", "one", "--family", family) in (0, 4)
        assert "note" not in capsys.readouterr().err
        assert isinstance(skhlm.load(folder / "m.skhlm"), HLMRegressor)
    assert fit(folder, "--target", "one", "--classify") in (0, 4)
    assert "note" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("fit", "--help")
    assert "0 and 1 are classes unless there is a --family" in " ".join(
        capsys.readouterr().out.split()
    )


def test_two_other_numbers_are_numbers_and_a_note_says_what_else(folder, rows, capsys):
    rows.assign(one=rows["one"] + 1).to_csv(folder / "two.csv", index=False)
    assert fit(folder, "--target", "one", data="two.csv") in (0, 4)
    assert "'one' is 1, 2 in all rows, fitted as a number: --classify" in capsys.readouterr().err
    assert isinstance(skhlm.load(folder / "m.skhlm"), HLMRegressor)
    assert fit(folder, "--target", "one", "--classify", data="two.csv") in (0, 4)
    assert skhlm.load(folder / "m.skhlm").classes_.tolist() == [1, 2]


def test_other_commands_read_a_classifier(folder, capsys):
    assert fit(folder, "--target", "word") in (0, 4)
    capsys.readouterr()
    model = skhlm.load(folder / "m.skhlm")
    assert run("summary", folder / "m.skhlm", "-o", folder / "s.csv") == 0
    np.testing.assert_allclose(pd.read_csv(folder / "s.csv")["mean"], model.summary()["mean"])
    assert run("curve", folder / "m.skhlm", "--feature", "price", "-o", folder / "c.parquet") == 0
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "c.parquet")[["mean", "lower", "upper"]],
        model.response_curve(None, "price")[["mean", "lower", "upper"]],
    )
    assert run("diagnose", folder / "m.skhlm") in (0, 3, 4)
    asked = ("--data", folder / "data.csv", "--target", "word", "-o", folder / "r.html")
    assert run("report", folder / "m.skhlm", *asked) == 0
    assert "yes" in (folder / "r.html").read_text()


@pytest.mark.parametrize(
    ("target", "options", "metrics"),
    [
        ("word", [], ["log_loss", "brier", "accuracy"]),
        ("visits", ["--family", "poisson"], ["r2", "rmse", "deviance", "coverage"]),
        ("share", ["--family", "binomial", "--sample-weight", "trials"], ["r2", "log_loss"]),
    ],
)
def test_scores_are_those_of_the_outcome(folder, rows, target, options, metrics):
    assert fit(folder, "--target", target, *options) in (0, 4)
    weight = [option for option in options if option in ("--sample-weight", "trials")]
    asked = ("--target", target, *weight, "-o", folder / "scores.csv")
    assert run("score", folder / "m.skhlm", folder / "data.csv", *asked) == 0
    scores = pd.read_csv(folder / "scores.csv").set_index("rows").loc["all"]
    assert list(scores.index)[1 : 1 + len(metrics)] == metrics
    if target == "word":
        model = skhlm.load(folder / "m.skhlm")
        right = model.predict(rows[["shop", "price"]]) == rows["word"]
        assert scores["accuracy"] == pytest.approx(right.mean())


@pytest.mark.parametrize("data", ["data.csv", "data.parquet"])
def test_a_report_takes_shares_by_their_trials(folder, rows, capsys, data):
    weighted = ("--sample-weight", "trials")
    assert fit(folder, "--target", "share", "--family", "binomial", *weighted) in (0, 4)
    asked = ("report", folder / "m.skhlm", "-o", folder / "r.html")
    of_rows = ("--data", folder / data, "--target", "share")
    assert run(*asked, *of_rows, *weighted) == 0
    observed = rows["trials"] @ rows["share"] / rows["trials"].sum()
    assert f">{observed:.4g}<" in (folder / "r.html").read_text()
    capsys.readouterr()
    assert run(*asked, *of_rows) == 1
    assert "the target holds shares, and --sample-weight has not" in capsys.readouterr().err
    assert run(*asked, *weighted) == 1
    assert "--sample-weight is a column of --data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--family", "poison"], "there is no 'poison'. The families are"),
        (["--family", "poison"], "Did you mean 'poisson'?"),
        (["--algorithm", "nutz"], "there is no 'nutz'. Choose from 'nuts', 'pathfinder'"),
        (["--algorithm", "nutz"], "Did you mean 'nuts'?"),
        (["--family", "gaussian"], "Did you mean 'normal'?"),
    ],
)
def test_a_word_that_is_none_of_an_option_is_told_the_nearest(folder, capsys, options, told):
    with pytest.raises(SystemExit):
        fit(folder, "--target", "visits", *options, name="x")
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        (
            {"visits": -1},
            ["visits", "--family", "poisson"],
            "column 'visits' is -1 in row 3 (line 5): ",
        ),
        ({"visits": 0.5}, ["visits", "--family", "poisson"], "or --family gamma"),
        (
            {"visits": None},
            ["visits"],
            "error: column 'visits' is nan in row 3 (line 5): leave out the",
        ),
        ({"cost": 0}, ["cost", "--family", "gamma"], "column 'cost' is 0 in row 3"),
        (
            {},
            ["cost", "--family", "gamma", "--prior", "nu=Gamma(2, 1)"],
            "Leave it out; their parameters are 'cv', 'tau', 'kappa'.\n",
        ),
        ({"share": 2}, ["share", "--family", "binomial"], "these as --sample-weight"),
        (
            {"days": 0},
            ["visits", "--family", "poisson", "--exposure", "days"],
            "--exposure: column 'days' is 0 in row 3",
        ),
        (
            {"days": "long"},
            ["visits", "--family", "poisson", "--exposure", "days"],
            "--exposure: column 'days' cannot be read as numbers",
        ),
        ({}, ["visits", "--family", "poisson", "--exposure", "dys"], "Did you mean 'days'?"),
        ({}, ["visits", "--exposure", "days"], "Leave --exposure out"),
        (
            {"visits": "x"},
            ["visits"],
            "column 'visits' is 'x' in row 3 (line 5), which is no number.",
        ),
        ({"word": "maybe"}, ["word"], "149 more are no numbers. What is fitted are numbers"),
        ({"word": "maybe"}, ["word"], "3 different values, 'None', 'maybe', 'yes'."),
        ({"word": "Yes"}, ["word"], "'Yes' and 'yes' differ by case, white space or Unicode"),
        ({"word": "yes "}, ["word", "--classify"], "'yes' and 'yes ' differ by case, white"),
        ({}, ["same"], "the target holds one class alone, 'yes' in all 150 rows"),
        ({}, ["same", "--classify"], "the target holds one class alone, 'yes' in all 150 rows"),
        ({}, ["same", "--family", "gamma"], "for a target of numbers, and 'yes' are none."),
        ({"word": "maybe"}, ["word", "--classify"], "3 different values, 'None', 'maybe', 'yes'"),
        ({"word": None}, ["word"], "is missing in 1 of 150 rows"),
        ({}, ["word", "--family", "binomial"], "--family: for a target of numbers, and 'None'"),
        (
            {},
            ["one", "--classify", "--family", "binomial"],
            "--family: for a target of numbers, and --classify asks for two classes.",
        ),
        ({}, ["visits", "--classify"], "--classify: column 'visits' holds"),
    ],
)
def test_errors_name_column_value_and_option(folder, rows, capsys, change, options, told):
    changed = rows.astype(dict.fromkeys(change, object))
    for name, value in change.items():
        changed.loc[3, name] = value
    changed.to_csv(folder / "changed.csv", index=False)
    assert fit(folder, "--target", *options, data="changed.csv", name="x") == 1
    line = capsys.readouterr().err
    assert told in line
    assert line.count("\n") == 1
    for word in ("family=", "sample_weight", "HLM", "y[", "`"):
        assert word not in line


def test_a_yes_or_no_has_no_interval(folder, capsys):
    assert fit(folder, "--target", "word") in (0, 4)
    for command in ("predict", "curve"):
        what = [folder / "data.csv"] if command == "predict" else ["--feature", "price"]
        assert run(command, folder / "m.skhlm", *what, "--kind", "outcome") == 1
        assert "--kind mean has that of its probability" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([1, 2], True),
        ([1.5, None], True),
        (["1", "2e3"], True),
        (["1", "x"], False),
        ([True, False], False),
        ([True, None], False),
        (pd.to_datetime(["2024-01-01"]), False),
        (pd.Categorical(["a", "b"]), False),
    ],
)
def test_what_are_numbers(values, numbers):
    assert holds_numbers(pd.Series(values)) == numbers
