"""The command line: the same numbers as the API, errors in one line, exit codes."""

from __future__ import annotations

import io
import subprocess

import numpy as np
import pandas as pd
import pytest

import skhlm
from skhlm import HLMRegressor
from skhlm.cli.remedies import in_options
from skhlm.cli.training import _parts
from skhlm.cli.words import TABLES, TABLES_OF_ROWS
from skhlm.priors import Cauchy, Gamma, Normal
from tests.cli.running import COMMAND, FIT, SHORT, one_line, run
from tests.terminals import on_terminal

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def piped(path):
    """A standard input that brings a file."""
    return io.TextIOWrapper(io.BytesIO(path.read_bytes()))


def test_fit_is_the_estimators_fit(folder, table):
    X = table[["subject", "days"]]
    model = HLMRegressor(["subject"], family="normal", random_state=3).fit(X, table["reaction"])
    loaded = skhlm.load(folder / "m.skhlm")
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.get_params() == model.get_params()


def test_fit_reads_parquet_predictors_and_weights(folder, table):
    weighted = table.assign(noise=0.0, n=2)
    weighted.to_parquet(folder / "weighted.parquet")
    more = ("--predictors", "days", "--sample-weight", "n", "--varying", "intercept")
    how = ("--algorithm", "map", "--iter-sampling", 300)
    status = run("fit", folder / "weighted.parquet", *FIT, *more, *how, "-o", folder / "w.skhlm")
    model = skhlm.load(folder / "w.skhlm")
    assert status in (0, 4)  # saved, however far the mode is from the posterior
    assert list(model.feature_names_in_) == ["subject", "days"]
    assert model.group_effects()["n"].eq(20).all()
    assert model.varying == "intercept"


def test_predict_adds_columns(folder, table):
    extra = table.assign(note="x")[["note", "reaction", "days", "subject"]]  # another order
    extra.to_csv(folder / "extra.csv", index=False)
    arguments = (folder / "m.skhlm", folder / "extra.csv", "--coverage", 0.5, "--kind", "mean")
    assert run("predict", *arguments, "-o", folder / "p.parquet") == 0
    written = pd.read_parquet(folder / "p.parquet")
    model, X = skhlm.load(folder / "m.skhlm"), table[["subject", "days"]]
    assert list(written.columns) == [*extra.columns, "prediction", "lower", "upper"]
    assert np.array_equal(written["prediction"], model.predict(X))
    assert np.array_equal(written[["lower", "upper"]], model.predict_interval(X, 0.5, "mean"))


def test_several_coverages_stand_side_by_side(folder, table):
    arguments = (folder / "m.skhlm", folder / "data.csv", "--coverage", "0.5,0.9")
    assert run("predict", *arguments, "-o", folder / "p.parquet") == 0
    written = pd.read_parquet(folder / "p.parquet")
    names = ["lower_50", "upper_50", "lower_90", "upper_90"]
    assert written.columns.tolist()[-4:] == names
    expected = skhlm.load(folder / "m.skhlm").predict_interval(table[["subject", "days"]], 0.9)
    np.testing.assert_array_equal(written[["lower_90", "upper_90"]], expected)
    curve = ("curve", folder / "m.skhlm", "--feature", "days", "--coverage", "0.5,0.9")
    assert run(*curve, "-o", folder / "c.csv") == 0
    assert set(names) < set(pd.read_csv(folder / "c.csv").columns)


