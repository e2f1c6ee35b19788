"""NUTS in rounds, until every parameter has the draws it needs; again where one map does not do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from skhlm.diagnostics.diagnostics import DIVERGENT_FAIL, ESS_WARN, RHAT_FAIL, Diagnostics
from skhlm.draws import Draws, SamplerStatistics
from skhlm.engine.inference import Diagnose, Inference, SamplerSettings
from skhlm.engine.program.runs import Start, sample
from skhlm.engine.target import Target
from skhlm.numerics.columns import Columns
from skhlm.numerics.convergence import RHAT_MATTERS
from skhlm.progress import Progress

_FIRST = 500  # draws of each chain in the first round: enough to see chains that disagree
_WORTHWHILE = 50  # draws of each chain for which the program is started once more
_MOST_GROWTH = 3.0  # of a run by one round: how many are wanted is a guess from those there are
_MARGIN = 1.15  # of draws wanted, for the same reason
_HOPELESS = 2.0  # times the most draws of a run
_MOST_LENGTHENED = 4  # times the most draws of a run, once no other map is better
_LEAST_LENGTHENED = 1.5  # times the draws that were chosen
_MIN_ESS_A_DRAW = 0.1  # where their number was chosen
_MOST_RUNS = 3  # of which only divergences bring the last
_SHARE = 0.8  # of what is left of the progress, for each round: there may be another
_SHARE_OF_ONE = 0.95  # where the number of draws was chosen
_CHECKING = 0.4


@dataclass(frozen=True)
class _Sample:
    """Draws, the columns (chains, draws, P) they were mapped from, and the sampler's record."""

    columns: Columns
    draws: Draws
    statistics: SamplerStatistics


@dataclass(frozen=True)
class _Run(_Sample):
    """A sample, how well the sampler did, and with which map."""

    diagnostics: Diagnostics
    target: Target

    @property
    def n_draws(self) -> int:
        """Draws of each chain."""
        return self.draws.shape[1]

    @property
    def min_ess(self) -> float:
        """Smallest effective sample size of all parameters, bulk or tail."""
        return min(self.diagnostics.min_ess_bulk, self.diagnostics.min_ess_tail)

    @property
    def is_beyond_chance(self) -> bool:
        """Whether chains disagree by more than so few draws explain."""
        return self.diagnostics.rhat_excess > 1

    @property
    def is_mixing(self) -> bool:
        """Whether chains are near enough to each other for more draws to help."""
        return not (self.is_beyond_chance and self.diagnostics.max_rhat > RHAT_FAIL)


def run_nuts(
    target: Target,
    settings: SamplerSettings,
    diagnose: Diagnose,
    progress: Progress,
    start: Start | None = None,
) -> Inference:
    """Draws of the posterior, and their diagnosis.

    A run goes on in rounds until every parameter has the effective draws it needs, or has the
    number of draws that was chosen. One that diverges, moves slowly or whose chains disagree is
    followed by a second one, with the map recalibrated from the first one's draws, and where that
    diverged by a third. The best of them is lengthened if more draws may help, and returned.
    """
    sampler = _Sampler(settings, diagnose, progress, count(settings.seed))
    run = sampler.run(target, start)
    for runs in range(2, _MOST_RUNS + 1):
        if not sampler.wants_another_map(run) or (runs > 2 and not run.diagnostics.n_divergent):
            break
        sampler = sampler.more_careful_than(run)
        other = sampler.run(run.target.recalibrated(run.columns, run.draws))
        run = _counted(max(other, run, key=_merit), runs)
    run = sampler.lengthened(run)
    left_out = run.target.left_out(settings.seed)
    checks = run.target.checks(run.draws, chains_disagree=run.diagnostics.chains_disagree)
    diagnostics = run.diagnostics.and_also(tuple(checks))
    return Inference(run.draws, diagnostics, statistics=run.statistics, left_out=left_out)


