"""Rows of any number as few rows with the same likelihood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats
from skhlm.condensing.equal_rows import EqualRows
from skhlm.condensing.moments import CellMoments
from skhlm.exceptions import Message
from skhlm.inputs.columns import listed
from skhlm.inputs.frames import check_fit_data, check_observed, check_weight
from skhlm.inputs.hierarchy import learn_groups
from skhlm.inputs.outcomes import check_possible

if TYPE_CHECKING:
    from skhlm.engine import Problem
    from skhlm.preparation import ModelSpec

_ROUNDING = 1e-12

Block = tuple[pd.DataFrame, Any, Any]  # X, y and sample_weight of some rows
Gathered = CellMoments | EqualRows


@dataclass(frozen=True, eq=False)
class Extremes:
    """Where predictors (p,) and outcome were, which the rows that stand for them do not tell."""

    low: Floats
    high: Floats
    of_outcome: Floats  # its ends, (2,)


@dataclass(frozen=True, eq=False)
class Condensed:
    """Rows that stand for many more: a frame X, outcomes, weights."""

    X: pd.DataFrame
    y: Any
    weight: Floats
    extremes: Extremes | None = None

    @classmethod
    def of(cls, gathered: Gathered, name: str | None) -> Condensed:
        """What was gathered, the outcome under its name."""
        X, y, weight = gathered.to_rows()
        extremes = None
        if isinstance(gathered, CellMoments):
            low, high = gathered.low, gathered.high
            extremes = Extremes(low[:-1], high[:-1], np.array([low[-1], high[-1]]))
        return cls(X, y if name is None else pd.Series(y, name=name), weight, extremes)

    def with_extremes(self, problem: Problem, spec: ModelSpec) -> tuple[Problem, ModelSpec]:
        """A problem of these rows, and what is remembered of it, as of the rows they stand for."""
        spec = replace(spec, level_weights=tuple(map(_whole, spec.level_weights)))
        if self.extremes is None:
            return problem, spec
        ends = spec.units.outcome(self.extremes.of_outcome)
        evidence = replace(problem.evidence, largest=float(np.abs(ends).max()))
        ranges = replace(spec.ranges, low=self.extremes.low, high=self.extremes.high)
        return replace(problem, evidence=evidence), replace(spec, ranges=ranges)


def _whole(sums: Floats) -> Floats:
    """Sums of whole weights as the whole numbers that they are."""
    nearest = np.rint(sums)
    return np.where(np.abs(sums - nearest) <= _ROUNDING * nearest, nearest, sums)


def condense(model: Any, blocks: Iterable[Block]) -> Condensed:
    """Few rows with the likelihood that all rows have in a model.

    Raises
    ------
    ValueError, TypeError
        As in ``fit``; and when the model's family needs every row by itself, blocks have different
        columns, or there are none.
    """
    check_family(model)
    name = None

    def parts() -> Iterator[Gathered | None]:
        nonlocal name
        for X, y, weight in blocks:
            name = getattr(y, "name", None)
            yield gather(model, X, y, weight)

    gathered = join_all(parts())
    if gathered is None:
        raise ValueError("There are no rows to fit.")
    return Condensed.of(gathered, name)


def check_family(model: Any) -> None:
    """Raise where rows of the model's family cannot be put together."""
    family = model._outcome_request.family
    if not (family.is_gaussian or family.merges_equal_rows):
        raise ValueError(
            Message(
                f"family={family.name!r} needs every row by itself: no fewer numbers say what rows "
                "say, which are read here a part at a time.",
                python="Set family='normal' ('binomial' for shares, 'poisson' for counts, an "
                "HLMClassifier for two classes), or fit a sample of the rows as one frame, such as "
                "X.sample(frac=0.01).compute() of Dask.",
                elsewhere="Say `family` normal, binomial for shares or poisson for counts, or fit "
                "a sample of the rows as one file.",
            )
        )


def gather(model: Any, X: pd.DataFrame, y: Any, weight: Any) -> Gathered | None:
    """What the likelihood needs of one block of rows, which are checked as in ``fit``.

    Rows of weight zero say nothing, and a block may have no others: None.
    """
    model, asked = copy(model), model._outcome_request
    given = None if weight is None else pd.to_numeric(pd.Series(weight), errors="coerce").to_numpy()
    if given is not None and (given != 0).sum() <= 1:
        used = given != 0
        X, y, weight, given = X[used], pd.Series(y)[used], pd.Series(weight)[used], given[used]
    if not len(X):
        return None
    if not asked.family.is_gaussian:
        if not asked.has_classes:
            check_possible(asked.family, check_observed(y, len(X)), y)
        weights = check_weight(weight, np.zeros((len(X), 0)))
        return EqualRows.of(X[weights > 0], np.asarray(y)[weights > 0], weights[weights > 0])
    if len(X) == 1:  # of which fit wants two, halves here
        X, y = pd.concat([X, X]), np.repeat(np.asarray(y), 2)
        weight = np.full(2, 0.5) if given is None else 0.5 * np.repeat(given, 2)
    data = check_fit_data(model, X, y, weight, model.groups, **vars(asked))
    learn_groups(data.hierarchies, data.groups)  # for its checks of labels
    return CellMoments.of(data, tuple(X.columns))


def join(one: Gathered, other: Gathered) -> Gathered:
    """What the likelihood needs of both."""
    if one.names != other.names:
        raise ValueError(
            f"Frames have different columns: one has {listed(one.names)}, a later one "
            f"{listed(other.names)}. All must have the same, in the same order."
        )
    if one.kinds != other.kinds:
        raise TypeError(
            f"Frames hold values of different kinds in a column: one has {', '.join(one.kinds)}, "
            f"a later one {', '.join(other.kinds)}. Make them alike, for example with astype."
        )
    if isinstance(one, CellMoments) and isinstance(other, CellMoments):
        return one.joined(other)
    assert isinstance(one, EqualRows) and isinstance(other, EqualRows)
    return one.joined(other)


def join_all(parts: Iterable[Gathered | None]) -> Gathered | None:
    """What the likelihood needs of all; None where no part has rows."""
    found = (part for part in parts if part is not None)
    first = next(found, None)
    return None if first is None else reduce(join, found, first)


def split(frame: pd.DataFrame, target: str, sample_weight: str | None) -> Block:
    """A frame as X, y and weights."""
    for role, column in (("target", target), ("sample_weight", sample_weight)):
        if column is not None and column not in frame.columns:
            raise ValueError(
                f"{role}: there is no column {column!r} in a frame, whose columns are "
                f"{listed(frame.columns)}."
            )
    apart = [column for column in (target, sample_weight) if column is not None]
    weight = None if sample_weight is None else frame[sample_weight]
    return frame.drop(columns=apart), frame[target], weight


def blocks_of(
    frames: Iterable[pd.DataFrame], target: str, sample_weight: str | None
) -> Iterator[Block]:
    """Frames as blocks of rows."""
    for frame in frames:
        if not isinstance(frame, pd.DataFrame):
            raise TypeError(f"frames: got a {type(frame).__name__} among them, not a pandas frame.")
        yield split(frame, target, sample_weight)