def test_predict_reads_and_writes_the_standard_streams(folder, table, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", piped(folder / "data.csv"))
    assert run("predict", folder / "m.skhlm", "-") == 0
    written = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(written) == len(table)
    assert (written["lower"] < written["prediction"]).all()


def test_predict_refuses_new_levels_if_asked(folder, table, capsys):
    table.assign(subject="new").to_csv(folder / "new.csv", index=False)
    assert run("predict", folder / "m.skhlm", folder / "new.csv") == 0
    capsys.readouterr()
    assert run("predict", folder / "m.skhlm", folder / "new.csv", "--unseen", "error") == 1
    assert "'new'" in one_line(capsys)


def test_curve(folder, capsys):
    assert run("curve", folder / "m.skhlm", "--feature", "days", "--grid", 0, 10, 3, "--slope") == 0
    curves = pd.read_csv(io.StringIO(capsys.readouterr().out))
    model = skhlm.load(folder / "m.skhlm")
    expected = model.response_curve(None, "days", grid=[0, 5, 10], slope=True)
    assert list(curves.columns) == list(expected.columns)
    np.testing.assert_allclose(curves["mean"], expected["mean"], rtol=1e-12)
    assert curves["extrapolated"].sum() == 18  # days end at 9


@pytest.mark.parametrize("of", TABLES)
def test_summary(folder, capsys, of):
    assert run("summary", folder / "m.skhlm", "--of", of, "-o", folder / "s.csv") == 0
    expected = getattr(skhlm.load(folder / "m.skhlm"), of)()
    written = pd.read_csv(folder / "s.csv")
    assert list(written.columns) == list(expected.columns)
    assert len(written) == len(expected)
    assert run("summary", folder / "m.skhlm", "--of", of) == 0
    *shown, blank, where = capsys.readouterr().out.splitlines()
    assert (len(shown), blank) == (1 + len(expected), "")
    assert where.startswith('Numbers are in the units of the data. "Intercept", its effects, tau')


@pytest.mark.parametrize("of", TABLES_OF_ROWS)
def test_summary_of_rows(folder, table, capsys, of):
    model, data = skhlm.load(folder / "m.skhlm"), folder / "data.csv"
    assert (
        run("summary", folder / "m.skhlm", "--of", of, "--data", data, "-o", folder / "s.csv") == 0
    )
    expected = getattr(model, of)(table[["subject", "days"]])
    written = pd.read_csv(folder / "s.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(written, expected, check_dtype=False)
    assert run("summary", folder / "m.skhlm", "--of", of) == 1
    assert f"--data: {of} is of rows: name a file of them" in one_line(capsys)
    assert run("summary", folder / "m.skhlm", "--data", data) == 1
    assert "--data: summary needs no rows" in one_line(capsys)


def test_curves_of_what_predictors_are_made_of_and_without_groups(folder, table):
    model = skhlm.load(folder / "m.skhlm")
    asked = ("curve", folder / "m.skhlm", "-o", folder / "c.csv", "--grid", 1, 9, 3)
    assert run(*asked, "--feature", "days", "--population") == 0
    expected = model.response_curve(feature="days", grid=[1.0, 5.0, 9.0], population=True)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "c.csv"), expected, check_dtype=False)
    derived = ("--feature", "effort", "--derive", "days=sqrt(effort)")
    assert run(*asked, *derived) == 0
    expected = model.response_curve(
        feature="effort", grid=[1.0, 5.0, 9.0], derive=lambda effort: {"days": np.sqrt(effort)}
    )
    pd.testing.assert_frame_equal(pd.read_csv(folder / "c.csv"), expected, check_dtype=False)
    rows = table.head(2).drop(columns="days")
    rows.to_csv(folder / "rows.csv", index=False)
    assert run("curve", folder / "m.skhlm", folder / "rows.csv", *asked[2:], *derived) == 0
    assert len(pd.read_csv(folder / "c.csv")) == 6
    assert run(*asked, "--feature", "effort", "--derive", "days=sqrt(x)", "--slope") == 0


def test_a_derived_predictor_has_its_place_among_others(table, tmp_path):
    rng = np.random.default_rng(0)
    rows = table[["days", "subject", "reaction"]].assign(age=rng.normal(size=len(table)))
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert run("fit", tmp_path / "rows.csv", *FIT, *SHORT, "-o", tmp_path / "m.skhlm") in (0, 4)
    rows.drop(columns="days").head(3).to_csv(tmp_path / "few.csv", index=False)
    asked = ("--feature", "effort", "--derive", "days=sqrt(effort)", "--grid", 1, 9, 3)
    assert run("curve", tmp_path / "m.skhlm", tmp_path / "few.csv", *asked) == 0


def test_summary_tells_levels_apart_that_read_alike(tmp_path):
    levels = [("a/b", "c"), ("a", "b/c"), ("a", "d")]
    rows = pd.DataFrame([levels[i % 3] for i in range(60)], columns=["region", "shop"])
    rows.assign(y=np.arange(60) % 7).to_csv(tmp_path / "data.csv", index=False)
    how = ("--algorithm", "map", "--family", "normal", "-o", tmp_path / "m.skhlm")
    run("fit", tmp_path / "data.csv", "--target", "y", "--groups", "region/shop", *how)
    arguments = ("--of", "group_effects", "--factor", "region/shop", "-o", tmp_path / "s.csv")
    assert run("summary", tmp_path / "m.skhlm", *arguments) == 0
    shown = pd.read_csv(tmp_path / "s.csv")["level"].unique()
    assert set(shown) == {"('a/b', 'c')", "('a', 'b/c')", "a/d"}


