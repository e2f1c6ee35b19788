"""Levels are counted as the true effects are, which make the outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.peers import cases
from benchmarks.peers.cases import CASES, Case, Rows, Unavailable, find_cases, prepare


@pytest.mark.parametrize("name", ["S/normal", "M/normal", "levels-2000", "columns-5"])
def test_true_effects_are_those_of_the_rows(name):
    """What is left of y is the population's part and noise of sd 1, within 5 standard errors."""
    (case,) = find_cases(name)
    task, rows, effects = prepare(case)
    x = np.column_stack([np.ones(len(rows)), rows[list(task.slopes)]])
    rest = rows["y"].to_numpy().copy()
    for factor, of_factor in zip(task.factors, effects, strict=True):
        assert of_factor.shape == task.shapes[factor]
        rest -= (of_factor[rows[factor]] * x).sum(axis=1)
    noise = rest - x @ np.linalg.lstsq(x, rest, rcond=None)[0]
    assert abs(noise.std() - 1) < 5 / np.sqrt(2 * len(rows))


def test_levels_are_counted_by_their_whole_paths():
    X = pd.DataFrame({"a": ["p", "p", "q", "q"], "b": ["1", "2", "1", "1"], "x": np.arange(4.0)})
    case = Case("tiny", "tiny", "normal", ("a/b",), lambda: Rows(X, np.zeros(4)))
    task, rows, effects = prepare(case)
    assert (task.hierarchies, task.n_levels, task.n_predictors) == (("f1/f2",), (2, 3), 1)
    assert rows["f1"].tolist() == [0, 0, 1, 1]
    assert rows["f2"].tolist() == [0, 1, 2, 2]
    assert rows["x1"].tolist() == [0, 1, 2, 3]
    assert effects is None


def test_cases_are_found_by_name_and_by_key():
    assert [case.key for case in find_cases("radon,M/student_t")] == [
        "M/student_t",
        "radon/normal",
        "radon/student_t",
    ]
    assert find_cases(None) == list(CASES)
    with pytest.raises(ValueError, match=r"no case \['Z'\]"):
        find_cases("Z")
    assert len({case.key for case in CASES}) == len(CASES)


def test_lectures_need_r(monkeypatch):
    monkeypatch.setattr(cases.shutil, "which", lambda _: None)
    (case,) = find_cases("InstEval")
    with pytest.raises(Unavailable, match="no R"):
        prepare(case)
