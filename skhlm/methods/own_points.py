"""An input that moves from where each row is: what the model then sees, and at which rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from reprlib import repr as repr_short
from typing import Any

import numpy as np

from skhlm._typing import Bools, Floats
from skhlm.inputs.columns import labels_of, listed
from skhlm.inputs.frames import as_pandas, as_table, column_at, columns_of
from skhlm.inputs.moved import numbers_in
from skhlm.methods.moving_input import MovingInput, find_input
from skhlm.methods.paths import completed, find_path, predictor_names
from skhlm.methods.rows_together import Rows
from skhlm.preparation import ModelSpec
from skhlm.reports import curves
from skhlm.wrappers import Route


@dataclass(frozen=True)
class Change:
    """An input at a start and an end in n rows.

    ==========  ======  ==============================================
    ``start``   (n,)    its values
    ``end``     (n,)
    ``before``  (n, p)  the predictors that the model sees at the start
    ``after``   (n, p)  and at the end
    ==========  ======  ==============================================
    """

    start: Any
    end: Any
    before: Floats
    after: Floats


class OwnInput(ABC):
    """An input of n rows."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called."""

    @property
    @abstractmethod
    def given(self) -> Any:
        """The column, as it was given."""

    @property
    @abstractmethod
    def own(self) -> Any:
        """The values that the rows have, (n,), checked."""

    @property
    @abstractmethod
    def rows(self) -> Rows:
        """The rows as the model takes them, where the input is."""

    @abstractmethod
    def rates(self, rows: Rows, at: Floats) -> Floats:
        """Rates of the predictors (n, p) where it is at a number for each row."""

    @abstractmethod
    def at(self, rows: Rows, values: Any, name: str) -> Floats:
        """Predictors (n, p) where it has such values, one for each row; ``name`` is who asked."""

    def change(self, rows: Rows, start: Any, end: Any, factor: float | None) -> Change:
        """What happens from a start, or where it is, to an end, or to so many times the start."""
        if (end is None) == (factor is None):
            raise ValueError("Give either end, where it goes, or factor, how many times its start.")
        n, before = len(rows.predictors), rows.predictors
        first = self.given if start is None else self._values(start, "start", n)
        if start is not None:
            before = self.at(rows, first, "start")
        if factor is None:
            last = self._values(end, "end", n)
        else:
            last = factor * self._amounts(self.own if start is None else first)
        return Change(
            first, last, before, self.at(rows, last, "end" if factor is None else "factor")
        )

    def _amounts(self, values: Any) -> Floats:
        """Values (n,) that can be multiplied."""
        if np.asarray(self.own).dtype != np.float64:
            raise ValueError(
                f"factor: {self.name!r} has categories, which cannot be multiplied. Give an end."
            )
        return _finite(values, "start")

    def _values(self, to: Any, name: str, n: int) -> Any:
        """Values in n rows: given as one, as one for each row, or as a function of its own."""
        values = to(self.own) if callable(to) else to
        if isinstance(values, str) or np.ndim(values) == 0:
            values = [values] * n
        if np.ndim(values) != 1 or len(values) != n:
            raise ValueError(
                f"{name} has values of shape {np.shape(values)}, and X has {n} rows: give one "
                "value, one for each row, or a function of those that the rows have."
            )
        return values


def find_own_input(
    route: Route, X: Any, feature: Any, derive: curves.Derive | None = None
) -> OwnInput:
    """The input of rows of X that a feature is, by name or position."""
    X = as_table(X)
    if route.direct:
        return _OfModel.find(route, X, feature, derive)
    if derive is not None:
        raise ValueError(
            "derive: in a pipeline the steps say what predictors an input means. Leave it out."
        )
    if feature is None:
        raise ValueError(f"feature: name a column of X, one of {listed(labels_of(X))}.")
    return _OfPipeline(find_input(route, X, feature))


def outside(spec: ModelSpec, before: Floats, after: Floats) -> Bools:
    """Of which rows a predictor that moves is outside its training range, (n,)."""
    moves = (before != after).any(axis=0)
    return np.asarray(spec.ranges.outside(after)[:, moves].any(axis=1))


