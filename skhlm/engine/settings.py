"""How NUTS is run: the user's settings with the gaps filled in."""

from __future__ import annotations

from dataclasses import dataclass

import joblib

from skhlm.engine.problem import Problem

_WARMUP = 100  # iterations: only the step size is adapted
_BOLD, _CAREFUL = 0.6, 0.8  # target acceptance rates
_FEW = 30  # coefficients


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
    problem: Problem,
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
        adapt_delta=_adapt_delta(problem) if adapt_delta is None else adapt_delta,
        max_treedepth=max_treedepth,
        parallel_chains=min(chains, _workers(n_jobs)),
        seed=seed,
        verbose=verbose,
    )


def _adapt_delta(problem: Problem) -> float:
    """Target acceptance rate: low where long steps are safe.

    With 0.6 a draw takes 7 leapfrog steps where 0.8 takes 15 for about as good a draw. But
    correlations near 1 are narrow places, where such steps diverge; and in few dimensions they are
    so long that the tails of sigma and nu are missed, while careful ones cost little.
    """
    n_effects = sum(J * len(k) for J, k in zip(problem.n_levels, problem.varying, strict=True))
    few = problem.X.shape[1] + n_effects < _FEW
    return _CAREFUL if few or problem.covariance == "full" else _BOLD


def _workers(n_jobs: int | None) -> int:
    """Chains at a time: all processors, but one chain where joblib already runs several fits."""
    if n_jobs is None:
        backend, _ = joblib.parallel.get_active_backend()
        return 1 if backend.nesting_level else joblib.cpu_count()
    return max(1, joblib.cpu_count() + 1 + n_jobs) if n_jobs < 0 else n_jobs
