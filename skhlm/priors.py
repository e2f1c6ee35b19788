"""Prior distributions a user can ask for, and the numbers they become in the data block.

All priors of locations and scales are student_t(df, loc, scale) with df = 1 for Cauchy and df = inf
for normal, so each is three numbers and none needs another compilation. Priors of scales (sigma,
tau) are cut at zero, that of the degrees of freedom nu at one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite
from numbers import Real

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.inputs.columns import Columns, by_meaning, listed, suggestion
from skhlm.inputs.hierarchy import Hierarchy, find_factor

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


@dataclass(frozen=True)
class _Terms:
    """What priors can be about, and how the user may refer to it."""

    columns: Columns
    hierarchies: Sequence[Hierarchy]
    coefficients: Sequence[str]

    @property
    def factors(self) -> list[str]:
        """Names of the grouping factors."""
        return [name for hierarchy in self.hierarchies for name in hierarchy.factors]

    def coefficient(self, key: object, argument: str) -> str:
        """Name of the coefficient that a name or position means."""
        name = self._name(key, f"priors: {argument}")
        if name not in self.coefficients:
            raise ValueError(
                f"priors: {argument} has no coefficient {key!r}. Its coefficients are "
                f"{listed(self.coefficients)}.{suggestion(key, self.coefficients)}"
            )
        return name

    def factor_or_coefficient(self, key: object) -> str:
        """Name of the grouping factor, in any spelling, or of the coefficient that a key means."""
        factor = find_factor(key, self.columns, self.hierarchies, "priors['tau']")
        name = factor or self._name(key, "priors['tau']")
        if factor is None and name not in self.coefficients:
            known = (*self.factors, *self.coefficients)
            raise ValueError(
                f"priors['tau']: {key!r} is neither a grouping factor nor a coefficient. The "
                f"factors are {listed(self.factors)}, the coefficients "
                f"{listed(self.coefficients)}.{suggestion(key, known)}"
            )
        return name

    def _name(self, key: object, argument: str) -> str:
        """A name as it is, a position as the name of its predictor."""
        if isinstance(key, (str, tuple)):
            return str(key)
        return self.columns.predictor_name(self.columns.position(key, argument))


def build_priors(
    priors: object,
    *,
    columns: Columns,
    hierarchies: Sequence[Hierarchy],
    coefficients: Sequence[str],
    varying: Sequence[Ints],
) -> Priors:
    """Numbers of the priors a user gave; what is left out keeps its default.

    ``varying`` says which of the K ``coefficients`` vary by each factor of the ``hierarchies``. A
    prior of something that the model knows but does not use, such as nu of a normal family or tau
    of a coefficient that does not vary, is checked and not used: searches over models need it.
    """
    given = _check_mapping(priors)
    terms = _Terms(columns, hierarchies, coefficients)
    kappa = _per_coefficient(given.get("kappa", {}), "kappa", terms)
    by_factor, everywhere = _split_tau(given.get("tau", {}), terms)
    tau = []
    for factor, chosen in zip(terms.factors, varying, strict=True):
        names = [coefficients[k] for k in chosen]
        own = _per_coefficient(by_factor.get(factor, {}), f"tau[{factor!r}]", terms)
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


def _split_tau(value: object, terms: _Terms) -> tuple[dict[str, object], dict[str, Location]]:
    """The entries of ``tau`` that are about one factor, and those about a coefficient in all."""
    if not isinstance(value, Mapping):
        return {}, _per_coefficient(value, "tau", terms)
    named = by_meaning(value, terms.factor_or_coefficient, "priors['tau']")
    by_factor = {key: entry for key, entry in named.items() if key in terms.factors}
    rest = {key: entry for key, entry in named.items() if key not in terms.factors}
    return by_factor, _per_coefficient(rest, "tau", terms)


def _per_coefficient(value: object, argument: str, terms: _Terms) -> dict[str, Location]:
    """Priors by coefficient, from one prior for all or from a mapping that may leave some out."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(terms.coefficients, _check_location(value, argument))
    named = by_meaning(value, partial(terms.coefficient, argument=argument), f"priors: {argument}")
    return {key: _check_location(entry, f"{argument}[{key!r}]") for key, entry in named.items()}


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
