"""Families whose log density is concave in eta: the quick fit by Newton's steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from skhlm._typing import Floats
from skhlm.families.evidence import Evidence
from skhlm.families.family import Auxiliary, Family, Swept
from skhlm.numerics.grids import tails
from skhlm.numerics.scale_maps import match_quantiles
from skhlm.priors import LocationScale

_SETTLED = 0.1  # of the distance from the 5% to the 95% point
_VAGUE = (0.2, 0.7, 1.5)  # 5/50/95% points of an auxiliary parameter, before there are any


@dataclass(frozen=True)
class LogTails:
    """Posterior of the logarithms of the auxiliary parameters: 5/50/95% points (3, n_aux)."""

    points: Floats

    @property
    def logs(self) -> tuple[Floats, ...]:
        """The medians."""
        return tuple(self.points[1])

    def maps(self) -> tuple[Floats, Floats]:
        """Bent ones; none leans on another."""
        n = self.points.shape[1]
        return match_quantiles(self.points), np.zeros((n, n))

    def is_near(self, other: LogTails) -> bool:
        """Whether no median differs by much of its width."""
        moved = np.abs(self.points[1] - other.points[1])
        return bool((moved < _SETTLED * (other.points[2] - other.points[0])).all())


class ConcaveFamily(Family):
    """A log density that is concave in eta, whatever the auxiliary parameters, whose bound is 0.

    The quick fit takes Newton's steps with the expected information, shortened where they
    overshoot, and never divides by it: where rows tell nothing it is 0.
    """

    exact_steps = False
    typical_spread: ClassVar[float] = 1.0  # of eta

    @abstractmethod
    def own_mean(self, y: Floats, weight: Floats, mean: Floats) -> Floats:
        """Expected outcome (N,) by each outcome alone, where that tells little by ``mean``."""

    def start(self, evidence: Evidence) -> tuple[Floats, Floats]:
        """As if each outcome's own eta were its mode."""
        y, weight, offset = evidence.y, evidence.weight, evidence.offset
        eta = self.own_eta(evidence, offset + self.centre(y, weight, offset))
        information = weight * self.information(eta, self.central(_vague(self.auxiliary)))
        return information, information * (eta - offset)

    def own_eta(self, evidence: Evidence, eta: Floats) -> Floats:
        """Link of its mean: rows far from complete pooling's would send the first steps astray."""
        mean = self.own_mean(evidence.y, evidence.weight, self.link.inverse(eta))
        return self.link.link(mean)

    def spread(self, evidence: Evidence, eta: Floats) -> float:
        """One: a factor of e in odds or in rates."""
        del evidence, eta
        return self.typical_spread

    def first_fit(self, evidence: Evidence, eta: Floats, cuts: Sequence[float]) -> LogTails:
        """As wide as the priors."""
        del evidence, eta, cuts
        return _vague(self.auxiliary)

    def working_information(self, evidence: Evidence, eta: Floats, fit: LogTails) -> Floats:
        """The expected one."""
        information: Floats = evidence.weight * self.information(eta, self.central(fit))
        return information

    def working_score(
        self, evidence: Evidence, eta: Floats, rest: Floats, information: Floats, fit: LogTails
    ) -> Floats:
        """W (eta - rest) + g."""
        score = self.score(evidence.y, eta, self.central(fit))
        return information * (eta - rest) + evidence.weight * score

    def fit(
        self, evidence: Evidence, seen: Swept, priors: Mapping[str, Any], start: LogTails, n: int
    ) -> LogTails:
        """Laplace marginals, one parameter after the other."""
        points = start.points.copy()
        for i, parameter in enumerate(self.auxiliary):
            marginal = partial(
                self._log_marginal,
                name=parameter.name,
                aux=self.central(LogTails(points)),
                evidence=evidence,
                seen=seen,
                prior=priors[parameter.name],
            )
            points[:, i] = tails(marginal, points[:, i], n // 2 + 1)  # each point is costly
        return LogTails(points)

    def _log_marginal(
        self,
        log_value: Floats,
        name: str,
        aux: Mapping[str, Floats],
        evidence: Evidence,
        seen: Swept,
        prior: LocationScale,
    ) -> Floats:
        """Log density (D,) of the logarithm of one parameter: likelihood x volume x prior.

        The volume is what the likelihood leaves to the coefficients: without it a parameter would
        take their fit for its own.
        """
        points = [{**aux, name: value} for value in np.exp(log_value)]
        likelihood = [self.log_likelihood(evidence, seen.eta, at) for at in points]
        volume = seen.log_volume(
            [evidence.weight * self.information(seen.eta, at) for at in points]
        )
        return likelihood + volume + prior.log_density_of_log(log_value)

    def expansion(self, evidence: Evidence, eta: Floats, fit: LogTails) -> tuple[Floats, Floats]:
        """The working ones."""
        score = self.score(evidence.y, eta, self.central(fit))
        return self.working_information(evidence, eta, fit), evidence.weight * score


def _vague(auxiliary: Sequence[Auxiliary]) -> LogTails:
    """Orders of magnitude."""
    return LogTails(np.log(np.tile(np.array(_VAGUE)[:, None], len(auxiliary))))
