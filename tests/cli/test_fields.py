"""Fields of CSV: what they say, as the model knows it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import skhlm
from skhlm import HLMRegressor
from skhlm.cli.tables import read_table
from tests.cli.running import FIT, QUICK, one_line, run

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def quick_fit(folder, labels, *options, name="quick", **csv):
    """A small fit of a CSV file by these labels: its exit code, and the model if there is one."""
    rng = np.random.default_rng(0)
    place = np.arange(120) % len(labels)
    X = pd.DataFrame({"g": np.array(labels, dtype=object)[place], "x": rng.normal(size=120)})
    rows = X.assign(y=10.0 * place + X["x"] + 0.1 * rng.normal(size=120))
    rows.to_csv(folder / f"{name}.csv", **{"index": False, **csv})
    model = folder / f"{name}.skhlm"
    status = run("fit", folder / f"{name}.csv", "--target", "y", *QUICK, *options, "-o", model)
    return status, skhlm.load(model) if status == 0 else None


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
    assert run("fit", tmp_path / "r.csv", "--target", "y", *QUICK, "-o", tmp_path / "r.skhlm") == 0
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
