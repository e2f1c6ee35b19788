"""Data and settings that no fit should pass in silence, and healthy data that should."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skhlm.datasets import make_campaigns
from skhlm.priors import Normal
from tests.chance import SHIFT


@dataclass(frozen=True)
class Pathology:
    """What is fitted, with which parameters, and the check that has to notice."""

    X: pd.DataFrame
    y: Any
    check: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    sample_weight: Any = None


PATHOLOGIES: dict[str, Callable[[], Pathology]] = {}


def pathology(make: Callable[[], Pathology]) -> Callable[[], Pathology]:
    """Collect it under its name."""
    PATHOLOGIES[make.__name__] = make
    return make


def rng_of(seed: int) -> np.random.Generator:
    """The generator of a set's data, another one for every shift."""
    return np.random.default_rng(seed + 1000 * SHIFT)


def one_factor(
    n: int = 80, levels: int = 8, *, tau: float = 0.7, seed: int = 0
) -> tuple[pd.DataFrame, pd.Series]:
    """Rows of one grouping factor in turn: intercept and slope vary, normal residuals of sd 1."""
    rng = rng_of(seed)
    group = np.arange(n) % levels
    x = rng.normal(size=n)
    intercept, slope = tau * rng.normal(size=(2, levels))
    y = 1.0 + intercept[group] + (0.5 + slope[group]) * x + rng.normal(size=n)
    return pd.DataFrame({"group": [f"g{j}" for j in group], "x": x}), pd.Series(y, name="y")


GROUP = {"groups": "group", "varying": "intercept"}


# --- predictors -----------------------------------------------------------------------------------


@pathology
def the_same_predictor_twice() -> Pathology:
    X, y = one_factor()
    return Pathology(X.assign(x_again=X["x"]), y, "collinear predictors", GROUP)


@pathology
def a_predictor_that_is_the_sum_of_two() -> Pathology:
    X, y = one_factor()
    other = rng_of(1).normal(size=len(X))
    X = X.assign(other=other, total=X["x"] + other)
    return Pathology(X, y, "collinear predictors", GROUP)


@pathology
def dummies_of_every_category() -> Pathology:
    X, y = one_factor()
    season = np.arange(len(X)) // 2 % 4
    X = X.assign(**{f"season_{k}": (season == k) * 1.0 for k in range(4)})
    return Pathology(X, y, "collinear predictors", GROUP)


@pathology
def years_and_their_squares() -> Pathology:
    X, y = one_factor()
    year = 1990 + np.arange(len(X)) % 25
    return Pathology(X.assign(year=year, squared=year**2), y, "condition index", GROUP)


@pathology
def a_constant_predictor() -> Pathology:
    X, y = one_factor()
    return Pathology(X.assign(unit=3.0), y, "constant predictors", GROUP)


@pathology
def a_predictor_of_zeros_without_an_intercept() -> Pathology:
    X, y = one_factor()
    parameters = {"groups": "group", "fit_intercept": False}
    return Pathology(X.assign(nothing=0.0), y, "constant predictors", parameters)


@pathology
def more_predictors_than_rows() -> Pathology:
    rng = rng_of(0)
    X = pd.DataFrame(rng.normal(size=(10, 14)), columns=[f"x_{k}" for k in range(14)])
    return Pathology(X, rng.normal(size=10), "degrees of freedom")


@pathology
def hardly_more_rows_than_coefficients() -> Pathology:
    return Pathology(pd.DataFrame({"x": [0.0, 1.0, 3.0]}), [0.2, 1.0, 2.1], "degrees of freedom")


@pathology
def weights_that_sum_to_one() -> Pathology:
    X, y = one_factor()
    weight = np.full(len(y), 1 / len(y))
    return Pathology(X, y, "degrees of freedom", GROUP, sample_weight=weight)


# --- grouping factors -----------------------------------------------------------------------------


@pathology
def one_row_in_every_group() -> Pathology:
    X, y = one_factor(40, 40)
    return Pathology(X, y, "rows in a level", GROUP)


@pathology
def an_outcome_of_the_group_copied_to_its_rows() -> Pathology:
    X, y = one_factor(80, 8)
    return Pathology(
        X[["group"]], y.groupby(X["group"]).transform("mean"), "rows in a level", GROUP
    )


@pathology
def a_single_group() -> Pathology:
    X, y = one_factor(40, 1)
    return Pathology(X, y, "single level", GROUP)


@pathology
def two_groups() -> Pathology:
    X, y = one_factor(40, 2)
    return Pathology(X, y, "levels", GROUP)


@pathology
def three_groups_that_do_not_differ() -> Pathology:
    X, y = one_factor(60, 3, tau=0.0)
    return Pathology(X, y, "levels", GROUP)


@pathology
def the_same_factor_twice() -> Pathology:
    X, y = one_factor()
    X = X.assign(code=X["group"].str.upper())
    parameters = {"groups": ["group", "code"], "varying": "intercept"}
    return Pathology(X, y, "factors alike", parameters)


@pathology
def regions_of_one_country_each() -> Pathology:
    X, y = one_factor()
    X = X.assign(region="region of " + X["group"])
    parameters = {"groups": "region/group", "varying": "intercept"}
    return Pathology(X, y, "factors alike", parameters)


