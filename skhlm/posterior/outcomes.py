"""What a new observation can be given eta: the one place where families differ in kind.

Families with residuals have outcomes that are eta plus an error, and mixtures of normal
distributions for them. Of others the outcome is drawn about a mean that is a curve in eta.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skhlm._typing import Floats
from skhlm.families import Family, LinkFamily, LocationFamily
from skhlm.families.residuals import Residuals
from skhlm.numerics.strata import stratified
from skhlm.posterior.joint_likelihoods import Likelihood, LinkLikelihood, ResidualLikelihood
from skhlm.posterior.link_mixtures import LinkMixture
from skhlm.posterior.mixtures import Distribution, Mixture, Outcomes, Transformed
from skhlm.posterior.scores import crps_of_draws, crps_of_normals

MIN_PREDICTIVE_DRAWS = 2000  # residuals in a sample of them
WITHIN_ONE_SD = 0.6826894921370859  # probability that a normal number is


@dataclass(frozen=True)
class Outcome(ABC):
    """The distribution of the outcome in each of S draws."""

    auxiliary: dict[str, Floats]

    @property
    @abstractmethod
    def error_variance(self) -> float:
        """Variance of the outcome about eta on eta's own scale, if that is the outcome's."""

    @property
    @abstractmethod
    def sample(self) -> Floats | None:
        """Derived random numbers that a stored model keeps, (M, S), if there are any."""

    @abstractmethod
    def at(self, eta: Floats, variance: Floats) -> Outcomes:
        """New observations of rows, from eta (b, S) and the variance of new effects (b, S)."""

    @abstractmethod
    def mean_at(self, eta: Floats, variance: Floats) -> Distribution:
        """Expected values of rows."""

    @abstractmethod
    def mean_over_new(self, eta: Floats, variance: Floats) -> Floats:
        """Expected value at eta (b, S) and new effects of this variance (b, S)."""

    @abstractmethod
    def unexplained(
        self, y: Floats, fit: Floats, eta: Floats, variance: Floats
    ) -> tuple[Floats, Floats]:
        """What is left of y (b,) beside its fit, and the square of that: (b, S) each.

        Y and the fit, which is `mean_over_new`, are less some number.
        """

    @abstractmethod
    def log_constant(self, y: Floats, weight: Floats) -> Floats:
        """What the log density of rows of such weights has beside weight x log density, (n,)."""

    @abstractmethod
    def likelihood(self, draws: slice, eta: Floats, y: Floats, weight: Floats) -> Likelihood:
        """Rows' likelihood in some draws, eta (m, s), as a function of what is added to eta."""


def outcome_of(
    family: Family, auxiliary: Mapping[str, Floats], sample: Floats | None = None
) -> Outcome:
    """The distribution of the outcome in each draw of the family's parameters."""
    if isinstance(family, LocationFamily):
        return ResidualOutcome(dict(auxiliary), family, sample)
    if isinstance(family, LinkFamily):
        return LinkOutcome(dict(auxiliary), family)
    raise TypeError(f"{type(family).__name__} has neither residuals nor a curved mean.")


def residuals_of(outcome: Outcome) -> ResidualOutcome:
    """The same where there are residuals; raises where there are none."""
    if not isinstance(outcome, ResidualOutcome):
        raise TypeError("Only families with residuals have them.")
    return outcome


