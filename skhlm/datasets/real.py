"""Loaders of the real data sets that travel with the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Literal, overload

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """A data set with its grouping factors.

    Attributes
    ----------
    data : pandas.DataFrame of shape (n_samples, n_columns)
        X: the group columns and the predictors.
    target : pandas.Series of shape (n_samples,)
        y, named; same index as ``data``.
    groups : str
        The hierarchy in ``data``, as ``HLMRegressor(groups=...)`` takes them.
    source : str
        Where the data are from and their licence.
    """

    data: pd.DataFrame
    target: pd.Series[float]
    groups: str
    source: str

    @property
    def frame(self) -> pd.DataFrame:
        """``data`` with ``target`` as its last column."""
        return pd.concat([self.data, self.target], axis=1)

    @property
    def feature_names(self) -> list[str]:
        """The columns of ``data``, group columns included."""
        return list(self.data.columns)


XY = tuple[pd.DataFrame, "pd.Series[float]"]


@overload
def load_gapminder(*, return_X_y: Literal[False] = False) -> Dataset: ...
@overload
def load_gapminder(*, return_X_y: Literal[True]) -> XY: ...
def load_gapminder(*, return_X_y: bool = False) -> Dataset | XY:
    """Life expectancy and income of 142 countries in 5 continents, 1952 to 2007.

    One row for each country and every fifth year, 1,704 in all. Countries differ in the level
    and in the trend of life expectancy, and a few of them (wars, epidemics) far more than the rest.

    ========================  =========================================================
    column of X               what it is
    ========================  =========================================================
    ``continent``             Africa (52 countries), Americas (25), Asia (33),
                              Europe (30), Oceania (2)
    ``country``               name of the country
    ``year``                  calendar year
    ``log10_gdp_per_capita``  log10 of gross domestic product per head, international
                              dollars of 2005: one unit is a tenfold income
    ========================  =========================================================

    y is ``life_expectancy``: life expectancy at birth, in years.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(X, y)`` alone.

    Returns
    -------
    Dataset or (pandas.DataFrame, pandas.Series)
        With ``groups = "continent/country"``.

    Notes
    -----
    Source: free material from `Gapminder <https://www.gapminder.org/data/>`_, licence CC-BY 4.0, as
    excerpted by J. Bryan in the R package ``gapminder``.

    References
    ----------
    Bryan, J. (2017). gapminder: Data from Gapminder. doi:10.5281/zenodo.594018

    Examples
    --------
    >>> from skhlm.datasets import load_gapminder
    >>> gapminder = load_gapminder()
    >>> gapminder.groups
    'continent/country'
    >>> gapminder.target.head(2).tolist()
    [28.801, 30.332]
    """
    table = _read("gapminder")
    table["log10_gdp_per_capita"] = np.log10(table.pop("gdp_per_capita"))
    y = table.pop("life_expectancy")
    source = "Gapminder.org, CC-BY 4.0; excerpt by J. Bryan, doi:10.5281/zenodo.594018"
    return _packed(table, y, "continent/country", source, return_X_y)


@overload
def load_sleepstudy(*, return_X_y: Literal[False] = False) -> Dataset: ...
@overload
def load_sleepstudy(*, return_X_y: Literal[True]) -> XY: ...
def load_sleepstudy(*, return_X_y: bool = False) -> Dataset | XY:
    """Reaction times of 18 subjects over ten days, most of them with three hours of sleep.

    180 rows, balanced: the textbook's case of an intercept and a slope that vary by group.

    ===========  ==========================================================
    column of X  what it is
    ===========  ==========================================================
    ``subject``  number of the subject, as a string
    ``days``     day of the study, 0 to 9; sleep is restricted after day 2
    ===========  ==========================================================

    y is ``reaction``: the day's mean reaction time, in milliseconds.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(X, y)`` alone.

    Returns
    -------
    Dataset or (pandas.DataFrame, pandas.Series)
        With ``groups = "subject"``.

    Notes
    -----
    Source: the group with three hours in bed of Belenky et al. (2003), as tabulated in the R
    package ``lme4``. That package's code is under the GPL; taken from it are the measurements
    alone, which are facts. Days 0 and 1 were for adaptation and training, day 2 is the baseline.

    References
    ----------
    Belenky, G. et al. (2003). Patterns of performance degradation and restoration during sleep
    restriction and subsequent recovery: a sleep dose-response study. Journal of Sleep Research
    12, 1-12. doi:10.1046/j.1365-2869.2003.00337.x

    Examples
    --------
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> X.shape, X["subject"].nunique()
    ((180, 2), 18)
    """
    table = _read("sleepstudy")
    y = table.pop("reaction")
    source = "Belenky et al. (2003), doi:10.1046/j.1365-2869.2003.00337.x; as tabulated in lme4"
    return _packed(table, y, "subject", source, return_X_y)


@overload
def load_radon(*, return_X_y: Literal[False] = False) -> Dataset: ...
@overload
def load_radon(*, return_X_y: Literal[True]) -> XY: ...
def load_radon(*, return_X_y: bool = False) -> Dataset | XY:
    """Radon in 12,490 homes of 469 counties in 9 states.

    Many counties have a handful of homes, a few have hundreds: what partial pooling is for. County
    names recur between states, so a county is known by its path, state/county.

    ===========  ==================================================================
    column of X  what it is
    ===========  ==================================================================
    ``state``    two letters; homes on tribal lands count for the state around them
    ``county``   name of the county, "UNKNOWN" where the survey leaves it blank
    ``floor``    0: measured in the basement, 1: on a floor above it
    ===========  ==================================================================

    y is ``log_radon``: natural logarithm of (activity + 0.1), activity in pCi/L.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(X, y)`` alone.

    Returns
    -------
    Dataset or (pandas.DataFrame, pandas.Series)
        With ``groups = "state/county"``.

    Notes
    -----
    Source: State Residential Radon Survey of the United States Environmental Protection Agency, a
    work of the US government in the public domain. Homes whose floor is not known are left out.

    References
    ----------
    Gelman, A. and Hill, J. (2007). Data Analysis Using Regression and Multilevel/Hierarchical
    Models, chapter 12. Cambridge University Press. doi:10.1017/CBO9780511790942

    Examples
    --------
    >>> from skhlm.datasets import load_radon
    >>> X, y = load_radon(return_X_y=True)
    >>> X.groupby("state").size().nlargest(2).to_dict()
    {'PA': 2370, 'IN': 1869}
    """
    table = _read("radon")
    y = np.log(table.pop("activity") + 0.1).rename("log_radon")
    source = "State Residential Radon Survey, US Environmental Protection Agency; public domain"
    return _packed(table, y, "state/county", source, return_X_y)


def _read(name: str) -> pd.DataFrame:
    """The shipped table; "NA" is a word here, and subjects' numbers are names."""
    with as_file(files("skhlm.datasets") / "data" / f"{name}.csv.gz") as path:
        return pd.read_csv(path, keep_default_na=False, dtype={"subject": str})


def _packed(
    X: pd.DataFrame, y: pd.Series[float], hierarchy: str, source: str, return_X_y: bool
) -> Dataset | XY:
    """The pair, or the pair with what is known about it."""
    return (X, y) if return_X_y else Dataset(X, y, hierarchy, source)
