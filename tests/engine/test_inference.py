"""What is chosen where the user leaves a gap."""

from __future__ import annotations

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config

from skhlm.engine.inference import choose_settings
from skhlm.engine.problem import count_sampled
from tests.engine.problems import make_problem


def settings_for(**chosen):
    gaps = {"iter_warmup": None, "adapt_delta": None, "n_jobs": None, "fallback": None}
    rest = {
        "algorithm": "nuts",
        "chains": 4,
        "iter_sampling": 1,
        "max_treedepth": 10,
        "seed": 1,
    }
    return choose_settings(**(gaps | rest | chosen))


def parallel_chains(**chosen):
    return settings_for(**chosen).parallel_chains


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.parametrize("n_jobs", [None, 2, -1])
def test_one_chain_at_a_time_inside_joblib(backend, n_jobs):
    inside = Parallel(2, backend=backend)(delayed(parallel_chains)(n_jobs=n_jobs) for _ in range(2))
    assert inside == [1, 1]


@pytest.mark.parametrize(("n_jobs", "expected"), [(1, 1), (2, 2), (-1, 3), (-2, 2), (8, 3)])
def test_chains_at_a_time_as_joblib_is_configured(monkeypatch, n_jobs, expected):
    monkeypatch.setattr("joblib.cpu_count", lambda: 3)
    with parallel_config(n_jobs=n_jobs):
        assert parallel_chains() == expected
        assert parallel_chains(n_jobs=2) == 2
    with parallel_config(backend="threading"):
        assert parallel_chains() == 3


def test_chains_at_a_time(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 3)
    assert [parallel_chains(n_jobs=n_jobs) for n_jobs in (None, -1, -2, -9, 1, 8)] == [
        3,
        3,
        2,
        1,
        1,
        3,
    ]
    assert parallel_chains(chains=2) == 2


def test_steps_are_those_of_stan_unless_chosen():
    assert settings_for().adapt_delta == 0.8
    assert settings_for(adapt_delta=0.9).adapt_delta == 0.9
    assert settings_for(n_sampled=499).adapt_delta == 0.8
    assert settings_for(n_sampled=500).adapt_delta == 0.7


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({}, 40),
        ({"covariance": "full"}, 0),
        ({"family": "normal"}, 0),  # the effects are left out
    ],
)
def test_effects_that_are_moved_are_counted(case, expected):
    case = {"family": "student_t", **case}
    problem = make_problem(np.ones((40, 2)), np.arange(40), [np.arange(40) % 20], **case)
    assert count_sampled(problem) == expected
