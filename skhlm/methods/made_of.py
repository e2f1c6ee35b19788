"""Which columns of what an estimator is given each predictor of the model is made of."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skhlm._typing import Bools, Floats, Ints
from skhlm.group_means import transform_moved
from skhlm.inputs.frames import as_pandas, as_table, columns_of
from skhlm.inputs.learned import learned_range
from skhlm.inputs.moved import moved_rows, numbers_in
from skhlm.methods.moving_input import MovingInput, find_input
from skhlm.methods.paths import predictor_names
from skhlm.methods.rows_together import Rows
from skhlm.preparation import ModelSpec
from skhlm.reports.curves import N_POINTS, Derive, derived_values
from skhlm.wrappers import Route

_FEW, _MANY = 8, 30  # rows that are looked at, and values of an input that these are given
_LATTICE = 2.0 ** np.arange(-24, 25)  # numbers of any size
_NUDGE = 1e-3  # of rows whose own values may be special, such as 0
_ROUNDING = 1e-9  # of a predictor's range


@dataclass(frozen=True)
class Inputs:
    """Rows as an estimator takes them, and what the model's predictors are made of.

    ===========  ====  =================================================================
    ``route``          from X to the model
    ``X``              rows
    ``made_of``  p     positions in X of what each predictor is made of; none if unknown
    ``groups``         position in X of each group column, by that in the model's X
    ===========  ====  =================================================================
    """

    route: Route
    X: Any
    made_of: tuple[frozenset[int], ...]
    groups: Mapping[int, int]

    @property
    def rows(self) -> Rows:
        """X as the model takes it."""
        return Rows.read(self.route.model, self.X, self.route.features(self.X))

    def read(self, X: Any) -> tuple[Floats, Ints]:
        """Predictors (n, p) and levels (n, G) of other rows."""
        predictors, codes, _ = self.route.model._rows(self.route.features(X))
        return predictors, codes

    def read_with(self, values: Mapping[int, Any]) -> tuple[Floats, Ints]:
        """The same of X with other values in some columns, one for all rows."""
        rows, moved = np.arange(_num_samples(self.X)), self.X
        for position, value in values.items():
            moved = moved_rows(moved, rows, position, _repeated(value, len(rows)))
        predictors, codes, _ = self.route.model._rows(
            transform_moved(self.route.features, self.X, moved, rows)
        )
        return predictors, codes

    def parts(self) -> tuple[list[str], Ints]:
        """Names of the inputs, in the order of X, and which of them each predictor is of, (p,).

        What is made of several is a part of its own, as is what is made of none that is known.
        """
        columns, own = columns_of(self.X), all_names(self.route.model._spec)
        names, order = [], []
        for name, positions in zip(own, self.made_of, strict=True):
            known = sorted(positions)
            names.append(" × ".join(map(columns.predictor_name, known)) if known else name)
            order.append(known or [columns.n])
        first = dict(zip(reversed(names), reversed(order), strict=True))
        distinct = sorted(dict.fromkeys(names), key=lambda name: first[name])
        return distinct, np.array([distinct.index(name) for name in names], dtype=np.int64)


def find_inputs(route: Route, X: Any, derive: Mapping[str, Derive] | None) -> Inputs:
    """The columns of X, each with the predictors that are made of it."""
    X, spec = as_table(X), route.model._spec
    if derive is not None:
        return _derived_inputs(route, X, derive)
    groups = _group_positions(spec)
    if not route.direct:
        columns = columns_of(X)
        names = {spec.columns.group_name(j): j for j in groups}
        known = enumerate(columns.names or ())
        groups = {names[name]: position for position, name in known if name in names}
        return Inputs(route, X, _look(route, X, set(groups.values())), groups)
    return Inputs(route, X, tuple(frozenset({j}) for j in _positions(spec)), groups)


def all_names(spec: ModelSpec) -> list[str]:
    """Names of the predictors, and of the exposure behind them."""
    exposure = [] if spec.exposure is None else [spec.columns.predictor_name(spec.exposure)]
    return predictor_names(spec) + exposure


def _positions(spec: ModelSpec) -> list[int]:
    """The columns of the model's X that these are."""
    return spec.predictor_positions + ([] if spec.exposure is None else [spec.exposure])


def _group_positions(spec: ModelSpec) -> dict[int, int]:
    """Group columns of the model's X, where X is given to the model."""
    return {j: j for hierarchy in spec.groups.hierarchies for j in hierarchy.columns}


@dataclass(frozen=True)
class _Derivation:
    """A step that adds predictors to their inputs, by functions of the values of each."""

    spec: ModelSpec
    derive: Mapping[str, Derive]

    def transform(self, X: Any) -> Any:
        """A frame as the model takes it."""
        frame, names = as_pandas(X).copy(), predictor_names(self.spec)
        for feature, function in self.derive.items():
            columns, derived = derived_values(_numbers(frame, feature), function, names)
            for column, value in zip(columns.tolist(), derived.T, strict=True):
                frame[names[column]] = value
        return frame[[name for name in self.spec.columns.names or () if name in frame]]


