"""Loaders of the real data sets that travel with the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any, Literal, overload

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
    groups : str or list of str
        The hierarchies in ``data``, as ``HLMRegressor(groups=...)`` takes them.
    source : str
        Where the data are from and their licence.
    """

    data: pd.DataFrame
    target: pd.Series[Any]
    groups: str | list[str]
    source: str

    @property
    def frame(self) -> pd.DataFrame:
        """``data`` with ``target`` as its last column."""
        return pd.concat([self.data, self.target], axis=1)

    @property
    def feature_names(self) -> list[str]:
        """The columns of ``data``, group columns included."""
        return list(self.data.columns)


_NAMED = ("subject", "location", "brood", "person", "patient", "route")  # by numbers

XY = tuple[pd.DataFrame, "pd.Series[Any]"]


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


@overload
def load_grouse(*, return_X_y: Literal[False] = False) -> Dataset: ...
@overload
def load_grouse(*, return_X_y: Literal[True]) -> XY: ...
def load_grouse(*, return_X_y: bool = False) -> Dataset | XY:
    """Ticks on the heads of 403 red grouse chicks, of 118 broods at 63 places.

    Counts from 0 to 85 of far more variance than a Poisson distribution has, and groups at two
    depths: chicks of a brood walk the same paths, broods of a place meet the same ticks.

    ============  ===========================================================
    column of X   what it is
    ============  ===========================================================
    ``location``  number of the place, as a string
    ``brood``     number of the brood, as a string; a brood is of one year
    ``year``      1995, 1996 or 1997
    ``height``    of the place above the sea, in metres
    ============  ===========================================================

    y is ``ticks``: the number of ticks on the chick's head.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(X, y)`` alone.

    Returns
    -------
    Dataset or (pandas.DataFrame, pandas.Series)
        With ``groups = "location/brood"``.

    Notes
    -----
    Source: counted by R. Moss, published by Elston et al. (2001), as tabulated in the R package
    ``lme4``. That package's code is under the GPL; taken from it are the measurements
    alone, which are facts.

    References
    ----------
    Elston, D. A., Moss, R., Boulinier, T., Arrowsmith, C. and Lambin, X. (2001). Analysis of
    aggregation, a worked example: numbers of ticks on red grouse chicks. Parasitology 122, 563-569.
    doi:10.1017/S0031182001007740

    Examples
    --------
    >>> from skhlm.datasets import load_grouse
    >>> X, y = load_grouse(return_X_y=True)
    >>> y.groupby(X["year"]).mean().round(1).to_dict()
    {1995: 5.9, 1996: 11.1, 1997: 1.2}
    """
    table = _read("grouse")
    y = table.pop("ticks")
    source = "Elston et al. (2001), doi:10.1017/S0031182001007740; as tabulated in lme4"
    return _packed(table, y, "location/brood", source, return_X_y)


@overload
def load_aggression(*, return_X_y: Literal[False] = False) -> Dataset: ...
@overload
def load_aggression(*, return_X_y: Literal[True]) -> XY: ...
def load_aggression(*, return_X_y: bool = False) -> Dataset | XY:
    """Would 316 people curse, scold or shout? Yes or no to each of 24 items, 7,584 answers.

    A bus fails to stop, a train is missed because of a clerk's mistake, a shop closes as one is
    about to enter, a call is cut off with the last coin: would you *want* to curse, to scold, to
    shout, and would you *do* it? People and items are crossed: everybody answered everything.

    =================  ================================================================
    column of X        what it is
    =================  ================================================================
    ``person``         number of the person, as a string
    ``item``           such as "S1WantCurse": situation, mode and behaviour
    ``anger``          the person's trait anger by questionnaire, 11 to 39
    ``male``           1: a man, 0: a woman
    ``do``             1: would do it, 0: would want to
    ``self_to_blame``  1: situations 3 and 4, where nobody else is to blame
    ``scold``          1: scold, 0: curse or shout
    ``shout``          1: shout, 0: curse or scold
    =================  ================================================================

    y is ``answer``: "yes", which "perhaps" counts as, or "no".

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(X, y)`` alone.

    Returns
    -------
    Dataset or (pandas.DataFrame, pandas.Series)
        With ``groups = ["person", "item"]``.

    Notes
    -----
    Source: collected by K. Vansteelandt, published with De Boeck and Wilson (2004), as tabulated in
    the R package ``lme4``. That package's code is under the GPL; taken from it are the answers
    alone, which are facts.

    References
    ----------
    De Boeck, P. and Wilson, M., editors (2004). Explanatory Item Response Models. Springer.
    doi:10.1007/978-1-4757-3990-9

    Examples
    --------
    >>> from skhlm.datasets import load_aggression
    >>> X, y = load_aggression(return_X_y=True)
    >>> (y == "yes").groupby(X["do"]).mean().round(2).to_dict()
    {0: 0.53, 1: 0.42}
    """
    table = _read("aggression")
    y = table.pop("answer")
    source = "De Boeck and Wilson (2004), doi:10.1007/978-1-4757-3990-9; as tabulated in lme4"
    return _packed(table, y, ["person", "item"], source, return_X_y)