def test_diagnose_says_what_a_check_means_that_has_passed(tmp_path, capsys):
    rng = np.random.default_rng(0)
    level = np.arange(240) % 40
    y = rng.normal(size=40)[level] + 0.3 * rng.standard_t(1.5, 240)
    data = tmp_path / "short.csv"
    pd.DataFrame({"g": level, "y": y}).assign(g="g" + pd.Series(level.astype(str))).to_csv(
        data, index=False
    )
    model = tmp_path / "short.skhlm"
    run("fit", data, "--target", "y", "--groups", "g", "--random-state", 0, "-o", model)
    capsys.readouterr()
    run("diagnose", model)
    assert "Drawn by Gibbs sampling" in capsys.readouterr().out


def test_the_target_is_no_group_column(tmp_path, capsys):
    data = tmp_path / "d.csv"
    pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.5, 3.0]}).to_csv(data, index=False)
    for groups in ("y", "x/y"):
        assert run("fit", data, "--target", "y", "--groups", groups, "-o", tmp_path / "m") == 1
        assert "--groups: 'y' is the target, and no group column." in one_line(capsys)
    assert _parts(["x/y", "z"], "x/y", "y") == ["x/y"]  # a column of that name is no path


def test_diagnose_tells_its_verdict(folder, capsys):
    assert run("diagnose", folder / "m.skhlm") == 0
    assert "verdict: pass" in capsys.readouterr().out


def test_what_checks_find_is_told_and_explained(folder, table, capsys):
    two = table[table["subject"].isin(["s308", "s309"])]
    two.to_csv(folder / "two.csv", index=False)
    fitted = run("fit", folder / "two.csv", *FIT, "-o", folder / "two.skhlm")
    said, why = capsys.readouterr().out.splitlines()
    diagnostics = skhlm.load(folder / "two.skhlm").diagnostics_
    status = run("diagnose", folder / "two.skhlm")
    assert status == {"pass": 0, "warn": 3, "fail": 4}[diagnostics.verdict]
    assert fitted == {"pass": 0, "warn": 0, "fail": 4}[diagnostics.verdict]
    note = next(check.advice for check in diagnostics.checks if check.name == "levels")
    note = in_options(note)
    assert "try --priors weakly_informative, whose tau is half-normal(1)" in note
    assert f"Note: {note}\n" in capsys.readouterr().out
    assert run("summary", folder / "two.skhlm") == 0
    assert f"Note: {note}\n" in capsys.readouterr().out
    assert "levels (note)" in why
    told = f"1 grouping factor; predictors 'days'; verdict: {diagnostics.verdict}; saved to "
    assert told in said
    for check in diagnostics.checks:
        assert (f"{check.name} ({check.verdict})" in why) == (check.verdict != "pass")
    assert f"skhlm diagnose {folder / 'two.skhlm'}" in why


