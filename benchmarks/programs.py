"""The tree map and the plain program, run on the same problem and measured the same way."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from cmdstanpy import CmdStanModel, write_stan_json

from benchmarks.data_sets import DataSet, PlainRun
from benchmarks.measures import Measures, measure
from benchmarks.plain import build_plain_data, build_plain_program, read_plain_draws
from skhlm import HLMRegressor, preparation
from skhlm.diagnostics import diagnose
from skhlm.engine import Problem, SamplerSettings, infer
from skhlm.engine.inference import Diagnose
from skhlm.engine.program.executable import PROGRAM
from skhlm.engine.program.runs import read_statistics
from skhlm.engine.target import build_target
from skhlm.inputs.design import Rows, Units
from skhlm.progress import Progress

MAX_TREEDEPTH = 10
RESOLVED = 0.3  # CPU seconds that are measured well
logging.getLogger("cmdstanpy").disabled = True


@dataclass(frozen=True)
class Task:
    """What `HLMRegressor.fit` hands to the engine."""

    problem: Problem
    rows: Rows
    units: Units
    settings: SamplerSettings
    diagnose: Diagnose


def prepare(data_set: DataSet) -> Task:
    """The estimator's own preparation, by its own private steps: the benchmark looks inside."""
    model = HLMRegressor(
        list(data_set.groups), varying=data_set.varying, family=data_set.family, random_state=0
    )
    problem, spec, rows = preparation.prepare(model, *data_set.load(), None)
    settings, judge = model._settings(problem), partial(diagnose, labels=spec.labels)
    return Task(problem, rows, spec.units, settings, judge)


def run_tree_map(task: Task) -> Measures:
    """The program that ships, calibration and second run included."""
    start = time.perf_counter()
    found = infer(task.problem, task.settings, task.diagnose, Progress())
    seconds = time.perf_counter() - start
    gradient = time_gradient(PROGRAM, build_target(task.problem).data_block())
    warmup = task.settings.iter_warmup
    return measure("tree map", warmup, found.draws, found.diagnostics, seconds, gradient)


def run_plain(task: Task, run: PlainRun) -> Measures:
    """The plain program with Stan's defaults: diagonal metric, adapt_delta 0.8."""
    program, data = build_plain_program(), build_plain_data(task.problem, task.rows, task.units)
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
        columns = fit.draws()[:, :, len(fit.metadata.method_vars) :].swapaxes(0, 1)
        draws = read_plain_draws(columns, task.problem)
        statistics = read_statistics(fit, MAX_TREEDEPTH)
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
        inits=0,  # elsewhere counts may be so improbable that even such steps diverge
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
