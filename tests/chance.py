"""What a test may say of draws: seeds that can be shifted, and bounds that hold on any machine.

A chain's draws depend on the last bits of the processor's arithmetic, so a test must pass whichever
draws they are. Its bounds are exceeded with a probability below `RATE` where all is right: those of
normal Monte Carlo errors by :func:`assert_near`, those of counts by :func:`at_most`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.utils import check_random_state

import skhlm.random_state
from skhlm._typing import Floats
from skhlm.numerics.convergence import ess_mean

SHIFT = int(os.environ.get("SKHLM_TEST_SEED", "0"))
"""Added to what seeds tests and examples: ``SKHLM_TEST_SEED=7 pytest``."""

RATE = 1e-4
"""Probability that a test fails although all is right; no more than that."""


def shift_seeds() -> None:
    """Let the package draw from other seeds than those it is given."""
    skhlm.random_state.check_random_state = _shifted


def _shifted(random_state: Any) -> np.random.RandomState:
    """A generator that has given away its first numbers, one for each unit of the shift."""
    generator = check_random_state(random_state)
    generator.randint(2**31 - 1, size=SHIFT)
    return generator


def largest(n: int) -> float:
    """What the largest of n normal errors, in standard errors, exceeds with probability `RATE`.

    By Bonferroni's inequality, so for errors that are correlated too: 3.9 for one, 4.9 for 100.
    """
    return float(stats.norm.isf(RATE / (2 * n)))


def assert_near(found: ArrayLike, expected: ArrayLike, error: ArrayLike) -> None:
    """Differences that Monte Carlo error explains, each with its standard error."""
    difference, error = np.broadcast_arrays(np.subtract(found, expected), error)
    excess = np.abs(difference) - largest(difference.size) * error
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    message = (
        f"{worst}: {difference[worst]:.4g} is more than chance at an error of {error[worst]:.4g}"
    )
    assert (excess <= 0).all(), message


def at_most(n: int, probability: float) -> int:
    """The count that n independent events of this probability exceed with probability `RATE`."""
    return int(stats.binom.isf(RATE, n, probability))


def mean_error(chains: Floats) -> Floats:
    """Monte Carlo standard error of the mean of (chains, draws, ...)."""
    error: Floats = chains.std(axis=(0, 1)) / np.sqrt(ess_mean(chains))
    return error


def sd_error(chains: Floats) -> Floats:
    """Monte Carlo standard error of the sd of (chains, draws, ...): that of the squares."""
    square = (chains - chains.mean(axis=(0, 1))) ** 2
    error: Floats = mean_error(square) / (2 * chains.std(axis=(0, 1)))
    return error
