"""Prior distributions a user can ask for, and the numbers they become in the data block.

All priors of locations and scales are student_t(df, loc, scale) with df = 1 for Cauchy and df = inf
for normal, so each is three numbers and none needs another compilation. Priors of scales (sigma,
tau) are cut at zero, that of the degrees of freedom nu at one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from numbers import Real

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.columns import listed, suggestion

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

_DEFAULT_NU = Gamma(2, 0.1)
_DEFAULT_SCALE = Cauchy(0, 2.5)
_DEFAULT_KAPPA = Normal(0, 10)
_LKJ_SHAPE = 2.0
_PARAMETERS = ("nu", "sigma", "tau", "kappa")


@dataclass(frozen=True)
class LocationScale:
    """Numbers of student_t(df, loc, scale) priors, one entry a parameter; df = inf is normal."""

    df: Floats
    loc: Floats
    scale: Floats


@dataclass(frozen=True)
class Priors:
    """Priors in the units of the problem; those of scales are cut at zero."""

    kappa: LocationScale  # (K,)
    tau: tuple[LocationScale, ...]  # (K_g,) for each factor
    sigma: LocationScale  # (1,)
    nu: tuple[float, float]  # shape and rate of a gamma, cut at nu > 1
    lkj: float  # shape of the LKJ prior of the correlations


def build_priors(
    priors: object,
    *,
    coefficients: Sequence[str],
    factors: Sequence[str],
    varying: Sequence[Ints],
) -> Priors:
    """Numbers of the priors a user gave; what is left out keeps its default.

    ``varying`` says which of the K ``coefficients`` vary by each of the ``factors``. A prior of
    something that the model knows but does not use, such as nu of a normal family or tau of a
    coefficient that does not vary, is checked and not used: searches over models need it.
    """
    given = _check_mapping(priors)
    kappa = _per_coefficient(given.get("kappa", {}), "kappa", coefficients)
    by_factor, everywhere = _split_tau(given.get("tau", {}), coefficients, factors)
    tau = []
    for factor, columns in zip(factors, varying, strict=True):
        names = [coefficients[k] for k in columns]
        own = _per_coefficient(by_factor.get(factor, {}), f"tau[{factor!r}]", coefficients)
        tau.append(_numbers([own.get(k, everywhere.get(k, _DEFAULT_SCALE)) for k in names]))
    sigma = _check_location(given.get("sigma", _DEFAULT_SCALE), "sigma")
    nu = _check_gamma(given.get("nu", _DEFAULT_NU))
    return Priors(
        kappa=_numbers([kappa.get(name, _DEFAULT_KAPPA) for name in coefficients]),
        tau=tuple(tau),
        sigma=_numbers([sigma]),
        nu=(float(nu.shape), float(nu.rate)),
        lkj=_LKJ_SHAPE,
    )


def _check_mapping(priors: object) -> Mapping[str, object]:
    """The user's ``priors`` with known keys only."""
    if priors is None:
        return {}
    if not isinstance(priors, Mapping):
        raise TypeError(
            f"priors: got {priors!r}; it is a mapping such as {{'sigma': Normal(0, 1)}} with any "
            f"of the keys {listed(_PARAMETERS)}."
        )
    for key in priors:
        if key not in _PARAMETERS:
            raise ValueError(
                f"priors: there is no parameter {key!r}. The parameters are "
                f"{listed(_PARAMETERS)}.{suggestion(key, _PARAMETERS)}"
            )
    return priors


def _split_tau(
    value: object, coefficients: Sequence[str], factors: Sequence[str]
) -> tuple[dict[str, object], dict[str, Location]]:
    """The entries of ``tau`` that are about one factor, and those about a coefficient in all."""
    if not isinstance(value, Mapping):
        return {}, _per_coefficient(value, "tau", coefficients)
    by_factor = {key: entry for key, entry in value.items() if key in factors}
    rest = {key: entry for key, entry in value.items() if key not in factors}
    for key in rest:
        if key not in coefficients:
            known = (*factors, *coefficients)
            raise ValueError(
                f"priors['tau']: {key!r} is neither a grouping factor nor a coefficient. The "
                f"factors are {listed(factors)}, the coefficients {listed(coefficients)}."
                f"{suggestion(key, known)}"
            )
    return by_factor, _per_coefficient(rest, "tau", coefficients)


def _per_coefficient(
    value: object, argument: str, coefficients: Sequence[str]
) -> dict[str, Location]:
    """Priors by coefficient, from one prior for all or from a mapping that may leave some out."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(coefficients, _check_location(value, argument))
    for key in value:
        if key not in coefficients:
            raise ValueError(
                f"priors: {argument} has no coefficient {key!r}. Its coefficients are "
                f"{listed(coefficients)}.{suggestion(key, coefficients)}"
            )
    return {key: _check_location(entry, f"{argument}[{key!r}]") for key, entry in value.items()}


def _check_location(prior: object, argument: str) -> Location:
    if not isinstance(prior, Location):
        raise TypeError(
            f"priors: the prior of {argument} is Normal(loc, scale), StudentT(df, loc, scale) or "
            f"Cauchy(loc, scale) from skhlm.priors, got {prior!r}."
        )
    return prior


def _check_gamma(prior: object) -> Gamma:
    if not isinstance(prior, Gamma):
        raise TypeError(
            f"priors: the prior of nu is Gamma(shape, rate) from skhlm.priors, got {prior!r}."
        )
    return prior


def _numbers(priors: Sequence[Location]) -> LocationScale:
    """Degrees of freedom, location and scale of each prior."""
    return LocationScale(
        df=np.array([_df(prior) for prior in priors], dtype=np.float64),
        loc=np.array([prior.loc for prior in priors], dtype=np.float64),
        scale=np.array([prior.scale for prior in priors], dtype=np.float64),
    )


def _df(prior: Location) -> float:
    if isinstance(prior, StudentT):
        return prior.df
    return 1.0 if isinstance(prior, Cauchy) else inf