@pytest.mark.filterwarnings("always::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_that_fails_is_saved_and_exits_with_4(folder, capsys):
    short = ("--chains", 2, "--iter-warmup", 10, "--iter-sampling", 4)
    status = run("fit", folder / "data.csv", *FIT, *short, "-o", folder / "short.skhlm")
    verdict = skhlm.load(folder / "short.skhlm").diagnostics_.verdict
    assert (status, verdict) == (4, "fail")
    assert "verdict: fail" in capsys.readouterr().out


def test_a_fit_that_passes_takes_one_line(folder, capsys):
    assert run("fit", folder / "data.csv", *FIT, "-o", folder / "again.skhlm") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "verdict: pass" in line


def test_nothing_is_fitted_for_a_file_that_cannot_be_written(folder, capsys, monkeypatch):
    monkeypatch.setattr(HLMRegressor, "fit", None)
    status = run("fit", folder / "data.csv", *FIT, "-o", folder / "nodir" / "m.skhlm")
    assert status == 1
    line = one_line(capsys)
    assert "m.skhlm cannot be written: there is no directory" in line
    assert str(folder / "nodir") in line
    assert run("fit", folder / "data.csv", *FIT, "-o", folder) == 1
    assert "it is a directory" in one_line(capsys)


def test_other_csv(folder, table, capsys, monkeypatch):
    table.assign(days=table["days"] + 0.5).to_csv(
        folder / "european.csv", index=False, sep=";", decimal=","
    )
    european = ("--sep", ";", "--decimal", ",")
    assert run("predict", folder / "m.skhlm", folder / "european.csv", *european) == 0
    written = pd.read_csv(io.StringIO(capsys.readouterr().out))
    model = skhlm.load(folder / "m.skhlm")
    X = table[["subject", "days"]].assign(days=table["days"] + 0.5)
    np.testing.assert_allclose(written["prediction"], model.predict(X), rtol=1e-12)
    table.to_csv(folder / "tabs.csv", index=False, sep="\t")
    monkeypatch.setattr("sys.stdin", piped(folder / "tabs.csv"))
    assert run("predict", folder / "m.skhlm", "-", "--sep", "tab") == 0
    capsys.readouterr()
    assert run("predict", folder / "m.skhlm", folder / "tabs.csv") == 1
    assert "try --sep tab" in one_line(capsys)


def test_priors(folder):
    short = ("--algorithm", "map", "--iter-sampling", 100)
    terms = ("tau[days]=Normal(0,0.5)", "tau[subject][Intercept]=Cauchy(0, 2)", "nu=Gamma(4, .1)")
    given = [part for term in terms for part in ("--prior", term)]
    status = run("fit", folder / "data.csv", *FIT, *short, *given, "-o", folder / "p.skhlm")
    assert status in (0, 4)  # saved, however far the mode is from the posterior
    assert skhlm.load(folder / "p.skhlm").get_params()["priors"] == {
        "tau": {"days": Normal(0, 0.5), "subject": {"Intercept": Cauchy(0, 2)}},
        "nu": Gamma(4, 0.1),
    }


@pytest.mark.parametrize(
    "terms",
    [
        ("tau=Normal(0, 1)", "tau=Normal(0, 2)"),
        ("tau=Normal(0, 1)", "tau[days]=Normal(0, 2)"),
        ("tau[days]=Normal(0, 1)", "tau=Normal(0, 2)"),
    ],
)
def test_priors_that_contradict_each_other(folder, capsys, terms):
    given = [part for term in terms for part in ("--prior", term)]
    assert run("fit", folder / "data.csv", *FIT, *given, "-o", folder / "x.skhlm") == 1
    assert "--prior: tau" in one_line(capsys)


def test_a_set_of_priors_alone_and_for_the_rest(folder):
    word, some = ("--priors", "weakly_informative"), ("--prior", "nu=Gamma(4, 0.1)")
    for given, rest in [(word, {}), ((*word, *some), {"nu": Gamma(4, 0.1)})]:
        run("fit", folder / "data.csv", *FIT, *SHORT, *given, "-o", folder / "p.skhlm")
        found = skhlm.load(folder / "p.skhlm").get_params()["priors"]
        assert found == {"rest": "weakly_informative", **rest}


def test_a_set_without_scaling_names_the_option(folder, capsys):
    given = ("--priors", "weakly_informative", "--no-autoscale", "-o", folder / "x.skhlm")
    assert run("fit", folder / "data.csv", *FIT, *given) == 1
    assert "leave --no-autoscale out" in one_line(capsys)


def test_columns_that_are_no_numbers_are_told_with_the_options_remedy(folder, table, capsys):
    dated = table.assign(date="2026-11-22", shop="north")
    dated.to_csv(folder / "dated.csv", index=False)
    dated.assign(date=pd.Timestamp("2026-11-22")).to_parquet(folder / "dated.parquet")
    for name in ("dated.csv", "dated.parquet"):
        assert run("fit", folder / name, *FIT, "-o", folder / "x.skhlm") == 1
        line = one_line(capsys)
        assert "'date', 'shop' cannot be read as numbers" in line
        assert "--predictors COLUMN" in line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fit", "none.csv", "--target", "y", "-o", "x"], "none.csv: No such file"),
        (["fit", "data.csv", "--target", "y", "-o", "x"], "no column 'y'"),
        (["fit", "data.csv", "--target", "reacton", "-o", "x"], "Did you mean 'reaction'?"),
        (
            ["fit", "data.csv", "--target", "reaction", "--groups", "subjet", "-o", "x"],
            "--groups: there is no column 'subjet'",
        ),
        (["predict", "data.csv", "data.csv"], "data.csv"),
        (["predict", "m.skhlm", "empty.csv"], "empty.csv"),
        (["predict", "m.skhlm", "other.csv"], "'subject'"),
        (["curve", "m.skhlm", "--feature", "day"], "'days'"),
        (["curve", "m.skhlm", "--feature", "days", "--grid", "0", "1", "1"], "--grid"),
        (["summary", "m.skhlm", "--factor", "subject"], "--factor"),
        (["report", "m.skhlm", "--data", "data.csv", "-o", "r.html"], "--target"),
        (
            ["report", "m.skhlm", "--features", "day", "-o", "r.html"],
            "--features: there is no column 'day'",
        ),
    ],
)
def test_errors_take_one_line(folder, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(folder)
    (folder / "empty.csv").write_text("")
    (folder / "other.csv").write_text("a,b\n1,2\n")
    assert run(*arguments) == 1
    line = one_line(capsys)
    assert line.startswith(f"skhlm {arguments[0]}: error: ")
    assert told in line


# --- a model that is not to be relied on ----------------------------------------------------------


@pytest.fixture(scope="module")
def failed(folder):
    """A model whose verdict is "fail"."""
    few = ("--chains", 2, "--iter-warmup", 10, "--iter-sampling", 25, "--max-treedepth", 1)
    assert run("fit", folder / "data.csv", *FIT, *few, "-o", folder / "failed.skhlm") == 4
    return folder / "failed.skhlm"


@pytest.mark.filterwarnings("ignore:Expected values of levels", "ignore:.*draws")
@pytest.mark.parametrize(
    "arguments",
    [
        ["summary"],
        ["predict", "data.csv"],
        ["curve", "--feature", "days"],
        ["report", "-o", "failed.html"],
        ["score", "data.csv", "--target", "reaction"],
    ],
)
def test_a_failed_model_is_not_used_without_a_word(folder, failed, capsys, monkeypatch, arguments):
    monkeypatch.chdir(folder)
    capsys.readouterr()
    command, *rest = arguments
    assert run(command, failed, *rest) == 0
    line, *others = capsys.readouterr().err.splitlines()
    assert len(others) == (command == "report")  # where it is written
    assert line.startswith(f'skhlm: warning: the verdict on {failed} is "fail": do not rely on')
    assert line.endswith(f"skhlm diagnose {failed}")


def test_others_are(folder, capsys):
    assert run("summary", folder / "m.skhlm") == 0
    assert capsys.readouterr().err == ""


def test_a_report_has_the_title_and_the_curves_asked_for(folder, tmp_path, capsys):
    named = ("--title", "A <title>", "--features", "days")
    assert run("report", folder / "m.skhlm", *named, "-o", tmp_path / "r.html") == 0
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<h1>A &lt;title&gt;</h1>" in text
    assert "The expected outcome along days" in text
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"the report is in {tmp_path / 'r.html'}\n")


