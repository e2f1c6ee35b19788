"""The worst R-hat and effective sample sizes of all parameters, and which parameters have them."""

from __future__ import annotations

from itertools import compress, islice
from typing import NamedTuple

import numpy as np

from skhlm._typing import Bools, Floats
from skhlm.draws import Draws
from skhlm.inputs.labels import Labels
from skhlm.numerics.convergence import Convergence, convergence
from skhlm.posterior.parameters import Block, list_parameters


class Extreme(NamedTuple):
    """The worst value of a statistic, and the parameter that has it."""

    value: float
    parameter: str


class Extremes(NamedTuple):
    """Largest R-hat, smallest bulk and tail ESS; NaN where there are too few chains or draws.

    Draws of a parameter that are all equal or not finite are the worst of all: R-hat is infinite
    and both ESS are zero.
    """

    rhat: Extreme
    ess_bulk: Extreme
    ess_tail: Extreme


def find_extremes(draws: Draws, labels: Labels, n_threads: int = 1) -> Extremes:
    """Largest R-hat and smallest ESS over all parameters."""
    extremes = [_extremes_of(block, draws, labels, n_threads) for block in _blocks(draws)]
    rhats, bulks, tails = zip(*extremes, strict=True)
    return Extremes(
        max(rhats, key=lambda extreme: -np.inf if np.isnan(extreme.value) else extreme.value),
        min(bulks, key=_unknown_first),
        min(tails, key=_unknown_first),
    )


def find_degenerate(draws: Draws, labels: Labels) -> list[str]:
    """Parameters whose draws are all equal or not all finite."""
    return [
        str(name)
        for block in _blocks(draws)
        for name in compress(block.names(labels), _degenerate(block.drawn(draws)))
    ]


def _blocks(draws: Draws) -> list[Block]:
    """All parameters, factor by factor: of equally bad ones the first is named."""
    blocks = [block for block in list_parameters(draws) if block.drawn(draws).size]
    return sorted(blocks, key=lambda block: block.g)


def _degenerate(x: Floats) -> Bools:
    """(chains, draws, P) -> (P,): all equal, or not all finite."""
    with np.errstate(invalid="ignore"):
        moves = np.ptp(x, axis=(0, 1)) > 0
    result: Bools = ~moves | ~np.isfinite(x).all(axis=(0, 1))
    return result


def _unknown_first(extreme: Extreme) -> float:
    """Order of ESS in which NaN comes before everything."""
    return -np.inf if np.isnan(extreme.value) else extreme.value


def _extremes_of(block: Block, draws: Draws, labels: Labels, n_threads: int) -> Extremes:
    """Largest R-hat and smallest ESS of one block of parameters."""
    rhat, bulk, tail = _checked(block.drawn(draws), n_threads)
    largest = 0 if np.isnan(rhat).all() else int(np.nanargmax(rhat))
    places = [(rhat, largest), (bulk, int(np.argmin(bulk))), (tail, int(np.argmin(tail)))]
    return Extremes(*(Extreme(float(x[i]), _name(block, i, labels)) for x, i in places))


def _name(block: Block, i: int, labels: Labels) -> str:
    """What the ith parameter of a block is called."""
    return str(next(islice(block.names(labels), i, None)))


def _checked(x: Floats, n_threads: int) -> Convergence:
    """Statistics of (chains, draws, P); what never moves or is not finite is the worst of all."""
    degenerate = _degenerate(x)
    rhat, bulk, tail = convergence(x, n_threads)
    if x.shape[1] == 1:
        degenerate[:] = False
    return Convergence(
        np.where(degenerate, np.inf, rhat),
        np.where(degenerate, 0, bulk),
        np.where(degenerate, 0, tail),
    )
