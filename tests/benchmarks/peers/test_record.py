"""Errors and coverage in small numbers; records through a file."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers.record import Record, accuracy, read_records, write_records
from benchmarks.peers.task import Effects

TRUTH = (np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[4.0, 5.0]]))


def test_all_effects_count_alike():
    first, second = TRUTH[0] + [[3.0, 0.0], [0.0, 0.0]], TRUTH[1] + [[0.0, -3.0]]
    found = {
        "f1": Effects(first, first - 1, first + 1),
        "f2": Effects(second, second - 1, second + 1),
    }
    rmse, coverage = accuracy(TRUTH, found)
    assert rmse == pytest.approx(np.sqrt(18 / 6))
    assert coverage == pytest.approx(4 / 6)


def test_no_intervals_and_no_truth():
    found = {"f1": Effects(TRUTH[0]), "f2": Effects.normal(TRUTH[1], np.ones((1, 2)))}
    assert accuracy(TRUTH, found) == (0.0, None)
    assert accuracy(None, found) == (None, None)


def test_records_come_back(tmp_path):
    records = {
        "S/normal": {
            "lme4": Record(seconds=1.5, versions={"lme4": "1.1"}, machine={"CPU": "some"}),
            "skhlm": Record(failure="> 600 s"),
        }
    }
    write_records(records, tmp_path / "new" / "peers.json")
    assert read_records(tmp_path / "new" / "peers.json") == records
    assert read_records(tmp_path / "other.json") == {}