def test_a_model_that_predicts_worse_than_a_constant_is_told_when_it_is_fitted(tmp_path, capsys):
    rng = np.random.default_rng(0)
    spend = np.exp(rng.normal(6, 1.2, 600))
    revenue = rng.gamma(2, np.exp(0.5 + 0.6 * np.log(spend)) / 2)
    for name, x in (("raw", spend), ("log", np.log(spend))):
        pd.DataFrame({"x": x, "revenue": revenue}).to_csv(tmp_path / f"{name}.csv", index=False)
        model, few = tmp_path / f"{name}.skhlm", ("--chains", "2", "--random-state", "0")
        options = ("--target", "revenue", "--family", "gamma", *few, "-o", model)
        assert run("fit", tmp_path / f"{name}.csv", *options) == 0
        poor = [line for line in capsys.readouterr().out.splitlines() if line.startswith("poor")]
        assert len(poor) == (name == "raw")
        if poor:
            assert "poor predictions: R² of the expected outcome (score) is -" in poor[0]
            assert "give its logarithm instead" in poor[0]


# --- scores, comparisons, allocations -------------------------------------------------------------


def test_score_is_by_known_and_new_levels(folder, table, capsys):
    new = table.assign(subject=table["subject"].replace("s308", "nobody"))
    new.to_csv(folder / "new.csv", index=False)
    asked = ("score", folder / "m.skhlm", folder / "new.csv", "--target", "reaction")
    assert run(*asked) == 0
    assert capsys.readouterr().out.split()[:4] == ["rows", "n", "r2", "rmse"]
    assert run(*asked, "--coverage", 0.5, "-o", folder / "scores.csv") == 0
    scores = pd.read_csv(folder / "scores.csv").set_index("rows")
    model, is_new = skhlm.load(folder / "m.skhlm"), new["subject"].eq("nobody")
    for rows, chosen in {"all": is_new | True, "known": ~is_new, "unseen": is_new}.items():
        X, y = new.loc[chosen, ["subject", "days"]], new.loc[chosen, "reaction"].to_numpy()
        assert scores.loc[rows, "n"] == len(y)
        rmse = np.sqrt(np.mean((y - model.predict(X)) ** 2))
        assert scores.loc[rows, "rmse"] == pytest.approx(rmse)
        lower, upper = model.predict_interval(X, 0.5).T
        assert scores.loc[rows, "coverage"] == pytest.approx(np.mean((lower <= y) & (y <= upper)))


