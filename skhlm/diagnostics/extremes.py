"""The worst R-hat and effective sample sizes of all parameters, and which parameters have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from skhlm._typing import Bools, Floats
from skhlm.diagnostics.convergence import Convergence, convergence
from skhlm.draws import Draws
from skhlm.inputs.labels import Labels, pairs, paths


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


_Block = tuple[Floats, Callable[[int], str]]  # draws (chains, draws, P) and names of P parameters


def find_extremes(draws: Draws, labels: Labels, n_threads: int = 1) -> Extremes:
    """Largest R-hat and smallest ESS over all parameters."""
    extremes = [_extremes_of_block(block, n_threads) for block in _blocks(draws, labels)]
    rhats, bulks, tails = zip(*extremes, strict=True)
    return Extremes(
        max(rhats, key=lambda extreme: -np.inf if np.isnan(extreme.value) else extreme.value),
        min(bulks, key=_unknown_first),
        min(tails, key=_unknown_first),
    )


def find_degenerate(draws: Draws, labels: Labels) -> list[str]:
    """Parameters whose draws are all equal or not all finite."""
    return [
        name(i)
        for x, name in _blocks(draws, labels)
        for i in np.flatnonzero(_degenerate(x)).tolist()
    ]


def _degenerate(x: Floats) -> Bools:
    """(chains, draws, P) -> (P,): all equal, or not all finite."""
    with np.errstate(invalid="ignore"):
        moves = np.ptp(x, axis=(0, 1)) > 0
    result: Bools = ~moves | ~np.isfinite(x).all(axis=(0, 1))
    return result


def _unknown_first(extreme: Extreme) -> float:
    """Order of ESS in which NaN comes before everything."""
    return -np.inf if np.isnan(extreme.value) else extreme.value


def _extremes_of_block(block: _Block, n_threads: int) -> Extremes:
    """Largest R-hat and smallest ESS of one block of parameters."""
    x, name = block
    rhat, bulk, tail = _checked(x, n_threads)
    largest = 0 if np.isnan(rhat).all() else int(np.nanargmax(rhat))
    places = [(rhat, largest), (bulk, int(np.argmin(bulk))), (tail, int(np.argmin(tail)))]
    return Extremes(*(Extreme(float(value[i]), name(i)) for value, i in places))


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


def _blocks(draws: Draws, labels: Labels) -> Iterator[_Block]:
    """All parameters of the model, leaving out what is constant by definition."""
    if draws.kappa.shape[2]:
        yield draws.kappa, lambda i: f"kappa[{labels.coefficients[i]}]"
    for name, values in draws.auxiliary.items():
        yield values[:, :, None], [name].__getitem__
    for g in range(len(labels.factors)):
        yield from _blocks_of_factor(draws, labels, g)


def _blocks_of_factor(draws: Draws, labels: Labels, g: int) -> Iterator[_Block]:
    """tau, the correlations and the effects of one factor."""
    factor, names, levels = labels.factors[g], labels.varying_names(g), labels.levels[g]
    if not names:
        return
    yield draws.tau[g], lambda i: f"tau[{factor}, {names[i]}]"
    if draws.omega and len(names) > 1:
        rows, columns = pairs(len(names))
        pair_names = labels.pair_names(g)
        yield draws.omega[g][:, :, rows, columns], lambda i: f"omega[{factor}, {pair_names[i]}]"

    def effect(i: int) -> str:
        level, j = divmod(i, len(names))
        return f"delta[{factor}, {paths(levels)[level]}, {names[j]}]"

    yield draws.delta[g].reshape(*draws.shape, -1), effect
