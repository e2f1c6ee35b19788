"""One run of NUTS in the Stan program: a data block in, arrays out. The only user of cmdstanpy."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skhlm._typing import Floats
from skhlm.draws import SamplerStatistics
from skhlm.engine.data_block import DataBlock, write_data_block
from skhlm.engine.failure import explain_failure
from skhlm.engine.program import find_program
from skhlm.engine.progress import Progress
from skhlm.engine.run_directory import run_directory
from skhlm.engine.settings import SamplerSettings

if TYPE_CHECKING:
    from cmdstanpy import CmdStanMCMC

_INITIAL_RADIUS = 1.5  # of the uniform starts of coordinates that are close to N(0, 1)


def sample(data: DataBlock, settings: SamplerSettings) -> tuple[Floats, SamplerStatistics]:
    """Draws of the program's coordinates (chains, draws, P) and the sampler's own record.

    Raises
    ------
    ProgramError
        When the program is missing or does not start.
    SamplingError
        When the run fails; nothing is left behind.
    """
    with run_directory() as directory:
        program = find_program(directory)
        with _explained(directory), _quiet_cmdstanpy():
            write_data_block(data, directory / "data.json")
            fit = _interruptible(partial(_run, program, directory, settings), directory, settings)
            return _coordinates(fit), _statistics(fit, settings)


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Turn what goes wrong in a run into an error that says why."""
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        raise explain_failure(error, directory) from error


def _run(program: Path, directory: Path, settings: SamplerSettings) -> CmdStanMCMC:
    """All chains in one process; unit metric, so that warm-up adapts the step size alone."""
    from cmdstanpy import CmdStanModel

    iterations = settings.iter_warmup + settings.iter_sampling
    return CmdStanModel(exe_file=program).sample(
        data=str(directory / "data.json"),
        chains=settings.chains,
        parallel_chains=settings.parallel_chains,
        iter_warmup=settings.iter_warmup,
        iter_sampling=settings.iter_sampling,
        adapt_delta=settings.adapt_delta,
        max_treedepth=settings.max_treedepth,
        metric="unit_e",
        inits=_INITIAL_RADIUS,
        seed=settings.seed,
        output_dir=str(directory),
        sig_figs=17,
        refresh=max(1, iterations // 20),
        show_progress=False,
    )


def _interruptible(
    task: Callable[[], CmdStanMCMC], directory: Path, settings: SamplerSettings
) -> CmdStanMCMC:
    """Run the task in a thread, so that an interrupt reaches us while the program is at work.

    The program stops within one iteration once its directory is gone; cmdstanpy alone would let
    every chain run to its end first.
    """
    with ThreadPoolExecutor(max_workers=1) as pool, Progress(directory, settings) as progress:
        future = pool.submit(task)
        try:
            while not wait([future], timeout=0.2).done:
                progress.update()
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return future.result()


def _coordinates(fit: CmdStanMCMC) -> Floats:
    """Draws of all parameters in the program's order, (chains, draws, P)."""
    n_statistics = len(fit.metadata.method_vars)
    draws: Floats = fit.draws()[:, :, n_statistics:]
    return draws.swapaxes(0, 1)


def _statistics(fit: CmdStanMCMC, settings: SamplerSettings) -> SamplerStatistics:
    """The sampler's columns of the output, (chains, draws) each."""
    columns: dict[str, Any] = fit.method_variables()
    return SamplerStatistics(
        divergent=columns["divergent__"].T.astype(bool),
        treedepth=columns["treedepth__"].T.astype(int),
        n_leapfrog=columns["n_leapfrog__"].T.astype(int),
        energy=columns["energy__"].T,
        accept=columns["accept_stat__"].T,
        step_size=np.asarray(fit.step_size, dtype=np.float64),
        max_treedepth=settings.max_treedepth,
        n_runs=1,
    )


@contextmanager
def _quiet_cmdstanpy() -> Iterator[None]:
    """Silence its logger, and put back the environment variable that it sets."""
    logger, threads = logging.getLogger("cmdstanpy"), os.environ.get("STAN_NUM_THREADS")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled
        if threads is None:
            os.environ.pop("STAN_NUM_THREADS", None)
        else:
            os.environ["STAN_NUM_THREADS"] = threads