def test_score_of_nothing_new_has_no_row_for_it(folder, capsys):
    assert run("score", folder / "m.skhlm", folder / "data.csv", "--target", "reaction") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["rows", "all", "known"]


def test_compare_is_the_functions(folder, table, capsys):
    asked = ("compare", folder / "data.csv", *FIT, *SHORT, "--cv", 3)
    assert run(*asked, "-o", folder / "folds.csv") == 0
    parameters = {"family": "normal", "algorithm": "map", "iter_sampling": 50, "random_state": 3}
    model = HLMRegressor(["subject"], **parameters)
    X, y = table[["subject", "days"]], table["reaction"]
    expected = skhlm.compare(X, y, cv=3, model=model, random_state=3)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "folds.csv"), expected)
    capsys.readouterr()
    assert run(*asked, "--split-by", "subject") == 0
    expected = skhlm.compare(X, y, cv=3, model=model, random_state=3, split_by="subject")
    shown = capsys.readouterr().out
    assert "Means over 3 folds." in shown
    rmse = expected[expected["rows"].eq("unseen") & expected["model"].eq("pooled")]["rmse"].mean()
    (line,) = (x.split() for x in shown.splitlines() if x.split()[:2] == ["pooled", "unseen"])
    assert float(line[3]) == pytest.approx(rmse, rel=1e-3)
    assert run(*asked, "--split-by", "days2") == 1
    assert "--split-by: there is no column 'days2'" in one_line(capsys)
    assert run(*asked, "--group-means", "days2") == 1
    assert "--group-means: there is no column 'days2'" in one_line(capsys)


def test_compare_has_a_model_with_group_means(folder, capsys):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"firm": np.repeat(list("abcdefgh"), 5), "spend": rng.normal(size=40)})
    table.assign(sales=rng.normal(size=40)).to_csv(folder / "firms.csv", index=False)
    asked = ("compare", folder / "firms.csv", "--target", "sales", "--groups", "firm", "--cv", 2)
    settings = ("--algorithm", "map", "--iter-sampling", 50, "--random-state", 3)
    assert run(*asked, *settings, "--group-means", "spend") == 0
    assert "with group means" in capsys.readouterr().out


@pytest.fixture(scope="module")
def spending(tmp_path_factory):
    """What three countries spend, and a model in which returns diminish."""
    folder = tmp_path_factory.mktemp("spending")
    rng = np.random.default_rng(0)
    country, spend = np.array(["a", "b", "c"])[np.arange(120) % 3], rng.uniform(1, 100, 120)
    slope = pd.Series({"a": 1.0, "b": 2.0, "c": 4.0})[country].to_numpy()
    rows = pd.DataFrame({"country": country, "log_spend": np.log(spend)})
    rows["sales"] = slope * rows["log_spend"] + rng.normal(0, 0.3, 120)
    rows.to_csv(folder / "data.csv", index=False)
    asked = ("--target", "sales", "--groups", "country", "--family", "normal", "--random-state", 0)
    assert run("fit", folder / "data.csv", *asked, "-o", folder / "m.skhlm") == 0
    plan = rows[["country"]].assign(spend=spend, shop=np.arange(120) % 2)
    plan.to_csv(folder / "plan.csv", index=False)
    return folder


ALLOCATE = ("--feature", "spend", "--derive", "log_spend=log(spend)")


