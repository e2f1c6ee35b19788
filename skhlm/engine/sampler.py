"""One run of NUTS in the Stan program: a data block in, arrays out. The only user of cmdstanpy."""

from __future__ import annotations

import logging
import os
import shutil
import threading
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


class _Quiet:
    """A context in which cmdstanpy logs nothing; after it, what it set in the process is put back.

    Logger and environment belong to the process: while several threads fit, the first to enter
    saves their state and the last to leave restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._disabled = False
        self._threads: str | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._disabled = _LOGGER.disabled
                self._threads = os.environ.get(_THREADS)
            _LOGGER.disabled = True
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                _LOGGER.disabled = self._disabled
                os.environ.pop(_THREADS, None)
                os.environ.update({} if self._threads is None else {_THREADS: self._threads})


_LOGGER = logging.getLogger("cmdstanpy")
_THREADS = "STAN_NUM_THREADS"  # cmdstanpy sets it
_CMDSTANPY_IS_QUIET = _Quiet()


def sample(
    data: DataBlock, settings: SamplerSettings, progress: Progress
) -> tuple[Floats, SamplerStatistics]:
    """Draws of the program's coordinates (chains, draws, P) and the sampler's own record.

    Raises
    ------
    ProgramError
        When the program is missing or does not start.
    SamplingError
        When the run fails; nothing is left behind.
    """
    iterations = settings.chains * (settings.iter_warmup + settings.iter_sampling)
    with run_directory() as directory, progress.run(iterations):
        program = find_program(directory)
        with _explained(directory), _CMDSTANPY_IS_QUIET:
            write_data_block(data, directory / "data.json")
            fit = _interruptible(partial(_run, program, directory, settings), directory, progress)
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
    task: Callable[[], CmdStanMCMC], directory: Path, progress: Progress
) -> CmdStanMCMC:
    """Run the task in a thread, so that an interrupt reaches us while the program is at work.

    The program stops within one iteration once its directory is gone; cmdstanpy alone would let
    every chain run to its end first.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(task)
        try:
            while not wait([future], timeout=0.2).done:
                progress.update(directory)
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
