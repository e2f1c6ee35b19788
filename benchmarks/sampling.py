"""The sampler against the plain Stan program: ``python -m benchmarks.sampling --help``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.data_sets import DATA_SETS, DataSet, PlainRun, find_data_sets
from benchmarks.default_fit import time_default_fit
from benchmarks.machine import describe_machine
from benchmarks.measures import Measures
from benchmarks.plain import ROOT
from benchmarks.programs import Task, prepare, run_plain, run_tree_map
from benchmarks.report import Result, read_result, write_result

RESULTS = ROOT / "benchmarks" / "results"
QUICK_RESULTS = ROOT / "build" / "benchmarks"  # not to replace those with the plain program


def main() -> None:
    """Measure the data sets asked for, and write what was found after each of them."""
    options = parse_options()
    directory = options.output or (QUICK_RESULTS if options.quick else RESULTS)
    for data_set in find_data_sets(options.only) if options.only else DATA_SETS:
        print(f"{data_set.key} ...", flush=True)
        if options.fits:
            measure = measure_fit
        else:
            measure = measure_tree_map if options.tree_map else measure_data_set
        page = write_result(measure(data_set, options), directory)
    print(page)


def parse_options() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sampling",
        description="Compare the sampler with the plain Stan program on the same data.",
    )
    parser.add_argument("--only", help="data sets, as in S,gapminder or radon/normal")
    parser.add_argument("--quick", action="store_true", help="the tree map alone, no plain program")
    parser.add_argument("--fits", action="store_true", help="time default fits again, nothing else")
    parser.add_argument(
        "--tree-map", action="store_true", help="all again but the plain program, kept as it was"
    )
    parser.add_argument("--all", action="store_true", help="the plain program even where it fails")
    parser.add_argument("--plain-draws", type=int, help="draws of each chain of the plain program")
    parser.add_argument("--output", type=Path, help="directory of the results")
    return parser.parse_args()


def measure_data_set(data_set: DataSet, options: argparse.Namespace) -> Result:
    """The tree map, a default fit in a process of its own, and at last the slow plain program."""
    task = prepare(data_set)
    tree_map = run_tree_map(task)
    default_fit_seconds = time_default_fit(data_set)
    return Result(
        data_set=data_set.key,
        n_rows=len(task.rows.y),
        n_coefficients=task.problem.n_coefficients,
        n_levels=task.problem.n_levels,
        tree_map=tree_map,
        plain=choose_plain(data_set, options, task),
        default_fit_seconds=default_fit_seconds,
        machine=describe_machine(),
    )


def measure_tree_map(data_set: DataSet, options: argparse.Namespace) -> Result:
    """What was measured before of the plain program, and all else again."""
    before = read_result(data_set.key, options.output or RESULTS)
    found = measure_data_set(data_set, options)
    machine = before.plain_machine or before.machine
    return replace(found, plain=before.plain, plain_machine=machine if before.plain else None)


def measure_fit(data_set: DataSet, options: argparse.Namespace) -> Result:
    """What was measured before, with the default fit timed again: that needs a quiet machine."""
    return replace(
        read_result(data_set.key, options.output or RESULTS),
        default_fit_seconds=time_default_fit(data_set),
        default_fit_machine=describe_machine(),
    )


def choose_plain(data_set: DataSet, options: argparse.Namespace, task: Task) -> Measures | None:
    """The plain program, unless it is not asked for."""
    if options.quick or options.tree_map or (data_set.plain is None and not options.all):
        return None
    run = data_set.plain or PlainRun()
    if options.plain_draws:
        run = replace(run, iter_sampling=options.plain_draws)
    return run_plain(task, run)


if __name__ == "__main__":
    main()
