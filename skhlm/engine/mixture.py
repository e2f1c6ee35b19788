"""The sampler for short groups with Student-t residuals: when it draws, and what it reads.

It is Gibbs sampling over the normal mixture that such residuals are, with jumps of levels between
modes (stan/mixture/chain.hpp). It moves in the model's own parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np

from skhlm._typing import Floats
from skhlm.diagnostics.checks import Check
from skhlm.draws import Draws, are_many
from skhlm.engine.problem import Problem
from skhlm.numerics.columns import Columns
from skhlm.numerics.correlations import correlations
from skhlm.numerics.forest import Forest

SWEEPS = 2  # for a draw
FEW_ROWS = 30  # a level, on average
MANY_LEVELS = 30  # with fewer NUTS seldom finds it hard
HEAVY_NU = 3.5  # of the quick fit: below, NUTS is not even tried
_MOST_LEVELS = 20_000  # of which a sweep takes a hundredth of a second
_MOST_SCALES = 16  # dimensions of a random walk
_SMALLEST_SIGMA = 1e-4  # of the outcome's spread: sums of squares lose digits

Values = dict[str, Floats]
_Key = TypeVar("_Key")


def may_be_mixture(problem: Problem, forest: Forest, error_scale: float) -> bool:
    """Whether the sampler knows the model: one tree of short groups, rows of a gamma mixture."""
    if not problem.family.is_gamma_mixture or len(forest.chains) != 1:
        return False
    leaf = forest.chains[0][-1]
    n_rows, n_levels = len(problem.evidence.y), problem.n_levels[leaf]
    return (
        n_rows <= FEW_ROWS * n_levels
        and n_levels <= _MOST_LEVELS
        and problem.n_tau + problem.n_omega < _MOST_SCALES
        and error_scale > _SMALLEST_SIGMA * problem.evidence.spread
    )


def note_of_sampler(problem: Problem) -> Check:
    """That it was not NUTS that drew."""
    rows = len(problem.evidence.y) / max(problem.n_levels)
    advice = (
        f"Groups are short ({rows:.3g} rows a level) and residuals have heavy tails: a level may "
        "take one or another of its rows for the outlier. Drawn by Gibbs sampling with jumps "
        "between these modes, in the place of NUTS; adapt_delta and max_treedepth do not apply."
    )
    source = "Geweke 1993, doi:10.1002/jae.3950080504"
    return Check("sampler", "pass", rows, FEW_ROWS, source, advice)


def start_values(z_omega: Floats, draws: Draws, forest: Forest) -> tuple[Values, ...]:
    """The parameters where each chain begins, (chains, 1, ...), correlations by their z."""
    return tuple(
        {
            "kappa": draws.kappa[chain, 0],
            "tau": np.concatenate([draws.tau[g][chain, 0] for g in forest.order]),
            "aux": np.array([values[chain, 0] for values in draws.auxiliary.values()]),
            "z_omega": z_omega[chain, 0],
            "delta": np.concatenate([draws.delta[g][chain, 0].ravel() for g in forest.order]),
        }
        for chain in range(draws.shape[0])
    )


def last_values(columns: Floats, problem: Problem) -> tuple[Values, ...]:
    """The parameters where each chain has ended, from its last columns (chains, 1, P)."""
    parts = _split(columns[:, 0], problem)
    return tuple(
        {name: part[chain] for name, part in parts.items()} for chain in range(len(columns))
    )


def read_draws(columns: Columns, problem: Problem, forest: Forest) -> Draws:
    """Draws of the parameters from the columns (chains, draws, P).

    Effects of a factor that has many are in single precision.
    """
    n_others = sum(_sizes(problem).values()) - problem.n_effects
    _check_width(columns.shape[-1], problem)
    parts = _parted(columns.part(0, n_others).array(), _sizes_but_effects(problem))
    sizes = {g: len(problem.varying[g]) for g in forest.order}
    tau = _parted(parts["tau"], sizes)
    delta = dict(_effects(columns, n_others, problem, forest))
    n_omega = {g: k * (k - 1) // 2 for g, k in sizes.items()}
    full = problem.covariance == "full"
    omega = _parted(parts["z_omega"], n_omega) if full else {}
    return Draws(
        kappa=parts["kappa"],
        delta=tuple(delta[g] for g in sorted(sizes)),
        tau=tuple(tau[g] for g in sorted(sizes)),
        omega=tuple(correlations(omega[g], sizes[g]) for g in sorted(omega)),
        auxiliary={a.name: parts["aux"][..., i] for i, a in enumerate(problem.family.auxiliary)},
    )


def _effects(
    columns: Columns, first: int, problem: Problem, forest: Forest
) -> Iterator[tuple[int, Floats]]:
    """Of each factor in turn, (chains, draws, J_g, K_g)."""
    chains, n_draws, _ = columns.shape
    for g in forest.order:
        J, K_g = problem.n_levels[g], len(problem.varying[g])
        dtype = np.float32 if are_many(J, K_g, chains * n_draws) else np.float64
        read = columns.part(first, first + J * K_g).array()
        yield g, read.reshape(chains, n_draws, J, K_g).astype(dtype, copy=False)
        first += J * K_g


def _sizes_but_effects(problem: Problem) -> dict[str, int]:
    return {name: n for name, n in _sizes(problem).items() if name != "delta"}


def _sizes(problem: Problem) -> dict[str, int]:
    """How many columns each kind of parameter has, in the program's order."""
    return {
        "kappa": problem.n_coefficients,
        "tau": problem.n_tau,
        "aux": len(problem.family.auxiliary),
        "z_omega": problem.n_omega,
        "delta": problem.n_effects,
    }


def _split(columns: Floats, problem: Problem) -> Values:
    """Columns (..., P) by kind of parameter."""
    _check_width(columns.shape[-1], problem)
    return _parted(columns, _sizes(problem))


def _check_width(n_columns: int, problem: Problem) -> None:
    if n_columns != (expected := sum(_sizes(problem).values())):
        raise ValueError(f"{n_columns} columns of output where {expected} were expected")


def _parted(columns: Floats, sizes: dict[_Key, int]) -> dict[_Key, Floats]:
    """Consecutive columns (..., size) for each key."""
    ends = np.cumsum([0, *sizes.values()])
    return {
        key: np.ascontiguousarray(columns[..., i:j])
        for key, (i, j) in zip(sizes, pairwise(ends), strict=True)
    }
