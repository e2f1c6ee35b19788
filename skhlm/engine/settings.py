"""How NUTS is run: the user's settings with the gaps filled in."""

from __future__ import annotations

from dataclasses import dataclass

import joblib

from skhlm.engine.problem import Covariance

_WARMUP = 100  # iterations: only the step size is adapted
# With 0.6 a draw takes 7 leapfrog steps where 0.8 takes 15 for about as good a draw; but correlations
# near 1 are narrow places, where steps as long as that diverge.
_ADAPT_DELTA: dict[Covariance, float] = {"diagonal": 0.6, "full": 0.8}


@dataclass(frozen=True)
class SamplerSettings:
    """How to run NUTS; names as in Stan."""

    chains: int
    iter_warmup: int
    iter_sampling: int
    adapt_delta: float
    max_treedepth: int
    parallel_chains: int
    seed: int
    verbose: int


def choose_settings(
    covariance: Covariance,
    *,
    chains: int,
    iter_warmup: int | None,
    iter_sampling: int,
    adapt_delta: float | None,
    max_treedepth: int,
    n_jobs: int | None,
    seed: int,
    verbose: int,
) -> SamplerSettings:
    """The user's settings, with what suits the tree map where the choice is left to us."""
    return SamplerSettings(
        chains=chains,
        iter_warmup=_WARMUP if iter_warmup is None else iter_warmup,
        iter_sampling=iter_sampling,
        adapt_delta=_ADAPT_DELTA[covariance] if adapt_delta is None else adapt_delta,
        max_treedepth=max_treedepth,
        parallel_chains=min(chains, _workers(n_jobs)),
        seed=seed,
        verbose=verbose,
    )


def _workers(n_jobs: int | None) -> int:
    """Chains at a time: all processors, but one chain where joblib already runs several fits."""
    if n_jobs is None:
        backend, _ = joblib.parallel.get_active_backend()
        return 1 if backend.nesting_level else joblib.cpu_count()
    return max(1, joblib.cpu_count() + 1 + n_jobs) if n_jobs < 0 else n_jobs
