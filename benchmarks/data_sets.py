"""The data sets of the benchmark, each with the model that is fitted to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from skhlm._typing import Floats
from skhlm.datasets import (
    load_aggression,
    load_epilepsy,
    load_gapminder,
    load_grouse,
    load_radon,
    load_sleepstudy,
    make_campaigns,
)

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
    """A data set and its model, in which every coefficient varies by every factor unless told.

    ``plain`` is None where the plain program does not converge however long it runs, or where it
    would take hours and another data set has shown the same.
    """

    name: str
    family: str
    groups: tuple[str, ...]
    load: Callable[[], XY]
    plain: PlainRun | None = PlainRun()
    varying: str = "all"

    @property
    def key(self) -> str:
        """How the command line names it."""
        return f"{self.name}/{self.family}"


CAMPAIGNS = ("region/country", "industry/vertical")
LEVELS: dict[str, Any] = {"n_regions": 8, "n_countries": 80, "n_industries": 10, "n_verticals": 120}


def load_small_campaigns() -> XY:
    """S: 2,000 rows, K = 3, levels 5 / 30 / 6 / 40."""
    X, y, _ = make_campaigns(2_000, random_state=1)
    return X, y


def load_medium_campaigns() -> XY:
    """M: 20,000 rows, K = 4, levels 8 / 80 / 10 / 120."""
    X, y, _ = make_campaigns(20_000, 3, **LEVELS, random_state=2)
    return X, y


def load_sleepstudy_rows() -> XY:
    """18 subjects, 10 days each."""
    return load_sleepstudy(return_X_y=True)


def load_radon_rows() -> XY:
    """12,490 homes of 469 counties in 9 states."""
    return load_radon(return_X_y=True)


def load_grouse_rows() -> XY:
    """Ticks on 403 chicks, of 118 broods at 63 places; years 1996 and 1997 against 1995."""
    X, y = load_grouse(return_X_y=True)
    years = {f"y{year}": (X["year"] == year).astype(np.float64) for year in (1996, 1997)}
    return X.drop(columns="year").assign(**years), y


def load_aggression_rows() -> XY:
    """Yes or no of 316 people to each of 24 items."""
    X, y = load_aggression(return_X_y=True)
    return X, (y == "yes").astype(np.float64)


def load_epilepsy_rows() -> XY:
    """Seizures of 59 patients at four visits, by the predictors of Thall and Vail (1990)."""
    X, y = load_epilepsy(return_X_y=True)
    before = np.log(X["baseline"] / 4)  # of the eight weeks before, for two weeks
    return pd.DataFrame(
        {
            "patient": X["patient"],
            "before": before,
            "progabide": X["progabide"],
            "progabide_by_before": X["progabide"] * before,
            "log_age": np.log(X["age"]),
            "fourth": (X["visit"] == 4).astype(np.float64),
        }
    ), y


def load_gapminder_rows() -> XY:
    """Life expectancy on income and year, 142 countries in 5 continents."""
    return load_gapminder(return_X_y=True)


OVERDISPERSION, CV = 0.7, 0.7


def load_campaigns_of(
    family: str, *, n: int, n_predictors: int, seed: int, levels: Mapping[str, Any]
) -> XY:
    """The campaigns with another outcome; eta is half of what it is for returns.

    Half of the yes or no are yes; counts and amounts have a geometric mean of 2.
    """
    X, _, truth = make_campaigns(n, n_predictors, **levels, random_state=seed)
    x = np.column_stack([np.ones(n), *(X[f"spend_{k + 1}"] for k in range(n_predictors))])
    eta = 0.5 * (truth.beta.to_numpy() * x).sum(axis=1)
    eta += (0.0 if family == "binomial" else np.log(2)) - eta.mean()
    return X, pd.Series(_draw(family, eta, np.random.default_rng(seed)), name=family)


def _draw(family: str, eta: Floats, rng: np.random.Generator) -> Floats:
    """Outcomes as numpy draws them."""
    mean = np.exp(eta)
    if family == "binomial":
        return (rng.random(len(eta)) < expit(eta)).astype(np.float64)
    if family == "poisson":
        return rng.poisson(mean).astype(np.float64)
    if family == "negative_binomial":
        rate = mean * rng.gamma(OVERDISPERSION**-2, OVERDISPERSION**2, len(eta))
        return rng.poisson(rate).astype(np.float64)
    return rng.gamma(CV**-2, CV**2 * mean)


def load_sparse_rows() -> XY:
    """One to three yes or no in each of 200 levels, whose intercepts and slopes have an sd of 1."""
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(200), rng.integers(1, 4, 200))
    x = rng.normal(size=len(level))
    effect = rng.normal(size=(200, 2))[level]
    eta = -0.5 + effect[:, 0] + (0.7 + 0.5 * effect[:, 1]) * x
    y = _draw("binomial", eta, rng)
    return pd.DataFrame({"level": level, "x": x}), pd.Series(y, name="yes")


def load_separated_rows() -> XY:
    """Twenty rows in each of 30 levels, of which ten say no throughout, and six yes."""
    rng = np.random.default_rng(0)
    level, x = np.repeat(np.arange(30), 20), rng.normal(size=600)
    y = _draw("binomial", 0.8 * x, rng)
    y[level < 16] = level[level < 16] >= 10
    return pd.DataFrame({"level": level, "x": x}), pd.Series(y, name="yes")


SMALL_PLAIN = {"binomial": PlainRun(2, 1000, 250)}
SHORT_PLAIN = PlainRun(2, 400, 100)
CUT_OFF = PlainRun(2, 300, 100)
SHORTEST = PlainRun(2, 100, 50)
MEDIUM_PLAIN = {"binomial": CUT_OFF}
LINK_FAMILIES = ("binomial", "poisson", "negative_binomial", "gamma")


def campaigns_of(families: Sequence[str]) -> tuple[DataSet, ...]:
    """S and M with outcomes that are yes or no, counts, or amounts."""
    small = partial(load_campaigns_of, n=2_000, n_predictors=2, seed=1, levels={})
    medium = partial(load_campaigns_of, n=20_000, n_predictors=3, seed=2, levels=LEVELS)
    return (
        *(
            DataSet("S", f, CAMPAIGNS, partial(small, f), SMALL_PLAIN.get(f, SHORT_PLAIN))
            for f in families
        ),
        *(
            DataSet("M", f, CAMPAIGNS, partial(medium, f), MEDIUM_PLAIN.get(f, SHORTEST))
            for f in families
        ),
    )


DATA_SETS = (
    DataSet("S", "student_t", CAMPAIGNS, load_small_campaigns),
    DataSet("M", "student_t", CAMPAIGNS, load_medium_campaigns, CUT_OFF),
    DataSet("sleepstudy", "student_t", ("subject",), load_sleepstudy_rows),
    DataSet("sleepstudy", "normal", ("subject",), load_sleepstudy_rows),
    DataSet("radon", "student_t", ("state/county",), load_radon_rows, PlainRun(2, 1000, 250)),
    DataSet("radon", "normal", ("state/county",), load_radon_rows, PlainRun(2, 1000, 250)),
    DataSet(
        "gapminder", "normal", ("continent/country",), load_gapminder_rows, PlainRun(2, 1000, 250)
    ),
    DataSet("gapminder", "student_t", ("continent/country",), load_gapminder_rows, None),
    *campaigns_of(LINK_FAMILIES),
    DataSet("sparse", "binomial", ("level",), load_sparse_rows),
    DataSet("separated", "binomial", ("level",), load_separated_rows),
    *(
        DataSet("grouse", f, ("location/brood",), load_grouse_rows, SHORT_PLAIN, "intercept")
        for f in ("poisson", "negative_binomial")
    ),
    DataSet(
        "aggression",
        "binomial",
        ("person", "item"),
        load_aggression_rows,
        PlainRun(2, 1000, 250),
        "intercept",
    ),
    *(
        DataSet("epilepsy", f, ("patient",), load_epilepsy_rows, varying="intercept")
        for f in ("poisson", "negative_binomial")
    ),
)


def find_data_sets(selection: str) -> list[DataSet]:
    """Those a comma-separated list of names or keys selects, in the order of the table above."""
    wanted = set(selection.split(","))
    known = {name for data_set in DATA_SETS for name in (data_set.name, data_set.key)}
    if unknown := wanted - known:
        raise ValueError(f"no data set {sorted(unknown)}; there are {sorted(known)}")
    return [data_set for data_set in DATA_SETS if {data_set.name, data_set.key} & wanted]