@pathology
def predictors_that_tell_the_groups_apart() -> Pathology:
    X, y = one_factor(90, 6)
    for j in range(1, 6):
        X[f"is_{j}"] = (X["group"] == f"g{j}") * 1.0
    return Pathology(X, y, "levels to spare", GROUP)


# --- outcomes -------------------------------------------------------------------------------------


@pathology
def a_constant_outcome() -> Pathology:
    X, y = one_factor()
    return Pathology(X, y * 0 + 7.0, "distinct outcomes", GROUP)


@pathology
def an_outcome_among_the_predictors() -> Pathology:
    X, y = one_factor()
    return Pathology(X.assign(leak=2 * y - 1), y, "exact fit", GROUP)


@pathology
def one_huge_outlier() -> Pathology:
    X, y = one_factor()
    y.iloc[3] = 1e4
    return Pathology(X, y, "share of one row", GROUP | {"family": "normal"})


@pathology
def cauchy_noise_taken_for_normal() -> Pathology:
    X, y = one_factor(200)
    y += 10 * np.random.default_rng(5).standard_cauchy(len(y))  # one of its rows is far out
    return Pathology(X, y, "share of one row", GROUP | {"family": "normal"})


@pathology
def two_modes_of_student_t() -> Pathology:
    """Half of each group's rows are near 1, half near -1, and sigma is too small for both.

    Chains settle at one side of each of eight groups and stay: that all four agree in all of them
    has a probability of 8**-8.
    """
    X, _ = one_factor(320)  # forty in a group, too many for a sampler that would jump
    y = np.where(np.arange(320) // 8 % 2, 1.0, -1.0) + 0.02 * rng_of(0).normal(size=320)
    priors = {"kappa": Normal(0, 0.1), "tau": Normal(1, 0.1), "sigma": Normal(0, 0.02)}
    parameters = {"groups": "group", "priors": priors, "iter_sampling": 100}
    return Pathology(X[["group"]], y, "R-hat", parameters)


# --- scales ---------------------------------------------------------------------------------------


@pathology
def a_predictor_that_is_one_value_and_noise() -> Pathology:
    X, y = one_factor()
    return Pathology(X.assign(x=X["x"] + 1e13), y, "digits", GROUP)


@pathology
def an_outcome_far_from_zero() -> Pathology:
    X, y = one_factor()
    return Pathology(X, y + 1e12, "digits", GROUP)


@pathology
def integers_that_floats_cannot_tell_apart() -> Pathology:
    X, y = one_factor()
    key = np.uint64(2**63) + np.arange(len(X), dtype=np.uint64)
    return Pathology(X.assign(key=key), y, "constant predictors", GROUP)


@pathology
def one_predictor_value_out_of_range() -> Pathology:
    X, y = one_factor()
    X.loc[5, "x"] = -99999.0
    return Pathology(X, y, "share of one row", GROUP)


@pathology
def one_row_of_all_the_weight() -> Pathology:
    X, y = one_factor()
    weight = np.ones(len(y))
    weight[0] = 1000.0
    parameters = GROUP | {"family": "normal"}
    return Pathology(X, y, "weight of one row", parameters, sample_weight=weight)


@pathology
def units_that_do_not_suit_the_priors() -> Pathology:
    X, y = one_factor()
    parameters = GROUP | {"autoscale": False}
    return Pathology(X.assign(x=X["x"] * 1e-3), y * 1e4 + 1e6, "scale of priors", parameters)


@pathology
def priors_that_say_nothing() -> Pathology:
    X, y = one_factor()
    flat = Normal(0, 1e6)
    parameters = GROUP | {"priors": {"kappa": flat, "tau": flat, "sigma": flat}}
    return Pathology(X, y, "scale of priors", parameters)


# --- settings -------------------------------------------------------------------------------------


@pathology
def too_few_draws() -> Pathology:
    X, y = one_factor()
    return Pathology(X, y, "tail ESS", GROUP | {"iter_sampling": 40})


@pathology
def a_single_chain() -> Pathology:
    X, y = one_factor()
    return Pathology(X, y, "R-hat", GROUP | {"chains": 1})


@pathology
def trajectories_cut_at_once() -> Pathology:
    X, y = one_factor()
    parameters = {"groups": "group", "family": "normal", "max_treedepth": 1}
    return Pathology(X, y, "treedepth", parameters)


# --- health ---------------------------------------------------------------------------------------


def healthy(seed: int) -> tuple[pd.DataFrame, pd.Series, Mapping[str, Any]]:
    """Data that the model was made for, of a size and kind that depend on the seed.

    Every third set is of campaigns in two crossed hierarchies, by which intercepts vary; the others
    have one factor, by which all coefficients vary. Each factor has five levels or more.
    """
    family = ("student_t", "normal")[seed // 2 % 2]
    if seed % 3:
        X, y = one_factor(60 + 10 * (seed % 7), 5 + seed % 11, tau=0.1 + 0.05 * seed, seed=seed)
        covariance = ("diagonal", "full")[seed // 4 % 2]
        return X, y, {"groups": "group", "family": family, "covariance": covariance}
    X, y, _ = make_campaigns(
        300 + 40 * (seed % 8),
        1 + seed % 3,
        n_regions=6,
        n_countries=12,
        n_industries=7,
        n_verticals=14,
        family=family,
        random_state=seed + 1000 * SHIFT,
    )
    groups = ["region/country", "industry/vertical"]
    return X, y, {"groups": groups, "family": family, "varying": "intercept"}
