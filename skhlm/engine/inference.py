"""What an algorithm is given beside the problem, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from skhlm.diagnostics import Diagnostics
from skhlm.draws import Draws, ImportanceStatistics, SamplerStatistics


class Diagnose(Protocol):
    """What says how well draws were made."""

    def __call__(
        self,
        draws: Draws,
        statistics: SamplerStatistics | ImportanceStatistics,
        *,
        algorithm: str = "nuts",
        n_threads: int = 1,
    ) -> Diagnostics:
        """Checks of draws, from what the algorithm says of them."""


@dataclass(frozen=True)
class Earlier:
    """Where an earlier fit of a similar problem ended, in the units and levels of the present one.

    =============  ===========  =========================================================
    field          shape        what it is
    =============  ===========  =========================================================
    ``last``       (chains, 1)  where each chain ended; no effect for a level not seen
    ``step_size``               of the sampler, if there was one
    =============  ===========  =========================================================
    """

    last: Draws
    step_size: float | None


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
