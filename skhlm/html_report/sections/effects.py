"""Group effects and shrinkage: every level, as tables and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skhlm._typing import Floats, Ints
from skhlm.displays import GroupEffectsDisplay, ShrinkageDisplay
from skhlm.html_report.page import paragraph, picture
from skhlm.html_report.table import MOST_ROWS, table
from skhlm.html_report.words import where_numbers_are
from skhlm.numerics.blocks import JOINT_BYTES, blocks
from skhlm.numerics.convergence import convergence
from skhlm.numerics.threads import n_workers
from skhlm.posterior import Posterior, at_zero
from skhlm.reports import parameters, pooling

_MOST_DRAWN, _DRAWN = 300, 100  # levels in a picture, and those of more that are drawn
_MOST_JUDGED = 10_000  # rows of a table that has what their draws are worth
_NOT_JUDGED = (
    "Monte Carlo errors, effective sample sizes and R-hat of so many take too long: Diagnosis has "
    "the worst."
)
_POOLING = ("no_pooling", "partial_pooling", "complete_pooling")


def largest_levels(model: Any) -> list[Ints]:
    """Levels of each factor, those with the most rows first."""
    return [np.argsort(-weight, kind="stable") for weight in model._spec.level_weights]


def shrinkage(model: Any) -> Iterator[str]:
    """How far each level is pulled, as a picture and a table for each factor."""
    yield paragraph(
        "B is the shrinkage factor: 0 leaves a level to its own data, 1 replaces its coefficient "
        f"by the common value. {where_numbers_are(model)}"
    )
    for g, factor in enumerate(model.groups_):
        means = pooling.partial_means(model._posterior, model._spec.groups, g)
        drawn, which = _legible(means)
        levels = _listed_levels(model, g)
        shown = np.union1d(drawn, levels)
        found = _Found(model._pooling_of(g, None, shown), shown)
        display = ShrinkageDisplay._of_frame(model, found.of(drawn), factor).plot()
        caption = f"{factor}: from what a level's own rows say to its partially pooled estimate"
        yield picture(display.figure_, f"{caption}{which}.")
        frame = found.of(levels)[["level", "coefficient", "n", "B", *_POOLING]]
        yield _table(model, g, levels, frame, f"Shrinkage of {factor}", "shrinkage_factors")


def effects(model: Any) -> Iterator[str]:
    """Effects of each factor's levels, and how well each is known to the sampler."""
    yield paragraph(where_numbers_are(model))
    posterior, spec = model._posterior, model._spec
    for g, factor in enumerate(model.groups_):
        drawn, which = _legible(at_zero.mean_effects(posterior, g)[:, 0])
        levels = _listed_levels(model, g)
        shown = np.union1d(drawn, levels)
        found = _Found(
            parameters.effects_of(posterior, spec.labels, g, spec.level_weights[g], levels=shown),
            shown,
        )
        display = GroupEffectsDisplay._of_frame(model, found.of(drawn), factor).plot()
        yield picture(display.figure_, f"{factor}: group effects with 90% intervals{which}.")
        frame = found.of(levels).drop(columns="factor")
        title = f"Effects of {factor}"
        yield _table(model, g, levels, frame, title, "group_effects", chains=True)


class _Found(NamedTuple):
    """What has been found of some levels, rows of each level one after the other."""

    frame: pd.DataFrame
    levels: Ints

    def of(self, levels: Ints) -> pd.DataFrame:
        """Rows of some of them."""
        width = len(self.frame) // len(self.levels)
        first = width * np.searchsorted(self.levels, levels)
        return self.frame.iloc[np.add.outer(first, np.arange(width)).ravel()]


def _legible(values: Floats) -> tuple[Ints, str]:
    """As many levels as a picture can show, and which these are, if not all.

    Evenly spaced ones, in the order of the values (J,).
    """
    if len(values) <= _MOST_DRAWN:
        return np.arange(len(values)), ""
    picks = np.linspace(0, len(values) - 1, _DRAWN).round().astype(np.int64)
    levels = np.sort(np.argsort(values, kind="stable")[picks])
    return levels, f"; {_DRAWN} of {len(values):,} levels, from the lowest to the highest"


def _listed_levels(model: Any, g: int) -> Ints:
    """The levels of factor g that a table has room for, those with the most rows."""
    width = len(model._posterior.varying[g])
    most = max(MOST_ROWS // (width * len(model.groups_)), 1)
    return np.sort(largest_levels(model)[g][:most])


def _table(
    model: Any,
    g: int,
    levels: Ints,
    frame: pd.DataFrame,
    title: str,
    method: str,
    *,
    chains: bool = False,
) -> str:
    """A table of some levels of factor g, and what it says of those that it does not have."""
    width, n = len(model._posterior.varying[g]), len(model._spec.level_weights[g])
    said = ""
    if len(levels) < n:
        said = (
            f"The {len(levels):,} levels of {n:,} with the most rows; model.{method}() has all of "
            "them."
        )
    if chains and len(frame) <= _MOST_JUDGED:
        frame = frame.assign(**_convergence(model, g, levels))
    elif chains:
        said += f" {_NOT_JUDGED}" if said else _NOT_JUDGED
    weight = model._spec.level_weights[g][levels]
    first = np.argsort(np.repeat(-weight, width), kind="stable")
    return table(frame, title, said, folded=True, first=first, elsewhere=f"model.{method}()")


def _convergence(model: Any, g: int, levels: Ints) -> dict[str, Floats]:
    """Monte Carlo errors, effective sample sizes and R-hat of some levels' effects."""
    posterior = model._posterior
    size = JOINT_BYTES // (8 * posterior.n_draws * len(posterior.varying[g]))
    parts = [_judged(posterior, g, levels[block]) for block in blocks(len(levels), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _judged(posterior: Posterior, g: int, levels: Ints) -> dict[str, Floats]:
    """The same of as many levels as there is room for in memory at once."""
    draws = np.concatenate([at_zero.delta(posterior, g, slice(j, j + 1))[0] for j in levels])
    found = {"mcse": parameters.errors_of_means(draws, posterior.n_chains)}
    if posterior.n_chains:
        chains = np.moveaxis(draws.reshape(len(draws), posterior.n_chains, -1), 0, -1)
        judged = convergence(chains, n_workers())
        found |= {"ess_bulk": judged.ess_bulk, "ess_tail": judged.ess_tail, "rhat": judged.rhat}
    return found
