"""Posterior draws of the model's own parameters, as plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from skhlm._typing import Bools, Floats, Ints

MANY_EFFECTS = 1000  # of a factor; draws of so many are kept in fewer bytes

_Scalar = TypeVar("_Scalar", bound=np.generic)


def are_many(n_levels: int, n_varying: int, n_draws: int) -> bool:
    """Whether draws of a factor's effects are worth fewer bytes; a mode is one draw, and is not."""
    return n_levels * n_varying >= MANY_EFFECTS and n_draws > 1


@dataclass(frozen=True)
class Draws:
    """Draws of every parameter; leading axes of each array are ``(chains, draws)``.

    Per-factor entries are tuples in the order of the user's grouping factors; J_g is the number of
    levels of factor g and K_g the number of coefficients that vary by it.

    ===========  ======================  ==================================================
    field        shape after the axes    what it is
    ===========  ======================  ==================================================
    ``kappa``    (K,)                    population-level coefficients
    ``delta``    (J_g, K_g) each         group effects; many are in single precision
    ``tau``      (K_g,) each             sd of the group effects
    ``omega``    (K_g, K_g) each         their correlations; empty tuple for a diagonal covariance
    ``auxiliary``  () each               the family's parameters, by name
    ===========  ======================  ==================================================
    """

    kappa: Floats
    delta: tuple[Floats, ...]
    tau: tuple[Floats, ...]
    omega: tuple[Floats, ...]
    auxiliary: dict[str, Floats]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of chains and of draws in each."""
        chains, draws = self.kappa.shape[:2]
        return chains, draws

    @property
    def arrays(self) -> tuple[Floats, ...]:
        """All of them, in one order."""
        return (self.kappa, *self.delta, *self.tau, *self.omega, *self.auxiliary.values())

    def map(self, function: Callable[[Floats], Floats]) -> Draws:
        """The same draws with ``function`` applied to every array."""
        return replace(
            self,
            kappa=function(self.kappa),
            delta=tuple(map(function, self.delta)),
            tau=tuple(map(function, self.tau)),
            omega=tuple(map(function, self.omega)),
            auxiliary={name: function(values) for name, values in self.auxiliary.items()},
        )

    def followed_by(self, other: Draws) -> Draws:
        """Each chain with more draws of the same parameters after its own."""
        return Draws(
            kappa=_joined(self.kappa, other.kappa),
            delta=tuple(map(_joined, self.delta, other.delta)),
            tau=tuple(map(_joined, self.tau, other.tau)),
            omega=tuple(map(_joined, self.omega, other.omega)),
            auxiliary={
                name: _joined(values, other.auxiliary[name])
                for name, values in self.auxiliary.items()
            },
        )


@dataclass(frozen=True, eq=False)
class LeftOut:
    """The one factor whose effects a sampler has left out, and what the rows of its levels say.

    Its effects are normal given all else (`LevelEffects`); in `Draws` it has no levels. In the
    units of the model, at an error variance of one.

    ===============  =============  ==============================================================
    field            shape          what it is
    ===============  =============  ==============================================================
    ``factor``                      its number
    ``information``  (J, K_g, K)    sum of w a x' over the rows of each level, a those of the
                                    predictors x whose coefficients vary
    ``score``        (J, K_g)       sum of w a y
    ``above``        numbers        coarser factors in which its levels lie
    ``lies_in``      (J,) each      in which of their levels each level lies
    ``seed``         int or None    of the random numbers; None for the mode, which has none
    ===============  =============  ==============================================================
    """

    factor: int
    information: Floats
    score: Floats
    above: tuple[int, ...]
    lies_in: tuple[Ints, ...]
    seed: int | None


@dataclass(frozen=True)
class SamplerStatistics:
    """What the sampler says of its own draws.

    ==================  ===============  =======================================================
    field               shape            what it is
    ==================  ===============  =======================================================
    ``divergent``       (chains, draws)  the trajectory that led to the draw diverged
    ``treedepth``       (chains, draws)  doublings of the trajectory
    ``n_leapfrog``      (chains, draws)  its steps; each costs one gradient
    ``energy``          (chains, draws)  Hamiltonian energy
    ``accept``          (chains, draws)  mean acceptance probability along the trajectory
    ``step_size``       (chains,)        step size after warmup
    ``max_treedepth``   int              the most doublings allowed
    ``n_runs``          int              how often the sampler was run
    ==================  ===============  =======================================================
    """

    divergent: Bools
    treedepth: Ints
    n_leapfrog: Ints
    energy: Floats
    accept: Floats
    step_size: Floats
    max_treedepth: int
    n_runs: int = 1

    def has_steps_of(self, n_draws: int) -> bool:
        """Whether it tells how so many draws were stepped to: Gibbs sampling takes no steps."""
        return self.energy.size == n_draws and bool(self.n_leapfrog.any())

    def followed_by(self, other: SamplerStatistics) -> SamplerStatistics:
        """Each chain with more draws after its own; the step sizes are those of the first."""
        return replace(
            self,
            divergent=_joined(self.divergent, other.divergent),
            treedepth=_joined(self.treedepth, other.treedepth),
            n_leapfrog=_joined(self.n_leapfrog, other.n_leapfrog),
            energy=_joined(self.energy, other.energy),
            accept=_joined(self.accept, other.accept),
        )


@dataclass(frozen=True)
class ImportanceStatistics:
    """How well the draws of an approximation stand for draws of the posterior.

    Attributes
    ----------
    pareto_k : float
        Shape of the generalised Pareto distribution of the largest importance ratios.
    ess : float
        Effective sample size of the weighted draws.
    resampled : bool
        Whether the draws were resampled by their importance, as a small enough k allows.
    """

    pareto_k: float
    ess: float
    resampled: bool


def _joined(first: NDArray[_Scalar], second: NDArray[_Scalar]) -> NDArray[_Scalar]:
    """Two runs of the same chains, one after the other: (chains, draws, ...)."""
    return np.concatenate([first, second], axis=1)
