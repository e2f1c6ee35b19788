"""From a problem to draws of its posterior, by the algorithm that was asked for."""

from __future__ import annotations

from skhlm.engine.approximation import run_approximation
from skhlm.engine.inference import Diagnose, Inference
from skhlm.engine.nuts import run_nuts
from skhlm.engine.problem import Problem
from skhlm.engine.progress import Progress
from skhlm.engine.settings import SamplerSettings
from skhlm.engine.target import build_target
from skhlm.exceptions import SamplingError
from skhlm.importance import K_RELIABLE


def infer(problem: Problem, settings: SamplerSettings, diagnose: Diagnose) -> Inference:
    """Draws of the posterior; by NUTS where an approximation is none and that is the fallback."""
    target = build_target(problem)
    with Progress(settings.verbose) as progress:
        if settings.algorithm == "nuts":
            return run_nuts(target, settings, diagnose, progress)
        try:
            approximate = run_approximation(target, settings, diagnose, progress)
        except SamplingError:
            if settings.fallback is None:
                raise
        else:
            if settings.fallback is None or approximate.diagnostics.pareto_k <= K_RELIABLE:
                return approximate
        return run_nuts(target, settings, diagnose, progress)
