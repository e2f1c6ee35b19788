"""What an algorithm is given beside the problem, its settings first, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from skhlm.diagnostics import Diagnostics
from skhlm.draws import Draws, ImportanceStatistics, LeftOut, SamplerStatistics
from skhlm.numerics.threads import n_workers

Algorithm = Literal["nuts", "pathfinder", "laplace", "advi", "map"]

_WARMUP, _WARM_WARMUP = 100, 50  # iterations: only the step size is adapted
_MOST_SAMPLING = 1200  # draws of each chain, of one run
_INDEPENDENT = 500  # draws for each chain, where their number is left to us
_ADAPT_DELTA = 0.8  # Stan's
_OF_MANY = 0.7  # for as many effects: three long steps a draw do where seven shorter ones would
_MANY = 500


@dataclass(frozen=True)
class SamplerSettings:
    """How to draw from the posterior; names as in Stan."""

    algorithm: Algorithm
    fallback: Algorithm | None  # what replaces an approximation that is none
    chains: int
    iter_warmup: int
    iter_sampling: int  # draws of each chain, or the most of a run in rounds
    in_rounds: bool  # NUTS goes on until it has enough draws
    adapt_delta: float
    max_treedepth: int
    parallel_chains: int
    seed: int
    threads_per_chain: int = 1  # where there are more processors than chains

    @property
    def n_independent(self) -> int:
        """Draws that an approximation makes for each chain: none depends on another."""
        return _INDEPENDENT if self.in_rounds else self.iter_sampling


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
    statistics are those of the same draws; approximations have none. Effects of one factor may be
    left out of both.
    """

    draws: Draws
    diagnostics: Diagnostics
    mode: Draws | None = None
    statistics: SamplerStatistics | None = None
    left_out: LeftOut | None = None

    @property
    def n_chains(self) -> int:
        """Number of Markov chains: none for an approximation."""
        return self.draws.shape[0] if self.diagnostics.algorithm == "nuts" else 0


def choose_settings(
    *,
    algorithm: Algorithm,
    fallback: Algorithm | None,
    chains: int,
    iter_warmup: int | None,
    iter_sampling: int | None,
    adapt_delta: float | None,
    max_treedepth: int,
    n_jobs: int | None,
    seed: int,
    warm: bool = False,
    n_sampled: int = 0,
) -> SamplerSettings:
    """The user's settings, with what suits the tree map where the choice is left to us.

    ``n_sampled`` is the number of independent effects that the sampler moves.
    """
    target = _OF_MANY if n_sampled >= _MANY else _ADAPT_DELTA
    return SamplerSettings(
        algorithm=algorithm,
        fallback=fallback,
        chains=chains,
        iter_warmup=(_WARM_WARMUP if warm else _WARMUP) if iter_warmup is None else iter_warmup,
        iter_sampling=_MOST_SAMPLING if iter_sampling is None else iter_sampling,
        in_rounds=iter_sampling is None,
        adapt_delta=target if adapt_delta is None else adapt_delta,
        max_treedepth=max_treedepth,
        parallel_chains=min(chains, n_workers(n_jobs)),
        seed=seed,
        threads_per_chain=max(1, n_workers(n_jobs) // chains),
    )
