"""The user's columns beside those of a report."""

from __future__ import annotations

import numpy as np

from skhlm.reports.frames import frame_along, free_names, repeated_frame


def test_names_that_are_taken_get_underscores() -> None:
    assert free_names(["a", "row", "mean"], ["row"]) == ["a", "row_", "mean"]
    wanted = ["a", "mean", "mean_", "mean"]
    assert free_names(wanted, ["mean"]) == ["a", "mean__", "mean_", "mean___"]


def test_results_keep_their_names() -> None:
    values = {"row": ["x", "y"], "mean": [1, None]}
    numbers = {"mean": np.arange(4.0).reshape(2, 2)}
    frame = frame_along(values, "mean", np.array([5.0, 6.0]), numbers)
    assert list(frame.columns) == ["row", "row_", "mean_", "mean__", "mean"]
    assert frame["row"].tolist() == [0, 0, 1, 1]
    assert frame["row_"].tolist() == ["x", "x", "y", "y"]
    assert frame["mean__"].tolist() == [5.0, 6.0, 5.0, 6.0]
    assert frame["mean"].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_without_a_feature() -> None:
    frame = repeated_frame({"g": ["a"]}, 1, 2, {"part": ["p", "q"]})
    assert frame.to_dict("list") == {"row": [0, 0], "g": ["a", "a"], "part": ["p", "q"]}
