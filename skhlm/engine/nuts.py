"""NUTS, and once more where one run was not enough."""

from __future__ import annotations

from dataclasses import dataclass, replace

from skhlm.diagnostics.diagnostics import RHAT_FAIL, RHAT_WARN, Diagnostics
from skhlm.draws import Draws, SamplerStatistics
from skhlm.engine.inference import Diagnose, Inference
from skhlm.engine.progress import Progress
from skhlm.engine.runs import Start, sample
from skhlm.engine.settings import SamplerSettings
from skhlm.engine.target import Target
from skhlm.engine.tree_map import Coordinates

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
    target: Target,
    settings: SamplerSettings,
    diagnose: Diagnose,
    progress: Progress,
    start: Start | None = None,
) -> Inference:
    """Draws of the posterior, and their diagnosis.

    A poor run is followed by one more: by half as many draws, pooled with the first, if those were
    merely too few to bring R-hat below 1.01 for every parameter; else by a run with the map
    recalibrated from the first one's draws, and the better of the two is returned.
    """
    first = _diagnosed(_draw(target, settings, progress, start), diagnose)
    if not _is_poor(first):
        return Inference(first.draws, first.diagnostics, statistics=first.statistics)
    settings = replace(settings, seed=settings.seed + 1)
    if _is_short(first):
        half = replace(settings, iter_sampling=(settings.iter_sampling + 1) // 2)
        return _pooled(first, _draw(target, half, progress, start), diagnose)
    target = target.recalibrated(first.coordinates, first.draws)
    second = _diagnosed(_draw(target, _careful(settings, first), progress), diagnose)
    better = max(first, second, key=_merit)
    diagnostics = replace(better.diagnostics, n_runs=2)
    return Inference(better.draws, diagnostics, statistics=better.statistics)


def _draw(
    target: Target, settings: SamplerSettings, progress: Progress, start: Start | None = None
) -> _Sample:
    """One run of the Stan program, mapped to draws of the model's parameters."""
    columns, statistics = sample(target.data_block(), settings, progress, start)
    coordinates = target.coordinates(columns)
    return _Sample(coordinates, target.draws(coordinates), statistics)


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


def _pooled(first: _Sample, second: _Sample, diagnose: Diagnose) -> Inference:
    """Each chain followed by its second run."""
    draws = first.draws.followed_by(second.draws)
    statistics = first.statistics.followed_by(second.statistics)
    diagnostics = diagnose(draws, replace(statistics, n_runs=2))
    return Inference(draws, diagnostics, statistics=statistics)