@dataclass(frozen=True)
class _Sampler:
    """Makes runs with the same settings; every start of the program has a seed of its own."""

    settings: SamplerSettings
    diagnose: Diagnose
    progress: Progress
    seeds: Iterator[int]

    def run(self, target: Target, start: Start | None = None) -> _Run:
        """Warm-up, and the draws that were chosen, or rounds of them while there is a prospect."""
        most = self.settings.iter_sampling
        if not self.settings.in_rounds:
            return self._diagnosed(self._draw(target, most, start), target)
        run = self._diagnosed(self._draw(target, _FIRST, start), target)
        while self._has_prospect(run) and (length := self._next_length(run, most)) > run.n_draws:
            run = self._continued(run, length)
        return run

    def lengthened(self, run: _Run) -> _Run:
        """The run with more draws, if it is short of them and they may help."""
        most = _MOST_LENGTHENED * self.settings.iter_sampling
        if self.settings.in_rounds:
            while self._may_go_on(run) and (length := self._next_length(run, most)) > run.n_draws:
                run = self._continued(run, length)
            return run
        lacks_nothing_else = run.is_mixing and not run.diagnostics.n_divergent
        if self._times_needed(run) <= 1 or not lacks_nothing_else:
            return run
        times = max(_MARGIN * self._times_needed(run), _LEAST_LENGTHENED)
        return self._continued(run, min(math.ceil(times * run.n_draws), most))

    def wants_another_map(self, run: _Run) -> bool:
        """Whether a run is poor in more than draws."""
        lacks_draws_alone = run.is_mixing and run.min_ess >= self._enough_ess(run)
        return run.diagnostics.n_divergent > 0 or not lacks_draws_alone

    def more_careful_than(self, run: _Run) -> _Sampler:
        """Twice the warm-up and, after divergences, shorter steps."""
        delta = self.settings.adapt_delta
        settings = replace(
            self.settings,
            iter_warmup=2 * self.settings.iter_warmup,
            adapt_delta=(3 + delta) / 4 if run.diagnostics.n_divergent else delta,
        )
        return replace(self, settings=settings)

    def _has_prospect(self, run: _Run) -> bool:
        """Whether a run in rounds may come to have enough draws, and nothing asks for another."""
        expected = self._times_needed(run) * run.n_draws
        within_reach = expected <= _HOPELESS * self.settings.iter_sampling
        return run.is_mixing and not run.diagnostics.n_divergent and within_reach

    def _may_go_on(self, run: _Run) -> bool:
        """Whether the best run of all, divergences or not, may come to have enough draws."""
        is_young = run.n_draws < self.settings.iter_sampling
        is_near = not run.diagnostics.max_rhat > RHAT_FAIL
        return run.is_mixing and (is_young or is_near or self._has_prospect(run))

    def _times_needed(self, run: _Run) -> float:
        """How many times its draws a run needs for its bounds; above 1 it is short of them.

        ESS grows with the number of draws, and R-hat - 1 falls with it, if chance is all there is.
        """
        by_rhat = 0.0
        if run.is_beyond_chance:
            by_rhat = (run.diagnostics.max_rhat - 1) / (RHAT_MATTERS - 1)
        by_ess = self._enough_ess(run) / run.min_ess if run.min_ess > 0 else math.inf
        return max(by_ess, by_rhat)

    def _enough_ess(self, run: _Run) -> float:
        """The effective sample size that every parameter is to have."""
        if self.settings.in_rounds:
            return ESS_WARN * run.diagnostics.n_chains
        return _MIN_ESS_A_DRAW * run.diagnostics.n_chains * run.n_draws

    def _next_length(self, run: _Run, most: int) -> int:
        """Draws a chain that the run is to have after one more round; as many as now if enough."""
        times = self._times_needed(run)
        if times <= 1 or run.n_draws >= most:
            return run.n_draws
        wanted = math.ceil(min(_MARGIN * times, _MOST_GROWTH) * run.n_draws)
        return min(max(wanted, run.n_draws + _WORTHWHILE), most)

    def _continued(self, run: _Run, length: int) -> _Run:
        """The same run with so many draws in each chain, which go on where they ended."""
        more = self._draw(run.target, length - run.n_draws, _end(run))
        longer = _Sample(
            columns=run.columns.followed_by(more.columns),
            draws=run.draws.followed_by(more.draws),
            statistics=run.statistics.followed_by(more.statistics),
        )
        return self._diagnosed(longer, run.target)

    def _draw(self, target: Target, n_draws: int, start: Start | None = None) -> _Sample:
        """So many draws of the Stan program a chain, mapped to the model's parameters."""
        settings = replace(self.settings, iter_sampling=n_draws, seed=next(self.seeds))
        if target.is_mixture and start is None:  # more to learn than a step size
            settings = replace(settings, iter_warmup=2 * settings.iter_warmup)
            start = target.cold_start(settings.chains, settings.seed)
        share = _SHARE if self.settings.in_rounds else _SHARE_OF_ONE
        doing = "more draws" if start is not None and start.is_tuned else "sampling"
        with self.progress.part(share, doing, clear=True):
            columns, statistics = sample(target.data_block(), settings, self.progress, start)
            draws = target.draws(columns, settings.seed, settings.parallel_chains)
        return _Sample(columns, draws, statistics)

    def _diagnosed(self, drawn: _Sample, target: Target) -> _Run:
        """The same with its diagnosis."""
        with self.progress.part(_CHECKING, "checking"):
            found = self.diagnose(drawn.draws, drawn.statistics)
        return _Run(**vars(drawn), diagnostics=found, target=target)


def _end(run: _Run) -> Start:
    """Where a run goes on: its last draws, with what its chains hold for a step on average."""
    step_size = float(np.exp(np.log(run.statistics.step_size).mean()))
    return run.target.end(run.columns, step_size)


def _merit(run: _Run) -> tuple[bool, bool, float]:
    """What makes one run better than another: no divergences, then few, then effective draws."""
    divergent = run.statistics.divergent
    share = divergent.mean()
    return bool(share == 0), bool(share <= DIVERGENT_FAIL), run.min_ess / divergent.size


def _counted(run: _Run, runs: int) -> _Run:
    """The same after so many runs."""
    return replace(
        run,
        statistics=replace(run.statistics, n_runs=runs),
        diagnostics=replace(run.diagnostics, n_runs=runs),
    )
