"""An input that moves from where each row is: what the model then sees, and at which rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhlm._typing import Floats
from skhlm.inputs.columns import listed
from skhlm.inputs.frames import as_table, column_at, columns_of
from skhlm.inputs.moved import numbers_in
from skhlm.methods.moving_input import MovingInput, find_input
from skhlm.methods.paths import completed, find_path
from skhlm.preparation import ModelSpec
from skhlm.reports import curves
from skhlm.wrappers import Route


class OwnInput(ABC):
    """An input of n rows."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called."""

    @property
    @abstractmethod
    def own(self) -> Any:
        """The values that the rows have, (n,)."""

    @property
    @abstractmethod
    def rows(self) -> Any:
        """The rows as the model takes them."""

    def here(self, predictors: Floats) -> Floats:
        """Predictors where it is, (n, p), of the rows as the model saw them."""
        return predictors

    @abstractmethod
    def rates(self, predictors: Floats, at: Floats) -> Floats:
        """Rates of the predictors (n, p) where it is at a number for each row."""

    def moved(self, predictors: Floats, to: Any, name: str) -> Floats:
        """Predictors (n, p) where it goes: a value, one for each row, or a function of its own."""
        values = to(self.own) if callable(to) else to
        n = len(predictors)
        if isinstance(values, str) or np.ndim(values) == 0:
            values = [values] * n
        if len(values) != n:
            raise ValueError(
                f"{name} has {len(values)} values, and X has {n} rows: give one value, one for "
                "each row, or a function of those that the rows have."
            )
        return self._at(predictors, values, name)

    @abstractmethod
    def _at(self, predictors: Floats, values: Any, name: str) -> Floats:
        """Predictors where it has such values, one for each row."""


def find_own_input(
    route: Route, X: Any, feature: Any, derive: curves.Derive | None = None
) -> OwnInput:
    """The input of rows of X that a feature is, by name or position."""
    if not route.direct:
        if derive is not None:
            raise ValueError(
                "derive: in a pipeline the steps say what predictors an input means. Leave it out."
            )
        return _OfPipeline(find_input(route, X, feature))
    return _OfModel(route.model._spec, as_table(X), feature, derive)


@dataclass(frozen=True)
class _OfModel(OwnInput):
    """A predictor, or what predictors are derived from."""

    spec: ModelSpec
    X: Any
    feature: Any
    derive: curves.Derive | None

    @property
    def name(self) -> str:
        """Of the predictor, or of what predictors are derived from."""
        if self.derive is not None:
            return str(self.feature)
        return find_path(self.spec, self.feature, [0.0], None)[0]

    @property
    def own(self) -> Floats:
        """Numbers of a column of X, which may be no predictor if some are derived from it."""
        feature = self.feature if self.derive else self.name
        numbers = numbers_in(self.X, columns_of(self.X).position(feature, "feature"))
        if numbers is None:
            raise ValueError(f"feature: {feature!r} must hold numbers, to move from.")
        return _finite(numbers, f"feature {feature!r}")

    @property
    def rows(self) -> Any:
        """X, with predictors that are derived."""
        if self.derive is None:
            return self.X
        return completed(self.spec, self.X, *self._path(self.own))

    def here(self, predictors: Floats) -> Floats:
        """With what is derived, which X may lack."""
        return predictors if self.derive is None else self._at(predictors, self.own, "")

    def rates(self, predictors: Floats, at: Floats) -> Floats:
        """One of a predictor, or those of what is derived."""
        path = self._path(at)[1]
        rates = np.zeros_like(predictors)
        rates[:, path.columns] = path.slopes
        return rates

    def _at(self, predictors: Floats, values: Any, name: str) -> Floats:
        path = self._path(_finite(values, name))[1]
        predictors = predictors.copy()
        predictors[:, path.columns] = path.values
        return predictors

    def _path(self, values: Floats) -> tuple[str, curves.Path]:
        return find_path(self.spec, self.feature, values, self.derive)


@dataclass(frozen=True)
class _OfPipeline(OwnInput):
    """A column of what a pipeline is given."""

    moving: MovingInput

    @property
    def name(self) -> str:
        """Of the column."""
        return self.moving.name

    @property
    def own(self) -> Any:
        """Numbers, or categories."""
        X, position = self.moving.X, self.moving.position
        numbers = numbers_in(X, position) if self.moving.categories is None else None
        if numbers is None:
            return np.asarray(column_at(X, position), dtype=object)
        return _finite(numbers, f"feature {self.moving.name!r}")

    @property
    def rows(self) -> Any:
        """X after all steps."""
        return self.moving.route.features(self.moving.X)

    def rates(self, predictors: Floats, at: Floats) -> Floats:
        """By differences."""
        del predictors
        if self.moving.categories is not None:
            raise ValueError(
                f"feature: {self.moving.name!r} has categories, {listed(self.moving.categories)}, "
                "and no slopes between them. average_difference compares two of them."
            )
        return self.moving.rates(at)

    def _at(self, predictors: Floats, values: Any, name: str) -> Floats:
        del predictors
        if self.moving.categories is None:
            points = _finite(values, name)
        else:
            distinct = dict.fromkeys(values)
            checked = dict(zip(distinct, self.moving.check_grid(list(distinct)), strict=True))
            points = np.array([checked[value] for value in values], dtype=object)
            if self.moving.categories.dtype == np.float64:
                points = points.astype(np.float64)
        return self.moving.see(points[:, None]).flat


def _finite(values: Any, name: str) -> Floats:
    """Finite numbers, (n,)."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number in each row, got {values!r}.") from None
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise ValueError(f"{name} must be finite, and is {numbers[wrong[0]]} in row {wrong[0]}.")
    return numbers
