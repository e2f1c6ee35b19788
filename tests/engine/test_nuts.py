"""Rounds of a run and what follows a poor one, with made-up draws in place of the program's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from skhlm.diagnostics import diagnose
from skhlm.draws import Draws, SamplerStatistics
from skhlm.engine import nuts
from skhlm.engine.inference import SamplerSettings
from skhlm.engine.program.runs import Start
from skhlm.inputs.labels import Labels
from skhlm.numerics.columns import Columns
from skhlm.progress import Progress
from tests.draws import auxiliary

CHAINS, N_DRAWS = 4, 500
LABELS = Labels(("Intercept",), (), (), (), ())
CHOSEN = SamplerSettings(
    algorithm="nuts",
    fallback=None,
    chains=CHAINS,
    iter_warmup=100,
    iter_sampling=N_DRAWS,
    in_rounds=False,
    adapt_delta=0.6,
    max_treedepth=10,
    parallel_chains=1,
    seed=7,
)
IN_ROUNDS = replace(CHOSEN, iter_sampling=1200, in_rounds=True)


class Target:
    """A target that only counts how often it was recalibrated."""

    is_mixture = False

    def __init__(self, recalibrations=0):
        self.recalibrations = recalibrations

    def recalibrated(self, *_):
        return Target(self.recalibrations + 1)

    def data_block(self):
        return self.recalibrations

    def draws(self, columns, _seed, _n_threads):
        x = columns.array()
        return Draws(x[..., :1], (), (), (), auxiliary(np.exp(x[..., 1])))

    def end(self, columns, step_size):
        return Start(tuple(columns.last[:, 0]), step_size, is_tuned=True)

    def checks(self, _draws, *, chains_disagree):
        del chains_disagree
        return ()

    def left_out(self, _seed):
        return None


@dataclass(frozen=True)
class Call:
    """One start of the program."""

    recalibrations: int
    settings: SamplerSettings
    start: Start | None

    @property
    def is_tuned(self):
        return self.start is not None and self.start.is_tuned


@pytest.fixture
def run(monkeypatch):
    """Run NUTS where each call of the program gives the next of some made-up samples."""

    def run(*samples, settings=CHOSEN):
        calls, rest = [], iter(samples)

        def sample(recalibrations, settings, _progress, start=None):
            calls.append(Call(recalibrations, settings, start))
            columns, statistics = next(rest)(settings.iter_sampling)
            return Columns.in_memory(columns), statistics

        monkeypatch.setattr(nuts, "sample", sample)
        found = nuts.run_nuts(Target(), settings, partial(diagnose, labels=LABELS), Progress())
        return found, calls

    return run


def sample(correlation=0.0, spread=0.0, divergent=0, seed=0):
    """Draws of AR(1) chains whose means differ by `spread`."""

    def make(n):
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((CHAINS, n, 2)) * np.sqrt(1 - correlation**2)
        x = noise.copy()
        for i in range(1, n):
            x[:, i] = correlation * x[:, i - 1] + noise[:, i]
        x += spread * np.arange(CHAINS)[:, None, None]
        divergence = np.zeros((CHAINS, n), dtype=bool)
        divergence[0, :divergent] = True
        ints, floats = np.ones((CHAINS, n), dtype=int), rng.standard_normal((CHAINS, n))
        statistics = SamplerStatistics(
            divergent=divergence,
            treedepth=ints,
            n_leapfrog=ints,
            energy=floats,
            accept=floats,
            step_size=np.array([0.5, 1.0, 1.0, 2.0]),
            max_treedepth=10,
        )
        return x, statistics

    return make


# --- a number that was chosen -----------------------------------------------------------------


def test_a_good_run_is_the_only_one(run):
    found, calls = run(sample())
    assert len(calls) == found.diagnostics.n_runs == 1
    assert found.draws.shape == (CHAINS, N_DRAWS)


def test_a_run_whose_chains_disagree_a_little_goes_on_with_the_same_map(run):
    found, calls = run(sample(0.3, spread=0.15), sample(seed=1))
    assert [call.recalibrations for call in calls] == [0, 0]
    first, more = (call.settings for call in calls)
    assert more.seed == first.seed + 1
    assert 0.5 <= more.iter_sampling / first.iter_sampling <= 3
    assert found.draws.shape == (CHAINS, first.iter_sampling + more.iter_sampling)
    assert found.diagnostics.n_runs == 1
    assert found.diagnostics.n_draws == found.draws.shape[1]


def test_divergences_bring_a_recalibrated_and_more_careful_run(run):
    found, calls = run(sample(divergent=3), sample(seed=1))
    first, second = calls
    assert second.recalibrations == 1
    assert second.settings.adapt_delta == pytest.approx(0.9)
    assert second.settings.iter_warmup == 2 * first.settings.iter_warmup
    assert (found.diagnostics.n_runs, found.diagnostics.n_divergent) == (2, 0)


def test_a_slow_run_is_recalibrated_and_then_lengthened(run):
    found, calls = run(sample(0.95), sample(0.75, seed=1), sample(0.75, seed=2))
    assert [call.recalibrations for call in calls] == [0, 1, 1]
    assert [call.is_tuned for call in calls] == [False, False, True]
    assert found.diagnostics.n_runs == 2
    assert found.draws.shape[1] == N_DRAWS + calls[2].settings.iter_sampling


def test_the_better_of_two_runs_is_kept(run):
    found, calls = run(sample(0.9), sample(divergent=5, seed=1), sample(0.9, seed=2))
    assert [call.recalibrations for call in calls] == [0, 1, 0]
    assert found.diagnostics.n_divergent == 0
    assert found.diagnostics.n_runs == 2


def test_divergences_of_a_second_run_bring_a_third(run):
    found, calls = run(*(sample(divergent=n, seed=n) for n in (9, 2, 0)))
    assert [call.recalibrations for call in calls] == [0, 1, 2]
    assert [call.settings.adapt_delta for call in calls] == pytest.approx([0.6, 0.9, 0.975])
    assert [call.settings.iter_warmup for call in calls] == [100, 200, 400]
    assert (found.diagnostics.n_runs, found.diagnostics.n_divergent) == (3, 0)


def test_divergences_do_not_go_on_for_ever(run):
    found, calls = run(*(sample(divergent=n, seed=n) for n in (4, 3, 2)))
    assert len(calls) == found.diagnostics.n_runs == 3
    assert found.diagnostics.n_divergent > 0


def test_few_divergences_are_better_than_many_whatever_the_draws_are_worth(run):
    found, _ = run(sample(divergent=100), *[sample(0.5, divergent=2, seed=n) for n in (1, 2)])
    assert found.diagnostics.n_divergent == 2


def test_chains_that_disagree_are_not_lengthened(run):
    found, calls = run(sample(spread=2.0), sample(spread=1.0, seed=1))
    assert len(calls) == found.diagnostics.n_runs == 2


@pytest.mark.parametrize("settings", [CHOSEN, IN_ROUNDS])
def test_one_chain_has_no_second_run_for_its_unknown_rhat(run, settings):
    alone = [lambda n, make=make: _first_chain(make(n)) for make in (sample(), sample(seed=1))]
    found, calls = run(*alone, settings=replace(settings, chains=1))
    assert np.isnan(found.diagnostics.max_rhat)
    assert len(calls) == found.diagnostics.n_runs == 1


def _first_chain(drawn):
    columns, statistics = drawn
    one = {name: x[:1] for name, x in vars(statistics).items() if isinstance(x, np.ndarray)}
    return columns[:1], replace(statistics, **one)


# --- rounds ---------------------------------------------------------------------------------------


def lengths(calls):
    return [call.settings.iter_sampling for call in calls]


def test_independent_draws_are_enough_after_one_round(run):
    found, calls = run(sample(), settings=IN_ROUNDS)
    assert lengths(calls) == [500]
    assert found.diagnostics.converged


def test_rounds_go_on_from_where_the_last_one_ended(run):
    first = sample(0.7)
    found, calls = run(first, sample(0.7, seed=1), sample(0.7, seed=2), settings=IN_ROUNDS)
    assert len(calls) >= 2
    assert not calls[0].is_tuned and all(call.is_tuned for call in calls[1:])
    assert [call.settings.seed for call in calls] == [7, 8, 9][: len(calls)]
    columns, _ = first(500)
    np.testing.assert_array_equal(calls[1].start.inits, columns[:, -1])
    assert calls[1].start.step_size == pytest.approx(1.0)  # the geometric mean
    assert found.draws.shape == (CHAINS, sum(lengths(calls)))
    assert found.diagnostics.n_runs == 1
    assert found.diagnostics.converged


def test_rounds_aim_at_what_is_missing(run):
    found, calls = run(*(sample(0.8, seed=n) for n in range(9)), settings=IN_ROUNDS)
    assert found.diagnostics.converged
    assert 2 <= len(calls) <= 4
    assert min(found.diagnostics.min_ess_bulk, found.diagnostics.min_ess_tail) < 800


def test_a_run_without_prospect_ends_with_its_round(run):
    found, calls = run(sample(0.99), sample(), settings=IN_ROUNDS)
    assert lengths(calls) == [500, 500]
    assert [call.recalibrations for call in calls] == [0, 1]
    assert found.draws.shape == (CHAINS, 500)


def test_a_divergence_ends_the_rounds_of_a_map(run):
    found, calls = run(sample(0.8, divergent=1), sample(seed=1), settings=IN_ROUNDS)
    assert lengths(calls) == [500, 500]
    assert (found.diagnostics.n_runs, found.diagnostics.n_divergent) == (2, 0)


def test_draws_are_enough_even_where_every_map_diverged(run):
    found, calls = run(*(sample(0.8, divergent=1, seed=n) for n in range(20)), settings=IN_ROUNDS)
    assert lengths(calls)[:3] == [500, 500, 500]
    assert len(calls) > 3
    assert found.diagnostics.n_runs == 3
    assert found.diagnostics.n_divergent > 0
    assert min(found.diagnostics.min_ess_bulk, found.diagnostics.min_ess_tail) >= 400


def test_rounds_of_the_better_map_go_on_to_four_times_the_most_of_a_run(run):
    found, calls = run(*(sample(0.96, seed=n) for n in range(20)), settings=IN_ROUNDS)
    assert 1200 < found.draws.shape[1] <= 4800
    assert [call.recalibrations for call in calls if not call.is_tuned] == [0, 1]


def test_rounds_of_a_chain_elsewhere_end(run):
    found, calls = run(*(sample(spread=2.0, seed=n) for n in range(20)), settings=IN_ROUNDS)
    assert lengths(calls) == [500, 500]
    assert not found.diagnostics.converged
