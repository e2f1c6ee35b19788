"""Chains of a fitted model's parameters by the names that its diagnostics use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from skhlm._typing import Floats
from skhlm.diagnostics.convergence import ess_bulk
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.labels import Labels, pairs, path
from skhlm.methods.fitted import check_is_hierarchical
from skhlm.posterior import Posterior

MOST_PANELS = 16


class Chains(NamedTuple):
    """Names of P parameters, their draws (P, chains, draws), and of how many they are the worst."""

    names: list[str]
    draws: Floats
    of: int


def chains_of(estimator: Any, parameters: Sequence[str] | str | None) -> Chains:
    """Chains of some parameters, or of the worst; intercepts at the means of X."""
    check_is_hierarchical(estimator)
    posterior, labels = estimator._posterior, estimator._spec.labels
    if not posterior.n_chains:
        raise ValueError(
            f"There are no chains to compare: the draws of algorithm={estimator.algorithm!r} are "
            "independent draws of an approximation. Whether it is good enough is in diagnostics_; "
            "fit with algorithm='nuts' for chains."
        )
    few = dict(_population_parameters(posterior, labels))
    if parameters is None:
        return _worst(few, posterior.n_chains)
    wanted = [parameters] if isinstance(parameters, str) else list(parameters)
    known = few | dict(_group_effects(posterior, labels))
    names = [name for entry in wanted for name in _find(entry, known)]
    return Chains(names, _chains(known, names, posterior.n_chains), len(names))


def _population_parameters(posterior: Posterior, labels: Labels) -> Iterator[tuple[str, Floats]]:
    """Everything but the group effects, as name and draws (S,)."""
    for name, kappa in zip(labels.coefficients, posterior.draws.kappa, strict=True):
        yield f"kappa[{name}]", kappa
    for g, factor in enumerate(labels.factors):
        for name, tau in zip(labels.varying_names(g), posterior.tau[g], strict=True):
            yield f"tau[{factor}, {name}]", tau
    for g, omega in enumerate(posterior.omega):
        names = labels.pair_names(g)
        for name, draws in zip(names, omega[pairs(len(omega))], strict=True):
            yield f"omega[{labels.factors[g]}, {name}]", draws
    yield "sigma", posterior.sigma
    if posterior.nu is not None:
        yield "nu", posterior.nu


def _group_effects(posterior: Posterior, labels: Labels) -> Iterator[tuple[str, Floats]]:
    """The group effects, as name and draws (S,)."""
    for g, factor in enumerate(labels.factors):
        names = labels.varying_names(g)
        for level, effects in zip(labels.levels[g], posterior.draws.delta[g], strict=False):
            for name, draws in zip(names, effects, strict=True):
                yield f"delta[{factor}, {path(level)}, {name}]", draws


def _find(entry: str, known: Mapping[str, Floats]) -> list[str]:
    """Names that an entry stands for: itself, or all of a kind such as "tau"."""
    if entry in known:
        return [entry]
    names = [name for name in known if name.partition("[")[0] == entry]
    if not names:
        raise ValueError(
            f"parameters: there is no parameter {entry!r}. There are {listed(known)}, and kinds of "
            f"them such as 'tau'.{suggestion(entry, known)}"
        )
    return names


def _worst(known: Mapping[str, Floats], n_chains: int) -> Chains:
    """All parameters, or those with the fewest effective draws, in their order."""
    names = list(known)
    draws = _chains(known, names, n_chains)
    if len(names) <= MOST_PANELS:
        return Chains(names, draws, len(names))
    effective = np.nan_to_num(ess_bulk(np.moveaxis(draws, 0, -1)), nan=0.0)
    chosen = np.sort(np.argsort(effective, kind="stable")[:MOST_PANELS])
    return Chains([names[i] for i in chosen], draws[chosen], len(names))


def _chains(known: Mapping[str, Floats], names: Sequence[str], n_chains: int) -> Floats:
    """Draws of some parameters, (P, chains, draws)."""
    return np.stack([known[name].reshape(n_chains, -1) for name in names])
