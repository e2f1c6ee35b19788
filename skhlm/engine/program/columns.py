"""The columns that ``stan/hlm.stan`` writes -> the sampler's coordinates."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem
from skhlm.engine.tree_map.forward import Coordinates


def initial_values(coordinates: Coordinates) -> tuple[dict[str, Floats], ...]:
    """The program's parameters by name, for each chain at its first draw."""
    z_sigma = coordinates.z_sigma
    z_nu = (
        np.zeros((*z_sigma.shape, 0)) if coordinates.z_nu is None else coordinates.z_nu[..., None]
    )
    parameters = vars(coordinates) | {"z_nu": z_nu}
    return tuple(
        {name: values[chain, 0] for name, values in parameters.items()}
        for chain in range(len(z_sigma))
    )


def read_coordinates(columns: Floats, problem: Problem, n_roots: int) -> Coordinates:
    """Split the parameters' columns (chains, draws, P) in the order of the program's parameters."""
    K = problem.X.shape[1]
    n_varying = np.array([len(varying) for varying in problem.varying], dtype=np.int64)
    sizes = {
        "z_tau": int(n_varying.sum()),
        "z_sigma": 1,
        "z_nu": int(problem.family == "student_t"),
        "z_omega": int((n_varying * (n_varying - 1) // 2).sum()) * (problem.covariance == "full"),
        "z_root": K * n_roots,
        "z_delta": int((n_varying * problem.n_levels).sum()),
    }
    ends = np.cumsum(list(sizes.values()))
    if ends[-1] != columns.shape[-1]:
        raise ValueError(f"{columns.shape[-1]} columns of output where {ends[-1]} were expected")
    z = dict(zip(sizes, np.split(columns, ends[:-1], axis=-1), strict=True))
    leading = columns.shape[:2]
    return Coordinates(
        z_tau=z["z_tau"],
        z_sigma=z["z_sigma"][..., 0],
        z_nu=z["z_nu"][..., 0] if sizes["z_nu"] else None,
        z_omega=z["z_omega"],
        z_root=z["z_root"].reshape(*leading, n_roots, K).swapaxes(-1, -2),
        z_delta=z["z_delta"],
    )
