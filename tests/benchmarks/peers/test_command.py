"""What is tried, and whole fits where the program is there."""

from __future__ import annotations

import pytest

from benchmarks.peers.__main__ import hopeless, measure
from benchmarks.peers.cases import find_cases, prepare
from benchmarks.peers.record import Record
from benchmarks.peers.roster import find_programs
from benchmarks.peers.watch import Limits


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("levels-100000", "not tried: > 180 s for levels-10000"),
        ("levels-10000", ""),
        ("levels-2000", ""),
        ("rows-1000000", ""),
        ("M/normal", "not tried: > 16 GiB for S"),
        ("M/student_t", ""),
        ("InstEval", ""),
    ],
)
def test_what_is_larger_than_what_took_too_much_is_not_tried(name, reason):
    (case,), (program,) = find_cases(name), find_programs("statsmodels")
    records = {
        "levels-10000/normal": {"statsmodels": Record(failure="> 180 s")},
        "S/normal": {"statsmodels": Record(failure="> 16 GiB")},
        "rows-20000/normal": {"statsmodels": Record(failure="an error")},
    }
    assert hopeless(case, program, records) == reason


def test_programs_are_found():
    assert [program.name for program in find_programs("lme4,skhlm-laplace")] == [
        "skhlm, laplace",
        "lme4",
    ]
    with pytest.raises(ValueError, match="no program"):
        find_programs("brms")


@pytest.mark.parametrize("name", ["skhlm", "skhlm-laplace", "gpboost", "statsmodels", "lme4"])
def test_a_fit_finds_the_effects(name):
    """200 levels of 10 rows: an effect's error is 0.295 in all programs, coverage 0.87."""
    (program,), (case,) = find_programs(name), find_cases("levels-200")
    if program.missing:
        pytest.skip(program.missing)
    record = measure(*prepare(case), program, Limits(300, 2**33))
    assert record.failure == ""
    assert 0 < record.seconds < 300
    assert record.cpu_seconds > 0
    assert record.rmse == pytest.approx(0.295, abs=0.002)
    assert record.versions
    if name == "gpboost":
        assert record.coverage is None
    else:
        assert 0.86 < record.coverage < 0.885
    assert (record.ess_bulk is not None) == (name == "skhlm")
