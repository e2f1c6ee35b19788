"""The tree map and the plain program, run on the same problem and measured the same way."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from cmdstanpy import CmdStanMCMC, CmdStanModel, write_stan_json

from benchmarks.data_sets import DataSet, PlainRun
from benchmarks.measures import Measures, measure
from benchmarks.plain import build_plain_data, build_plain_program, read_plain_draws
from skhlm import HLMRegressor, preparation
from skhlm._typing import Floats
from skhlm.diagnostics import Diagnostics, diagnose
from skhlm.draws import Draws, SamplerStatistics
from skhlm.engine import Problem, SamplerSettings, run_nuts
from skhlm.engine.calibration import calibrate
from skhlm.engine.data_block import build_data_block
from skhlm.engine.forest import learn_forest
from skhlm.engine.program import PROGRAM

Diagnose = Callable[[Draws, SamplerStatistics], Diagnostics]

MAX_TREEDEPTH = 10
RESOLVED = 0.3  # CPU seconds that are measured well
logging.getLogger("cmdstanpy").disabled = True


@dataclass(frozen=True)
class Task:
    """What `HLMRegressor.fit` hands to the engine."""

    problem: Problem
    settings: SamplerSettings
    diagnose: Diagnose


def prepare(data_set: DataSet) -> Task:
    """The estimator's own preparation, by its own private steps: the benchmark looks inside."""
    model = HLMRegressor(list(data_set.groups), family=data_set.family, random_state=0)
    problem, spec, _ = preparation.prepare(model, *data_set.load(), None)
    return Task(problem, model._settings(problem), partial(diagnose, labels=spec.labels))


def run_tree_map(task: Task) -> Measures:
    """The program that ships, calibration and second run included."""
    start = time.perf_counter()
    draws, found = run_nuts(task.problem, task.settings, task.diagnose)
    seconds = time.perf_counter() - start
    forest = learn_forest(task.problem.codes, task.problem.n_levels)
    data = build_data_block(task.problem, forest, calibrate(task.problem, forest))
    gradient = time_gradient(PROGRAM, data)
    return measure("tree map", task.settings.iter_warmup, draws, found, seconds, gradient)


def run_plain(task: Task, run: PlainRun) -> Measures:
    """The plain program with Stan's defaults: diagonal metric, adapt_delta 0.8."""
    program, data = build_plain_program(), build_plain_data(task.problem)
    with TemporaryDirectory() as directory:
        start = time.perf_counter()
        fit = _model(program).sample(
            _write(data, directory),
            chains=run.chains,
            parallel_chains=min(run.chains, task.settings.parallel_chains),
            iter_warmup=run.iter_warmup,
            iter_sampling=run.iter_sampling,
            max_treedepth=MAX_TREEDEPTH,
            seed=task.settings.seed,
            output_dir=directory,
            show_progress=False,
        )
        draws = read_plain_draws(_parameters(fit), task.problem)
        statistics = _statistics(fit)
        seconds = time.perf_counter() - start
    found = task.diagnose(draws, statistics)
    return measure("plain", run.iter_warmup, draws, found, seconds, time_gradient(program, data))


def time_gradient(program: Path, data: dict[str, Any]) -> float:
    """CPU seconds of one leapfrog step, without the start of the program and its reading."""
    with TemporaryDirectory() as directory:
        sample = partial(_long_trajectories, _model(program), _write(data, directory), directory)
        short, n, seconds = sample(1), 2, 0.0
        while seconds < RESOLVED:
            n *= 4
            long = sample(n)
            seconds = long.cpu_seconds - short.cpu_seconds
    return seconds / (long.n_leapfrog - short.n_leapfrog)


class Cost(NamedTuple):
    """What a number of leapfrog steps cost."""

    n_leapfrog: int
    cpu_seconds: float


def _long_trajectories(model: CmdStanModel, data: str, directory: str, n: int) -> Cost:
    """Cost of n trajectories whose steps are too short to turn: 255 leapfrogs each."""
    start = os.times()
    fit = model.sample(
        data,
        chains=1,
        iter_warmup=0,
        iter_sampling=n,
        adapt_engaged=False,
        metric="unit_e",
        step_size=1e-7,
        max_treedepth=8,
        seed=1,
        output_dir=directory,
        show_progress=False,
    )
    cpu_seconds = os.times().children_user - start.children_user
    return Cost(int(fit.method_variables()["n_leapfrog__"].sum()), cpu_seconds)


def _model(program: Path) -> CmdStanModel:
    return CmdStanModel(exe_file=program)


def _write(data: dict[str, Any], directory: str) -> str:
    """The data block as a file."""
    path = Path(directory) / "data.json"
    write_stan_json(str(path), data)
    return str(path)


def _parameters(fit: CmdStanMCMC) -> Floats:
    """Draws of all parameters in the program's order, (chains, draws, P)."""
    draws: Floats = fit.draws()[:, :, len(fit.metadata.method_vars) :]
    return draws.swapaxes(0, 1)


def _statistics(fit: CmdStanMCMC) -> SamplerStatistics:
    """The sampler's columns of the output, (chains, draws) each."""
    columns: dict[str, Any] = fit.method_variables()
    return SamplerStatistics(
        divergent=columns["divergent__"].T.astype(bool),
        treedepth=columns["treedepth__"].T.astype(int),
        n_leapfrog=columns["n_leapfrog__"].T.astype(int),
        energy=columns["energy__"].T,
        accept=columns["accept_stat__"].T,
        step_size=np.asarray(fit.step_size),
        max_treedepth=MAX_TREEDEPTH,
    )
