"""Runs of the Stan program, a function for each of Stan's methods. The user of cmdstanpy.

A data block goes in, arrays come out. P is the number of the program's parameters, S that of draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skhlm._typing import Floats
from skhlm.draws import SamplerStatistics
from skhlm.engine.inference import SamplerSettings
from skhlm.engine.program.binary_files import DrawsFile, write_variables
from skhlm.engine.program.executable import explain_failure, find_program, is_numerical
from skhlm.engine.program.quiet import CMDSTANPY_IS_QUIET
from skhlm.engine.program.run_directory import run_directory
from skhlm.engine.program.waiting import wait_for
from skhlm.engine.program.watching import Hook, count_iterations, watch
from skhlm.exceptions import SamplingError
from skhlm.numerics.columns import Columns
from skhlm.progress import Progress

if TYPE_CHECKING:
    from cmdstanpy import CmdStanMCMC

INITIAL_RADIUS = 1.5  # of the uniform starts of coordinates that are close to N(0, 1)
_SIGNIFICANT = 17  # digits: all of them
_REPORTS = 200  # of a chain, on how far it is
_ATTEMPTS = 3  # of ADVI; one in twenty fails where outcomes are nearly exact

DataBlock = Mapping[str, Any]  # the program's data by their names
Inits = Mapping[str, Floats]  # a parameter's values by its name; for several chains, one each


@dataclass(frozen=True)
class Start:
    """Where a run begins: the parameters of each chain, and the first step size tried.

    If that was tuned before, by the same run, it stays, and there is no warm-up.
    """

    inits: tuple[Inits, ...]
    step_size: float | None
    is_tuned: bool = False


@dataclass(frozen=True)
class Approximation:
    """Independent draws from an approximation q of the posterior p.

    ===============  =======  =====================================================================
    ``columns``      (S, P)   the draws
    ``log_ratio``    (S,)     log p - log q, up to a constant
    ``mode``         (P,)     where p is largest, if that was looked for
    ===============  =======  =====================================================================
    """

    columns: Floats
    log_ratio: Floats
    mode: Floats | None = None


def sample(
    data: DataBlock, settings: SamplerSettings, progress: Progress, start: Start | None = None
) -> tuple[Columns, SamplerStatistics]:
    """NUTS: draws of the parameters (chains, draws, P) and the sampler's own record.

    All chains run in one process; the metric is the identity, so that warm-up adapts the step size
    alone. The present part of the progress is the run.

    Raises
    ------
    ProgramError
        When the program is missing or does not start.
    SamplingError
        When the run fails; nothing is left behind.
    """
    is_tuned = start is not None and start.is_tuned
    iter_warmup = 0 if is_tuned else settings.iter_warmup
    iterations = iter_warmup + settings.iter_sampling

    hook = count_iterations(settings.chains * iterations, progress.reach)
    with _at_work(data, settings, hook) as run:
        fit = run(
            "sample",
            chains=settings.chains,
            parallel_chains=settings.parallel_chains,
            threads_per_chain=settings.threads_per_chain,
            iter_warmup=iter_warmup,
            iter_sampling=settings.iter_sampling,
            adapt_engaged=not is_tuned,
            adapt_delta=None if is_tuned else settings.adapt_delta,
            max_treedepth=settings.max_treedepth,
            metric="unit_e",
            step_size=None if start is None else start.step_size,
            inits=INITIAL_RADIUS if start is None else _write_inits(start, run.directory),
            refresh=max(1, iterations // _REPORTS),
            show_progress=False,
            save_diagnostics=True,  # the program's are the draws of its parameters
        )
        files = (DrawsFile(path, settings.iter_sampling) for path in fit.runset.diagnostic_files)
        columns = Columns(tuple((file,) for file in files))
        return columns, read_statistics(fit, settings.max_treedepth)


def read_statistics(fit: CmdStanMCMC, max_treedepth: int) -> SamplerStatistics:
    """The sampler's columns of the output, (chains, draws) each."""
    columns: dict[str, Any] = fit.method_variables()
    return SamplerStatistics(
        divergent=columns["divergent__"].T.astype(bool),
        treedepth=columns["treedepth__"].T.astype(int),
        n_leapfrog=columns["n_leapfrog__"].T.astype(int),
        energy=columns["energy__"].T,
        accept=columns["accept_stat__"].T,
        step_size=np.asarray(fit.step_size, dtype=np.float64),
        max_treedepth=max_treedepth,
    )


def laplace(data: DataBlock, settings: SamplerSettings) -> Approximation:
    """The mode, from where the coordinates are 0, and the normal distribution about it."""
    with _at_work(data, settings) as run:
        return _about_the_mode(run, settings.chains * settings.n_independent)


