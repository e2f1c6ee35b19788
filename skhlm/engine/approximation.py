"""Approximations of the posterior: draws, and by their importance whether they can be relied on.

Each draw z of an approximation q has an importance ratio p(z)/q(z). Where these vary little enough
(Pareto k <= 0.7, after smoothing) the draws are resampled by them, and what is left is the
posterior; where they do not, the draws are kept as they are, and k says so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.draws import ImportanceStatistics
from skhlm.engine.inference import Algorithm, Diagnose, Inference, SamplerSettings
from skhlm.engine.program.runs import Approximation, DataBlock, advi, laplace, pathfinder
from skhlm.engine.target import Target
from skhlm.exceptions import NumericalError
from skhlm.numerics.columns import Columns
from skhlm.numerics.importance import K_RELIABLE, smooth
from skhlm.progress import Progress

_Method = Callable[[DataBlock, SamplerSettings], Approximation]
_RUNS: dict[Algorithm, _Method] = {
    "advi": advi,
    "laplace": laplace,
    "map": laplace,
    "pathfinder": pathfinder,
}
_SHARE = 0.9  # of what is left of the progress: NUTS may follow
_REMEDY = "Set fallback='nuts' or algorithm='nuts', which needs no approximation."


def run_approximation(
    target: Target, settings: SamplerSettings, diagnose: Diagnose, progress: Progress
) -> Inference:
    """Draws of an approximation, resampled where that mends it.

    Raises
    ------
    NumericalError
        When there is no approximation: the run found none, or none of its draws lies where the
        posterior has a density.
    SamplingError
        When the run failed for another reason, such as a full disk.
    """
    try:
        with progress.part(_SHARE, "approximating"):
            found = _RUNS[settings.algorithm](target.data_block(), settings)
    except NumericalError as error:
        raise NumericalError(f"{error} {_REMEDY}") from error
    columns, statistics = _weighed(found, settings.seed)
    one_chain = Columns.in_memory(columns[None])
    draws = target.draws(one_chain, settings.seed, settings.parallel_chains)
    mode = None
    if settings.algorithm == "map" and found.mode is not None:
        mode = target.draws(Columns.in_memory(found.mode[None, None]), seed=None)
    diagnostics = diagnose(draws, statistics, algorithm=settings.algorithm)
    return Inference(draws, diagnostics, mode, left_out=target.left_out(settings.seed))


def _weighed(found: Approximation, seed: int) -> tuple[Floats, ImportanceStatistics]:
    """Columns (S, P), resampled by their smoothed importance if that can be relied on.

    Draws where the posterior has no density are left out, and the rest is nothing to rely on if
    they are the most.
    """
    usable = np.isfinite(found.log_ratio) & np.isfinite(found.columns).all(axis=1)
    if not usable.any():
        raise NumericalError(
            f"No draw of the approximation lies where the posterior has a density. {_REMEDY}"
        )
    columns, weights = found.columns[usable], smooth(found.log_ratio[usable])
    k = float(weights.pareto_k) if usable.mean() > 0.5 else np.inf
    resampled = k <= K_RELIABLE
    picks = _resample(np.exp(weights.log_weights), seed) if resampled else slice(None)
    return columns[picks], ImportanceStatistics(k, float(weights.ess), resampled)


def _resample(weights: Floats, seed: int) -> Ints:
    """Systematic draws with these weights (S,): number i comes floor or ceil(S w_i) times."""
    ends = np.cumsum(weights)
    points = (np.arange(len(weights)) + np.random.default_rng(seed).random()) / len(weights)
    picks = np.searchsorted(ends / ends[-1], points, side="right")
    return np.minimum(picks, len(weights) - 1).astype(np.int64)
