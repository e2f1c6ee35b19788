"""The command line: the same numbers as the API, errors in one line, exit codes."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skhlm
from skhlm import HLMRegressor
from skhlm.cli import main
from skhlm.cli.tables import read_table, write_table
from skhlm.datasets import load_sleepstudy
from skhlm.priors import Cauchy, Gamma, Normal


@pytest.fixture(scope="module")
def table():
    """Sleepstudy with its outcome."""
    X, y = load_sleepstudy(return_X_y=True)
    return X.assign(subject="s" + X["subject"].astype(str), reaction=y)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, table):
    """data.csv, data.parquet and a model of them."""
    folder = tmp_path_factory.mktemp("cli")
    table.to_csv(folder / "data.csv", index=False)
    table.to_parquet(folder / "data.parquet", index=False)
    assert run("fit", folder / "data.csv", *FIT, "-o", folder / "m.skhlm") == 0
    return folder


FIT = ("--target", "reaction", "--groups", "subject", "--family", "normal", "--random-state", 3)


def run(*arguments):
    return main([str(argument) for argument in arguments])


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
    monkeypatch.setattr("sys.stdin", io.StringIO((folder / "data.csv").read_text()))
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
    monkeypatch.setattr("sys.stdin", io.StringIO((folder / "tabs.csv").read_text()))
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
    ("term", "told"),
    [
        ("tau", "such as tau=Normal(0, 1)"),
        ("tau=Norml(0, 1)", "Did you mean 'Normal'?"),
        ("tau=Normal(0, -1)", "scale must be above zero"),
        ("tau=Normal(0, 1, 2)", "Normal(loc, scale)"),
        ("tau=Normal(0, x)", "could not convert string to float"),
        ("tau=__import__('os')", "no prior"),
    ],
)
def test_a_prior_that_is_none_is_wrong_usage(folder, capsys, term, told):
    with pytest.raises(SystemExit) as stopped:
        run("fit", folder / "data.csv", *FIT, "--prior", term, "-o", folder / "x.skhlm")
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


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


@pytest.mark.parametrize("arguments", [[], ["fit"], ["fit", "d.csv"], ["nonsense"]])
def test_wrong_usage_exits_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2
    assert "usage: skhlm" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["fit", "predict", "curve", "summary", "diagnose", "report", "demo"]
)
def test_help_has_examples(capsys, command):
    with pytest.raises(SystemExit) as stopped:
        run(command, "--help")
    printed = capsys.readouterr().out
    assert stopped.value.code == 0
    assert f"examples:\n  skhlm {command}" in printed


def test_options_of_fit_are_parameters_of_the_estimator(capsys):
    with pytest.raises(SystemExit):
        run("fit", "--help")
    printed = capsys.readouterr().out
    switches = {"fit_intercept": "--no-intercept", "autoscale": "--no-autoscale"}
    switches["priors"] = "--prior"
    others = {"unseen", "warm_start"}  # of predict; of no use
    for name in set(HLMRegressor().get_params()) - others:
        assert switches.get(name, f"--{name.replace('_', '-')}") in printed


# --- fields of CSV --------------------------------------------------------------------------------


def quick_fit(folder, labels, *options, name="quick", **csv):
    """A small fit of a CSV file by these labels: its exit code, and the model if there is one."""
    rng = np.random.default_rng(0)
    place = np.arange(120) % len(labels)
    X = pd.DataFrame({"g": np.array(labels, dtype=object)[place], "x": rng.normal(size=120)})
    rows = X.assign(y=10.0 * place + X["x"] + 0.1 * rng.normal(size=120))
    rows.to_csv(folder / f"{name}.csv", **{"index": False, **csv})
    status = run("fit", folder / f"{name}.csv", *QUICK, *options, "-o", folder / f"{name}.skhlm")
    return status, skhlm.load(folder / f"{name}.skhlm") if status == 0 else None


QUICK = ("--target", "y", "--groups", "g", "--algorithm", "map", "--iter-sampling", 50)
QUICK += ("--family", "normal", "--varying", "intercept", "--random-state", 0)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def predicted(folder, model, rows):
    """What ``predict`` writes for lines of CSV."""
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")
    assert run("predict", folder / model, folder / "rows.csv", "-o", folder / "p.csv") == 0
    return pd.read_csv(folder / "p.csv", dtype={"g": str}, keep_default_na=False)


def levels(model):
    return [level for (level,) in model._spec.labels.levels[0]]


@pytest.mark.parametrize(
    "labels",
    [
        ["NA", "ZA", "None", "null", "nan", "N/A", "#N/A"],
        ["007", "7", "1", "01", "+7", " 7", "7.0"],
        ["1e5", "100000", "1e05"],
        [str(2**63 + 1), str(2**64 + 1), str(10**30)],
        ["2020-01-31", "2020-01-31 00:00:00"],
        ["True", "true", "1"],
        ["101", "102", "B7"],
    ],
)
def test_group_columns_of_csv_are_what_they_say(tmp_path, labels):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "6 label|2 label|1 label")  # spelt alike
        status, model = quick_fit(tmp_path, labels)
    assert (status, levels(model)) == (0, sorted(labels))
    rows = ["g,x", *(f"{label},0" for label in labels)]
    found = predicted(tmp_path, "quick.skhlm", rows)
    assert list(found["g"]) == labels
    np.testing.assert_allclose(found["prediction"], 10.0 * np.arange(len(labels)), atol=1)


def test_a_label_that_fit_has_not_seen_is_new_whatever_it_looks_like(tmp_path):
    _, model = quick_fit(tmp_path, ["101", "102", "103"])
    found = predicted(tmp_path, "quick.skhlm", ["g,x", "101,0", "B7,0", "0101,0", ",0"])
    np.testing.assert_allclose(found["prediction"][1:], model.intercept_, atol=1)
    assert found["prediction"][0] == pytest.approx(0, abs=1)


def test_an_empty_field_is_missing(tmp_path, capsys):
    assert quick_fit(tmp_path, ["a", "b", ""])[0] == 1
    assert "Missing values in group columns at fit (column: rows): 'g': 40" in one_line(capsys)


def test_a_text_late_in_a_long_file_changes_no_other(tmp_path):
    many = pd.DataFrame({"g": ["101"] * 300_000 + ["B7"], "x": ["1"] * 300_000 + ["2.5"]})
    many.to_csv(tmp_path / "long.csv", index=False)
    table = read_table(str(tmp_path / "long.csv"), ",", ".", lambda _: {"g"})
    assert table["g"].value_counts().to_dict() == {"101": 300_000, "B7": 1}
    assert table["x"].dtype == float


def test_numbers_of_a_model_are_read_as_numbers(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"g": [7, 101, 2**63 + 1] * 40, "x": rng.normal(size=120)})
    y = 10.0 * (np.arange(120) % 3) + X["x"] + 0.1 * rng.normal(size=120)
    how = {"algorithm": "map", "iter_sampling": 50, "family": "normal", "random_state": 0}
    model = HLMRegressor("g", varying="intercept", **how).fit(X, y)
    skhlm.save(model, tmp_path / "whole.skhlm")
    same = ["7", "007", "+7", " 7", "7.0", "101", str(2**63 + 1)]
    new = ["B7", "NA", "8", ""]
    rows = ["g,x", *(f"{label},0" for label in same + new)]
    found = predicted(tmp_path, "whole.skhlm", rows)["prediction"]
    np.testing.assert_allclose(found[:7], [0, 0, 0, 0, 0, 10, 20], atol=1)
    assert found[7:].nunique() == 1
    assert run("predict", tmp_path / "whole.skhlm", tmp_path / "rows.csv", "--text", "g") == 1


def test_what_predict_carries_along_stays_what_it_is(folder, table):
    head = table.iloc[:4].assign(
        code=["007", "NA", "1.50", "null"], n=[1, 2, 3, 4], share=["0.5", "", "1e-05", "2.25"]
    )
    head.to_csv(folder / "carried.csv", index=False)
    files = (folder / "m.skhlm", folder / "carried.csv")
    assert run("predict", *files, "-o", folder / "carried_out.csv") == 0
    written = pd.read_csv(folder / "carried_out.csv", dtype=str, keep_default_na=False)
    given = pd.read_csv(folder / "carried.csv", dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(written[list(given)], given)
    assert run("predict", *files, "-o", folder / "carried_out.parquet") == 0
    typed = pd.read_parquet(folder / "carried_out.parquet")
    assert list(typed["code"]) == ["007", "NA", "1.50", "null"]
    assert typed["n"].dtype == int
    np.testing.assert_array_equal(typed["share"], [0.5, np.nan, 1e-5, 2.25])
    assert run("predict", *files, "--text", "n", "-o", folder / "carried_out.parquet") == 0
    assert list(pd.read_parquet(folder / "carried_out.parquet")["n"]) == ["1", "2", "3", "4"]


def test_a_column_of_text_is_no_predictor(folder, table, capsys):
    table.assign(code="007").to_csv(folder / "coded.csv", index=False)
    short = ("--algorithm", "map", "--iter-sampling", 50)
    files = (folder / "coded.csv", *FIT, *short, "-o", folder / "coded.skhlm")
    assert run("fit", *files, "--text", "code") == 0
    assert list(skhlm.load(folder / "coded.skhlm").feature_names_in_) == ["subject", "days"]
    capsys.readouterr()
    assert run("fit", *files, "--text", "cod") == 1
    assert "--text: there is no column 'cod'" in one_line(capsys)
    assert run("fit", *files, "--text", "code", "--predictors", "code") == 1
    assert "'code' cannot be read as numbers" in one_line(capsys)
    assert run("fit", folder / "data.parquet", *FIT, "--text", "days", "-o", folder / "x") == 1
    assert "has types of its own" in one_line(capsys)


def test_a_column_without_a_name_is_said_and_left_out(tmp_path, capsys):
    status, model = quick_fit(tmp_path, ["a", "b", "c"], index=True)
    assert (status, list(model.feature_names_in_)) == (0, ["g", "x"])
    said = "skhlm: note: column 0, 'Unnamed: 0' to pandas, of"
    assert one_line(capsys).startswith(said)
    found = predicted(tmp_path, "quick.skhlm", [",g,x", "5,a,0"])
    assert list(found) == ["g", "x", "prediction", "lower", "upper"]
    assert one_line(capsys).startswith(said)
    lines = (tmp_path / "quick.csv").read_text().splitlines()
    (tmp_path / "r.csv").write_text("\n".join([lines[0].lstrip(","), *lines[1:]]))  # R's way
    assert run("fit", tmp_path / "r.csv", *QUICK, "-o", tmp_path / "r.skhlm") == 0
    assert "note: the first column of" in one_line(capsys)
    assert (tmp_path / "r.skhlm").read_bytes() == (tmp_path / "quick.skhlm").read_bytes()


def test_a_column_without_a_name_may_be_asked_for(tmp_path, capsys):
    place = ("--predictors", "x", "Unnamed: 0")
    status, model = quick_fit(tmp_path, ["a", "b", "c"], *place, index=True)
    assert (status, list(model.feature_names_in_)) == (0, ["Unnamed: 0", "g", "x"])
    found = predicted(tmp_path, "quick.skhlm", [",g,x", "5,a,0"])
    assert next(iter(found)) == "Unnamed: 0"
    assert capsys.readouterr().err == ""


def test_rows_that_end_in_a_separator_are_not_shifted(folder, capsys):
    (folder / "shifted.csv").write_text("subject,days,reaction\ns308,1,250,\ns309,2,260,\n")
    assert run("predict", folder / "m.skhlm", folder / "shifted.csv") == 1
    assert "Do they end in a separator?" in one_line(capsys)


# --- files that are not lost ----------------------------------------------------------------------


@pytest.mark.parametrize("way", ["same", "relative", "symbolic link", "hard link"])
def test_an_input_is_not_replaced_by_the_output(folder, tmp_path, monkeypatch, capsys, way):
    for name in ("data.csv", "m.skhlm"):
        shutil.copy(folder / name, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(HLMRegressor, "fit", None)

    def also(name):
        link = Path(f"to-{name}")
        if way == "symbolic link" and not link.is_symlink():
            link.symlink_to(tmp_path / name)
        elif way == "hard link" and not link.exists():
            link.hardlink_to(tmp_path / name)
        return {"same": tmp_path / name, "relative": f"../{tmp_path.name}/{name}"}.get(way, link)

    data, model = tmp_path / "data.csv", tmp_path / "m.skhlm"
    for command in (
        ("fit", data, *FIT, "-o", also("data.csv")),
        ("predict", model, data, "-o", also("data.csv")),
        ("predict", model, data, "-o", also("m.skhlm")),
        ("curve", model, "--feature", "days", "-o", also("m.skhlm")),
        ("curve", model, data, "--feature", "days", "-o", also("data.csv")),
        ("summary", model, "-o", also("m.skhlm")),
        ("report", model, "-o", also("m.skhlm")),
        ("report", model, "--data", data, "--target", "reaction", "-o", also("data.csv")),
    ):
        assert run(*command) == 1
        line = one_line(capsys)
        assert line.startswith(f"skhlm {command[0]}: error: {command[-1]} cannot be written")
        assert "which is read and would be lost" in line
    assert {path: path.read_bytes() for path in before} == before


def test_the_standard_input_is_an_input(folder, tmp_path):
    shutil.copy(folder / "data.csv", tmp_path)
    before = (tmp_path / "data.csv").read_bytes()
    with (tmp_path / "data.csv").open() as rows:
        done = subprocess.run(
            [*COMMAND, "predict", folder / "m.skhlm", "-", "-o", tmp_path / "data.csv"],
            stdin=rows,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert "would be lost" in done.stderr
    assert (tmp_path / "data.csv").read_bytes() == before


COMMAND = [sys.executable, "-W", "ignore", "-m", "skhlm.cli"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_private_files_stay_private(folder, tmp_path):
    names = ("p.csv", "p.parquet", "s.csv", "c.csv", "r.html", "q.skhlm")
    for name in names:
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o600)
    data, model = folder / "data.csv", folder / "m.skhlm"
    short = ("--algorithm", "map", "--iter-sampling", 50)
    assert run("predict", model, data, "-o", tmp_path / "p.csv") == 0
    assert run("predict", model, data, "-o", tmp_path / "p.parquet") == 0
    assert run("summary", model, "-o", tmp_path / "s.csv") == 0
    assert run("curve", model, "--feature", "days", "-o", tmp_path / "c.csv") == 0
    assert run("report", model, "-o", tmp_path / "r.html") == 0
    assert run("fit", data, *FIT, *short, "-o", tmp_path / "q.skhlm") == 0
    assert {path.name for path in tmp_path.iterdir()} == {*names}
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_size > 0


def test_a_report_has_the_title_and_the_curves_asked_for(folder, tmp_path):
    named = ("--title", "A <title>", "--features", "days")
    assert run("report", folder / "m.skhlm", *named, "-o", tmp_path / "r.html") == 0
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<h1>A &lt;title&gt;</h1>" in text
    assert "The expected outcome along days" in text


def test_a_model_and_a_report_are_not_printed(folder, capsys):
    for command in (("fit", "data.csv", *FIT), ("report", folder / "m.skhlm")):
        with pytest.raises(SystemExit) as stopped:
            run(*command, "-o", "-")
        assert stopped.value.code == 2
        assert "name a file" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_pipes_work_or_are_told_at_once(folder, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for command in (("summary", pipe), ("predict", pipe, folder / "data.csv")):
        assert run(*command) == 1
        assert "it is a pipe or device" in one_line(capsys)
    assert run("summary", folder / "m.skhlm", "-o", pipe) == 1
    assert f"{pipe}: Nobody reads from this pipe" in one_line(capsys)
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="the system has no such name")
def test_the_standard_output_by_its_name(folder):
    def printed(*arguments):
        done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True)
        assert done.returncode == 0
        return done.stdout

    files = ("predict", folder / "m.skhlm", folder / "data.csv", "-o")
    assert printed(*files, "/dev/stdout") == printed(*files, "-")
    short = ("--algorithm", "map", "--iter-sampling", 50)
    model = printed("fit", folder / "data.csv", *FIT, *short, "-o", "/dev/stdout")
    assert skhlm.load(io.BytesIO(model)).groups == ["subject"]


def test_data_may_come_from_a_pipe(folder, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = (folder / "data.csv").read_bytes()
    writer = threading.Thread(target=lambda: pipe.write_bytes(content))
    writer.start()
    assert run("predict", folder / "m.skhlm", pipe, "-o", tmp_path / "piped.csv") == 0
    writer.join(60)
    assert run("predict", folder / "m.skhlm", folder / "data.csv", "-o", tmp_path / "p.csv") == 0
    assert (tmp_path / "piped.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()


def test_half_a_table_is_never_written(tmp_path):
    table = tmp_path / "s.csv"
    table.write_text("old")
    odd = pd.DataFrame({"g": pd.Series(["a", "\ud800"], dtype=object)})
    with pytest.raises(UnicodeEncodeError):
        write_table(odd, str(table))
    assert table.read_text() == "old"
    assert list(tmp_path.iterdir()) == [table]


def test_characters_that_the_terminal_lacks(folder, table):
    table.iloc[:2].assign(note="é").to_csv(folder / "accents.csv", index=False)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    def done(*arguments):
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    table = done("predict", folder / "m.skhlm", folder / "accents.csv")
    assert (table.returncode, table.stdout) == (1, "")
    assert "holds a character that cannot be written in ascii" in table.stderr
    short = ("--algorithm", "map", "--iter-sampling", 50)
    model = folder / "modèle.skhlm"
    fitted = done("fit", folder / "data.csv", *FIT, *short, "-o", model)
    assert fitted.returncode == 0
    assert "saved to" in fitted.stdout and "mod\\xe8le.skhlm" in fitted.stdout
    assert model.exists()


def test_a_closed_pipe_is_no_error(folder):
    files = (folder / "m.skhlm", folder / "data.csv")
    process = subprocess.Popen(
        [sys.executable, "-m", "skhlm.cli", "predict", *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, complaint = process.communicate(timeout=60)
    assert complaint == ""


def one_line(capsys):
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_it_is_a_module_too():
    answer = subprocess.run(
        [sys.executable, "-m", "skhlm", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"skhlm {skhlm.__version__}\n"
