"""What all programs are given: the model, and a file of plain numbers for each column.

The peers' environment imports this file and needs neither skhlm nor what its data sets need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

Floats = Any
FITTED, EFFECTS = "fitted", "effects"  # what a program says when it has them
COVERAGE, Z = 0.9, 1.6448536269514722  # of intervals, and their half widths in standard deviations


@dataclass(frozen=True)
class Task:
    """Columns y, x1, ...; f1, ... are levels of factors, counted from 0, each by its whole path.

    ``hierarchies`` are paths of such columns, coarse to fine, and ``n_levels`` are those of f1,
    and so on. All predictors vary by all factors, or the intercept alone.
    """

    family: str
    hierarchies: tuple[str, ...]
    n_levels: tuple[int, ...]
    n_predictors: int
    all_vary: bool

    @property
    def factors(self) -> tuple[str, ...]:
        """Columns of levels."""
        return tuple(f"f{i + 1}" for i in range(len(self.n_levels)))

    @property
    def slopes(self) -> tuple[str, ...]:
        """Columns of predictors."""
        return tuple(f"x{i + 1}" for i in range(self.n_predictors))

    @property
    def varying(self) -> tuple[str, ...]:
        """Coefficients that vary, as patsy, formulae and R call them."""
        return ("Intercept", *self.slopes) if self.all_vary else ("Intercept",)

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Levels and coefficients of the effects of each factor."""
        return {
            factor: (n, len(self.varying))
            for factor, n in zip(self.factors, self.n_levels, strict=True)
        }

    def formula(self, bar: str) -> str:
        """In the manner of lme4; behind "||" effects of a level are independent, if several."""
        inside = " + ".join(["1", *self.varying[1:]])
        bar = bar if len(self.varying) > 1 else "|"
        terms = ["1", *self.slopes, *(f"({inside} {bar} {factor})" for factor in self.factors)]
        return f"y ~ {' + '.join(terms)}"


class Effects(NamedTuple):
    """Estimates of a factor's effects, and ends of their intervals, or None: all (levels, K)."""

    mean: Floats
    lower: Floats | None = None
    upper: Floats | None = None

    @classmethod
    def normal(cls, mean: Floats, sd: Floats) -> Effects:
        """Intervals of a normal distribution."""
        return cls(mean, mean - Z * sd, mean + Z * sd)


def write_task(task: Task, rows: pd.DataFrame, folder: Path) -> None:
    """The model, and y, x1, ... as doubles, f1, ... as integers of four bytes."""
    (folder / "task.json").write_text(json.dumps(asdict(task)), encoding="utf-8")
    for name, column in rows.items():
        kind = np.int32 if name in task.factors else np.float64
        column.to_numpy(kind).tofile(folder / str(name))


def read_task(folder: Path) -> tuple[Task, pd.DataFrame]:
    """What was written."""
    told = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    task = Task(**{name: tuple(v) if isinstance(v, list) else v for name, v in told.items()})
    kinds = dict.fromkeys(("y", *task.slopes), np.float64) | dict.fromkeys(task.factors, np.int32)
    columns = {name: np.fromfile(folder / name, kind) for name, kind in kinds.items()}
    return task, pd.DataFrame(columns)


def write_effects(effects: Mapping[str, Effects], folder: Path) -> None:
    """A file for each factor and number: f1.mean, f1.lower, ..., doubles, level by level."""
    for factor, found in effects.items():
        for name, values in found._asdict().items():
            if values is not None:
                np.ascontiguousarray(values, np.float64).tofile(folder / f"{factor}.{name}")


def read_effects(task: Task, folder: Path) -> dict[str, Effects]:
    """What a program wrote; None for the ends of intervals that it has not."""
    return {
        factor: Effects(
            *(
                np.fromfile(path).reshape(shape) if path.exists() else None
                for path in (folder / f"{factor}.{name}" for name in Effects._fields)
            )
        )
        for factor, shape in task.shapes.items()
    }
