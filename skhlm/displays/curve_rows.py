"""From rows to response curves: what they are called, and where the rows are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Bools, Floats, Ints
from skhlm.inputs.frames import (
    as_table,
    column_at,
    columns_of,
)
from skhlm.inputs.moved import numbers_in
from skhlm.methods.fitted import Fitted, find_hierarchical
from skhlm.methods.moving_input import find_input
from skhlm.methods.original_scale import on_scale_of_y
from skhlm.methods.paths import no_effects
from skhlm.methods.pipelines import response_curve
from skhlm.posterior import prediction
from skhlm.preparation import ModelSpec
from skhlm.reports.curves import SLOPE
from skhlm.wrappers import Route

MOST_CURVES = 200  # where they are made for all combinations of levels


@dataclass(frozen=True)
class Curves:
    """Response curves of n rows at T points, in arrays.

    ================  =======  ====================================================================
    ``feature``                what the input is called
    ``column``                 the column of X that holds it, by name or position
    ``names``         n        what the curves are called
    ``grid``          (T,)     values of the input; texts where they are categories
    ``bands``         (3, n, T)  mean, lower, upper: of the outcome, or of the slope
    ``extrapolated``  (n, T)   whether a predictor is outside its training range
    ``points``        T        the values themselves
    ``current``       (n, 2)   each row's own value of the input, and its curve there; NaN where
                               there is none
    ``codes``         (n, G)   levels of each row
    ``exposure``      (n,)     of each row, if there is one
    ``of``                     how many there would be, were they not too many: n or more
    ``population``             whether group effects are left out
    ================  =======  ====================================================================
    """

    feature: str
    column: str | int
    names: list[str]
    grid: Any
    points: list[Any]
    bands: Floats
    extrapolated: Bools
    current: Floats
    codes: Ints
    exposure: Floats | None
    of: int
    population: bool = False

    @property
    def categorical(self) -> bool:
        """Whether the input is categorical."""
        return bool(self.grid.dtype.kind == "U")

    @property
    def abscissae(self) -> Floats:
        """Where the points are drawn, (T,): categories one beside the other."""
        return np.arange(len(self.grid), dtype=np.float64) if self.categorical else self.grid

    def mean_at(self, curve: int, along: Floats) -> Floats:
        """Mean of a curve, straight between the points of the grid; NaN beyond its ends."""
        order = np.argsort(self.abscissae, kind="stable")
        points, mean = self.abscissae[order], self.bands[0, curve][order]
        values: Floats = np.interp(along, points, mean, np.nan, np.nan)
        return values


def compute_curves(
    estimator: Any,
    X: Any,
    feature: Any,
    *,
    grid: Any,
    coverage: float,
    kind: Any,
    slope: bool,
    derive: Any,
    population: bool = False,
) -> Curves:
    """Response curves of the rows of X, or of combinations of levels at the training means."""
    route = find_hierarchical(estimator)
    if derive is not None and not route.direct:
        raise ValueError(
            "derive is for an HLMRegressor alone: here the steps before the model derive its "
            "predictors."
        )
    rows = X
    if X is None and not route.steps:
        rows = _rows_at_means(route.model, 1 if population else MOST_CURVES)
    feature = _only_predictor(route.model) if feature is None and not route.steps else feature
    settings: dict[str, Any] = {
        "coverage": coverage,
        "kind": kind,
        "slope": slope,
        "population": population,
    }
    if derive is None:
        frame = response_curve(estimator, rows, feature, grid, **settings)
    else:
        frame = route.model.response_curve(rows, feature, grid, derive=derive, **settings)
    if route.targets and kind != "mean":
        frame = frame.rename(columns={"median": "mean"})  # what is in the middle
    place = frame.columns.tolist().index("mean") - 1
    n = int(frame["row"].iloc[-1]) + 1
    points = frame.iloc[: len(frame) // n, place]
    groups = frame.iloc[:: len(points), 1:place]
    shown = SLOPE if slope else _LEVEL
    spec = route.model._spec
    codes, exposure = levels_and_exposure(route, rows, population=population)
    curves = Curves(
        feature=feature if isinstance(feature, str) else str(frame.columns[place]),
        column=feature,
        names=_names(groups, spec, population=population),
        grid=_shown(points) if _is_categorical(route, rows, feature) else points.to_numpy(),
        points=points.tolist(),
        bands=np.stack([frame[column].to_numpy().reshape(n, -1) for column in shown]),
        extrapolated=frame["extrapolated"].to_numpy().reshape(n, -1),
        current=np.full((n, 2), np.nan),
        codes=codes,
        exposure=exposure,
        of=len(spec.combinations) if X is None and not population else n,
        population=population,
    )
    if X is None or position_of(X, feature) is None:
        return curves
    own = along(X, feature, curves)
    route = on_scale_of_y(route) if kind == "mean" else route
    now = _slopes_now(own, curves) if slope else _values_now(route, X, kind, population)
    return replace(curves, current=np.column_stack([own, now]))


def _values_now(route: Route, X: Any, kind: str, population: bool) -> Floats:
    """Where the rows of X are on their curves, (n,): expected values, or eta."""
    predictors, codes, _ = route.model._rows(route.features(X))
    codes = no_effects(codes.shape) if population else codes
    if kind == "link":
        return prediction.linear_predictor(route.model._posterior, predictors, codes)
    return route.outcomes(prediction.expected_value(route.model._posterior, predictors, codes))


def _slopes_now(own: Floats, curves: Curves) -> Floats:
    """Slopes of the rows where they are, (n,), between those at the points of the grid."""
    return np.array([curves.mean_at(i, x) for i, x in enumerate(own)])


def curve_names(groups: pd.DataFrame, finest: Sequence[str]) -> list[str]:
    """Names of curves from the group columns of their rows: the finest where these are enough.

    Rows of the same levels have their number in the name.
    """
    if not groups.shape[1]:
        return [f"row {i}" for i in range(len(groups))] if len(groups) > 1 else [""]
    paths, short = (_joined(groups[list(columns)]) for columns in (groups.columns, finest))
    names = short if short.nunique() == paths.nunique() else paths
    again = names.duplicated(keep=False)
    return [f"{name} (row {i})" if again[i] else name for i, name in enumerate(names)]


def _names(groups: pd.DataFrame, spec: ModelSpec, *, population: bool) -> list[str]:
    """Names of curves, of which one without group effects says so."""
    if population and len(groups) == 1:
        return [_POPULATION]
    finest = [] if population else finest_columns(spec, groups.columns)
    return curve_names(groups, finest)


def _joined(groups: pd.DataFrame) -> pd.Series[str]:
    """Values of each row in one string."""
    return pd.Series([" / ".join(map(str, row)) for row in groups.itertuples(index=False)])


_LEVEL = ("mean", "lower", "upper")
_POPULATION = "group effects at zero"


def _rows_at_means(model: Fitted, most: int) -> Any:
    """Combinations of levels seen at fit, evenly not too many, at the training means."""
    spec = model._spec
    last = len(spec.combinations) - 1
    picks = np.unique(np.linspace(0, last, min(last + 1, most)).round().astype(np.int64))
    means = np.tile(spec.ranges.mean, (len(picks), 1))
    return spec.as_given(means, spec.combinations[picks])


def _only_predictor(model: Fitted) -> int | None:
    """Position of the predictor, if there is only one."""
    positions = model._spec.predictor_positions
    return positions[0] if len(positions) == 1 else None


def finest_columns(spec: ModelSpec, group_columns: pd.Index[str]) -> list[str]:
    """The finest group column of each hierarchy, among what a frame calls them all."""
    hierarchies = spec.groups.hierarchies
    positions = sorted({position for h in hierarchies for position in h.columns})
    return [group_columns[positions.index(h.columns[-1])] for h in hierarchies]


def levels_and_exposure(route: Route, X: Any, *, population: bool) -> tuple[Ints, Floats | None]:
    """Levels of the rows of X, (n, G), and their exposure, (n,), if there is one."""
    predictors, codes, _ = route.model._rows(route.features(X))
    codes = no_effects(codes.shape) if population else codes
    exposed = route.model._spec.exposure is not None
    return codes, np.exp(predictors[:, -1]) if exposed else None


def _is_categorical(route: Route, X: Any, feature: Any) -> bool:
    """Whether the input is one of categories; a predictor of the model itself is a number."""
    return not route.direct and find_input(route, X, feature).categories is not None


def _shown(points: pd.Series[Any]) -> Any:
    """Categories as text."""
    numbers = points.dtype.kind == "f"
    return np.array([f"{point:g}" if numbers else str(point) for point in points], dtype=np.str_)


def position_of(X: Any, feature: Any) -> int | None:
    """Where X has a column, by name or position; None where it has not."""
    try:
        return columns_of(X).position(feature, "feature")
    except ValueError:
        return None


def along(X: Any, feature: Any, curves: Curves) -> Floats:
    """Where rows of X are drawn along the curves, (n,); NaN where they have no place there."""
    X, position = as_table(X), columns_of(X).position(feature, "feature")
    if curves.categorical:
        place = {point: i for i, point in enumerate(curves.points)}
        column = list(column_at(X, position))
        return np.array([place.get(value, np.nan) for value in column], dtype=np.float64)
    numbers = numbers_in(X, position)
    return np.full(len(X), np.nan) if numbers is None else numbers
