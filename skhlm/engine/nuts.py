"""Full Bayesian inference: calibrate the map, run NUTS, and once more where that was not enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from skhlm.diagnostics import Diagnostics
from skhlm.draws import Draws, SamplerStatistics
from skhlm.engine.calibration import calibrate
from skhlm.engine.data_block import build_data_block
from skhlm.engine.forest import Forest, learn_forest
from skhlm.engine.output import read_coordinates
from skhlm.engine.problem import Problem
from skhlm.engine.recalibration import recalibrate
from skhlm.engine.sampler import sample
from skhlm.engine.settings import SamplerSettings
from skhlm.engine.tree_map import Coordinates, MapConstants, to_draws

Diagnose = Callable[[Draws, SamplerStatistics], Diagnostics]

_MAX_RHAT = 1.01
_MIN_ESS_A_DRAW = 0.2


@dataclass(frozen=True)
class _Run:
    """Draws, the coordinates they were mapped from, and how well the sampler did."""

    coordinates: Coordinates
    draws: Draws
    diagnostics: Diagnostics


def run_nuts(
    problem: Problem, settings: SamplerSettings, diagnose: Diagnose
) -> tuple[Draws, Diagnostics]:
    """Draws of the posterior, and their diagnosis.

    A run with a divergence, an R-hat above 1.01 or fewer than 0.2 effective draws a draw is
    followed by one more, with the map recalibrated from the first run's draws and twice the
    warm-up; the better of the two is returned.
    """
    forest = learn_forest(problem.codes, problem.n_levels)
    constants = calibrate(problem, forest)
    run = _run(problem, forest, constants, settings, diagnose)
    if _is_poor(run):
        constants = recalibrate(problem, forest, constants, run.coordinates, run.draws)
        settings = replace(settings, iter_warmup=2 * settings.iter_warmup)
        second = _run(problem, forest, constants, settings, diagnose)
        run = max(run, second, key=lambda run: _merit(run.diagnostics))
        run = replace(run, diagnostics=replace(run.diagnostics, n_runs=2))
    return run.draws, run.diagnostics


def _run(
    problem: Problem,
    forest: Forest,
    constants: MapConstants,
    settings: SamplerSettings,
    diagnose: Diagnose,
) -> _Run:
    """One run of the Stan program, mapped to draws of the model's parameters."""
    columns, statistics = sample(build_data_block(problem, forest, constants), settings)
    coordinates = read_coordinates(columns, problem, n_roots=max(len(forest.chains), 1))
    draws = to_draws(coordinates, problem, forest, constants)
    return _Run(coordinates, draws, diagnose(draws, statistics))


def _is_poor(run: _Run) -> bool:
    """Whether a second, recalibrated run is worth its time."""
    found, (chains, draws) = run.diagnostics, run.draws.shape
    ess = min(found.min_ess_bulk, found.min_ess_tail)
    few = ess < _MIN_ESS_A_DRAW * chains * draws
    return found.n_divergent > 0 or not found.max_rhat <= _MAX_RHAT or few


def _merit(found: Diagnostics) -> tuple[bool, float]:
    """What makes one run better than another: no divergences, then effective draws."""
    return found.n_divergent == 0, min(found.min_ess_bulk, found.min_ess_tail)
