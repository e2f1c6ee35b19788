"""How a default fit grows with levels and with predictors, each in a process of its own.

``python -m benchmarks.scale`` writes ``benchmarks/results/scale.md``; ``--only levels`` or
``--only predictors`` measures one of the two tables and prints it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "benchmarks" / "results" / "scale.md"
MEGABYTE = 1024  # of what the system counts


@dataclass(frozen=True)
class Task:
    """One factor of so many levels; all predictors vary by it, or the intercept alone."""

    levels: int
    rows: int
    predictors: int
    family: str = "normal"
    varying: str = "all"

    def load(self) -> tuple[pd.DataFrame, Any]:
        """Rows and outcome."""
        return self.simulate()[:2]

    def simulate(self) -> tuple[pd.DataFrame, Floats, Floats]:
        """Rows, an outcome with noise of one, and its effects, of a half: (levels, varying)."""
        rng = np.random.default_rng(0)
        level = np.arange(self.rows) % self.levels
        X = rng.normal(size=(self.rows, self.predictors))
        effects = 0.5 * rng.normal(size=(self.levels, 1 + self.predictors))
        own = effects[level]
        slopes = 1 + own[:, 1:] * (self.varying == "all")
        y = own[:, 0] + (X * slopes).sum(axis=1) + rng.normal(size=self.rows)
        names = [f"x{i}" for i in range(self.predictors)]
        there = effects if self.varying == "all" else effects[:, :1]
        return pd.DataFrame(X, columns=names).assign(level=level), y, there


TASKS = {
    "levels": [
        Task(levels, 10 * levels, 1, family, varying)
        for family, varying, sizes in (
            ("normal", "all", (200, 2_000, 10_000, 100_000)),
            ("normal", "intercept", (2_000, 10_000, 100_000)),
            ("student_t", "all", (200, 2_000, 10_000, 100_000)),
        )
        for levels in sizes
    ],
    "predictors": [
        Task(20, 1_000, predictors, family)
        for family in ("normal", "student_t")
        for predictors in (5, 10, 20, 40)
    ],
}
COLUMNS = "seconds | of which fit | MiB, ours and the program's | verdict | draws | bulk, tail ESS"


def measure(task: Task) -> str:
    """A line of the table: the fit from process start to all fitted attributes."""
    start = time.perf_counter()
    command = [sys.executable, "-m", __spec__.name, "--fit", json.dumps(asdict(task))]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return f"{time.perf_counter() - start:.1f} | {answer.strip()}"


def fit(task: Task) -> str:
    """The model with nothing but groups, family and what varies given; what became of it."""
    from skhlm import HLMRegressor

    X, y = task.load()
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the verdict is told
        model = HLMRegressor("level", family=task.family, varying=task.varying).fit(X, y)
    seconds = time.perf_counter() - start
    found = model.diagnostics_
    memory = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ours, programs = (resource.getrusage(who).ru_maxrss // MEGABYTE for who in memory)
    return (
        f"{seconds:.1f} | {ours}, {programs} | {found.verdict} | {model._posterior.n_draws} | "
        f"{found.min_ess_bulk:.0f}, {found.min_ess_tail:.0f}"
    )


def table(tasks: Sequence[Task]) -> str:
    """All of them, in Markdown."""
    lines = [f"| family | varying | levels | rows | predictors | {COLUMNS} |", "|---" * 11 + "|"]
    for task in tasks:
        shown = (task.family, task.varying, task.levels, task.rows, task.predictors)
        lines.append(f"| {' | '.join(map(str, shown))} | {measure(task)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the page unless one table alone is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=TASKS)
    parser.add_argument("--fit", type=lambda text: Task(**json.loads(text)))
    options = parser.parse_args()
    if options.fit:
        print(fit(options.fit))
        return
    tables = {name: table(tasks) for name, tasks in TASKS.items() if options.only in (None, name)}
    if options.only:
        return
    from benchmarks.machine import describe_machine  # not what a fit waits for

    machine = "; ".join(f"{name} {value}" for name, value in describe_machine().items())
    text = (
        "# Default fits as levels and predictors grow\n\n"
        "`python -m benchmarks.scale`: from the start of a process to all fitted attributes. ESS\n"
        "is the smallest of all parameters.\n\n"
        f"{tables['levels']}\n\n{tables['predictors']}\n\n{machine}\n"
    )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
