"""The worst R-hat and effective sample sizes of all parameters, and which parameters have them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, compress, islice
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


class Scarce(NamedTuple):
    """The smallest effective sample size, its parameter, and how many parameters have too few."""

    value: float
    parameter: str
    n_short: int


class Extremes(NamedTuple):
    """Largest R-hat, smallest bulk and tail ESS; NaN where there are too few chains or draws.

    R-hat is farthest beyond chance at ``beyond_chance``, whose value is its R-hat, and there by
    ``rhat_excess``. Draws of a parameter that are all equal or not finite are the worst of all:
    R-hat and its excess are infinite and both ESS are zero.
    """

    rhat: Extreme
    beyond_chance: Extreme
    rhat_excess: float
    ess_bulk: Scarce
    ess_tail: Scarce
    n_parameters: int


def find_extremes(draws: Draws, labels: Labels, enough_ess: float, n_threads: int = 1) -> Extremes:
    """Largest R-hat and smallest ESS over all parameters."""
    blocks = _blocks(draws)
    drawn = [block.drawn(draws) for block in blocks]
    n_parameters = sum(x.shape[2] for x in drawn)
    judged = [_checked(x, n_threads, n_parameters) for x in drawn]
    found = Convergence(*map(np.concatenate, zip(*judged, strict=True)))

    def extreme(values: Floats, at: int) -> Extreme:
        return Extreme(float(values[at]), _name(blocks, at, labels))

    def scarce(ess: Floats) -> Scarce:  # argmin finds NaN first
        return Scarce(*extreme(ess, int(np.argmin(ess))), int((~(ess >= enough_ess)).sum()))

    farthest = _largest(found.rhat_excess)
    return Extremes(
        rhat=extreme(found.rhat, _largest(found.rhat)),
        beyond_chance=extreme(found.rhat, farthest),
        rhat_excess=float(found.rhat_excess[farthest]),
        ess_bulk=scarce(found.ess_bulk),
        ess_tail=scarce(found.ess_tail),
        n_parameters=n_parameters,
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
    least, most = x.min(axis=(0, 1)), x.max(axis=(0, 1))  # NaN where one is
    result: Bools = ~(least < most) | ~np.isfinite(least) | ~np.isfinite(most)
    return result


def _largest(values: Floats) -> int:
    """Where a statistic is largest, those that are unknown aside."""
    return 0 if np.isnan(values).all() else int(np.nanargmax(values))


def _name(blocks: Sequence[Block], i: int, labels: Labels) -> str:
    """What the ith parameter of all blocks is called."""
    names = chain.from_iterable(block.names(labels) for block in blocks)
    return str(next(islice(names, i, None)))


def _checked(x: Floats, n_threads: int, n_parameters: int) -> Convergence:
    """Statistics of (chains, draws, P); what never moves or is not finite is the worst of all."""
    degenerate = _degenerate(x)
    found = convergence(x, n_threads, n_parameters)
    if x.shape[1] == 1:
        degenerate[:] = False
    return Convergence(
        rhat=np.where(degenerate, np.inf, found.rhat),
        ess_bulk=np.where(degenerate, 0, found.ess_bulk),
        ess_tail=np.where(degenerate, 0, found.ess_tail),
        rhat_excess=np.where(degenerate, np.inf, found.rhat_excess),
    )
