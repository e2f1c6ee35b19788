"""What follows a poor run, with made-up draws in place of the program's."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from skhlm.diagnostics import diagnose
from skhlm.draws import Draws, SamplerStatistics
from skhlm.engine import nuts
from skhlm.engine.inference import SamplerSettings
from skhlm.inputs.labels import Labels
from tests.draws import auxiliary

CHAINS, N_DRAWS = 4, 500
LABELS = Labels(("Intercept",), (), (), (), ())
SETTINGS = SamplerSettings(
    algorithm="nuts",
    fallback=None,
    chains=CHAINS,
    iter_warmup=100,
    iter_sampling=N_DRAWS,
    adapt_delta=0.6,
    max_treedepth=10,
    parallel_chains=1,
    seed=7,
    verbose=0,
)


class Target:
    """A target that only counts how often it was recalibrated."""

    def __init__(self, recalibrations=0):
        self.recalibrations = recalibrations

    def recalibrated(self, *_):
        return Target(self.recalibrations + 1)


@pytest.fixture
def run(monkeypatch):
    """Run NUTS where each call of the program gives the next of some made-up samples."""

    def run(*samples):
        calls, rest = [], iter(samples)

        def draw(target, settings, _progress, _start=None):
            calls.append((target.recalibrations, settings))
            return next(rest)(settings.iter_sampling)

        monkeypatch.setattr(nuts, "_draw", draw)
        found = nuts.run_nuts(Target(), SETTINGS, partial(diagnose, labels=LABELS), None)
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
            step_size=np.ones(CHAINS),
            max_treedepth=10,
        )
        draws = Draws(x[..., :1], (), (), (), auxiliary(np.exp(x[..., 1])))
        return nuts._Sample(None, draws, statistics)

    return make


def test_a_good_run_is_the_only_one(run):
    found, calls = run(sample())
    assert len(calls) == found.diagnostics.n_runs == 1


def test_a_short_run_is_lengthened_with_the_same_map(run):
    found, calls = run(sample(0.3, spread=0.12), sample(seed=1))
    assert [recalibrations for recalibrations, _ in calls] == [0, 0]
    first, more = (settings for _, settings in calls)
    assert more.seed == first.seed + 1
    assert 0.5 <= more.iter_sampling / first.iter_sampling <= 3
    assert found.draws.shape == (CHAINS, first.iter_sampling + more.iter_sampling)
    assert found.diagnostics.n_runs == 2
    assert found.diagnostics.n_draws == found.draws.shape[1]


def test_divergences_bring_a_recalibrated_and_more_careful_run(run):
    found, calls = run(sample(divergent=3), sample(seed=1))
    (_, first), (recalibrations, second) = calls
    assert recalibrations == 1
    assert second.adapt_delta == pytest.approx(0.9)
    assert second.iter_warmup == 2 * first.iter_warmup
    assert (found.diagnostics.n_runs, found.diagnostics.n_divergent) == (2, 0)


def test_a_slow_run_is_recalibrated_and_then_lengthened(run):
    found, calls = run(sample(0.95), sample(0.75, seed=1), sample(0.75, seed=2))
    assert [recalibrations for recalibrations, _ in calls] == [0, 1, 1]
    assert found.diagnostics.n_runs == 3
    assert found.draws.shape[1] == N_DRAWS + calls[2][1].iter_sampling


def test_the_better_of_two_runs_is_kept(run):
    found, calls = run(sample(0.75), sample(divergent=5, seed=1), sample(0.75, seed=2))
    assert [recalibrations for recalibrations, _ in calls] == [0, 1, 0]
    assert found.diagnostics.n_divergent == 0
    assert found.diagnostics.n_runs == 3


def test_divergences_of_a_second_run_bring_a_third(run):
    found, calls = run(*(sample(divergent=n, seed=n) for n in (9, 2, 0)))
    assert [recalibrations for recalibrations, _ in calls] == [0, 1, 2]
    assert [s.adapt_delta for _, s in calls] == pytest.approx([0.6, 0.9, 0.975])
    assert [s.iter_warmup for _, s in calls] == [100, 200, 400]
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


def test_one_chain_has_no_second_run_for_its_unknown_rhat(run):
    found, _ = run(sample())
    alone = replace(found.diagnostics, max_rhat=np.nan, rhat_excess=np.nan, n_chains=1)
    run = nuts._Run(None, found.draws, found.statistics, alone, Target())
    assert not nuts._is_mixing(run)


@pytest.mark.parametrize(
    ("ess", "excess", "share"), [(400, 0.5, 0.5), (200, 0.5, 1.5), (4000, 2.0, 1.5), (20, 0.5, 3.0)]
)
def test_so_many_draws_are_missing(run, ess, excess, share):
    found, _ = run(sample())
    made_up = replace(found.diagnostics, min_ess_bulk=ess, min_ess_tail=ess, rhat_excess=excess)
    assert nuts._share_missing(made_up) == pytest.approx(share)
