"""The command line: the same numbers as the API, errors in one line, exit codes."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

import skhlm
from skhlm import HLMRegressor
from skhlm.priors import Cauchy, Gamma, Normal
from tests.cli.running import FIT, one_line, run

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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


def test_predict_reads_and_writes_the_standard_streams(folder, table, capsys, monkeypatch):
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO((folder / "data.csv").read_bytes()))
    )
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


@pytest.mark.parametrize("of", ["summary", "group_effects", "coefficients", "shrinkage_factors"])
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
    note = note.replace("priors={'tau': ...}", "--prior tau=...")
    assert f"Note: {note}\n" in capsys.readouterr().out
    assert run("summary", folder / "two.skhlm") == 0
    assert f"Note: {note}\n" in capsys.readouterr().out
    assert "levels (note)" in why
    assert f"1 grouping factor; verdict: {diagnostics.verdict}; saved to " in said
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
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO((folder / "tabs.csv").read_bytes()))
    )
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
