"""The data sets of the benchmark, each with the model that is fitted to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from skhlm.datasets import load_gapminder, load_radon, load_sleepstudy, make_campaigns

XY = tuple[pd.DataFrame, "pd.Series[float]"]


@dataclass(frozen=True)
class PlainRun:
    """How long the plain program runs; cut short where it would take hours.

    ESS per 1000 gradients does not depend on the number of draws, only its precision does.
    """

    chains: int = 4
    iter_warmup: int = 1000
    iter_sampling: int = 500


@dataclass(frozen=True)
class DataSet:
    """A data set and its model, in which every coefficient varies by every factor.

    ``plain`` is None where the plain program does not converge however long it runs.
    """

    name: str
    family: str
    groups: tuple[str, ...]
    load: Callable[[], XY]
    plain: PlainRun | None = PlainRun()

    @property
    def key(self) -> str:
        """How the command line names it."""
        return f"{self.name}/{self.family}"


CAMPAIGNS = ("region/country", "industry/vertical")


def load_small_campaigns() -> XY:
    """S: 2,000 rows, K = 3, levels 5 / 30 / 6 / 40."""
    X, y, _ = make_campaigns(2_000, random_state=1)
    return X, y


def load_medium_campaigns() -> XY:
    """M: 20,000 rows, K = 4, levels 8 / 80 / 10 / 120."""
    X, y, _ = make_campaigns(
        20_000,
        3,
        n_regions=8,
        n_countries=80,
        n_industries=10,
        n_verticals=120,
        random_state=2,
    )
    return X, y


def load_sleepstudy_rows() -> XY:
    """18 subjects, 10 days each."""
    return load_sleepstudy(return_X_y=True)


def load_radon_rows() -> XY:
    """12,490 homes of 469 counties in 9 states."""
    return load_radon(return_X_y=True)


def load_gapminder_rows() -> XY:
    """Life expectancy on income and year, 142 countries in 5 continents."""
    return load_gapminder(return_X_y=True)


DATA_SETS = (
    DataSet("S", "student_t", CAMPAIGNS, load_small_campaigns),
    DataSet("M", "student_t", CAMPAIGNS, load_medium_campaigns, PlainRun(2, 300, 100)),
    DataSet("sleepstudy", "student_t", ("subject",), load_sleepstudy_rows),
    DataSet("sleepstudy", "normal", ("subject",), load_sleepstudy_rows),
    DataSet("radon", "student_t", ("state/county",), load_radon_rows, PlainRun(2, 1000, 250)),
    DataSet("radon", "normal", ("state/county",), load_radon_rows, PlainRun(2, 1000, 250)),
    DataSet(
        "gapminder", "normal", ("continent/country",), load_gapminder_rows, PlainRun(2, 1000, 250)
    ),
    DataSet("gapminder", "student_t", ("continent/country",), load_gapminder_rows, None),
)


def find_data_sets(selection: str) -> list[DataSet]:
    """Those a comma-separated list of names or keys selects, in the order of the table above."""
    wanted = set(selection.split(","))
    known = {name for data_set in DATA_SETS for name in (data_set.name, data_set.key)}
    if unknown := wanted - known:
        raise ValueError(f"no data set {sorted(unknown)}; there are {sorted(known)}")
    return [data_set for data_set in DATA_SETS if {data_set.name, data_set.key} & wanted]
