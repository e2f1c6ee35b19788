"""What an algorithm returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skhlm.diagnostics import Diagnostics
from skhlm.draws import Draws, SamplerStatistics

Diagnose = Callable[..., Diagnostics]  # of draws, statistics and the algorithm's name


@dataclass(frozen=True)
class Inference:
    """Draws of the posterior, how well they were made, and the mode if that was asked for.

    Draws of an approximation are all in one chain; the mode is one draw in one chain. The sampler's
    statistics are those of the same draws; approximations have none.
    """

    draws: Draws
    diagnostics: Diagnostics
    mode: Draws | None = None
    statistics: SamplerStatistics | None = None

    @property
    def n_chains(self) -> int:
        """Number of Markov chains: none for an approximation."""
        return self.draws.shape[0] if self.diagnostics.algorithm == "nuts" else 0
