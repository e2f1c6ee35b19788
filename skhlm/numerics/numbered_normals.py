"""Standard normal numbers that depend on whom they are for, and on nothing else."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats, Ints

_DROPPED, _UNIT = np.uint64(11), 2.0**-53  # of 64 random bits a number has 53


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
    uniform = _uniform(seed, owners, 2 * n_pairs).reshape(len(owners), n_pairs, 2)
    first, second = np.ascontiguousarray(np.moveaxis(uniform, -1, 0))  # one path through numpy
    radius, angle = np.sqrt(-2 * np.log1p(-first)), 2 * np.pi * second
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    numbers = pairs.reshape(len(owners), 2 * n_pairs)[:, : size * length]
    chosen: Floats = numbers.reshape(len(owners), length, size)[:, stream]
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
    return (raw >> _DROPPED).astype(np.float64) * _UNIT
