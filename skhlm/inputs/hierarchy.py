"""From "region/country" to grouping factors: their levels learned at fit, codes at predict."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Ints
from skhlm.exceptions import stacklevel_of_user
from skhlm.inputs.columns import (
    Columns,
    GroupColumn,
    Label,
    by_meaning,
    kind,
    listed,
    suggestion,
)
from skhlm.inputs.spelling import spelling, twins

_FORMS = (
    'None, "country", "region/country", ("region", "country"), positions such as 3 or (2, 3), '
    "or a list of these"
)


@dataclass(frozen=True)
class Hierarchy:
    """A path of nested grouping factors, coarse to fine: the columns that identify its levels.

    Factor d of the path is identified by the first d + 1 columns, so a hierarchy of two columns
    holds two factors, "region" and "region/country".
    """

    columns: tuple[int, ...]
    names: tuple[str, ...]
    by_name: bool

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of its grouping factors, coarse to fine."""
        return tuple("/".join(self.names[: d + 1]) for d in range(len(self.names)))


def parse_groups(groups: object, columns: Columns) -> tuple[Hierarchy, ...]:
    """The hierarchies that ``groups`` asks for, each found among the columns of X.

    A list is a list of hierarchies; a tuple is one hierarchy, each entry one column; a string is
    one hierarchy whose columns are separated by "/", unless a column has that very name.
    """
    if groups is None:
        return ()
    if getattr(groups, "shape", ()):  # which numpy's scalars have as well, an empty one
        raise TypeError(
            f"groups: got a {type(groups).__name__}; the values of group columns stay inside X, "
            f"and groups says where: it is {_FORMS}."
        )
    paths = groups if isinstance(groups, list) else [groups]
    hierarchies = tuple(_hierarchy(path, columns) for path in paths)
    _check_distinct(hierarchies)
    return hierarchies


def find_path(path: object, columns: Columns, argument: str) -> tuple[int, ...]:
    """Positions of the columns of one hierarchy or factor, in any of its spellings."""
    if isinstance(path, str):
        known = columns.names is not None and path in columns.names
        path = (path,) if known else tuple(path.split("/"))
    if not isinstance(path, tuple):
        path = (path,)
    return tuple(columns.position(column, argument) for column in path)


def find_factor(
    key: object, columns: Columns, hierarchies: Sequence[Hierarchy], argument: str
) -> str | None:
    """Name of the grouping factor that a key names in any spelling; None where it names none."""
    factors = {h.columns[: d + 1]: name for h in hierarchies for d, name in enumerate(h.factors)}
    if isinstance(key, str):
        return key if key in factors.values() else None
    return factors.get(find_path(key, columns, argument))


def by_factor(
    choices: Mapping[Any, object],
    columns: Columns,
    hierarchies: Sequence[Hierarchy],
    argument: str,
) -> dict[str, object]:
    """What a mapping chooses for each grouping factor that it reaches, by the factor's name.

    A key that names a hierarchy speaks for all its factors, one that names a coarser factor for
    that factor alone.
    """
    named = by_meaning(
        choices, lambda key: _factor_named(key, columns, hierarchies, argument), argument
    )
    chosen: dict[str, object] = {}
    for hierarchy in hierarchies:
        *_, finest = hierarchy.factors
        if finest in named:
            chosen |= dict.fromkeys(hierarchy.factors, named[finest])
    whole = {hierarchy.factors[-1] for hierarchy in hierarchies}
    return chosen | {factor: named[factor] for factor in named if factor not in whole}


def _factor_named(
    key: object, columns: Columns, hierarchies: Sequence[Hierarchy], argument: str
) -> str:
    """The grouping factor that a key of a mapping names."""
    factor = find_factor(key, columns, hierarchies, argument)
    if factor is None:
        names = [name for hierarchy in hierarchies for name in hierarchy.factors]
        known = f"The grouping factors are {listed(names)}." if names else "The model has none."
        raise ValueError(
            f"{argument}: there is no hierarchy or grouping factor {key!r}. {known}"
            f"{suggestion(key, names)}"
        )
    return factor


def _hierarchy(path: object, columns: Columns) -> Hierarchy:
    if isinstance(path, (list, dict, set)) or path is None:
        raise TypeError(
            f"groups: {path!r} of type {type(path).__name__} is not a hierarchy. groups is "
            f"{_FORMS}; a tuple is one hierarchy, coarse to fine."
        )
    positions = find_path(path, columns, "groups")
    if not positions:
        raise ValueError("groups: an empty tuple is not a hierarchy; use None for no groups.")
    names = tuple(map(columns.group_name, positions))
    if len(set(positions)) < len(positions):
        raise ValueError(f"groups: hierarchy {'/'.join(names)!r} has the same column twice.")
    entries = path if isinstance(path, tuple) else (path,)
    return Hierarchy(positions, names, any(isinstance(entry, str) for entry in entries))


