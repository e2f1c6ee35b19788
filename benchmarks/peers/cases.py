"""The data sets, each with the model that all programs fit to it, in the order of the runs."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.data_sets import CAMPAIGNS, LEVELS, load_radon_rows, load_sleepstudy_rows
from benchmarks.peers.task import Task
from benchmarks.scale import Task as OneFactor
from skhlm._typing import Floats, Ints
from skhlm.datasets import make_campaigns

Family = Literal["normal", "student_t"]


class Unavailable(Exception):
    """Data that are not to be had here, and why in a word or two."""


class Rows(NamedTuple):
    """Predictors and factors, the outcome, and true effects, (levels, K) by factor, or None."""

    X: pd.DataFrame
    y: Floats
    effects: tuple[Floats, ...] | None = None


@dataclass(frozen=True)
class Case:
    """A data set and its model; ``sizes`` are its places in rows of ever larger ones."""

    name: str
    title: str
    family: Family
    groups: tuple[str, ...]
    load: Callable[[], Rows]
    all_vary: bool = True
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """How the command line names it."""
        return f"{self.name}/{self.family}"


def prepare(case: Case) -> tuple[Task, pd.DataFrame, tuple[Floats, ...] | None]:
    """The model and rows of plain numbers for all programs, and the true effects if known."""
    X, y, effects = case.load()
    rows, hierarchies, n_levels = {"y": y}, [], []
    for path in case.groups:
        first = len(n_levels) + 1
        for columns in accumulate([name] for name in path.split("/")):
            code = level_codes(X, columns)
            n_levels.append(int(code.max()) + 1)
            rows[f"f{len(n_levels)}"] = code
        hierarchies.append("/".join(f"f{i}" for i in range(first, len(n_levels) + 1)))
    predictors = X.drop(columns="/".join(case.groups).split("/"))
    rows |= {f"x{i + 1}": predictors[name] for i, name in enumerate(predictors)}
    task = Task(
        case.family, tuple(hierarchies), tuple(n_levels), predictors.shape[1], case.all_vary
    )
    return task, pd.DataFrame(rows), effects


def level_codes(X: pd.DataFrame, columns: list[str]) -> Ints:
    """Levels by their whole paths, from 0, in sorted order."""
    codes: Ints = X.groupby(columns, sort=True, observed=True).ngroup().to_numpy()
    return codes


def _simulated(task: OneFactor) -> Rows:
    """One factor."""
    X, y, effects = task.simulate()
    return Rows(X, y, (effects,))


def _campaigns(
    n: int, n_predictors: int, family: Family, seed: int, levels: dict[str, int]
) -> Rows:
    """Countries in regions, crossed with verticals in industries; levels that have rows."""
    X, y, truth = make_campaigns(n, n_predictors, **levels, family=family, random_state=seed)
    K = len(truth.kappa)
    effects = []
    for factor, of_factor in truth.effects.groupby("factor", sort=False):
        of_level = of_factor["effect"].to_numpy().reshape(-1, K)
        columns = str(factor).split("/")
        there = X[columns].drop_duplicates().sort_values(columns).itertuples(index=False)
        place = {level: i for i, level in enumerate(of_factor["level"].iloc[::K])}
        effects.append(of_level[[place[tuple(level)] for level in there]])
    return Rows(X, y.to_numpy(), tuple(effects))


def _plain(load: Callable[[], tuple[pd.DataFrame, pd.Series[float]]]) -> Rows:
    """Real data, whose true effects nobody knows."""
    X, y = load()
    return Rows(X, y.to_numpy())


def _lectures() -> Rows:
    """InstEval: marks from 1 to 5 that 2,972 students (s) gave to 1,128 lecturers (d), of lme4."""
    if shutil.which("Rscript") is None:
        raise Unavailable("no R")
    told = 'write.csv(lme4::InstEval[c("s", "d", "y")], row.names = FALSE)'
    answer = subprocess.run(["Rscript", "-e", told], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise Unavailable("no lme4 in R")
    frame = pd.read_csv(io.StringIO(answer.stdout))
    return Rows(frame[["s", "d"]], frame["y"].to_numpy(np.float64))


def _levels(n: int, sizes: Mapping[str, int]) -> Case:
    """Ten rows a level."""
    return Case(
        f"levels-{n}",
        f"{n:,} levels x 10 rows",
        "normal",
        ("level",),
        partial(_simulated, OneFactor(n, 10 * n, 1)),
        sizes=sizes,
    )


def _rows(n: int) -> Case:
    """The same levels, with more rows."""
    return Case(
        f"rows-{n}",
        f"200 levels x {n // 200:,} rows",
        "normal",
        ("level",),
        partial(_simulated, OneFactor(200, n, 1)),
        sizes={"rows": n},
    )


def _columns(n: int) -> Case:
    """Predictors that all vary."""
    return Case(
        f"columns-{n}",
        f"{n} predictors, 20 levels x 50 rows",
        "normal",
        ("level",),
        partial(_simulated, OneFactor(20, 1_000, n)),
        sizes={"columns": n},
    )


_SMALL = partial(_campaigns, 2_000, 2, seed=1, levels={})
_MEDIUM = partial(_campaigns, 20_000, 3, seed=2, levels=LEVELS)
_LARGE = partial(_campaigns, 200_000, 3, seed=3, levels=LEVELS)


def _of_size(name: str, n: int, load: Callable[..., Rows]) -> list[Case]:
    """Simulated campaigns, with residuals as the model has them."""
    return [
        Case(
            name,
            f"{name}, {n:,} rows",
            family,
            CAMPAIGNS,
            partial(load, family=family),
            sizes={"campaigns": n},
        )
        for family in FAMILIES
    ]


FAMILIES: tuple[Family, ...] = ("normal", "student_t")
CASES = (
    _levels(2_000, {"levels": 2_000}),
    _levels(10_000, {"levels": 10_000}),
    _levels(100_000, {"levels": 100_000}),
    Case("InstEval", "InstEval", "normal", ("s", "d"), _lectures, all_vary=False),
    *_of_size("S", 2_000, _SMALL),
    *_of_size("M", 20_000, _MEDIUM),
    *(
        Case("radon", "radon", family, ("state/county",), partial(_plain, load_radon_rows))
        for family in FAMILIES
    ),
    *(
        Case(
            "sleepstudy", "sleepstudy", family, ("subject",), partial(_plain, load_sleepstudy_rows)
        )
        for family in FAMILIES
    ),
    _levels(200, {"levels": 200, "rows": 2_000}),
    *(_rows(n) for n in (20_000, 200_000, 1_000_000)),
    *(_columns(n) for n in (5, 10, 20, 40)),
    *_of_size("L", 200_000, _LARGE),
)


def find_cases(selection: str | None) -> list[Case]:
    """Those a comma-separated list of names or keys selects, or all, in the order of the runs."""
    if selection is None:
        return list(CASES)
    wanted = set(selection.split(","))
    known = {name for case in CASES for name in (case.name, case.key)}
    if unknown := wanted - known:
        raise ValueError(f"no case {sorted(unknown)}; there are {sorted(known)}")
    return [case for case in CASES if {case.name, case.key} & wanted]
