"""How a fit to more rows than memory grows with rows: seconds, nanoseconds a row, memory.

``python -m benchmarks.rows`` writes ``benchmarks/results/rows.md``. Rows are made as they are asked
for, normal, with four predictors that all vary by 1,000 levels; to make them is measured alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.machine import describe_machine
from benchmarks.plain import ROOT

PAGE = ROOT / "benchmarks" / "results" / "rows.md"
SIZES = (1_000_000, 5_000_000, 50_000_000)
LEVELS, PREDICTORS, BATCH = 1_000, 4, 500_000
COLUMNS = "rows | seconds | of which made | gathered | ns a row | fitted | MiB | verdict"


def frames(n: int) -> Iterator[pd.DataFrame]:
    """So many rows, a batch at a time, that are always the same."""
    rng = np.random.default_rng(0)
    slopes = 1 + 0.5 * rng.normal(size=(LEVELS, PREDICTORS))
    offset = rng.normal(size=LEVELS)
    for start in range(0, n, BATCH):
        size = min(BATCH, n - start)
        X, level = rng.normal(size=(size, PREDICTORS)), rng.integers(LEVELS, size=size)
        y = offset[level] + (slopes[level] * X).sum(axis=1) + rng.normal(size=size)
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(PREDICTORS)])
        yield frame.assign(level=level, y=y)


def fit(n: int) -> str:
    """A line of the table but for the seconds of the whole process."""
    from skhlm import HLMRegressor
    from skhlm.condensing.condensed import blocks_of, condense

    start = time.perf_counter()
    for _ in frames(n):
        pass
    made = time.perf_counter() - start
    model = HLMRegressor("level", family="normal", random_state=0)
    start = time.perf_counter()
    few = condense(model, blocks_of(frames(n), "y", None))
    gathered = time.perf_counter() - start - made
    start = time.perf_counter()
    model.fit(few, None)
    fitted = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    numbers = f"{made:.1f} | {gathered:.1f} | {1e9 * gathered / n:.0f} | {fitted:.1f}"
    return f"{numbers} | {memory:.0f} | {model.diagnostics_.verdict}"


def measure(n: int) -> str:
    """The same in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-m", __spec__.name, "--fit", json.dumps(n)]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return f"| {n:,} | {time.perf_counter() - start:.1f} | {answer.strip()} |"


def main() -> None:
    """Measure all sizes and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fit is not None:
        print(fit(given.fit))
        return
    rule = "|---" * len(COLUMNS.split("|")) + "|"
    lines = [f"| {COLUMNS} |", rule, *(measure(n) for n in SIZES)]
    head = (
        "# Fits to more rows than memory\n\n"
        f"`python -m benchmarks.rows`: normal residuals, {PREDICTORS} predictors that all vary by "
        f"{LEVELS:,} levels, frames of {BATCH:,} rows that are made twice, once to see how long "
        "that takes.\n\n"
    )
    machine = "; ".join(f"{name} {value}" for name, value in describe_machine().items())
    PAGE.write_text(head + "\n".join(lines) + f"\n\n{machine}\n", encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
