"""The plain program, ``stan/hlm_plain.stan``: the data block it reads, and its draws as `Draws`.

It is the model as a statistician would write it, and the yardstick of benchmarks.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.engine.problem import Problem
from skhlm.engine.program.stan_blocks import prior_numbers
from skhlm.inputs.design import Rows, Units

ROOT = Path(__file__).parents[1]


def build_plain_program() -> Path:
    """Compile the plain program, unless that is done; needs what building the package needs."""
    program = ROOT / "build" / "plain" / "hlm_plain"
    source = ROOT / "stan" / "hlm_plain.stan"
    command: list[str | Path] = [
        ROOT / "stan" / "build.py",
        "--stan",
        source,
        "--output",
        program,
    ]
    subprocess.run([sys.executable, *command], check=True)
    return program


def build_plain_data(problem: Problem, rows: Rows, units: Units) -> dict[str, Any]:
    """Everything the plain program reads, under the names of its data block."""
    scaled = problem.family.scales_outcome
    return {
        "N": len(rows.y),
        "K": problem.n_coefficients,
        "G": len(problem.n_levels),
        "J": list(problem.n_levels),
        "n_varying": [len(columns) for columns in problem.varying],
        "varying": np.concatenate([np.zeros(0, dtype=np.int64), *problem.varying]) + 1,
        "level": rows.codes[rows.cell] + 1,
        "X": units.predictors(rows.X),
        "y": units.outcome(rows.y) if scaled else rows.y,
        "row_offset": np.zeros(len(rows.y)) if scaled else units.offset(rows.X),
        "weight": rows.weight,
        "family": problem.family.code,
        "n_aux": len(problem.family.auxiliary),
        "full": int(problem.covariance == "full"),
        **prior_numbers(problem, range(len(problem.n_levels))),
    }


def read_plain_draws(columns: Floats, problem: Problem) -> Draws:
    """Draws from the program's columns (chains, draws, P), in the order of its parameters.

    delta_{g,l} = diag(tau_g) L_g z_{g,l} with L_g L_g' = Omega_g.
    """
    full, parameters = problem.covariance == "full", problem.family.auxiliary
    sizes = np.array([len(varying) for varying in problem.varying], dtype=np.int64)
    n_pairs = sizes * (sizes - 1) // 2 * full
    n_effects = sizes * np.array(problem.n_levels, dtype=np.int64)
    kappa, taus, aux, partials, z = _split(
        columns,
        [
            problem.n_coefficients,
            sizes.sum(),
            len(parameters),
            n_pairs.sum(),
            n_effects.sum(),
        ],
    )
    tau = _split(taus, sizes)
    factors = [
        _correlation_cholesky(partial, size)
        for partial, size in zip(_split(partials, n_pairs), sizes, strict=True)
    ]
    delta = [
        (z_g.reshape(*columns.shape[:2], -1, size) @ L.swapaxes(-1, -2)) * tau_g[..., None, :]
        for z_g, size, L, tau_g in zip(_split(z, n_effects), sizes, factors, tau, strict=True)
    ]
    return Draws(
        kappa=kappa,
        delta=tuple(delta),
        tau=tuple(tau),
        omega=tuple(L @ L.swapaxes(-1, -2) for L in factors) if full else (),
        auxiliary={a.name: aux[..., i] for i, a in enumerate(parameters)},
    )


def _split(columns: Floats, sizes: Sequence[int] | Ints) -> list[Floats]:
    """Cut the last axis into pieces of these sizes."""
    ends = np.cumsum(sizes, dtype=np.int64)
    if (ends[-1] if len(ends) else 0) != columns.shape[-1]:
        raise ValueError(f"{columns.shape[-1]} columns cannot be cut into {list(sizes)}")
    return [columns[..., end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _correlation_cholesky(partial: Floats, size: int) -> Floats:
    """L (..., m, m): L_ij = p_ij sqrt(1 - sum_{j' < j} L_ij'^2), p the strict lower triangle.

    No partial correlations mean none: L = I.
    """
    L = np.zeros((*partial.shape[:-1], size, size))
    rest = np.ones((*partial.shape[:-1], size))  # of each row's squares
    rows, columns = np.tril_indices(size, -1)
    for p, i, j in zip(np.moveaxis(partial, -1, 0), rows, columns, strict=False):
        L[..., i, j] = p * np.sqrt(rest[..., i])
        rest[..., i] -= L[..., i, j] ** 2
    diagonal = np.arange(size)
    L[..., diagonal, diagonal] = np.sqrt(rest)
    return L
