"""Steps of the sampler in coordinates that are near N(0, I)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skhlm.engine.inference import choose_settings
from skhlm.engine.program.runs import sample
from skhlm.engine.target import build_target
from skhlm.progress import Progress
from tests.chance import SHIFT
from tests.engine.problems import make_problem

N_EACH = 5


def statistics_of(n_levels):
    """What NUTS says of its steps, all effects sampled, with normal residuals."""
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(n_levels), N_EACH)
    X = np.column_stack([np.ones(len(level)), rng.normal(size=len(level))])
    effects = 0.5 * rng.normal(size=(n_levels, 2))[level]
    y = (X * (1 + effects)).sum(axis=1) + rng.normal(size=len(level))
    target = build_target(make_problem(X, y, (level,)))
    settings = choose_settings(
        algorithm="nuts",
        fallback=None,
        chains=2,
        iter_warmup=None,
        iter_sampling=150,
        adapt_delta=None,
        max_treedepth=10,
        n_jobs=2,
        seed=1 + SHIFT,
    )
    block = replace(target, is_collapsed=False).data_block()
    return sample(block, settings, Progress())[1]


def test_more_effects_that_are_normal_ask_for_no_more_steps():
    """They are N(0, 1) exactly; by leapfrogs 3,000 would take fifteen steps a draw, 0.3 long."""
    few, many = statistics_of(100), statistics_of(1500)
    for found in (few, many):
        np.testing.assert_allclose(found.step_size, 0.8, atol=0.1)
        assert found.n_leapfrog.mean() < 4
    assert many.accept.mean() > few.accept.mean() - 0.05