def _about_the_mode(run: _Program, n_draws: int) -> Approximation:
    """Laplace's method; the standard deviation is 1 where the curvature is not a maximum's."""
    mode = run(
        "optimize",
        algorithm="lbfgs",
        jacobian=True,
        inits=0,
        history_size=20,
        require_converged=False,  # where a search ends for want of digits is as good a place
    )
    fit = run("laplace_sample", mode=mode, jacobian=True, draws=n_draws)
    if len(fit.draws()) < n_draws:  # of this method cmdstanpy ignores the exit code
        runset = fit._runset  # by this name exit codes are found, as in cmdstanpy's own methods
        raise RuntimeError(repr(runset))
    found = mode.optimized_params_np[_n_statistics(mode.column_names) :]
    return _approximation(fit.column_names, fit.draws(), "log_p__", "log_q__", found)


def pathfinder(data: DataBlock, settings: SamplerSettings) -> Approximation:
    """Normal distributions along paths to the mode, one path a chain; all draws of all paths.

    Where no path gets anywhere, the answer is that of Laplace's method.
    """
    with _at_work(data, settings) as run:
        try:
            fit = run(
                "pathfinder",
                num_paths=settings.chains,
                num_single_draws=settings.n_independent,
                psis_resample=False,
                num_threads=settings.parallel_chains,
                inits=INITIAL_RADIUS,
                history_size=20,
            )
        except RuntimeError as error:
            if not is_numerical(error):  # a full disk, a fit that was stopped
                raise
            return _about_the_mode(run, settings.chains * settings.n_independent)
        return _approximation(fit.column_names, fit.draws(), "lp__", "lp_approx__")


def advi(data: DataBlock, settings: SamplerSettings) -> Approximation:
    """Independent normal distributions.

    A full covariance has as many parameters as the square of the coordinates, each found by
    stochastic gradients; in coordinates that are nearly independent it buys noise. The start is
    not N(0, I): Stan's search for a learning rate gives up where nothing is better. A rate that
    seemed the best may lead to where there is no density, and a single draw from there ends a run;
    another start finds another rate, and if none does, the answer is that of Laplace's method.
    """
    with _at_work(data, settings) as run:
        for attempt in range(_ATTEMPTS):
            try:
                fit = replace(run, seed=settings.seed + attempt)(
                    "variational",
                    algorithm="meanfield",
                    inits=INITIAL_RADIUS,
                    grad_samples=10,
                    eval_elbo=50,
                    draws=settings.chains * settings.n_independent,
                    require_converged=False,  # the importance ratios tell more
                )
            except RuntimeError as error:
                if not is_numerical(error):  # a full disk, a fit that was stopped
                    raise
            else:
                table = fit.variational_sample
                return _approximation(fit.column_names, table, "log_p__", "log_g__")
        return _about_the_mode(run, settings.chains * settings.n_independent)


def _approximation(
    names: tuple[str, ...], table: Floats, p: str, q: str, mode: Floats | None = None
) -> Approximation:
    """The columns of a table (S, ...), those that end in __ apart."""
    log_ratio = table[:, names.index(p)] - table[:, names.index(q)]
    return Approximation(table[:, _n_statistics(names) :], log_ratio, mode)


def _n_statistics(names: tuple[str, ...]) -> int:
    """How many columns come before the parameters', which differs between versions of Stan."""
    return sum(name.endswith("__") for name in names)


@dataclass(frozen=True)
class _Program:
    """The program in its directory; called, it runs one of the methods of cmdstanpy's model."""

    path: Path
    directory: Path
    seed: int
    hook: Hook | None

    def __call__(self, method: str, **arguments: Any) -> Any:
        return wait_for(partial(self._run, method, arguments), self.directory)

    def _run(self, method: str, arguments: Mapping[str, Any]) -> Any:
        from cmdstanpy import CmdStanModel

        model = CmdStanModel(exe_file=self.path)
        if self.hook is not None:
            watch(model, self.hook)
        return getattr(model, method)(
            data=str(self.directory / "data.json"),
            seed=self.seed,
            output_dir=str(self.directory),
            sig_figs=_SIGNIFICANT,
            **arguments,
        )


@contextmanager
def _at_work(
    data: DataBlock, settings: SamplerSettings, hook: Hook | None = None
) -> Iterator[_Program]:
    """The program beside its data, for as long as they are needed."""
    with run_directory() as directory:
        program = find_program(directory, CMDSTANPY_IS_QUIET.environment())
        with _explained(directory), CMDSTANPY_IS_QUIET:
            write_variables(data, directory / "data.json")
            yield _Program(program, directory, settings.seed, hook)


def _write_inits(start: Start, directory: Path) -> str:
    """A file for each chain, and one for what runs but once."""
    for chain, inits in enumerate(start.inits, start=1):
        write_variables(inits, directory / f"inits_{chain}.json")
    write_variables(start.inits[0], directory / "inits.json")
    return str(directory / "inits.json")


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Turn what goes wrong in a run into an error that says why."""
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        if isinstance(error, SamplingError):
            raise
        raise explain_failure(error, directory) from error