def test_allocate_is_the_functions(spending, capsys):
    capsys.readouterr()
    files = ("allocate", spending / "m.skhlm", spending / "plan.csv", *ALLOCATE)
    asked = ("--by", "country", "--total", 5000, "--high", 90)
    assert run(*files, *asked, "-o", spending / "units.csv") == 0
    said = one_line(capsys)
    expected = skhlm.optimize_allocation(
        skhlm.load(spending / "m.skhlm"),
        pd.read_csv(spending / "plan.csv"),
        "spend",
        5000.0,
        by=["country"],
        bounds=(None, 90.0),
        derive=lambda spend: {"log_spend": np.log(spend)},
    )
    written = pd.read_csv(spending / "units.csv", keep_default_na=False)
    assert written["country"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(written["end"], expected.units["end"], rtol=1e-12)
    assert (written["n_rows"] * written["end"]).sum() == pytest.approx(5000)
    assert said.startswith("5,000 of spend, spread so, brings ")
    assert f"above zero with probability {expected.probability:.3f}" in said
    assert run(*files, *asked) == 0
    assert said in capsys.readouterr().out


def test_rows_may_go_together_by_a_column_that_the_model_lacks(spending):
    files = ("allocate", spending / "m.skhlm", spending / "plan.csv", *ALLOCATE)
    assert run(*files, "--by", "shop", "--objective", "0.1", "-o", spending / "s.csv") == 0
    assert pd.read_csv(spending / "s.csv")["shop"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--feature", "log_spend"), "--feature: there is no column 'log_spend'"),
        (("--feature", "spend"), "the model needs a column that the table lacks"),
        (("--feature", "country", *ALLOCATE[2:]), "column 'country' is 'a' in row 0 (line 2), "),
        ((*ALLOCATE, "--by", "county"), "--by: there is no column 'county'"),
        ((*ALLOCATE, "--high", "1"), "--total: "),
        (("--feature", "spend", "--derive", "log_spend=log(sales)"), "there is no 'sales'"),
    ],
)
def test_errors_of_allocate_speak_of_options(spending, capsys, arguments, told):
    assert run("allocate", spending / "m.skhlm", spending / "plan.csv", *arguments) == 1
    line = one_line(capsys)
    assert told in line
    for word in ("bounds=", "derive:", "by=", "y["):
        assert word not in line


# --- errors name row and value --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "change", "told"),
    [
        ("fit", {"days": "many"}, "'days' is 'many' in row 3 (line 5), which is no number"),
        ("fit", {"days": ""}, "column 'days' is missing in row 3 (line 5): fill it in, or leave"),
        ("fit", {"days": "inf"}, "column 'days' is inf in row 3 (line 5)"),
        ("fit", {"subject": ""}, "'subject': 1, first in row 3 (line 5)"),
        ("fit", {"reaction": ""}, "column 'reaction' is nan in row 3 (line 5)"),
        ("predict", {"days": "many"}, "column 'days' is 'many' in row 3 (line 5), which is"),
        ("predict", {"days": ""}, "column 'days' is missing in row 3 (line 5)"),
        ("predict", {"subject": "x"}, "'x', first in row 3 (line 5)"),
        ("score", {"reaction": "x"}, "--target: column 'reaction' is 'x' in row 3 (line 5)"),
        ("score", {"n": "-1"}, "--sample-weight: column 'n' is -1 in row 3 (line 5)"),
    ],
)
def test_errors_name_row_line_and_value(folder, table, capsys, command, change, told):
    rows = table.assign(n=1).astype(object)
    for name, value in change.items():
        rows.loc[3, name] = value
    rows.to_csv(folder / "wrong.csv", index=False)
    more = {
        "fit": (*FIT, "--sample-weight", "n", "-o", folder / "x.skhlm"),
        "predict": ("--unseen", "error"),
        "score": ("--target", "reaction", "--sample-weight", "n"),
    }[command]
    model = [] if command == "fit" else [folder / "m.skhlm"]
    assert run(command, *model, folder / "wrong.csv", *more) == 1
    line = one_line(capsys)
    assert told in line
    for word in ("SimpleImputer", "OneHotEncoder", "`", "unseen=", " X "):
        assert word not in line


# --- a directory of Parquet files -----------------------------------------------------------------


