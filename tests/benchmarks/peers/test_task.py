"""Folders that programs of any language read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.peers.task import Effects, Task, read_effects, read_task, write_effects, write_task

CROSSED = Task("normal", ("f1/f2", "f3"), (2, 4, 3), 2, all_vary=True)


def test_rows_come_back_as_they_were(tmp_path):
    rows = pd.DataFrame(
        {
            "y": [0.1, -1e300],
            "x1": [1.5, np.pi],
            "x2": [0.0, -0.0],
            "f1": [0, 1],
            "f2": [0, 3],
            "f3": [2, 0],
        }
    )
    write_task(CROSSED, rows, tmp_path)
    task, found = read_task(tmp_path)
    assert task == CROSSED
    pd.testing.assert_frame_equal(found[list(rows)], rows, check_dtype=False, check_exact=True)


@pytest.mark.parametrize(
    ("task", "formula"),
    [
        (
            CROSSED,
            "y ~ 1 + x1 + x2 + (1 + x1 + x2 || f1) + (1 + x1 + x2 || f2) + (1 + x1 + x2 || f3)",
        ),
        (Task("normal", ("f1",), (3,), 1, all_vary=False), "y ~ 1 + x1 + (1 | f1)"),
        (Task("normal", ("f1", "f2"), (3, 2), 0, all_vary=False), "y ~ 1 + (1 | f1) + (1 | f2)"),
    ],
)
def test_formula_has_all_that_varies(task, formula):
    assert task.formula("||") == formula


def test_effects_come_back_and_missing_intervals_are_none(tmp_path):
    task = Task("normal", ("f1", "f2"), (2, 3), 1, all_vary=True)
    mean, sd = np.arange(4.0).reshape(2, 2), np.full((2, 2), 2.0)
    other = np.arange(6.0).reshape(3, 2).T.copy().T  # not contiguous
    write_effects({"f1": Effects.normal(mean, sd), "f2": Effects(other)}, tmp_path)
    found = read_effects(task, tmp_path)
    np.testing.assert_array_equal(found["f1"].mean, mean)
    np.testing.assert_allclose(found["f1"].upper - found["f1"].lower, 2 * 2 * 1.6448536)
    np.testing.assert_array_equal(found["f2"].mean, other)
    assert found["f2"].lower is None
    assert found["f2"].upper is None
