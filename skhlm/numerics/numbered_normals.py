"""Standard normal numbers that depend on whom they are for, and on nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial

import numpy as np

from skhlm._typing import Floats, Ints

_DROPPED, _UNIT = np.uint64(11), 2.0**-53  # of 64 random bits a number has 53
_SINE = [(-1) ** k * np.pi ** (2 * k + 1) / factorial(2 * k + 1) for k in range(12)]
_COSINE = [(-1) ** k * np.pi ** (2 * k) / factorial(2 * k) for k in range(12)]
"""Of sin(pi w) / w and cos(pi w) in powers of w^2, for |w| <= 1/2."""


def numbered_normals(seed: int, owners: Ints, stream: Ints, size: int) -> Floats:
    """Standard normal numbers (size, n, S): of each of n owners, for S of its draws.

    Draw ``stream[s]`` of an owner is the same whichever other owners and draws are asked for: each
    has a generator of its own, Philox keyed by seed and owner [1]_, whose bits no version of numpy
    may change, and numbers are made of them two by two [2]_.

    References
    ----------
    .. [1] Salmon, Moraes, Dror and Shaw (2011). Parallel random numbers: as easy as 1, 2, 3.
       SC '11. doi:10.1145/2063384.2063405
    .. [2] Box and Muller (1958). A note on the generation of random normal deviates. Annals of
       Mathematical Statistics 29(2). doi:10.1214/aoms/1177706645
    """
    length = int(stream.max(initial=-1)) + 1
    n_pairs = (size * length + 1) // 2
    uniform = _uniform(seed, owners, 2 * n_pairs)
    radius = -uniform[:, ::2]
    np.log1p(radius, out=radius)
    radius *= -2
    np.sqrt(radius, out=radius)
    pairs = np.empty((len(owners), n_pairs, 2))
    for number, part in enumerate(_on_circle(uniform[:, 1::2])):
        np.multiply(radius, part, out=pairs[..., number])
    numbers = pairs.reshape(len(owners), 2 * n_pairs)[:, : size * length]
    chosen: Floats = numbers.reshape(len(owners), length, size)
    if not np.array_equal(stream, np.arange(length)):
        chosen = chosen[:, stream]
    return np.ascontiguousarray(np.moveaxis(chosen, -1, 0))


def _uniform(seed: int, owners: Ints, length: int) -> Floats:
    """The first numbers of each owner, in [0, 1): (n, length)."""
    bits = np.random.Philox(key=0)
    state = bits.state
    raw = np.empty((len(owners), length), dtype=np.uint64)
    for i, owner in enumerate(owners.tolist()):
        state["state"]["key"][:] = seed, owner
        bits.state = state
        raw[i] = bits.random_raw(length)
    raw >>= _DROPPED
    uniform = raw.astype(np.float64)
    uniform *= _UNIT
    return uniform


def _on_circle(turns: Floats) -> tuple[Floats, Floats]:
    """Cosine and sine of 2 pi u, u in [0, 1), some times faster than numpy's.

    With w = u - 1/2, s = sin(pi w) and c = cos(pi w): 2 s^2 - 1 and -2 s c.
    """
    w = turns - 0.5
    square = w * w
    sine, cosine = _polynomial(_SINE, square), _polynomial(_COSINE, square)
    sine *= w
    cosine *= sine
    cosine *= -2
    sine *= sine
    sine *= 2
    sine -= 1
    return sine, cosine


def _polynomial(coefficients: Sequence[float], x: Floats) -> Floats:
    """Its values, from the coefficient of 1 on."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= x
        value += coefficient
    return value