@overload
def load_epilepsy(*, return_X_y: Literal[False] = False) -> Dataset: ...
@overload
def load_epilepsy(*, return_X_y: Literal[True]) -> XY: ...
def load_epilepsy(*, return_X_y: bool = False) -> Dataset | XY:
    """Epileptic seizures of 59 patients at four visits, half of them treated.

    236 counts of two weeks each, from 0 to 102, of a trial of progabide against placebo. Patients
    differ far more than the treatment changes, and counts of a patient vary beyond chance: the
    textbook's case of an intercept that varies and of overdispersion.

    =============  ==============================================================
    column of X    what it is
    =============  ==============================================================
    ``patient``    number of the patient, as a string
    ``visit``      1 to 4, each at the end of two weeks
    ``progabide``  1: treated with progabide, 0: with a placebo
    ``baseline``   number of seizures in the eight weeks before the treatment
    ``age``        of the patient, in years
    =============  ==============================================================

    y is ``seizures``: their number in the two weeks before the visit.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(X, y)`` alone.

    Returns
    -------
    Dataset or (pandas.DataFrame, pandas.Series)
        With ``groups = "patient"``.

    Notes
    -----
    Source: a trial by I. E. Leppik and others, published by Thall and Vail (1990), as tabulated in
    the R package ``MASS``. That package's code is under the GPL; taken from it are the measurements
    alone, which are facts.

    References
    ----------
    Thall, P. F. and Vail, S. C. (1990). Some covariance models for longitudinal count data with
    overdispersion. Biometrics 46, 657-671. doi:10.2307/2532086

    Examples
    --------
    >>> from skhlm.datasets import load_epilepsy
    >>> X, y = load_epilepsy(return_X_y=True)
    >>> y.groupby(X["progabide"]).median().to_dict()
    {0: 5.0, 1: 4.0}
    """
    table = _read("epilepsy")
    y = table.pop("seizures")
    source = "Thall and Vail (1990), doi:10.2307/2532086; as tabulated in MASS"
    return _packed(table, y, "patient", source, return_X_y)


@overload
def load_airfare(*, return_X_y: Literal[False] = False) -> Dataset: ...
@overload
def load_airfare(*, return_X_y: Literal[True]) -> XY: ...
def load_airfare(*, return_X_y: bool = False) -> Dataset | XY:
    """Fares of 1,149 routes between cities of the United States, 1997 to 2000.

    4,596 rows, four years of each route, balanced. What goes with low fares between routes, such as
    many passengers, need not be what goes with low fares in the years of a route.

    =================  ==========================================================
    column of X        what it is
    =================  ==========================================================
    ``route``          number of the route, as a string
    ``year``           1997 to 2000
    ``distance``       between the cities, in miles
    ``passengers``     a day, on average over the year
    ``largest_share``  of passengers, of the airline that has most of them, 0 to 1
    =================  ==========================================================

    y is ``fare``: the average fare one way, in dollars.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(X, y)`` alone.

    Returns
    -------
    Dataset or (pandas.DataFrame, pandas.Series)
        With ``groups = "route"``.

    Notes
    -----
    Source: Domestic Airline Fares Consumer Report of the US Department of Transportation, in the
    public domain, as collected by J. Kwon for Wooldridge's textbook (2010) and tabulated in the R
    package ``wooldridge``.

    References
    ----------
    Wooldridge, J. M. (2010). Econometric Analysis of Cross Section and Panel Data, second edition.
    MIT Press. ISBN 978-0-262-23258-6

    Examples
    --------
    >>> from skhlm.datasets import load_airfare
    >>> X, y = load_airfare(return_X_y=True)
    >>> y.groupby(X["year"]).mean().round(0).to_dict()
    {1997: 174.0, 1998: 175.0, 1999: 178.0, 2000: 188.0}
    """
    table = _read("airfare")
    y = table.pop("fare")
    source = "US Department of Transportation, public domain; as tabulated in wooldridge"
    return _packed(table, y, "route", source, return_X_y)


def _read(name: str) -> pd.DataFrame:
    """The shipped table; "NA" is a word here, and numbers of groups are names."""
    with as_file(files("skhlm.datasets") / "data" / f"{name}.csv.gz") as path:
        return pd.read_csv(path, keep_default_na=False, dtype=dict.fromkeys(_NAMED, str))


def _packed(
    X: pd.DataFrame, y: pd.Series[Any], groups: str | list[str], source: str, return_X_y: bool
) -> Dataset | XY:
    """The pair, or the pair with what is known about it."""
    return (X, y) if return_X_y else Dataset(X, y, groups, source)
