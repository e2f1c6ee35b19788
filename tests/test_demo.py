"""The tour runs, converges and says what it should; its yardsticks are textbook least squares."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skhlm.demo import __main__ as tour
from skhlm.demo.comparison import cross_validate
from skhlm.demo.countries import load_countries, slopes, three_years_each
from skhlm.demo.least_squares import pooled, t_interval, unpooled


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> tuple[str, bytes]:
    """What the tour prints, and its picture. Warnings are errors: every fit converges."""
    picture = tmp_path_factory.mktemp("tour") / "picture.png"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        patch.setattr(sys, "argv", ["skhlm.demo", str(picture)])
        tour.main()
    return out.getvalue(), picture.read_bytes()


@pytest.fixture(scope="module")
def countries():
    return load_countries()


@pytest.fixture
def two_groups():
    """Twenty rows: a line for each of two groups, with noise."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"group": ["a"] * 8 + ["b"] * 12, "x": rng.normal(size=20)})
    return X, pd.Series(np.where(X["group"] == "a", 1 + X["x"], 5 - X["x"]) + rng.normal(size=20))


def _tables(out: str) -> list[dict[str, list[float]]]:
    """R², RMSE, coverage (%) and width by model, for each comparison that the tour prints."""
    rows = re.findall(r"^ *(pooled|unpooled|hierarchical) ([ \d.%-]+)$", out, re.M)
    numbers = [(name, [float(n.rstrip("%")) for n in row.split()]) for name, row in rows]
    return [dict(numbers[:3]), dict(numbers[3:])]


def test_the_hierarchical_model_predicts_best(told):
    for table in _tables(told[0]):
        errors = {model: rmse for model, (_, rmse, _, _) in table.items()}
        widths = {model: width for model, (_, _, _, width) in table.items()}
        assert min(errors, key=errors.__getitem__) == "hierarchical"
        assert min(widths, key=widths.__getitem__) == "hierarchical"


def test_its_intervals_cover_what_they_promise(told):
    # About 5,100 and 2,000 rows: three standard errors are 1.3 and 2.0 points. Lines over 55 years
    # that bend add a little, on either side.
    for table in _tables(told[0]):
        assert 87 < table["hierarchical"][2] < 94


def test_every_fit_of_the_tour_converges(told):
    found = re.findall(r"Convergence \(diagnostics_\): (\d) of (\d) fits pass", told[0])
    assert found == [("4", "4"), ("1", "1"), ("3", "3")]


def test_the_tour_states_source_and_licence(told):
    assert "Gapminder.org, CC-BY 4.0" in told[0]


def test_the_tour_draws_a_picture(told):
    assert told[1].startswith(b"\x89PNG")


def test_held_out_countries_are_in_their_intervals(told):
    inside, rows = re.search(r"(\d+) of (\d+) in all", told[0]).groups()
    # A country's rows go in or out together. One of the five lies along the end of its interval,
    # where Monte Carlo error decides; the other four are well inside.
    assert int(rows) == 60
    assert int(inside) >= 48


def test_folds_train_on_three_years_of_every_country(countries):
    X, _ = countries
    held = []
    for train, test in three_years_each(X):
        assert (X.iloc[train].groupby("country").size() == 3).all()
        assert not set(train) & set(test)
        assert len(train) + len(test) == len(X)
        held.extend(train)
    assert sorted(held) == list(range(len(X)))


def test_unpooled_lines_are_those_of_each_country(countries):
    X, y = countries
    names = X["country"].unique().tolist()
    model = unpooled({"country": names}, ["decades"]).fit(X, y)
    own = [np.polyfit(*rows.to_numpy().T, 1)[0] for _, rows in _by_country(X, y)]
    rows = X[["continent", "country"]].drop_duplicates().sort_values("country")
    np.testing.assert_allclose(slopes(model, rows), own, rtol=1e-9)


def _by_country(X, y):
    return pd.DataFrame({"decades": X["decades"], "life": y}).groupby(X["country"])


def test_interval_is_the_textbooks(two_groups):
    X, y = two_groups
    model = pooled(["x"]).fit(X, y)
    new = pd.DataFrame({"group": ["a", "b"], "x": [0.0, 3.0]})
    found = t_interval(model, X, y, new, coverage=0.9)

    line = stats.linregress(X["x"], y)
    middle = line.intercept + line.slope * new["x"]
    s = np.sqrt(np.sum((y - line.intercept - line.slope * X["x"]) ** 2) / 18)
    centred = X["x"] - X["x"].mean()
    half = s * np.sqrt(1 + 1 / 20 + (new["x"] - X["x"].mean()) ** 2 / np.sum(centred**2))
    t = stats.t.ppf(0.95, 18)
    np.testing.assert_allclose(found[:, 0], middle - t * half, rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], middle + t * half, rtol=1e-12)


def test_interval_counts_the_coefficients_that_are_fitted(two_groups):
    X, y = two_groups
    model = unpooled({"group": ["a", "b"]}, ["x"]).fit(X, y)
    apart = np.concatenate([_residuals(X[rows], y[rows]) for rows in _rows(X)])
    s = np.sqrt(np.sum(apart**2) / (20 - 4))  # the intercept that all share adds no dimension
    a = X[X["group"] == "a"]
    found = t_interval(model, X, y, pd.DataFrame({"group": ["a"], "x": [a["x"].mean()]}), 0.5)
    np.testing.assert_allclose(
        np.diff(found)[0, 0], 2 * stats.t.ppf(0.75, 16) * s * np.sqrt(1 + 1 / 8), rtol=1e-9
    )


def _rows(X):
    return [X["group"] == group for group in ("a", "b")]


def _residuals(X, y):
    return y - np.polyval(np.polyfit(X["x"], y, 1), X["x"])


def test_scores_are_of_rows_not_trained_on(two_groups):
    X, y = two_groups
    train, test = np.arange(0, 20, 2), np.arange(1, 20, 2)
    found = cross_validate({"pooled": pooled(["x"])}, X, y, [(train, test)])
    fit = np.polyfit(X["x"].iloc[train], y.iloc[train], 1)
    rmse = np.sqrt(np.mean((y.iloc[test] - np.polyval(fit, X["x"].iloc[test])) ** 2))
    assert found.scores.loc["pooled", "RMSE"] == pytest.approx(rmse, rel=1e-12)
    assert len(found.fitted["pooled"]) == 1


def test_help_says_what_it_does():
    command = [sys.executable, "-m", "skhlm.demo", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "picture" in said.stdout
    assert said.stderr == ""


def test_a_directory_that_is_not_there_is_reported_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["skhlm.demo", str(tmp_path / "none" / "demo.png")])
    with pytest.raises(SystemExit):
        tour.main()
    assert "there is no directory" in capsys.readouterr().err
