"""From a problem to draws of its posterior, by the algorithm that was asked for."""

from __future__ import annotations

from functools import partial

from skhlm.engine.approximation import run_approximation
from skhlm.engine.inference import Diagnose, Earlier, Inference, SamplerSettings
from skhlm.engine.nuts import run_nuts
from skhlm.engine.problem import Problem
from skhlm.engine.target import Target, build_target
from skhlm.exceptions import NumericalError
from skhlm.numerics.importance import K_RELIABLE
from skhlm.progress import Progress

_CALIBRATING = 0.15  # of the progress


def infer(
    problem: Problem,
    settings: SamplerSettings,
    diagnose: Diagnose,
    progress: Progress,
    earlier: Earlier | None = None,
) -> Inference:
    """Draws of the posterior; by NUTS where an approximation is none and that is the fallback.

    What an earlier fit of such a problem found saves a part of the way.
    """
    with progress.part(_CALIBRATING, "calibrating"):
        target = build_target(problem)
    diagnose = partial(diagnose, n_threads=settings.parallel_chains)
    if settings.algorithm == "nuts":
        return _sampled(target, settings, diagnose, progress, earlier)
    try:
        approximate = run_approximation(target, settings, diagnose, progress)
    except NumericalError:
        if settings.fallback is None:
            raise
    else:
        if settings.fallback is None or approximate.diagnostics.pareto_k <= K_RELIABLE:
            return approximate
    return _sampled(target, settings, diagnose, progress, earlier)


def _sampled(
    target: Target,
    settings: SamplerSettings,
    diagnose: Diagnose,
    progress: Progress,
    earlier: Earlier | None,
) -> Inference:
    """Draws of Markov chains."""
    target = target.for_chains()
    start = None if earlier is None else target.start(earlier.last, earlier.step_size)
    return run_nuts(target, settings, diagnose, progress, start)
