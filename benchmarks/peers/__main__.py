"""Fits by several packages to the same data, one after the other, each in a process of its own.

``make bench-peers`` installs the packages into build/peers and measures all; lme4 is measured
where R has it. What is measured is written after each fit; ``--only`` and ``--programs`` measure
some again and leave the others as they are.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.machine import describe_machine
from benchmarks.peers.cases import CASES, Case, Unavailable, find_cases, prepare
from benchmarks.peers.page import make_page
from benchmarks.peers.picture import draw
from benchmarks.peers.record import Record, Records, accuracy, read_records, write_records
from benchmarks.peers.roster import PROGRAMS, Program, find_programs
from benchmarks.peers.task import EFFECTS, FITTED, Task, read_effects, write_task
from benchmarks.peers.watch import Limits, Watched
from benchmarks.plain import ROOT
from skhlm._typing import Floats
from skhlm.numerics.convergence import convergence

RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "docs" / "pictures" / "peers.png"


def main() -> None:
    """Measure what is asked for, and write file, page and picture."""
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and end what was started
    limits = Limits(options.limit, options.memory * 2**30)
    path = options.output / "peers.json"
    records = read_records(path)
    for program in find_programs(options.programs):
        program.warm_up()
    for case in find_cases(options.only):
        programs = [
            program
            for program in find_programs(options.programs)
            if case.family in program.families
            and not (options.missing and program.name in records.get(case.key, {}))
        ]
        for program, record in _measured(case, programs, records, limits):
            records.setdefault(case.key, {})[program.name] = record
            write_records(records, path)
            path.with_suffix(".md").write_text(make_page(records), encoding="utf-8")
            print(f"{case.key}: {program.name}: {_briefly(record)}", flush=True)
    draw(records, PICTURE if options.output == RESULTS else options.output / "peers.png")


def parse_options() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(dict.fromkeys(case.name for case in CASES))
    programs = ", ".join(program.name.replace(", ", "-") for program in PROGRAMS)
    parser.add_argument("--only", help=f"data sets, of {names}; S/student_t is one of its two")
    parser.add_argument("--programs", help=f"some of {programs}")
    parser.add_argument("--missing", action="store_true", help="what was not measured before")
    parser.add_argument("--limit", type=float, default=600, help="seconds of a process")
    parser.add_argument("--memory", type=float, default=16, help="GiB of a process")
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory of the results")
    return parser.parse_args()


def _measured(
    case: Case, programs: Sequence[Program], records: Records, limits: Limits
) -> Iterator[tuple[Program, Record]]:
    """Each program and its record."""
    if not programs:
        return
    try:
        task, rows, truth = prepare(case)
    except Unavailable as reason:
        yield from ((program, Record(failure=str(reason))) for program in programs)
        return
    for program in programs:
        failure = program.missing or hopeless(case, program, records)
        if failure:
            record = Record(failure=failure, n_rows=len(rows), machine=describe_machine())
        else:
            record = measure(task, rows, truth, program, limits)
        yield program, record


def hopeless(case: Case, program: Program, records: Records) -> str:
    """Why it is not tried: a case of fewer levels, rows or columns took too much already."""
    for smaller in CASES:
        failure = records.get(smaller.key, {}).get(program.name, Record()).failure
        if failure.startswith(">") and smaller.family == case.family:
            for row, size in smaller.sizes.items():
                if size < case.sizes.get(row, 0):
                    return f"not tried: {failure} for {smaller.name}"
    return ""


def measure(
    task: Task,
    rows: pd.DataFrame,
    truth: tuple[Floats, ...] | None,
    program: Program,
    limits: Limits,
) -> Record:
    """One fit, and all that follows of it."""
    machine = describe_machine()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_task(task, rows, folder)
        process = Watched(program.command(task, folder), folder, limits)
        process.listen((FITTED, EFFECTS))
        taken = _taken(process)
        record = Record(n_rows=len(rows), machine=machine, failure=process.failure, **taken)
        if process.failure:
            return replace(record, failure=_reason(process, folder))
        rmse, coverage = accuracy(truth, read_effects(task, folder))
        return replace(record, rmse=rmse, coverage=coverage, **_told(folder))


def _taken(process: Watched) -> dict[str, float]:
    """Up to the fitted model, and from there to its effects."""
    if FITTED not in process.marks:
        return {}
    seconds, cpu_seconds, n_bytes = process.marks[FITTED]
    taken = {"seconds": seconds, "cpu_seconds": cpu_seconds, "mebibytes": n_bytes / 2**20}
    if EFFECTS in process.marks:
        taken["effects_seconds"] = process.marks[EFFECTS].seconds - seconds
    return taken


def _reason(process: Watched, folder: Path) -> str:
    """The limit that it exceeded, or the last line that tells of an error."""
    lines = (folder / "stderr").read_text(encoding="utf-8").splitlines()
    errors = [line for line in lines if "Error" in line.partition(":")[0]]
    return errors[-1][:100] if errors and process.failure[0] != ">" else process.failure


def _told(folder: Path) -> dict[str, Any]:
    """What the program says, with ESS where it left draws for that."""
    told: dict[str, Any] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    if (folder / "draws.npy").exists():
        found = convergence(np.load(folder / "draws.npy"))
        told["ess_bulk"] = float(found.ess_bulk.min())
        told["ess_tail"] = float(found.ess_tail.min())
        told["said"] += f", R-hat {found.rhat.max():.2f}"
    return told


def _briefly(record: Record) -> str:
    """For who looks on."""
    if record.seconds is None:
        return record.failure
    accuracy_found = "" if record.rmse is None else f", rmse {record.rmse:.3f}"
    return f"{record.seconds:.1f} s, {record.mebibytes:.0f} MiB{accuracy_found} {record.failure}"


if __name__ == "__main__":
    main()
