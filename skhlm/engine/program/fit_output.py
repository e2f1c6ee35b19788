"""What cmdstanpy read of a run of the sampler -> arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skhlm._typing import Floats
from skhlm.draws import SamplerStatistics

if TYPE_CHECKING:
    from cmdstanpy import CmdStanMCMC


def read_columns(fit: CmdStanMCMC) -> Floats:
    """Draws of all parameters in the program's order, (chains, draws, P)."""
    n_statistics = len(fit.metadata.method_vars)
    draws: Floats = fit.draws()[:, :, n_statistics:]
    return draws.swapaxes(0, 1)


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
