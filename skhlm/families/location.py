"""Families of y = eta + an error of scale sigma: the base of normal and student_t."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skhlm._typing import Floats
from skhlm.families.evidence import Evidence
from skhlm.families.family import Aux, Auxiliary, CoefficientPriors, Family, Swept
from skhlm.families.residuals import Residuals
from skhlm.numerics.grids import Interval
from skhlm.numerics.scale_maps import match_quantiles
from skhlm.priors import Cauchy, LocationScale, Normal, StudentT

_SETTLED = 0.01  # of log sigma

SIGMA = Auxiliary(
    name="sigma",
    meaning="residual scale",
    prior=Cauchy(0, 2.5),
    cut=1e-8,
    units_of_outcome=True,
    weakly_informative=StudentT(3, 0, 1),
)


@dataclass(frozen=True)
class ErrorScale:
    """Posterior of log(sigma - cut), and of log(nu - 1) where there is a nu.

    ``log_sigma`` (3,) is its mean at the median nu, its sd given nu, its slope on nu's coordinate;
    ``log_nu`` (3,) the 5/50/95% points, or None.
    """

    log_sigma: Floats
    log_nu: Floats | None
    cut: float

    @property
    def centre(self) -> Floats:
        """log sigma at the centre of its map, ()."""
        centre: Floats = np.log(self.cut + np.exp(self.log_sigma[0]))
        return centre

    @property
    def variance(self) -> Floats:
        """sigma^2 there."""
        variance: Floats = np.exp(2 * self.centre)
        return variance

    @classmethod
    def vague(cls, sigma: float, log_nu: Floats | None, cut: float) -> ErrorScale:
        """Nothing known but the order of magnitude of sigma, and of nu."""
        return cls(np.array([np.log(sigma), 0.5, 0.0]), log_nu, cut)

    @property
    def logs(self) -> tuple[Floats, ...]:
        """log sigma and log(nu - 1) at the centre."""
        return (self.centre,) if self.log_nu is None else (self.centre, self.log_nu[1])

    def maps(self) -> tuple[Floats, Floats]:
        """A straight map for sigma, which leans on nu; a bent one for nu."""
        middle, sd, lean = self.log_sigma
        columns = [np.array([middle, sd, 0.0])]
        if self.log_nu is not None:
            columns.append(match_quantiles(self.log_nu))
        slopes = np.zeros((len(columns), len(columns)))
        slopes[0, 1:] = lean
        return np.stack(columns, axis=1), slopes

    def is_near(self, other: ErrorScale) -> bool:
        """Whether log sigma differs by less than 0.01."""
        return bool(abs(self.centre - other.centre) < _SETTLED)

    @property
    def box(self) -> Interval:
        """Six sds of log(sigma - cut) about its mean."""
        middle, sd, lean = self.log_sigma
        reach = 6 * float(np.hypot(sd, lean))
        return float(middle) - reach, float(middle) + reach

    def moved_to(self, log_sigma: Sequence[float], log_nu: Floats | None) -> ErrorScale:
        """The same with other numbers."""
        return replace(self, log_sigma=np.array(log_sigma), log_nu=log_nu)


@dataclass(frozen=True)
class LocationFit:
    """Posterior of the errors' scale, and what EM's weights are made of, (N,)."""

    scale: ErrorScale
    errors: Floats

    @property
    def logs(self) -> tuple[Floats, ...]:
        """Those of the scale."""
        return self.scale.logs

    def maps(self) -> tuple[Floats, Floats]:
        """Those of the scale."""
        return self.scale.maps()

    def is_near(self, other: LocationFit) -> bool:
        """Whether the scales are."""
        return self.scale.is_near(other.scale)


class LocationFamily(Family):
    """y = eta + error; density, score and quantile are those of the error.

    In the quick fit outcomes are Gaussian ones, whose precisions EM gives: no step overshoots.
    """

    priors = CoefficientPriors(kappa=Normal(0, 10), tau=Cauchy(0, 2.5))
    scales_outcome = True
    support = "numbers"

    def own_variance(self, mean: Floats, aux: Aux) -> Floats:
        """That of the residuals."""
        return self.variance(mean, aux)

    def power_of_scale(self, y: Floats, weight: Floats) -> float:
        """Each density is in proportion to 1 / sigma."""
        del y
        return float(weight.sum())

    exact_steps = True

    def error_scale(self, aux: Aux) -> Floats:
        """Sigma."""
        return aux["sigma"]

    def error_df(self, aux: Aux) -> Floats | float:
        """Degrees of freedom of the error over sigma: infinite where it is normal."""
        del aux
        return np.inf

    @abstractmethod
    def log_density_of_error(self, error: Floats, aux: Aux) -> Floats:
        """log p(error)."""

    @abstractmethod
    def error_quantile(self, p: Floats, aux: Aux) -> Floats:
        """Quantile of the error."""

    @abstractmethod
    def draw_errors(self, aux: Aux, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        """Independent errors."""

    @abstractmethod
    def residuals(self, aux: Aux) -> Residuals:
        """Distribution of the errors of S draws."""

    @abstractmethod
    def typical_variance(self, aux: Aux) -> float:
        """One number for the variance of the error, from S draws."""

    @abstractmethod
    def robust_precision(self, weight: Floats, error: Floats, aux: Aux) -> Floats:
        """Precisions of rows as Gaussian ones: weight times score over error, finite at 0."""

    @abstractmethod
    def expected_precision(self, weight: Floats, error: Floats, aux: Aux) -> Floats:
        """The same at the expected information where the error is small, low for an outlier."""

    @abstractmethod
    def first_scale(self, evidence: Evidence, residual: Floats, cut: float) -> LocationFit:
        """Orders of magnitude in residuals (N,)."""

    @abstractmethod
    def errors(self, evidence: Evidence, residual: Floats, seen: Swept) -> Floats:
        """What `working_precision` and `fit_scale` need of the residuals, (N,)."""

    @abstractmethod
    def working_precision(self, errors: Floats, scale: ErrorScale) -> Floats:
        """Precision of each row's outcome as a Gaussian one, (N,)."""

    @abstractmethod
    def central_score(self, residual: Floats, scale: ErrorScale) -> Floats:
        """Derivative of each row's log density by eta at the centre of the scale, (N,)."""

    @abstractmethod
    def fit_scale(
        self,
        evidence: Evidence,
        errors: Floats,
        dof: float,
        priors: Mapping[str, Any],
        start: ErrorScale,
        n: int,
    ) -> ErrorScale:
        """Posterior of the scale given the errors, on a grid of n points an axis."""

    def find_flaw(self, y: Floats) -> None:
        """Any finite number may be."""
        del y

    def centre(self, y: Floats, weight: Floats, offset: Floats) -> float:
        """The mean of y, in whose units the model is."""
        del offset
        return float(np.average(y, weights=weight))

    def draw(self, eta: Floats, aux: Aux, rng: np.random.Generator) -> Floats:
        """Eta and errors."""
        return eta + self.draw_errors(aux, np.shape(eta), rng)

    def log_density(self, y: Floats, eta: Floats, aux: Aux) -> Floats:
        """log p(y - eta)."""
        return self.log_density_of_error(y - eta, aux)

    def quantile(self, p: Floats, eta: Floats, aux: Aux) -> Floats:
        """Quantile of eta + error."""
        return eta + self.error_quantile(p, aux)

    # -- the quick fit ---------------------------------------------------------------------------

    def start(self, evidence: Evidence) -> tuple[Floats, Floats]:
        """Outcomes with errors as large as themselves."""
        size = evidence.size(evidence.y)
        return evidence.weight / size**2, evidence.weight * evidence.y / size**2

    def spread(self, evidence: Evidence, eta: Floats) -> float:
        """That of the residuals."""
        return evidence.size(evidence.y - eta)

    def first_fit(self, evidence: Evidence, eta: Floats, cuts: Sequence[float]) -> LocationFit:
        """By the size of the residuals."""
        return self.first_scale(evidence, evidence.y - eta, cuts[0])

    def working_information(self, evidence: Evidence, eta: Floats, fit: LocationFit) -> Floats:
        """EM's expected precisions."""
        del eta
        precision: Floats = evidence.weight * self.working_precision(fit.errors, fit.scale)
        return precision

    def working_score(
        self, evidence: Evidence, eta: Floats, rest: Floats, information: Floats, fit: LocationFit
    ) -> Floats:
        """Of what the rest leaves of the outcome."""
        del eta, fit
        return information * (evidence.y - rest)

    def fit(
        self,
        evidence: Evidence,
        seen: Swept,
        priors: Mapping[str, Any],
        start: LocationFit,
        n: int,
    ) -> LocationFit:
        """The scale from the errors, and these from the residuals and their uncertainty."""
        errors = self.errors(evidence, evidence.y - seen.eta, seen)
        return LocationFit(
            self.fit_scale(evidence, errors, seen.dof, priors, start.scale, n), errors
        )

    def expansion(self, evidence: Evidence, eta: Floats, fit: LocationFit) -> tuple[Floats, Floats]:
        """The same information for all rows."""
        expected = np.full(len(evidence.y), np.exp(self.log_information(fit.logs)))
        score = self.central_score(evidence.y - eta, fit.scale)
        return evidence.weight * expected, evidence.weight * score


def log_prior_of_excess(
    log_excess: Floats, log_sigma: Floats, priors: Mapping[str, LocationScale]
) -> Floats:
    """Log density of log(sigma - cut) under the prior of sigma."""
    density: Floats = priors["sigma"].log_density_of_log(log_sigma) + log_excess - log_sigma
    return density
