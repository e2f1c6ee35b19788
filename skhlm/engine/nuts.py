"""NUTS, and once or twice more where one run was not enough."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from skhlm._typing import Floats
from skhlm.diagnostics.diagnostics import (
    DIVERGENT_FAIL,
    ESS_WARN,
    RHAT_FAIL,
    Diagnostics,
)
from skhlm.draws import Draws, SamplerStatistics
from skhlm.engine.inference import Diagnose, Inference, SamplerSettings
from skhlm.engine.program.runs import Start, sample
from skhlm.engine.program.waiting import Progress
from skhlm.engine.target import Target

_MIN_ESS_A_DRAW = 0.2
_MARGIN = 1.25  # bounds are aimed at with some room
_MOST_RUNS = 3  # of which only divergences bring the last
_LEAST_MORE, _MOST_MORE = 0.5, 3.0  # more draws, in shares of those there are


@dataclass(frozen=True)
class _Sample:
    """Draws, the columns (chains, draws, P) they were mapped from, and the sampler's record."""

    columns: Floats
    draws: Draws
    statistics: SamplerStatistics


@dataclass(frozen=True)
class _Run(_Sample):
    """A sample, how well the sampler did, and with which map."""

    diagnostics: Diagnostics
    target: Target


def run_nuts(
    target: Target,
    settings: SamplerSettings,
    diagnose: Diagnose,
    progress: Progress,
    start: Start | None = None,
) -> Inference:
    """Draws of the posterior, and their diagnosis.

    A poor run that lacks nothing but draws is lengthened. Any other is followed by a second one,
    with the map recalibrated from the first one's draws, and where that diverged by a third; the
    best of them is lengthened if that is all it lacks, and returned.
    """
    run = _diagnosed(_draw(target, settings, progress, start), diagnose, target)
    for runs in range(2, _MOST_RUNS + 1):
        if not _is_poor(run) or _is_short(run) or (runs > 2 and not run.diagnostics.n_divergent):
            break
        again = run.target.recalibrated(run.columns, run.draws)
        settings = _careful(replace(settings, seed=settings.seed + 1), run)
        other = _diagnosed(_draw(again, settings, progress), diagnose, again)
        run = _counted(max(other, run, key=_merit), runs)
    if _is_poor(run) and _is_mixing(run):
        run = _lengthened(run, settings, diagnose, progress)
    return Inference(run.draws, run.diagnostics, statistics=run.statistics)


def _lengthened(
    run: _Run, settings: SamplerSettings, diagnose: Diagnose, progress: Progress
) -> _Run:
    """Each chain of the run followed by more draws with the same map."""
    n_more = math.ceil(_share_missing(run.diagnostics) * run.draws.shape[1])
    longer = replace(settings, seed=settings.seed + 1, iter_sampling=n_more)
    more = _draw(run.target, longer, progress)
    statistics = run.statistics.followed_by(more.statistics)
    pooled = _Sample(
        columns=run.columns,
        draws=run.draws.followed_by(more.draws),
        statistics=replace(statistics, n_runs=run.diagnostics.n_runs + 1),
    )
    return _diagnosed(pooled, diagnose, run.target)


def _share_missing(found: Diagnostics) -> float:
    """How many more draws, in shares of those there are, would bring R-hat and ESS to their bounds.

    ESS grows with the number of draws, and R-hat - 1 falls with it.
    """
    lacking = max(
        _MARGIN * ESS_WARN * found.n_chains / min(found.min_ess_bulk, found.min_ess_tail),
        _MARGIN * found.rhat_excess,
    )
    return min(max(lacking - 1, _LEAST_MORE), _MOST_MORE)


def _draw(
    target: Target, settings: SamplerSettings, progress: Progress, start: Start | None = None
) -> _Sample:
    """One run of the Stan program, mapped to draws of the model's parameters."""
    columns, statistics = sample(target.data_block(), settings, progress, start)
    return _Sample(columns, target.draws(columns, settings.parallel_chains), statistics)


def _diagnosed(drawn: _Sample, diagnose: Diagnose, target: Target) -> _Run:
    """The same with its diagnosis."""
    found = diagnose(drawn.draws, drawn.statistics)
    return _Run(**vars(drawn), diagnostics=found, target=target)


def _careful(settings: SamplerSettings, first: _Run) -> SamplerSettings:
    """Twice the warm-up and, after divergences, shorter steps."""
    diverged = first.diagnostics.n_divergent > 0
    return replace(
        settings,
        iter_warmup=2 * settings.iter_warmup,
        adapt_delta=(3 + settings.adapt_delta) / 4 if diverged else settings.adapt_delta,
    )


def _is_poor(run: _Run) -> bool:
    """Whether a second run is worth its time."""
    return (
        run.diagnostics.n_divergent > 0
        or run.diagnostics.chains_disagree
        or _ess_a_draw(run) < _MIN_ESS_A_DRAW
    )


def _is_short(run: _Run) -> bool:
    """Whether a poor run lacks nothing but draws."""
    return _is_mixing(run) and _ess_a_draw(run) >= _MIN_ESS_A_DRAW


def _is_mixing(run: _Run) -> bool:
    """Whether more draws of the same kind would help."""
    found = run.diagnostics
    far_apart = found.chains_disagree and found.max_rhat > RHAT_FAIL
    return found.n_divergent == 0 and found.n_chains > 1 and not far_apart


def _ess_a_draw(run: _Run) -> float:
    """Smallest effective sample size of all parameters for each draw."""
    chains, draws = run.draws.shape
    return min(run.diagnostics.min_ess_bulk, run.diagnostics.min_ess_tail) / (chains * draws)


def _merit(run: _Run) -> tuple[bool, bool, float]:
    """What makes one run better than another: no divergences, then few, then effective draws."""
    share = run.statistics.divergent.mean()
    return bool(share == 0), bool(share <= DIVERGENT_FAIL), _ess_a_draw(run)


def _counted(run: _Run, runs: int) -> _Run:
    """The same after so many runs."""
    return replace(
        run,
        statistics=replace(run.statistics, n_runs=runs),
        diagnostics=replace(run.diagnostics, n_runs=runs),
    )
