"""What the sampler said of each draw, in a model file: 24 bytes a draw; older files have none."""

from __future__ import annotations

import numpy as np

from skhlm.diagnostics import Diagnostics
from skhlm.draws import SamplerStatistics
from skhlm.files.archive import require
from skhlm.files.notation import Array
from skhlm.files.restoration import Contents
from skhlm.posterior import Posterior

_ENERGY, _ACCEPTANCE, _STEPS = "sampler.energy", "sampler.acceptance", "sampler.steps"
_DEPTHS = 64  # more doublings than any trajectory has
_LARGEST = 2**62


def written_statistics(
    statistics: SamplerStatistics | None, posterior: Posterior
) -> dict[str, Array]:
    """Arrays (chains, draws) of what is known of the posterior's draws, if that is finite.

    ``sampler.steps`` has the steps of a trajectory, times 128, plus its doublings, times 2, plus
    whether it diverged.
    """
    if statistics is None or statistics.energy.size != posterior.n_draws:
        return {}
    if not (np.isfinite(statistics.energy).all() and np.isfinite(statistics.accept).all()):
        return {}
    whole = (statistics.n_leapfrog, statistics.treedepth, statistics.divergent)
    leapfrog, depth, divergent = (np.asarray(values, dtype=np.int64) for values in whole)
    return {
        _ENERGY: statistics.energy,
        _ACCEPTANCE: statistics.accept,
        _STEPS: (leapfrog * _DEPTHS + depth) * 2 + divergent,
    }


def read_statistics(
    contents: Contents, posterior: Posterior, diagnostics: Diagnostics, max_treedepth: int
) -> SamplerStatistics | None:
    """The same as `SamplerStatistics`; None where the file has nothing of it.

    Parameters
    ----------
    contents : Contents
    posterior : Posterior
    diagnostics : Diagnostics
        Which have the step sizes and the number of runs.
    max_treedepth : int
    """
    if _ENERGY not in contents.arrays:
        return None
    n_chains = posterior.n_chains
    require(n_chains > 0, "n_chains: does not agree with what the sampler said")
    shape = (n_chains, posterior.n_draws // n_chains)
    steps = contents.ints(_STEPS, *shape, below=[_LARGEST] * shape[1])
    return SamplerStatistics(
        divergent=steps % 2 == 1,
        treedepth=steps // 2 % _DEPTHS,
        n_leapfrog=steps // (2 * _DEPTHS),
        energy=contents.floats(_ENERGY, *shape),
        accept=contents.floats(_ACCEPTANCE, *shape, least=0.0, most=1.0),
        step_size=diagnostics.step_size,
        max_treedepth=max_treedepth,
        n_runs=diagnostics.n_runs,
    )
