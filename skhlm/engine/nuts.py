"""Full Bayesian inference: calibrate the map, run NUTS, and once more where that was not enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from skhlm.diagnostics import RHAT_FAIL, RHAT_WARN, Diagnostics
from skhlm.draws import Draws, SamplerStatistics
from skhlm.engine.calibration import calibrate
from skhlm.engine.data_block import build_data_block
from skhlm.engine.forest import Forest, learn_forest
from skhlm.engine.output import read_coordinates
from skhlm.engine.problem import Problem
from skhlm.engine.progress import Progress
from skhlm.engine.recalibration import recalibrate
from skhlm.engine.sampler import sample
from skhlm.engine.settings import SamplerSettings
from skhlm.engine.tree_map import Coordinates, MapConstants, to_draws

Diagnose = Callable[[Draws, SamplerStatistics], Diagnostics]

_MIN_ESS_A_DRAW = 0.2


@dataclass(frozen=True)
class _Sample:
    """Draws, the coordinates they were mapped from, and the sampler's record."""

    coordinates: Coordinates
    draws: Draws
    statistics: SamplerStatistics


@dataclass(frozen=True)
class _Run(_Sample):
    """A sample, and how well the sampler did."""

    diagnostics: Diagnostics


def run_nuts(
    problem: Problem, settings: SamplerSettings, diagnose: Diagnose
) -> tuple[Draws, Diagnostics]:
    """Draws of the posterior, and their diagnosis.

    A poor run is followed by one more: by half as many draws, pooled with the first, if those were
    merely too few to bring R-hat below 1.01 for every parameter; else by a run with the map
    recalibrated from the first one's draws, and the better of the two is returned.
    """
    forest = learn_forest(problem.codes, problem.n_levels)
    constants = calibrate(problem, forest)
    with Progress(settings.verbose) as progress:
        draw = partial(_draw, problem, forest, progress=progress)
        first = _diagnosed(draw(constants, settings), diagnose)
        if not _is_poor(first):
            return first.draws, first.diagnostics
        settings = replace(settings, seed=settings.seed + 1)
        if _is_short(first):
            half = replace(settings, iter_sampling=(settings.iter_sampling + 1) // 2)
            return _pooled(first, draw(constants, half), diagnose)
        constants = recalibrate(problem, forest, constants, first.coordinates, first.draws)
        second = _diagnosed(draw(constants, _careful(settings, first)), diagnose)
        better = max(first, second, key=_merit)
        return better.draws, replace(better.diagnostics, n_runs=2)


def _draw(
    problem: Problem,
    forest: Forest,
    constants: MapConstants,
    settings: SamplerSettings,
    progress: Progress,
) -> _Sample:
    """One run of the Stan program, mapped to draws of the model's parameters."""
    columns, statistics = sample(build_data_block(problem, forest, constants), settings, progress)
    coordinates = read_coordinates(columns, problem, n_roots=max(len(forest.chains), 1))
    return _Sample(coordinates, to_draws(coordinates, problem, forest, constants), statistics)


def _diagnosed(drawn: _Sample, diagnose: Diagnose) -> _Run:
    """The same with its diagnosis."""
    return _Run(**vars(drawn), diagnostics=diagnose(drawn.draws, drawn.statistics))


def _careful(settings: SamplerSettings, first: _Run) -> SamplerSettings:
    """Twice the warm-up and, after divergences, shorter steps."""
    diverged = first.diagnostics.n_divergent > 0
    return replace(
        settings,
        iter_warmup=2 * settings.iter_warmup,
        adapt_delta=(1 + settings.adapt_delta) / 2 if diverged else settings.adapt_delta,
    )


def _is_poor(run: _Run) -> bool:
    """Whether a second run is worth its time."""
    return (
        run.diagnostics.n_divergent > 0
        or run.diagnostics.max_rhat > RHAT_WARN
        or _ess_a_draw(run) < _MIN_ESS_A_DRAW
    )


def _is_short(run: _Run) -> bool:
    """Whether a poor run lacks nothing but draws."""
    return (
        run.diagnostics.n_divergent == 0
        and run.diagnostics.max_rhat <= RHAT_FAIL
        and _ess_a_draw(run) >= _MIN_ESS_A_DRAW
    )


def _ess_a_draw(run: _Run) -> float:
    """Smallest effective sample size of all parameters for each draw."""
    chains, draws = run.draws.shape
    return min(run.diagnostics.min_ess_bulk, run.diagnostics.min_ess_tail) / (chains * draws)


def _merit(run: _Run) -> tuple[bool, float]:
    """What makes one run better than another: no divergences, then effective draws."""
    return run.diagnostics.n_divergent == 0, _ess_a_draw(run)


def _pooled(first: _Sample, second: _Sample, diagnose: Diagnose) -> tuple[Draws, Diagnostics]:
    """Each chain followed by its second run."""
    draws = first.draws.followed_by(second.draws)
    statistics = first.statistics.followed_by(second.statistics)
    return draws, diagnose(draws, replace(statistics, n_runs=2))