def test_a_directory_of_files_is_fitted_as_one_table(folder, table, tmp_path, capsys):
    place = tmp_path / "rows"
    place.mkdir()
    for i in range(3):
        table.iloc[i::3].to_parquet(place / f"{i}.parquet")
    asked = (*FIT, *SHORT, "-o")
    assert run("fit", place, *asked, tmp_path / "many.skhlm") in (0, 4)
    said = capsys.readouterr().out
    assert said.startswith(f"{len(table)} rows, 1 grouping factor; predictors 'days'")
    assert run("fit", folder / "data.csv", *asked, tmp_path / "one.skhlm") in (0, 4)
    many, one = (skhlm.load(tmp_path / f"{name}.skhlm") for name in ("many", "one"))
    X = table.drop(columns="reaction").astype({"subject": str})
    np.testing.assert_allclose(many.predict(X), one.predict(X), rtol=1e-6)


@pytest.mark.parametrize(
    ("command", "more", "told"),
    [
        ("compare", (), "is a directory. A data set of many files is for skhlm fit"),
        ("fit", ("--family", "student_t"), "needs every row by itself"),
        ("fit", ("--predictors", "no"), "there is no column 'no'"),
    ],
)
def test_errors_of_directories(table, tmp_path, capsys, command, more, told):
    place = tmp_path / "rows"
    place.mkdir()
    table.to_parquet(place / "0.parquet")
    output = ("-o", tmp_path / "m.skhlm") if command == "fit" else ()
    assert run(command, place, *FIT, *SHORT, *more, *output) == 1
    assert told in one_line(capsys)
    assert run("fit", tmp_path / "nowhere", *FIT, "-o", tmp_path / "m.skhlm") == 1


# --- progress -------------------------------------------------------------------------------------


def test_a_fit_shows_its_progress_on_a_terminal_and_never_in_a_pipe(folder, tmp_path):
    command = [*COMMAND, "fit", folder / "data.csv", *FIT, "-o", tmp_path / "m.skhlm"]
    shown = on_terminal(command)
    assert shown.code == 0
    assert "verdict: pass" in shown.out and "%" not in shown.out
    assert shown.terminal.count("\n") == 1
    assert shown.pictures[-1].startswith("skhlm fit: 100%|")
    assert shown.percents == sorted(shown.percents)
    assert any("sampling" in picture for picture in shown.pictures)
    assert on_terminal([*command, "--verbose", 0]).terminal == ""
    words = [*map(str, command)]
    piped = subprocess.run(words, capture_output=True, text=True, check=True)
    assert piped.stderr == ""
    asked = subprocess.run([*words, "--verbose", "1"], capture_output=True, text=True, check=True)
    assert asked.stderr.splitlines()[-1].startswith("skhlm fit: 100%, ")


def test_a_comparison_is_one_bar(folder):
    command = [*COMMAND, "compare", folder / "data.csv", *FIT, *SHORT, "--cv", 2]
    shown = on_terminal(command)
    assert shown.code == 0
    assert shown.terminal.count("\n") == 1
    assert shown.percents == sorted(shown.percents)
    assert any("fold 2 of 2" in picture for picture in shown.pictures)


def test_notes_and_errors_have_lines_of_their_own(tmp_path, table):
    table.to_csv(tmp_path / "d.csv")  # with an index, which has no name
    command = [*COMMAND, "fit", tmp_path / "d.csv", *FIT, *SHORT, "-o", tmp_path / "nothing" / "m"]
    shown = on_terminal(command)
    assert shown.terminal.splitlines()[-1].startswith("skhlm fit: error: ")
    command[-1] = tmp_path / "m.skhlm"
    shown = on_terminal([*command, "--predictors", "no"])
    lines = [text.rstrip("\r").split("\r")[-1] for text in shown.terminal.split("\n")]
    (note,) = (line for line in lines if "skhlm: note:" in line)
    assert note.startswith("skhlm: note: column 0, 'Unnamed: 0' to pandas, of")
    (error,) = (line for line in lines if "skhlm fit: error:" in line)
    assert error.startswith("skhlm fit: error: --predictors: there is no column 'no'")


def test_a_factor_of_its_own_may_vary_by_other_coefficients(folder):
    asked = ("--varying", "subject=Intercept", "-o", folder / "v.skhlm")
    assert run("fit", folder / "data.csv", *FIT, *SHORT, *asked) in (0, 4)
    model = skhlm.load(folder / "v.skhlm")
    assert model.get_params()["varying"] == {"subject": ["Intercept"]}
    assert list(model.tau_["subject"]) == ["Intercept"]