def _check_distinct(hierarchies: Sequence[Hierarchy]) -> None:
    """Raise where two hierarchies hold the same grouping factor."""
    owner: dict[str, str] = {}
    for hierarchy in hierarchies:
        *_, finest = hierarchy.factors
        for factor in hierarchy.factors:
            if factor in owner:
                raise ValueError(
                    f"groups: grouping factor {factor!r} is listed twice, in {owner[factor]!r} and "
                    f"in {finest!r}. A hierarchy holds all its coarser factors: name each factor "
                    "in one hierarchy only."
                )
            owner[factor] = finest


@dataclass(frozen=True)
class Factor:
    """The levels of one grouping factor, in the order of their paths.

    ``parent[l]`` is the level of the next coarser factor of its hierarchy that level l lies in (0
    at the top), ``label[l]`` the last entry of its path, a code of its column's labels. Both have
    shape (J,). The pairs (parent, label) increase, so the numbering depends on values alone.
    """

    name: str
    columns: tuple[int, ...]
    parent: Ints
    label: Ints

    @property
    def n_levels(self) -> int:
        """J, the number of levels."""
        return len(self.label)


@dataclass(frozen=True)
class Groups:
    """Grouping factors and their levels as learned at fit; empty without groups.

    ``labels`` holds, for each group column by its position, its distinct values in sorted order.
    """

    hierarchies: tuple[Hierarchy, ...]
    labels: Mapping[int, tuple[Label, ...]]
    factors: tuple[Factor, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the grouping factors, hierarchy by hierarchy, coarse to fine."""
        return tuple(factor.name for factor in self.factors)

    @property
    def n_levels(self) -> tuple[int, ...]:
        """J_g for each grouping factor."""
        return tuple(factor.n_levels for factor in self.factors)

    def levels(self, g: int) -> list[tuple[Label, ...]]:
        """Paths of values, coarse to fine, of the levels of factor g in order."""
        factor = self.factors[g]
        *coarser, last = factor.columns
        own = [self.labels[last][code] for code in factor.label]
        if not coarser:
            return [(value,) for value in own]
        above = self.levels(g - 1)
        return [(*above[parent], value) for parent, value in zip(factor.parent, own, strict=True)]

    def codes(self, columns: Mapping[int, GroupColumn], n_rows: int) -> Ints:
        """Level of each row in each factor, (n, G); -1 where it is unseen or missing."""
        label = {j: _label_codes(columns[j], values) for j, values in self.labels.items()}
        codes = np.empty((n_rows, len(self.factors)), dtype=np.int64, order="F")
        for g, factor in enumerate(self.factors):
            *coarser, last = factor.columns
            codes[:, g] = _lookup(factor, codes[:, g - 1], label[last]) if coarser else label[last]
        return codes

    def new_levels(self, columns: Mapping[int, GroupColumn], codes: Ints) -> Ints:
        """Which unseen level each row of ``codes`` has, (n, G); -1 where its level is known.

        Numbered from 0 in each factor, in order of appearance. Rows with the same unseen path
        share a number; a missing value is a new level of its own in each row.
        """
        new = np.full_like(codes, -1)
        for g, factor in enumerate(self.factors):
            rows = np.flatnonzero(codes[:, g] < 0)
            path = np.zeros(len(rows), dtype=np.int64)
            for position in factor.columns:
                value = columns[position].codes[rows]
                n_values = len(columns[position].values)
                value = np.where(value < 0, n_values + np.arange(len(rows)), value)
                path = pd.factorize(path * (n_values + len(rows)) + value)[0].astype(np.int64)
            new[rows, g] = path
        return new

    def warn_of_twins(self, columns: Mapping[int, GroupColumn]) -> None:
        """Warn of labels of fit that are one but for case, white space and Unicode form."""
        pairs = [
            f"{columns[j].name}: {first!r} and {other!r}"
            for j, labels in self.labels.items()
            for first, other in twins(labels)
        ]
        if pairs:
            warnings.warn(
                f"{len(pairs)} label(s) of group columns differ from others by case, white space "
                f"or Unicode form alone ({_some(pairs)}): they are levels of their own. Spell them "
                "alike if they are the same.",
                UserWarning,
                stacklevel=stacklevel_of_user(),
            )

    def warn_of_spellings(self, columns: Mapping[int, GroupColumn]) -> None:
        """Warn of new values that are values seen at fit but for how `warn_of_twins` compares them.

        Only in columns where these tell no two values of fit apart. They stay new levels.
        """
        pairs = [
            f"{columns[j].name}: {given!r} for {known!r}"
            for j, labels in self.labels.items()
            for given, known in _respelt(columns[j], labels)
        ]
        if pairs:
            warnings.warn(
                f"{len(pairs)} value(s) of group columns are new but differ from those of fit by "
                f"case, white space or Unicode form alone ({_some(pairs)}): their rows are "
                "predicted as of new levels. Spell them as at fit if they are the same.",
                UserWarning,
                stacklevel=stacklevel_of_user(),
            )

    def check_seen(self, columns: Mapping[int, GroupColumn], codes: Ints) -> None:
        """Raise where a row's level is unseen or missing, naming the factor and some levels."""
        for g, factor in enumerate(self.factors):
            rows = np.flatnonzero(codes[:, g] < 0)
            if len(rows):
                paths = {_path(columns, factor, int(row)): None for row in rows[:1000]}
                values = [path if len(path) > 1 else path[0] for path in paths]
                raise ValueError(
                    f"Grouping factor {factor.name!r}: {len(rows)} row(s) of X have a level that "
                    f"was not seen at fit, or none: {listed(values)}, first in row {rows[0]}. "
                    "Remove these rows, fit with data that hold their levels, or set "
                    "unseen='population' to predict them without the unknown effect."
                )


def learn_groups(hierarchies: tuple[Hierarchy, ...], columns: Mapping[int, GroupColumn]) -> Groups:
    """Learn labels and levels from the group columns of the rows that are fitted."""
    _check_no_missing(columns)
    labels = {j: _learn_labels(column) for j, column in columns.items()}
    code = {j: _label_codes(column, labels[j]) for j, column in columns.items()}
    factors: list[Factor] = []
    for hierarchy in hierarchies:
        factors += _learn_factors(hierarchy, labels, code)
    return Groups(hierarchies, labels, tuple(factors))


def _learn_factors(
    hierarchy: Hierarchy, labels: Mapping[int, tuple[Label, ...]], code: Mapping[int, Ints]
) -> list[Factor]:
    """Distinct paths at each depth; level of a row = rank of (parent's level, own label)."""
    factors = []
    level = np.zeros_like(code[hierarchy.columns[0]])
    for depth, (name, position) in enumerate(
        zip(hierarchy.factors, hierarchy.columns, strict=True)
    ):
        n_labels = len(labels[position])
        pairs, level = np.unique(level * n_labels + code[position], return_inverse=True)
        parent, label = np.divmod(pairs, n_labels)
        factors.append(Factor(name, hierarchy.columns[: depth + 1], parent, label))
    return factors


def _label_codes(column: GroupColumn, labels: Sequence[Label]) -> Ints:
    """Number of each row's value among labels, (n,); -1 where it is missing or not one of them."""
    numbers = {label: number for number, label in enumerate(labels)}
    of_value = np.array([*(numbers.get(v, -1) for v in column.values), -1], dtype=np.int64)
    if (of_value[:-1] < 0).any():
        _check_one_kind(column, labels)
        _check_precision(column, labels, np.float32)
    if (of_value < 0).all():
        _check_precision(column, labels, np.float16)
        _check_kinds(column, labels)
    return of_value[column.codes]


def _some(pairs: Sequence[str]) -> str:
    """The first few of them."""
    return "; ".join(pairs[:5]) + "; ..." * (len(pairs) > 5)


def _respelt(column: GroupColumn, labels: Sequence[Label]) -> Iterator[tuple[str, str]]:
    """Texts of a column that are not labels, and the labels that they are when spelt alike."""
    seen = set(labels)
    new = [v for code in column.present() if (v := column.values[code]) not in seen]
    texts = [label for label in labels if isinstance(label, str)] if new else []
    known = {spelling(text): text for text in texts}
    if len(known) == len(texts):
        for value in new:
            if isinstance(value, str) and spelling(value) in known:
                yield value, known[spelling(value)]


def _lookup(factor: Factor, parent: Ints, label: Ints) -> Ints:
    """Level with the given parent and label, (n,); -1 where there is none."""
    n_labels = int(factor.label.max()) + 1
    pairs = factor.parent * n_labels + factor.label
    wanted = np.where((parent >= 0) & (label >= 0), parent * n_labels + label, -1)
    row, distinct = pd.factorize(wanted)
    level = np.minimum(np.searchsorted(pairs, distinct), len(pairs) - 1)
    return np.where(pairs[level] == distinct, level, -1)[row]


def _learn_labels(column: GroupColumn) -> tuple[Label, ...]:
    """The values that occur, sorted; all of one kind."""
    _check_one_kind(column)
    return tuple(sorted(column.values[code] for code in column.present()))


def _check_one_kind(column: GroupColumn, labels: Sequence[Label] = ()) -> None:
    """Raise where numbers, strings or dates stand beside each other.

    A text that is no number cannot be meant for one: among labels that are numbers it is new.
    """
    numbers = any(kind(label) == "number" for label in labels[:1])
    examples: dict[str, Label] = {}
    for code in column.present():
        value = column.values[code]
        if not (numbers and isinstance(value, str) and not _is_number(value)):
            examples.setdefault(kind(value), value)
    if len(examples) > 1:
        (one, first), (other, second), *_ = sorted(examples.items())
        raise TypeError(
            f"Group column {column.name!r} mixes kinds of labels: {_shown(first)} is a {one}, "
            f"{_shown(second)} a {other}. {_remedy({one, other})}"
        )


def _is_number(text: str) -> bool:
    """Whether a text can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shown(value: Label) -> str:
    """A label in a message: dates as they are printed."""
    return str(value) if isinstance(value, datetime) else repr(value)


def _remedy(kinds: Set[str]) -> str:
    """What makes labels of these kinds alike."""
    if all(name.startswith("date") for name in kinds):
        return "Give all of them a time zone, for example by tz_localize, or none."
    return "Make them all strings or all numbers."


def _check_no_missing(columns: Mapping[int, GroupColumn]) -> None:
    missing = [f"{c.name!r}: {c.n_missing}" for c in columns.values() if c.n_missing]
    if missing:
        first = min(int(np.argmax(c.codes < 0)) for c in columns.values() if c.n_missing)
        raise ValueError(
            f"Missing values in group columns at fit (column: rows): {', '.join(missing)}, first "
            f"in row {first}. Drop these rows, or fill in a label of their own, for example "
            "'unknown'."
        )


def _check_kinds(column: GroupColumn, labels: Sequence[Label]) -> None:
    """Raise where no value can match because the column changed its type since fit."""
    values = [column.values[code] for code in column.present()]
    expected = set(map(_finer_kind, labels))
    if "fraction" in expected:
        expected.add("whole number")
    if values and expected.isdisjoint(map(_finer_kind, values)):
        before, now = _finer_kind(labels[0]), _finer_kind(values[0])
        dates = before.startswith("date") and now.startswith("date")
        raise TypeError(
            f"Group column {column.name!r} held labels such as {_shown(labels[0])}, a {before}, at "
            f"fit and now holds {_shown(values[0])}, a {now}: none can match. "
            + (_remedy({before, now}) if dates else "Convert the column to the type it had at fit.")
        )


def _check_precision(
    column: GroupColumn, labels: Sequence[Label], precision: type[np.floating[Any]]
) -> None:
    """Raise where a fraction is a label rounded to lower precision, or the other way round."""
    known = {_rounded(label, precision): label for label in labels if isinstance(label, float)}
    for value in column.values if known else ():
        if not isinstance(value, float):
            continue
        rounded = _rounded(value, precision)
        label = known.get(rounded, value)
        if value != label and rounded in (value, label):
            raise TypeError(
                f"Group column {column.name!r} held the label {label!r} at fit and now holds "
                f"{value!r}, the same number in another precision: they cannot match. Convert the "
                "column to the type it had at fit; whole numbers or strings are safer labels."
            )


def _rounded(number: float, precision: type[np.floating[Any]]) -> float:
    """A number as lower precision holds it."""
    with np.errstate(over="ignore"):
        return float(precision(number))


def _finer_kind(value: Label) -> str:
    """Kind of a label; identifiers that were whole numbers do not become fractions."""
    if kind(value) != "number":
        return kind(value)
    return "whole number" if isinstance(value, int) else "fraction"


def _path(columns: Mapping[int, GroupColumn], factor: Factor, row: int) -> tuple[Label | None, ...]:
    """Values of one row that identify its level of a factor; None where missing."""
    codes = [(columns[position], columns[position].codes[row]) for position in factor.columns]
    return tuple(column.values[code] if code >= 0 else None for column, code in codes)
