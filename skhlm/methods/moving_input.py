"""An input of a pipeline that moves: its grid, and what the model sees of each row on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skhlm._typing import Bools, Floats, Ints
from skhlm.group_means import transform_moved
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.frames import as_table, columns_of
from skhlm.inputs.learned import learned_categories, learned_range
from skhlm.inputs.moved import moved_rows, numbers_in, possible_values, values_in
from skhlm.methods.paths import check_no_name, values_of
from skhlm.methods.training_range import training_range
from skhlm.reports import curves
from skhlm.wrappers import Route

_FEW = 8  # rows from which the steps of slopes are learned


@dataclass(frozen=True)
class Seen:
    """Rows at the points of a grid as the model sees them.

    ==============  ==========  ==============================================================
    ``predictors``  (n, T, p)
    ``codes``       (n, G)      levels, the same at all points
    ``values``      n each      of the group columns
    ``outside``     (n, T)      whether a predictor that moves is outside its training range, or
                                the input a category that was not there
    ==============  ==========  ==============================================================
    """

    predictors: Floats
    codes: Ints
    values: Mapping[str, Sequence[object]]
    outside: Bools

    def first(self, T: int) -> Seen:
        """The same at the first points."""
        return replace(self, predictors=self.predictors[:, :T], outside=self.outside[:, :T])

    @property
    def flat(self) -> Floats:
        """Predictors of row by row, point by point, (n T, p)."""
        return self.predictors.reshape(-1, self.predictors.shape[-1])

    @property
    def flat_codes(self) -> Ints:
        """Levels of the same, (n T, G)."""
        return np.repeat(self.codes, self.predictors.shape[1], axis=0)


@dataclass(frozen=True)
class MovingInput:
    """A column of what a pipeline is given.

    ==============  =================================================================
    ``route``       from X to the model
    ``X``           rows
    ``position``    of the column
    ``name``        what it is called
    ``categories``  what it may be, float64 or object; None where it is any number
    ``learned``     whether an encoder knows these, so that there are no others
    ==============  =================================================================
    """

    route: Route
    X: Any
    position: int
    name: str
    categories: Any
    learned: bool

    def check_grid(self, grid: Any, name: str = "grid") -> Any:
        """Points of the grid, (T,): numbers as float64, or categories; ``name`` is who asked."""
        if grid is None and self.categories is None:
            return np.linspace(*self._range(), curves.N_POINTS)
        if grid is None:
            return self._all_categories()
        if self.categories is None or self.categories.dtype == np.float64:
            return curves.check_grid(grid, name)
        return self._check_categories(grid, name)

    def with_others(self, points: Any) -> Any:
        """Points, and more where these do not show which predictors move."""
        if self.categories is not None:
            return np.concatenate([points, self.categories])
        if (points == points[0]).all():
            return np.append(points, points[0] * (1 + 1e-5) or 1e-5)
        return points

    def see(self, points: Any) -> Seen:
        """Each row of X at each of T points, or at each of its own, (n, T), after all steps."""
        model, n, T = self.route.model, _num_samples(self.X), points.shape[-1]
        rows = np.repeat(np.arange(n), T)
        at = np.broadcast_to(points, (n, T)).ravel()
        moved = moved_rows(self.X, rows, self.position, at)
        features = transform_moved(self.route.features, self.X, moved, rows)
        predictors, codes, columns = model._rows(features)
        for column in columns.values():
            by_row = column.codes.reshape(n, T)
            if (by_row != by_row[:, :1]).any():
                raise ValueError(
                    f"feature: {self.name!r} decides what {column.name!r} is, a group column of "
                    "the model, so there is no curve along it. Give a row for each level, or see "
                    "HLMRegressor.compare_curves."
                )
        predictors = predictors.reshape(n, T, -1)
        moves = (predictors != predictors[:, :1]).any(axis=(0, 1))
        outside = np.any(model._spec.ranges.outside(predictors)[:, :, moves], axis=-1)
        if self.learned:
            known = self.categories.tolist()
            outside |= np.reshape([point not in known for point in at.tolist()], (n, T))
        values = {name: value[::T] for name, value in values_of(columns).items()}
        return Seen(predictors, codes[::T], values, outside)

    def stencil(self, points: Floats) -> curves.Stencil:
        """Where to look for slopes at points, by what some of the rows do."""
        n = _num_samples(self.X)
        few = np.unique(np.linspace(0, n - 1, min(n, _FEW)).round().astype(np.int64))
        some = replace(self, X=_safe_indexing(self.X, few))
        widths = np.tile(self.route.model._spec.ranges.widths, len(few))

        def predictors(points: Floats) -> Floats:
            seen = some.see(points).predictors
            return np.moveaxis(seen, 1, 0).reshape(len(points), -1)

        return curves.place_stencil(points, predictors, widths)

    def rates(self, own: Floats) -> Floats:
        """Rates of the predictors where each row has its own number, (n, p), by differences."""
        widths = self.route.model._spec.ranges.widths

        def predictors(points: Floats) -> Floats:
            return self.see(points.reshape(len(own), -1)).flat

        stencil = curves.place_stencil(own, predictors, widths)
        return stencil.slopes(predictors(stencil.nodes).reshape(len(own), 3, -1))

    def _range(self) -> tuple[float, float]:
        """Where the input was at fit, as far as steps or the predictors of the first row tell."""
        learned = learned_range(self.route.steps, self.X, self.position)
        if learned is not None:
            return learned
        numbers = numbers_in(self.X, self.position)
        own = np.empty(0) if numbers is None else np.unique(numbers[np.isfinite(numbers)])
        first = replace(self, X=_safe_indexing(self.X, [0]))
        ranges = self.route.model._spec.ranges
        low, high = training_range(lambda points: first.see(points).predictors[0], ranges, own)
        if own.size:
            low = low if np.isfinite(low) else own[0]
            high = high if np.isfinite(high) else own[-1]
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(
                f"grid: the training range of {self.name!r} does not show in what the model saw, "
                "and X has no two values of it. Give the values it should take, such as "
                "np.linspace(a, b, 50), or more rows."
            )
        return low, high

    def _all_categories(self) -> Any:
        """All categories that are known, if these are several."""
        if len(self.categories) < 2:
            raise ValueError(
                f"grid: {self.name!r} is no number, what it may be was not learned by an encoder "
                f"that could be found, and X has {listed(self.categories.tolist())} alone. Give "
                "the values it should take."
            )
        return self.categories

    def _check_categories(self, grid: Any, name: str) -> Any:
        """Points that are no numbers, of which a type with categories admits its own alone."""
        points = [grid] if isinstance(grid, str) or not hasattr(grid, "__iter__") else list(grid)
        if not points or pd.isna(points).any():
            raise ValueError(f"{name} must be a list of values of {self.name!r}, got {grid!r}.")
        possible = possible_values(self.X, self.position)
        if possible is not None:
            if unknown := [point for point in points if point not in possible]:
                raise ValueError(
                    f"{name}: {unknown[0]!r} is no category of {self.name!r}. Its categories are "
                    f"{listed(possible)}.{suggestion(unknown[0], possible)}"
                )
            points = [possible[possible.index(point)] for point in points]
        return _objects(points)


def find_input(route: Route, X: Any, feature: Any) -> MovingInput:
    """The column of X that a feature is, by name or position."""
    check_no_name(X)
    if X is None:
        raise ValueError(
            "X: give rows. What goes into a pipeline cannot be told from what its last step saw."
        )
    X = as_table(X)
    columns = columns_of(X)
    position = columns.position(feature, "feature")
    learned = learned_categories(route.steps, X, position)
    possible = possible_values(X, position) or []
    if learned is not None:  # in the order that the type gives them, if it does
        categories = _categories([one for one in possible if one in learned] or learned)
    elif numbers_in(X, position) is None:
        categories = _objects(possible or values_in(X, position))
    else:
        categories = None
    name = columns.group_name(position)
    return MovingInput(route, X, position, name, categories, learned is not None)


def _categories(values: list[Any]) -> Any:
    """Categories as numbers if they all are, else as objects."""
    numbers = all(isinstance(value, (int, float)) and value is not True for value in values)
    return np.array(values, dtype=np.float64) if numbers else _objects(values)


def _objects(values: Sequence[Any]) -> Any:
    """Values of any type, (T,)."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
