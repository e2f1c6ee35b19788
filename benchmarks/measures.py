"""What is measured of a run: gradients, effective draws of every parameter, time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skhlm._typing import Floats
from skhlm.diagnostics import Diagnostics
from skhlm.draws import Draws
from skhlm.numerics.convergence import ess_bulk
from skhlm.posterior.parameters import list_parameters


@dataclass(frozen=True)
class Measures:
    """One run of a program; ESS is bulk ESS over all parameters in the model's own terms.

    Leapfrog steps, each of which costs one gradient, are those of the draws that are kept.
    ``seconds`` is wall time of everything, warmup and a second run included.
    """

    program: str
    chains: int
    iter_warmup: int
    iter_sampling: int
    n_parameters: int
    n_leapfrog: int
    min_ess: float
    median_ess: float
    max_rhat: float
    n_divergent: int
    n_max_treedepth: int
    n_runs: int
    converged: bool
    seconds: float
    microseconds_per_gradient: float

    @property
    def leapfrogs_per_draw(self) -> float:
        """Gradients that one draw takes."""
        return self.n_leapfrog / (self.chains * self.iter_sampling)

    @property
    def ess_per_1000_gradients(self) -> tuple[float, float]:
        """Minimum and median over the parameters; NaN where Gibbs sampling took none."""
        if self.n_leapfrog == 0:
            return math.nan, math.nan
        return (
            1e3 * self.min_ess / self.n_leapfrog,
            1e3 * self.median_ess / self.n_leapfrog,
        )

    @property
    def ess_per_second(self) -> tuple[float, float]:
        """Minimum and median over the parameters."""
        return self.min_ess / self.seconds, self.median_ess / self.seconds


def measure(
    program: str,
    iter_warmup: int,
    draws: Draws,
    found: Diagnostics,
    seconds: float,
    gradient_seconds: float,
) -> Measures:
    """Summarise a run and the time of one gradient."""
    ess = ess_bulk(_flatten(draws))
    return Measures(
        program=program,
        chains=found.n_chains,
        iter_warmup=iter_warmup,
        iter_sampling=found.n_draws,
        n_parameters=len(ess),
        n_leapfrog=found.n_leapfrog,
        min_ess=float(ess.min()),
        median_ess=float(np.median(ess)),
        max_rhat=found.max_rhat,
        n_divergent=found.n_divergent,
        n_max_treedepth=found.n_max_treedepth,
        n_runs=found.n_runs,
        converged=found.converged,
        seconds=seconds,
        microseconds_per_gradient=1e6 * gradient_seconds,
    )


def _flatten(draws: Draws) -> Floats:
    """All parameters but the correlations as (chains, draws, P)."""
    listed = [block for block in list_parameters(draws) if block.kind != "omega"]
    return np.concatenate([block.drawn(draws) for block in listed], axis=-1)
