"""The tour runs, converges and says what it should."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pandas as pd
import pytest

from skhlm import UnpooledRegressor
from skhlm.demo import __main__ as tour
from skhlm.demo.countries import GROUPS, load_countries, slopes, three_years_each
from skhlm.demo.results import Results


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


def _tables(out: str) -> list[dict[str, list[float]]]:
    """Scores by model, for each comparison that the tour prints.

    R², RMSE, coverage (%), width, CRPS; of yes or no log loss, Brier score, accuracy (%).
    """
    rows = re.findall(r"^ *(pooled|unpooled|hierarchical) ([ \d.%-]+)$", out, re.M)
    numbers = [(name, [float(n.rstrip("%")) for n in row.split()]) for name, row in rows]
    return [dict(numbers[i : i + 3]) for i in range(0, len(numbers), 3)]


def test_the_hierarchical_model_predicts_best(told):
    *of_numbers, of_answers = _tables(told[0])
    for table in of_numbers:
        for column in (1, 3, 4):  # RMSE, width, CRPS
            assert min(table, key=lambda model: table[model][column]) == "hierarchical"
    for column in (0, 1):
        assert min(of_answers, key=lambda model: of_answers[model][column]) == "hierarchical"
    assert max(of_answers, key=lambda model: of_answers[model][2]) == "hierarchical"


def test_its_intervals_cover_what_they_promise(told):
    # About 5,100 and 2,000 rows: three standard errors are 1.3 and 2.0 points. Lines over 55 years
    # that bend add a little, on either side.
    for table in _tables(told[0])[:2]:
        assert 87 < table["hierarchical"][2] < 94


def test_every_fit_of_the_tour_converges(told):
    found = re.findall(r"Convergence \(diagnostics_\): (\d) of (\d) fits pass", told[0])
    assert found == [("4", "4"), ("1", "1"), ("3", "3"), ("1", "1")]


def test_probabilities_of_few_answers_come_true_where_people_are_partially_pooled(told):
    # Some 800 or more of the 5,688 answers in each fifth: three standard errors are 5 points, and
    # the middles of the fifths are not exactly what was predicted on average.
    rows = re.findall(r"^ *\d+-\d+%(?: +\d+ +(\d+)%){3}$", told[0], re.M)
    assert len(rows) == 5
    assert np.abs(np.array(rows, dtype=float) - [10, 30, 50, 70, 90]).max() < 10
    assert int(re.search(r"surest\s+noes\s+(\d+)%\s+were\s+yes", told[0])[1]) > 25


def test_the_tour_states_sources_and_licence(told):
    assert "Gapminder.org, CC-BY 4.0" in told[0]
    assert "De Boeck and Wilson (2004)" in told[0]


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
    model = UnpooledRegressor(GROUPS).fit(X, y)
    own = [np.polyfit(*rows.to_numpy().T, 1)[0] for _, rows in _by_country(X, y)]
    rows = X[["continent", "country"]].drop_duplicates().sort_values("country")
    np.testing.assert_allclose(slopes(model, rows), own, rtol=1e-9)


def _by_country(X, y):
    return pd.DataFrame({"decades": X["decades"], "life": y}).groupby(X["country"])


def test_means_are_over_folds_of_all_rows():
    columns = ["model", "fold", "rows", "n", "r2", "rmse", "coverage", "width", "crps"]
    scores = pd.DataFrame(
        [
            ["pooled", 0, "all", 9, 0.1, 2.0, 0.8, 5.0, 1.0],
            ["pooled", 0, "known", 9, 9.0, 9.0, 9.0, 9.0, 9.0],
            ["pooled", 1, "all", 9, 0.3, 4.0, 1.0, 7.0, 3.0],
        ],
        columns=columns,
    )
    (found,) = Results(scores, {}).means().to_dict("records")
    numbers = {"R²": 0.2, "RMSE": 3.0, "coverage": 0.9, "width": 6.0, "CRPS": 2.0}
    assert found.pop("model") == "pooled"
    assert found == pytest.approx(numbers)


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
