"""What cmdstanpy read of a run -> arrays; the program's parameters <-> coordinates z."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skhlm._typing import Floats
from skhlm.draws import SamplerStatistics
from skhlm.engine.problem import Problem
from skhlm.engine.tree_map.forward import Coordinates

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


def initial_values(coordinates: Coordinates) -> tuple[dict[str, Floats], ...]:
    """The program's parameters by name, for each chain at its first draw."""
    return tuple(
        {name: values[chain, 0] for name, values in vars(coordinates).items()}
        for chain in range(len(coordinates.z_root))
    )


def read_coordinates(columns: Floats, problem: Problem, n_roots: int) -> Coordinates:
    """Split the parameters' columns (chains, draws, P) in the order of the program's parameters."""
    K = problem.n_coefficients
    n_varying = np.array([len(varying) for varying in problem.varying], dtype=np.int64)
    sizes = {
        "z_tau": int(n_varying.sum()),
        "z_aux": len(problem.family.auxiliary),
        "z_omega": int((n_varying * (n_varying - 1) // 2).sum()) * (problem.covariance == "full"),
        "z_root": K * n_roots,
        "z_delta": int((n_varying * problem.n_levels).sum()),
    }
    ends = np.cumsum(list(sizes.values()))
    if ends[-1] != columns.shape[-1]:
        raise ValueError(f"{columns.shape[-1]} columns of output where {ends[-1]} were expected")
    z = dict(zip(sizes, np.split(columns, ends[:-1], axis=-1), strict=True))
    root = z.pop("z_root").reshape(*columns.shape[:2], n_roots, K).swapaxes(-1, -2)
    return Coordinates(**z, z_root=root)