@dataclass(frozen=True)
class _OfModel(OwnInput):
    """A predictor, or what predictors are derived from."""

    route: Route
    X: Any
    position: int
    column: str
    derive: curves.Derive | None

    @classmethod
    def find(cls, route: Route, X: Any, feature: Any, derive: curves.Derive | None) -> _OfModel:
        """The column of X, which is none of the model's where all is derived from it."""
        spec, columns = route.model._spec, columns_of(X)
        if derive is None:
            name, _ = find_path(spec, feature, [0.0], None)
            position = spec.predictor_positions[predictor_names(spec).index(name)]
            if columns.names is not None and spec.columns.names is not None:
                position = columns.position(name, "feature")
            return cls(route, X, position, name, None)
        position = columns.position(feature, "feature")
        return cls(route, as_pandas(X), position, columns.group_name(position), derive)

    @property
    def name(self) -> str:
        """Of the column."""
        return self.column

    @property
    def spec(self) -> ModelSpec:
        """What the model was fitted to."""
        spec: ModelSpec = self.route.model._spec
        return spec

    @property
    def given(self) -> Any:
        """Of X."""
        return column_at(self.X, self.position)

    @property
    def own(self) -> Floats:
        """Numbers; those of a yes or no, too, as the model takes it."""
        column = self.given
        is_bool = str(getattr(column, "dtype", "")).lower().startswith("bool")
        numbers = np.asarray(column, np.float64) if is_bool else numbers_in(self.X, self.position)
        if numbers is None:
            raise ValueError(f"feature: {self.name!r} must hold numbers, to move from.")
        return _finite(numbers, f"feature {self.name!r}")

    @property
    def rows(self) -> Rows:
        """Of X, with predictors that are derived."""
        if self.derive is None:
            return Rows.read(self.route.model, self.X, self.X)
        path = curves.Path(*self._derived(self.own), np.ones((1, 1)))
        rows = Rows.read(self.route.model, self.X, completed(self.spec, self.X, self.name, path))
        return rows.moved(self.at(rows, self.own, "feature"))

    def rates(self, rows: Rows, at: Floats) -> Floats:
        """One of a predictor, or those of what is derived."""
        rates = np.zeros_like(rows.predictors)
        names = predictor_names(self.spec)
        if self.derive is None:
            rates[:, names.index(self.name)] = 1
        else:
            path = curves.derived_path(at, self.derive, names, self.spec.ranges)
            rates[:, path.columns] = path.slopes
        return rates

    def at(self, rows: Rows, values: Any, name: str) -> Floats:
        _, columns, moved = self._derived(_finite(values, name))
        predictors = rows.predictors.copy()
        predictors[:, columns] = moved
        return predictors

    def _derived(self, values: Floats) -> tuple[Floats, Any, Floats]:
        """Values, the predictors that they move, and where these go."""
        names = predictor_names(self.spec)
        if self.derive is None:
            return values, np.array([names.index(self.name)]), values[:, None]
        return values, *curves.derived_values(values, self.derive, names)


@dataclass(frozen=True)
class _OfPipeline(OwnInput):
    """A column of what a pipeline is given."""

    moving: MovingInput

    @property
    def name(self) -> str:
        """Of the column."""
        return self.moving.name

    @property
    def given(self) -> Any:
        """Of X."""
        return column_at(self.moving.X, self.moving.position)

    @property
    def own(self) -> Any:
        """Numbers, or categories."""
        X, position = self.moving.X, self.moving.position
        numbers = numbers_in(X, position) if self.moving.categories is None else None
        if numbers is None:
            return np.asarray(self.given, dtype=object)
        return _finite(numbers, f"feature {self.name!r}")

    @property
    def rows(self) -> Rows:
        """Of X after all steps."""
        route, X = self.moving.route, self.moving.X
        return Rows.read(route.model, X, route.features(X))

    def rates(self, rows: Rows, at: Floats) -> Floats:
        """By differences."""
        del rows
        if self.moving.categories is not None:
            raise ValueError(
                f"feature: {self.name!r} has categories, {listed(self.moving.categories)}, and no "
                "slopes between them. average_difference compares two of them."
            )
        return self.moving.rates(at)

    def at(self, rows: Rows, values: Any, name: str) -> Floats:
        if self.moving.categories is None:
            points = _finite(values, name)
        else:
            distinct = dict.fromkeys(values)
            checked = self.moving.check_grid(list(distinct), name)
            of_value = dict(zip(distinct, checked, strict=True))
            points = np.array([of_value[value] for value in values], dtype=checked.dtype)
        seen = self.moving.see(points[:, None])
        if (seen.codes != rows.codes).any():
            raise ValueError(
                f"feature: {self.name!r} decides of which group a row is, and a row of another "
                "group is another row. Give rows of both groups to average_prediction, by="
                f"{self.name!r}, or to HLMRegressor.compare_curves."
            )
        return seen.flat


def _finite(values: Any, name: str) -> Floats:
    """Finite numbers, (n,)."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a number in each row, got {repr_short(list(values))}."
        ) from None
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise ValueError(f"{name} must be finite, and is {numbers[wrong[0]]} in row {wrong[0]}.")
    return numbers
