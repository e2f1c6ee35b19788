"""The records as a page of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from benchmarks.peers.cases import CASES
from benchmarks.peers.record import Record, Records
from benchmarks.peers.roster import PROGRAMS
from benchmarks.report import table

NOTHING = "–"
_FITS = (
    *("data", "residuals", "program", "gives", "seconds", "CPU seconds", "MiB", "ESS, bulk / tail"),
    *("seconds, effects", "RMSE, effects", "coverage of 90%", "says of its fit"),
)
_WHERE = ("machine", "program", "versions", "measured", "commit")
_NAMES = tuple(program.name for program in PROGRAMS)


def make_page(records: Records) -> str:
    """Markdown."""
    return "\n".join(
        [
            "# skhlm and other packages",
            "",
            "Made by `make bench-peers`; benchmarks/README.md says what is measured, and how.",
            f"{NOTHING} is what a package has not, or what was not measured.",
            "",
            "## Seconds to the fitted model",
            "",
            *table(("data", "residuals", *_NAMES), _second_rows(records)),
            "",
            "## All that was measured",
            "",
            *table(_FITS, _fit_rows(records)),
            "",
            "## Where and when",
            "",
            *table(_WHERE, _where_rows(records)),
            "",
        ]
    )


def _second_rows(records: Records) -> Iterable[Sequence[str]]:
    """A row for each data set, a column for each program."""
    for case in CASES:
        if of_case := records.get(case.key):
            cells = (_time(of_case[name]) if name in of_case else NOTHING for name in _NAMES)
            yield (case.title, case.family, *cells)


def _fit_rows(records: Records) -> Iterable[Sequence[str]]:
    """A row for each fit, and for each that there is not."""
    for case in CASES:
        for program in PROGRAMS:
            if record := records.get(case.key, {}).get(program.name):
                about = (case.title, case.family, program.name, program.gives)
                yield (*about, *_numbers(record))


def _numbers(record: Record) -> Iterable[str]:
    """Cells of what was measured."""
    yield _time(record)
    yield NOTHING if record.cpu_seconds is None else _seconds(record.cpu_seconds)
    yield _cell(record.mebibytes, ",.0f")
    yield (
        NOTHING
        if record.ess_bulk is None
        else f"{record.ess_bulk:,.0f} / {_cell(record.ess_tail, ',.0f')}"
    )
    if record.effects_seconds is None and record.seconds is not None:
        yield record.failure
    else:
        yield _cell(record.effects_seconds, ".1f")
    yield _cell(record.rmse, ".3f")
    yield NOTHING if record.coverage is None else f"{100 * record.coverage:.1f}%"
    yield record.said or NOTHING


def _time(record: Record) -> str:
    """Seconds, or why there are none."""
    return record.failure if record.seconds is None else _seconds(record.seconds)


def _cell(value: float | None, form: str) -> str:
    """A number, or that there is none."""
    return NOTHING if value is None else format(value, form)


def _seconds(value: float) -> str:
    """One decimal below a hundred."""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _where_rows(records: Records) -> Iterable[Sequence[str]]:
    """A row for each machine, program, version and commit, with first and last date."""
    found = sorted(
        (_machine(record), i, _versions(record), record.machine["commit"], record.machine["date"])
        for of_case in records.values()
        for i, program in enumerate(PROGRAMS)
        if (record := of_case.get(program.name)) and record.versions
    )
    for (machine, i, versions, commit), of_one in groupby(found, key=lambda line: line[:-1]):
        dates = [line[-1] for line in of_one]
        when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
        yield machine, PROGRAMS[i].name, versions, when, commit


def _machine(record: Record) -> str:
    """Processor, cores, memory, system."""
    told = record.machine
    return f"{told['CPU']}, {told['cores']} cores, {told['memory']}, {told['system']}"


def _versions(record: Record) -> str:
    """Of the program and what it rests on."""
    return ", ".join(f"{name} {version}" for name, version in record.versions.items())