def _derived_inputs(route: Route, X: Any, derive: Mapping[str, Derive]) -> Inputs:
    """The same without a pipeline, some predictors being derived from inputs."""
    spec: ModelSpec = route.model._spec
    if not route.direct:
        raise ValueError(
            "derive: in a pipeline the steps say what predictors an input means. Leave it out."
        )
    if spec.columns.names is None or columns_of(X).names is None:
        raise ValueError("derive: predictors have no names. Fit with a data frame, and give one.")
    X = as_pandas(X)
    columns = columns_of(X)
    made_of = {name: columns.position(of, "derive") for name, of in _origins(spec, X, derive)}
    for name in all_names(spec):
        if name not in made_of:
            made_of[name] = columns.position(name, "X")
    groups = {j: columns.position(spec.columns.group_name(j), "X") for j in _group_positions(spec)}
    through = replace(route, steps=(_Derivation(spec, derive),))
    return Inputs(through, X, tuple(frozenset({made_of[x]}) for x in all_names(spec)), groups)


def _origins(spec: ModelSpec, X: Any, derive: Mapping[str, Derive]) -> Iterator[tuple[str, str]]:
    """Names of predictors that are derived, and of the input of each."""
    names, found = predictor_names(spec), set()
    for feature, function in derive.items():
        first = _numbers(X, feature)[:1]
        for column in derived_values(first, function, names)[0].tolist():
            if column in found:
                raise ValueError(f"derive: {names[column]!r} is derived from several inputs.")
            found.add(column)
            yield names[column], feature


def _numbers(X: Any, feature: str) -> Floats:
    """Values of an input, (n,)."""
    values = numbers_in(X, columns_of(X).position(feature, "derive"))
    if values is None or not np.isfinite(values).all():
        raise ValueError(f"derive: {feature!r} must be a finite number in each row.")
    return values


def _look(route: Route, X: Any, groups: set[int]) -> tuple[frozenset[int], ...]:
    """What each predictor behind the steps is made of, found by moving one input at a time.

    Looked at are some of the rows, as they are and nudged, as a product with a 0 does not move.
    """
    n, spec = _num_samples(X), route.model._spec
    few = np.unique(np.linspace(0, n - 1, min(n, _FEW)).round().astype(np.int64))
    some = _safe_indexing(X, few)
    inputs = [position for position in range(columns_of(X).n) if position not in groups]
    made_of: list[set[int]] = [set() for _ in all_names(spec)]
    for base in (some, _nudged(some, inputs)):
        for position in inputs:
            for k in np.flatnonzero(_moved_by(find_input(route, base, position), spec)).tolist():
                made_of[k].add(position)
    return tuple(map(frozenset, made_of))


def _moved_by(moving: MovingInput, spec: ModelSpec) -> Bools:
    """Which predictors move with an input, (p,)."""
    width = _ROUNDING * spec.ranges.widths
    moves = np.zeros(len(width), dtype=np.bool_)
    here = _try_to_see(moving)
    if here is None:
        return moves
    for points in _candidates(moving):
        there = _try_to_see(moving, points)
        if there is not None:
            moves |= (np.abs(there - here) > width).any(axis=(0, 1))
    return moves


def _candidates(moving: MovingInput) -> Iterator[Any]:
    """Values that the input may have; where some have no predictors, others may."""
    if moving.categories is not None:
        yield moving.categories[:_MANY]
        return
    numbers = numbers_in(moving.X, moving.position)
    own = np.empty(0) if numbers is None else np.unique(numbers[np.isfinite(numbers)])
    if own.size:
        yield own
        yield np.unique(own * (1 + _NUDGE) + _NUDGE)
    learned = learned_range(moving.route.steps, moving.X, moving.position)
    if learned is not None:
        yield np.linspace(*learned, N_POINTS)
    for some in np.array_split(_LATTICE, 3):
        yield some
        yield -some


def _try_to_see(moving: MovingInput, points: Any = None) -> Floats | None:
    """Predictors of each row at points, (n, T, p), or where it is, (n, 1, p); None without.

    Steps and the model may have none for the values that are tried, and say so as they like.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if points is not None:
                return moving.see(points).predictors
            predictors: Floats = moving.route.model._rows(moving.route.features(moving.X))[0]
            return predictors[:, None]
        except (ValueError, ArithmeticError, TypeError):
            return None


def _nudged(X: Any, positions: list[int]) -> Any:
    """Rows whose numbers are others, all a little."""
    rows = np.arange(_num_samples(X))
    for position in positions:
        numbers = numbers_in(X, position)
        if numbers is not None:
            X = moved_rows(X, rows, position, numbers * (1 + _NUDGE) + _NUDGE)
    return X


def _repeated(value: Any, n: int) -> Any:
    """A value n times: a number as float64."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if is_number:
        return np.full(n, value, dtype=np.float64)
    array = np.empty(n, dtype=object)
    array[:] = [value] * n
    return array
