"""Cells of the table and points of the picture."""

from __future__ import annotations

from benchmarks.peers.page import make_page
from benchmarks.peers.picture import draw, times
from benchmarks.peers.record import Record

MACHINE = {
    "CPU": "some",
    "cores": "2",
    "memory": "1 GiB",
    "system": "S",
    "date": "2026",
    "commit": "c",
}
MEASURED = {"versions": {"skhlm": "0.1"}, "machine": MACHINE}
RECORDS = {
    "levels-10000/normal": {
        "skhlm": Record(
            seconds=5.04,
            cpu_seconds=123.4,
            mebibytes=1234.5,
            effects_seconds=0.25,
            ess_bulk=2000.4,
            ess_tail=400.4,
            rmse=0.1234,
            coverage=0.9012,
            said="pass",
            **MEASURED,
        ),
        "bambi, nutpie": Record(failure="> 180 s", machine=MACHINE),
        "lme4": Record(
            failure="> 180 s", seconds=2.0, cpu_seconds=2.0, mebibytes=9, machine=MACHINE
        ),
    },
    "levels-2000/normal": {
        "skhlm": Record(seconds=3.0, **MEASURED),
        "bambi, nutpie": Record(seconds=40.0, **MEASURED),
    },
    "levels-100000/normal": {
        "bambi, nutpie": Record(failure="not tried: > 180 s for levels-10000", machine=MACHINE)
    },
}


def _rows(title: str) -> list[str]:
    return [line for line in make_page(RECORDS).splitlines() if line.startswith(f"| {title}")]


def test_a_row_has_what_was_measured():
    assert _rows("10,000 levels")[1:] == [
        "| 10,000 levels x 10 rows | normal | skhlm | posterior draws, NUTS | 5.0 | 123 | 1,234 "
        "| 2,000 / 400 | 0.2 | 0.123 | 90.1% | pass |",
        "| 10,000 levels x 10 rows | normal | bambi, nutpie | posterior draws, NUTS | > 180 s "
        "| – | – | – | – | – | – | – |",
        "| 10,000 levels x 10 rows | normal | lme4 | REML | 2.0 | 2.0 | 9 | – | > 180 s "
        "| – | – | – |",
    ]


def test_seconds_are_beside_each_other():
    assert [_rows(title)[0] for title in ("2,000", "10,000", "100,000")] == [
        "| 2,000 levels x 10 rows | normal | 3.0 | – | 40.0 | – | – | – |",
        "| 10,000 levels x 10 rows | normal | 5.0 | – | > 180 s | – | – | 2.0 |",
        "| 100,000 levels x 10 rows | normal | – | – | not tried: > 180 s for levels-10000 "
        "| – | – | – |",
    ]


def test_machines_are_told_once():
    assert _rows("some, 2 cores") == [
        "| some, 2 cores, 1 GiB, S | skhlm | skhlm 0.1 | 2026 | c |",
        "| some, 2 cores, 1 GiB, S | bambi, nutpie | skhlm 0.1 | 2026 | c |",
    ]


def test_a_line_ends_where_a_program_did_not():
    assert list(times(RECORDS, "skhlm", "levels")) == [(2_000, 3.0, True), (10_000, 5.04, True)]
    assert list(times(RECORDS, "bambi, nutpie", "levels")) == [
        (2_000, 40.0, True),
        (10_000, 180.0, False),
    ]
    assert list(times(RECORDS, "gpboost", "levels")) == []


def test_the_picture_is_written(tmp_path):
    draw(RECORDS, tmp_path / "peers.png")
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")
