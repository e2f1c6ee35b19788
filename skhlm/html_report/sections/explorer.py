"""Draws for the page's explorer: thinned, in 16 bits each, as many parameters as there is room."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.displays.style import COLOURS
from skhlm.draws import SamplerStatistics
from skhlm.html_report.page import packed, paragraph
from skhlm.html_report.room import Flexible, largest
from skhlm.html_report.sections.sampling import statistics_of
from skhlm.inputs.labels import Labels, paths
from skhlm.methods.fitted import Fitted
from skhlm.numerics.convergence import autocorrelation
from skhlm.posterior import Posterior, at_zero
from skhlm.posterior.parameters import list_population

MOST_NUMBERS = 220_000  # parameters times draws; 2 bytes each, a third more as text
_DRAWS, _FEWEST = 250, 50  # of each chain
_DIVERGENT = 200
_LAGS = 31
_BINS = 40  # of energies
_SAMPLER = "the sampler"  # the title of what it said of each draw
_WHOLE = 65535  # the largest number of 16 bits


@dataclass(frozen=True)
class _Group:
    """Some parameters of one kind: what they are called, and their draws (P, S)."""

    title: str
    names: Sequence[str]
    draws: Floats


def explorer(model: Fitted, levels_first: Sequence[Ints]) -> Iterator[str]:
    """Paragraphs on what there is to explore, and the place in which a script shows it.

    Parameters
    ----------
    model : HLMRegressor or HLMClassifier
    levels_first : G arrays of int
        Levels of each factor, those first whose effects are to be in it where not all can be.
    """

    def with_numbers(most: int) -> str:
        return "".join(_explorer(model, levels_first, most))

    yield Flexible(
        with_numbers(MOST_NUMBERS), lambda most: largest(most, MOST_NUMBERS, with_numbers)
    )


def _explorer(model: Fitted, levels_first: Sequence[Ints], most: int) -> Iterator[str]:
    """The same with so many numbers at most."""
    posterior, labels = model._posterior, model._spec.labels
    statistics = statistics_of(model) if posterior.n_chains else None
    n_chains = max(1, posterior.n_chains)
    sampler = [] if statistics is None else [_sampler(statistics)]
    population = [*_population(posterior, labels.titles), *sampler]
    n_population = sum(len(group.names) for group in population)
    kept = _kept(posterior.n_draws // n_chains, n_population * n_chains, most)
    room = most // (len(kept) * n_chains)
    population = _first(population, room)
    effects, n_effects = _effects(posterior, labels, levels_first, max(room - n_population, 0))
    of_sampler = [group for group in population if group.title == _SAMPLER]
    groups = [*(group for group in population if group.title != _SAMPLER), *effects, *of_sampler]
    if not groups:
        yield paragraph(f"{_NO_ROOM} {_ANY}", "left-out")
        return
    yield paragraph(_said(posterior, kept, statistics))
    yield from _left_out(population, n_population, effects, n_effects)
    content = _content(groups, posterior, kept, statistics)
    yield (
        "<noscript><p>This part needs a browser that runs scripts.</p></noscript>"
        f'<div id="explorer"><script type="text/plain">{packed(content)}</script></div>'
    )


_NO_ROOM = "There is no room for draws here."
_ANY = "TraceDisplay.from_estimator(model, parameters=...) draws any of them."


def _first(groups: Sequence[_Group], most: int) -> list[_Group]:
    """The first so many parameters of groups."""
    found = []
    for group in groups:
        n = min(len(group.names), most)
        most -= n
        if n:
            found.append(_Group(group.title, group.names[:n], group.draws[:n]))
    return found


def _left_out(
    population: Sequence[_Group], n_population: int, effects: Sequence[_Group], n_effects: int
) -> Iterator[str]:
    """Which parameters there is no room for."""
    n_shown = sum(len(group.names) for group in population)
    if n_shown < n_population:
        yield paragraph(
            f"The list has the first {n_shown:,} of {n_population:,} parameters that are no "
            f"effects: there is no room for more. {_ANY}",
            "left-out",
        )
    n_shown = sum(len(group.names) for group in effects)
    if n_shown < n_effects:
        yield paragraph(
            f"The list has {n_shown:,} of {n_effects:,} group effects, those of the levels with "
            f"the most rows: there is no room for the draws of all. {_ANY}",
            "left-out",
        )


def _said(posterior: Posterior, kept: Ints, statistics: SamplerStatistics | None) -> str:
    """How to use it, and which draws there are."""
    how = (
        "Choose a parameter, or one in each list for both against each other. Drag over a chart to "
        "look closer, double-click to see all of it. "
    )
    if not posterior.n_chains:
        return f"{how}Drawn are {len(kept):,} of {posterior.n_draws:,} independent draws."
    length = posterior.n_draws // posterior.n_chains
    few = f"{len(kept):,} of the {length:,} draws of each chain, evenly spaced"
    if len(kept) == length:
        few = f"all {length:,} draws of each chain"
    marked = ", and every divergent one" if statistics is not None else ""
    return f"{how}Drawn are {few}{marked}; autocorrelations are those of all draws."


def _kept(n_draws: int, n_numbers: int, most: int) -> Ints:
    """Which draws of a chain are embedded, evenly spaced; fewer where there are many numbers."""
    n = int(np.clip(most // max(n_numbers, 1), _FEWEST, _DRAWS))
    return np.unique(np.linspace(0, n_draws - 1, min(n, n_draws)).astype(np.int64))


def _population(posterior: Posterior, labels: Labels) -> list[_Group]:
    """Everything but the group effects, as it is reported."""
    found = []
    for block in list_population(posterior):
        draws = np.atleast_2d(block.reported(posterior))
        names = [str(name) for name in block.names(labels)]
        if names:
            factor = f" of {labels.factors[block.g]}" if block.g >= 0 else ""
            found.append(_Group(f"{block.kind}{factor}", names, draws))
    return found


def _sampler(statistics: SamplerStatistics) -> _Group:
    """What the sampler said of each draw."""
    told = {
        "energy": statistics.energy,
        "acceptance": statistics.accept,
        "treedepth": statistics.treedepth,
        "steps of a trajectory": statistics.n_leapfrog,
    }
    draws = np.stack([np.asarray(values, dtype=np.float64).reshape(-1) for values in told.values()])
    return _Group(_SAMPLER, list(told), draws)


def _effects(
    posterior: Posterior, labels: Labels, levels_first: Sequence[Ints], room: int
) -> tuple[list[_Group], int]:
    """Effects of the first levels of each factor, at most so many, and how many there are."""
    found, n_effects = [], 0
    widths = [len(columns) for columns in posterior.varying]
    share = room // max(len(widths), 1)
    for g, width in enumerate(widths):
        n_effects += width * posterior.n_levels[g]
        chosen = np.sort(levels_first[g][: max(share // width, 0)])
        if not len(chosen):
            continue
        names = paths(labels.levels[g])
        draws = [at_zero.delta(posterior, g, slice(level, level + 1))[0] for level in chosen]
        told = [f"{names[level]}, {name}" for level in chosen for name in labels.varying_names(g)]
        found.append(_Group(f"effects of {labels.factors[g]}", told, np.concatenate(draws)))
    return found, n_effects


def _content(
    groups: Sequence[_Group],
    posterior: Posterior,
    kept: Ints,
    statistics: SamplerStatistics | None,
) -> dict[str, Any]:
    """What `explorer.js` reads."""
    n_chains = max(1, posterior.n_chains)
    draws = np.concatenate([group.draws for group in groups])
    chains = draws.reshape(len(draws), n_chains, -1)
    low, high = _limits(draws)
    divergent = np.empty(0, dtype=np.int64)
    if statistics is not None:
        divergent = np.flatnonzero(statistics.divergent)[:_DIVERGENT]
    acf = np.nan_to_num(autocorrelation(chains, _LAGS if posterior.n_chains else 0))
    return {
        "groups": [[group.title, list(group.names)] for group in groups],
        "chains": n_chains,
        "independent": not posterior.n_chains,
        "kept": kept.tolist(),
        "scales": np.column_stack([low, high]).tolist(),
        "values": _in_16_bits(chains[:, :, kept].reshape(len(draws), -1), low, high),
        "divergent": _in_16_bits(draws[:, divergent], low, high),
        "lags": acf.shape[-1],
        "acf": _as_text(np.round(127 * acf).astype(np.int8)),
        "energy": None if statistics is None else _energy(statistics.energy),
        "colours": list(COLOURS),
        "pair_said": _divergences_said(statistics, len(divergent)),
    }


def _limits(draws: Floats) -> tuple[Floats, Floats]:
    """Smallest and largest draw of each parameter, (P,)."""
    finite = np.nan_to_num(draws, nan=0.0, posinf=1e300, neginf=-1e300)
    return finite.min(axis=1), finite.max(axis=1)


def _in_16_bits(draws: Floats, low: Floats, high: Floats) -> str:
    """Draws (P, n) as whole numbers between each parameter's limits."""
    width = np.where(high > low, high - low, 1.0)
    share = np.nan_to_num((draws - low[:, None]) / width[:, None])
    return _as_text(np.round(_WHOLE * np.clip(share, 0, 1)).astype("<u2"))


def _as_text(numbers: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode("ascii")


def _energy(energy: Floats) -> dict[str, list[float]] | None:
    """Histograms of energies about their chain's mean, and of steps between them."""
    about = (energy - energy.mean(axis=1, keepdims=True)).ravel()
    steps = np.diff(energy, axis=1).ravel()
    every = np.concatenate([about, steps])
    if not steps.size or not np.isfinite(every).all() or np.ptp(every) == 0:
        return None
    edges = np.linspace(every.min(), every.max(), _BINS + 1)
    found = [np.histogram(values, edges, density=True)[0] for values in (about, steps)]
    marginal, stepped = (np.append(values, values[-1]).tolist() for values in found)
    return {"edges": edges.tolist(), "marginal": marginal, "steps": stepped}


def _divergences_said(statistics: SamplerStatistics | None, n_marked: int) -> str:
    """What a pair of parameters shows of divergent draws."""
    if statistics is None:
        return "Which draws diverged is not known."
    n = int(statistics.divergent.sum())
    if not n:
        return "No draw ended a divergent trajectory."
    few = f" (the first {n_marked} are marked)" if n > n_marked else ""
    return f"{n} draws ended a divergent trajectory{few}: where they crowd, draws may be missing."
