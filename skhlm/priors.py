"""Prior distributions a user can ask for, and the numbers of many of them.

All priors of locations and scales are student_t(df, loc, scale) with df = 1 for Cauchy and df = inf
for normal, so each is three numbers and none needs another compilation. Priors of scales (sigma,
tau) are cut at zero, that of the degrees of freedom nu at one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from numbers import Real
from typing import Literal

import numpy as np

from skhlm._typing import Floats

__all__ = ["Cauchy", "Gamma", "Normal", "StudentT"]


def _check_number(prior: object, field: str) -> None:
    """Raise unless a field of a prior is a finite number."""
    value = getattr(prior, field)
    if not isinstance(value, Real) or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{type(prior).__name__}: {field} must be a number, got {value!r}.")
    if not isfinite(value):
        raise ValueError(f"{type(prior).__name__}: {field} must be finite, got {value!r}.")


def _check_positive(prior: object, field: str) -> None:
    """Raise unless a field of a prior is a finite number above zero."""
    _check_number(prior, field)
    value = getattr(prior, field)
    if not value > 0:
        raise ValueError(f"{type(prior).__name__}: {field} must be above zero, got {value!r}.")


@dataclass(frozen=True)
class Normal:
    """Normal prior with density proportional to exp(-(x - loc)^2 / (2 scale^2)).

    For a scale (``sigma``, ``tau``) it is cut at zero: with ``loc=0`` half-normal.

    Parameters
    ----------
    loc : float, default=0.0
        Location, in the units of the parameter (scaled units with ``autoscale=True``).
    scale : float, default=1.0
        Standard deviation, > 0, in the same units.

    Examples
    --------
    >>> from skhlm.priors import Normal
    >>> Normal(0, 2.5)
    Normal(loc=0, scale=2.5)
    """

    loc: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_number(self, "loc")
        _check_positive(self, "scale")


@dataclass(frozen=True)
class StudentT:
    """Student-t prior with density proportional to (1 + ((x - loc)/scale)^2 / df)^(-(df + 1)/2).

    For a scale (``sigma``, ``tau``) it is cut at zero: with ``loc=0`` half-t.

    Parameters
    ----------
    df : float
        Degrees of freedom, > 0. Infinity is the normal distribution.
    loc : float, default=0.0
        Location, in the units of the parameter (scaled units with ``autoscale=True``).
    scale : float, default=1.0
        Scale, > 0, in the same units.

    Examples
    --------
    >>> from skhlm.priors import StudentT
    >>> StudentT(3, 0, 2.5)
    StudentT(df=3, loc=0, scale=2.5)
    """

    df: float
    loc: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.df != inf:
            _check_positive(self, "df")
        _check_number(self, "loc")
        _check_positive(self, "scale")


@dataclass(frozen=True)
class Cauchy:
    """Cauchy prior with density proportional to 1 / (1 + ((x - loc)/scale)^2).

    For a scale (``sigma``, ``tau``) it is cut at zero: with ``loc=0`` half-Cauchy.

    Parameters
    ----------
    loc : float, default=0.0
        Location, in the units of the parameter (scaled units with ``autoscale=True``).
    scale : float, default=1.0
        Half the width at half the height, > 0, in the same units.

    Examples
    --------
    >>> from skhlm.priors import Cauchy
    >>> Cauchy(0, 2.5)
    Cauchy(loc=0, scale=2.5)
    """

    loc: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_number(self, "loc")
        _check_positive(self, "scale")


@dataclass(frozen=True)
class Gamma:
    """Gamma prior with density proportional to x^(shape - 1) exp(-rate x).

    It is the prior of the degrees of freedom ``nu``, which are cut at one.

    Parameters
    ----------
    shape : float
        Shape, > 0.
    rate : float
        Rate (one over the scale), > 0; the mean before the cut is ``shape / rate``.

    Examples
    --------
    >>> from skhlm.priors import Gamma
    >>> Gamma(2, 0.1)
    Gamma(shape=2, rate=0.1)
    """

    shape: float
    rate: float

    def __post_init__(self) -> None:
        _check_positive(self, "shape")
        _check_positive(self, "rate")


Location = Normal | StudentT | Cauchy
Prior = Location | Gamma
PriorSet = Literal["default", "weakly_informative"]  # priors of all parameters, by one word


@dataclass(frozen=True)
class LocationScale:
    """Numbers of student_t(df, loc, scale) priors, one entry a parameter; df = inf is normal."""

    df: Floats
    loc: Floats
    scale: Floats

    @classmethod
    def of(cls, priors: Sequence[Location]) -> LocationScale:
        """Degrees of freedom, location and scale of each prior."""
        return cls(
            df=np.array([_df(prior) for prior in priors], dtype=np.float64),
            loc=np.array([prior.loc for prior in priors], dtype=np.float64),
            scale=np.array([prior.scale for prior in priors], dtype=np.float64),
        )

    def log_density_of_log(self, log_scale: Floats, k: int = 0) -> Floats:
        """Log density of a log scale under entry k, the prior of the scale, up to a constant."""
        z2 = np.square((np.exp(log_scale) - self.loc[k]) / self.scale[k])
        df = self.df[k]
        log_density: Floats = -0.5 * z2 if np.isinf(df) else -0.5 * (df + 1) * np.log1p(z2 / df)
        return log_density + log_scale

    def normal_stand_in(self, about: Floats | float = 0.0) -> tuple[Floats, Floats]:
        """Precision and score (K,) of normal priors of the same information, for x - ``about``."""
        share = np.array([1.0 if np.isinf(df) else (df + 1) / (df + 3) for df in self.df])
        precision = share / np.square(self.scale)
        return precision, precision * (self.loc - about)


@dataclass(frozen=True)
class Priors:
    """Priors in the units of the problem; those of scales are cut at zero."""

    kappa: LocationScale  # (K,)
    tau: tuple[LocationScale, ...]  # (K_g,) for each factor
    auxiliary: Mapping[str, LocationScale | Gamma]  # the family's parameters by name
    lkj: float  # shape of the LKJ prior of the correlations


def _df(prior: Location) -> float:
    if isinstance(prior, StudentT):
        return prior.df
    return 1.0 if isinstance(prior, Cauchy) else inf
