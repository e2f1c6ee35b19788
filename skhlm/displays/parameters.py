"""Chains of a fitted model's parameters by name: as reported, or as its diagnostics call them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from skhlm._typing import Floats
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.labels import Labels
from skhlm.methods.fitted import Fitted
from skhlm.numerics.convergence import ess_bulk
from skhlm.posterior import Posterior, at_zero
from skhlm.posterior.parameters import list_parameters, list_population
from skhlm.reports.parameters import inverse_squares

MOST_PANELS = 16


class Chains(NamedTuple):
    """Names of P parameters, their draws (P, chains, draws), and of how many they are the worst.

    The titles are the names, but say where an intercept is.
    """

    names: list[str]
    draws: Floats
    of: int
    titles: list[str]


class Known(NamedTuple):
    """A parameter's title, and what computes its draws, (S,)."""

    title: str
    draws: Callable[[], Floats]


def chains_of(model: Fitted, parameters: Sequence[str] | str | None) -> Chains:
    """Chains of some parameters, or of the worst, as they are reported: intercepts at x = 0.

    Those at the predictors' means have the names that `Labels.where_fitted` gives them.
    """
    posterior, labels = model._posterior, model._spec.labels
    if not posterior.n_chains:
        algorithm = model._fit.diagnostics.algorithm
        raise ValueError(
            f"There are no chains to compare: the draws of algorithm={algorithm!r} are "
            "independent draws of an approximation. Whether it is good enough is in diagnostics_; "
            "fit with algorithm='nuts' for chains."
        )
    population = list_draws(posterior, labels)
    if parameters is None:
        return _worst(population, posterior.n_chains)
    reported = population | _group_effects(posterior, labels, labels.titles)
    reported |= {
        name: Known(name, partial(np.asarray, values))
        for name, values in inverse_squares(posterior).items()
    }
    known = _where_fitted(posterior, labels.where_fitted) | reported
    names = find_parameters(parameters, reported, known)
    return _chains(known, names, posterior.n_chains)


def list_draws(posterior: Posterior, labels: Labels) -> dict[str, Known]:
    """Everything but the group effects as it is reported, by name."""
    return _population(posterior, labels, labels.titles)


def find_parameters(
    parameters: Sequence[str] | str, reported: Iterable[str], known: Iterable[str]
) -> list[str]:
    """Names of parameters that are wanted by name, or by their kind such as "tau"."""
    wanted = [parameters] if isinstance(parameters, str) else list(parameters)
    if not wanted:
        raise ValueError(f"parameters is empty; give some of {listed(reported)}, or None.")
    return [name for entry in wanted for name in _find(entry, reported, known)]


def _population(posterior: Posterior, labels: Labels, titles: Labels) -> dict[str, Known]:
    """Everything but the group effects, by name."""
    found = {}
    for block in list_population(posterior):
        names = zip(block.names(labels), block.names(titles), strict=True)
        draws = np.atleast_2d(block.reported(posterior))
        for (name, title), values in zip(names, draws, strict=True):
            found[str(name)] = Known(str(title), partial(np.asarray, values))
    return found


def _group_effects(posterior: Posterior, labels: Labels, titles: Labels) -> dict[str, Known]:
    """The group effects, by name."""
    found = {}
    for block in [block for block in list_parameters(posterior) if block.kind == "delta"]:
        n_varying = len(posterior.varying[block.g])
        names = zip(block.names(labels), block.names(titles), strict=True)
        for i, (name, title) in enumerate(names):
            draws = partial(_effect, posterior, block.g, *divmod(i, n_varying))
            found[str(name)] = Known(str(title), draws)
    return found


def _effect(posterior: Posterior, g: int, level: int, j: int) -> Floats:
    """Draws (S,) of the effect of a level of factor g on the jth coefficient that varies by it."""
    effects: Floats = at_zero.delta(posterior, g, slice(level, level + 1))[0, j]
    return effects


def _where_fitted(posterior: Posterior, labels: Labels) -> dict[str, Known]:
    """All parameters as the model was fitted, by the names that say so."""
    fitted = posterior.where_fitted
    return _population(fitted, labels, labels) | _group_effects(fitted, labels, labels)


def _find(entry: str, reported: Iterable[str], known: Iterable[str]) -> list[str]:
    """Names that an entry stands for: itself, or all reported ones of a kind such as "tau"."""
    if entry in known:
        return [entry]
    names = [name for name in reported if name.partition("[")[0] == entry]
    if not names:
        raise ValueError(
            f"parameters: there is no parameter {entry!r}. There are {listed(reported)}, and kinds "
            f"of them such as 'tau'.{suggestion(entry, known)}"
        )
    return names


def _worst(known: Mapping[str, Known], n_chains: int) -> Chains:
    """All parameters, or those with the fewest effective draws, in their order."""
    every = _chains(known, list(known), n_chains)
    if len(known) <= MOST_PANELS:
        return every
    effective = np.nan_to_num(ess_bulk(np.moveaxis(every.draws, 0, -1)), nan=0.0)
    chosen = np.sort(np.argsort(effective, kind="stable")[:MOST_PANELS])
    names = [every.names[i] for i in chosen]
    return _chains(known, names, n_chains)._replace(of=len(known))


def _chains(known: Mapping[str, Known], names: Sequence[str], n_chains: int) -> Chains:
    """Chains of some parameters."""
    draws = np.stack([known[name].draws().reshape(n_chains, -1) for name in names])
    return Chains(list(names), draws, len(names), [known[name].title for name in names])