@dataclass(frozen=True)
class ResidualOutcome(Outcome):
    """Eta and an error."""

    family: LocationFamily
    stored: Floats | None = None

    @cached_property
    def residuals(self) -> Residuals:
        """Distribution of the error in each draw."""
        return self.family.residuals(self.auxiliary)

    @cached_property
    def noise(self) -> Floats:
        """A sample of errors common to all rows, stratified: M of each draw, (M, S)."""
        if self.stored is not None:
            return self.stored
        n_draws = len(next(iter(self.auxiliary.values())))
        n_each = -(-MIN_PREDICTIVE_DRAWS // n_draws)
        u = stratified(np.random.default_rng(0), (n_each * n_draws,)).reshape(n_each, n_draws)
        return self.family.error_quantile(u, self.auxiliary)

    @property
    def sample(self) -> Floats:
        """The errors'."""
        return self.noise

    @property
    def error_variance(self) -> float:
        """As the family sums it up."""
        return self.family.typical_variance(self.auxiliary)

    @property
    def error_half_width(self) -> float:
        """Half the width of the errors' central 68.3% interval: of normal ones it is their sd."""
        return float(np.quantile(np.abs(self.noise), WITHIN_ONE_SD))

    def at(self, eta: Floats, variance: Floats) -> ResidualOutcomes:
        """Mixtures with the errors."""
        return ResidualOutcomes(self, Mixture(eta, variance, self.residuals))

    def mean_at(self, eta: Floats, variance: Floats) -> Distribution:
        """Mixtures without, on the scale of y."""
        mixture, link = Mixture(eta, variance, None), self.family.link
        return mixture if link.linear else Transformed(link, mixture)

    def mean_over_new(self, eta: Floats, variance: Floats) -> Floats:
        """Eta: new effects have mean zero."""
        del variance
        return eta

    def unexplained(
        self, y: Floats, fit: Floats, eta: Floats, variance: Floats
    ) -> tuple[Floats, Floats]:
        """Residuals, and their squares."""
        del eta, variance
        residual = y[:, None] - fit
        return residual, residual**2

    def log_constant(self, y: Floats, weight: Floats) -> Floats:
        """Nothing."""
        return np.zeros(np.broadcast_shapes(y.shape, weight.shape))

    def likelihood(
        self, draws: slice, eta: Floats, y: Floats, weight: Floats
    ) -> ResidualLikelihood:
        """Of residuals."""
        some = {name: values[draws] for name, values in self.auxiliary.items()}
        return ResidualLikelihood(some, weight, (y[:, None] - eta).T, self.family)


@dataclass(frozen=True)
class ResidualOutcomes(Outcomes):
    """New observations of families with residuals."""

    outcome: ResidualOutcome
    mixture: Mixture

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Those of the mixture."""
        return self.mixture.quantiles(probabilities)

    def log_density(self, y: Floats) -> Floats:
        """Effects of new levels integrated out; known levels have the family's own density."""
        family, mixture, new = self.outcome.family, self.mixture, self.mixture.has_new
        density = family.log_density(y[:, None], mixture.mean, self.outcome.auxiliary)
        density[new] = mixture.some(new).log_density(y[new])
        return density

    def ends(self, y: Floats) -> Floats:
        """Likewise, twice the same."""
        family, mixture, new = self.outcome.family, self.mixture, self.mixture.has_new
        probability = np.empty(len(y))
        known = family.cdf(y[~new, None], mixture.mean[~new], self.outcome.auxiliary)
        probability[~new] = known.mean(axis=1)
        if new.any():
            probability[new] = mixture.some(new).cdf(y[new])
        return np.column_stack([probability, probability])

    def crps(self, y: Floats) -> Floats:
        """Of the stratified errors; effects of new levels are integrated out."""
        mixture, noise, new = self.mixture, self.outcome.noise, self.mixture.has_new
        outcome = (mixture.mean[:, None] + noise).reshape(len(y), -1)
        score = np.empty(len(y))
        score[~new] = crps_of_draws(outcome[~new], y[~new])
        sd = np.tile(np.sqrt(mixture.variance[new]), len(noise))
        score[new] = crps_of_normals(outcome[new], sd, y[new])
        return score

    def variance(self) -> Floats:
        """Of eta over draws, of new effects on average, of the error."""
        mixture = self.mixture
        spread: Floats = mixture.mean.var(axis=1) + mixture.variance.mean(axis=1)
        return spread + self.outcome.error_variance


@dataclass(frozen=True)
class LinkOutcome(Outcome):
    """Drawn about a mean that is the inverse of a link at eta."""

    family: LinkFamily

    @property
    def sample(self) -> None:
        """None."""
        return None

    @property
    def error_variance(self) -> float:
        """None: eta is on the scale of the link."""
        return 0.0

    def at(self, eta: Floats, variance: Floats) -> LinkMixture:
        """Mixtures over draws of the family's distributions."""
        return LinkMixture(self.family, self.auxiliary, eta, variance)

    def mean_at(self, eta: Floats, variance: Floats) -> Transformed:
        """The inverse of the link at mixtures of eta."""
        return Transformed(self.family.link, Mixture(eta, variance, None))

    def mean_over_new(self, eta: Floats, variance: Floats) -> Floats:
        """The mean of the inverse of the link."""
        if not variance.any():
            return self.family.mean(eta, self.auxiliary)
        return self.family.link.mean_over_normal(eta, variance)

    def unexplained(
        self, y: Floats, fit: Floats, eta: Floats, variance: Floats
    ) -> tuple[Floats, Floats]:
        """Nothing on average, the variance that the model says as the square."""
        del y, fit
        if variance.any():
            square = self.family.variance_over_normal(eta, variance, self.auxiliary)
            square = square + self.family.link.variance_over_normal(eta, variance)
        else:
            square = self.family.variance(eta, self.auxiliary)
        return np.zeros(eta.shape), np.broadcast_to(square, eta.shape)

    def log_constant(self, y: Floats, weight: Floats) -> Floats:
        """The ways in which trials have so many successes."""
        return self.family.log_constant(y, weight)

    def likelihood(self, draws: slice, eta: Floats, y: Floats, weight: Floats) -> LinkLikelihood:
        """Of the outcomes."""
        some = {name: values[draws] for name, values in self.auxiliary.items()}
        return LinkLikelihood(some, weight, eta.T, y, self.family)
