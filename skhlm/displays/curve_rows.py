"""From rows to response curves: what they are called, where the rows are, observed points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_array, check_is_fitted

from skhlm._typing import Bools, Floats, Ints
from skhlm.inputs.frames import predictor_positions
from skhlm.methods.pipelines import response_curve

MOST_CURVES = 200  # where they are made for all combinations of levels


@dataclass(frozen=True)
class Curves:
    """Response curves of n rows at T points, in arrays.

    ================  =======  ====================================================================
    ``feature``                what the input is called
    ``column``                 the column of X that holds it, by name or position
    ``names``         n        what the curves are called
    ``grid``          (T,)     values of the input
    ``bands``         (3, n, T)  mean, lower, upper: of the outcome, or of the slope
    ``extrapolated``  (n, T)   whether a predictor is outside its training range
    ``current``       (n, 2)   each row's own value of the input, and its curve there; NaN where
                               there is none
    ``codes``         (n, G)   levels of each row
    ``of``                     how many there would be, were they not too many: n or more
    ``outcome``                what y was called at fit; None if it was not
    ================  =======  ====================================================================
    """

    feature: str
    column: str | int
    names: list[str]
    grid: Floats
    bands: Floats
    extrapolated: Bools
    current: Floats
    codes: Ints
    of: int
    outcome: str | None


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
) -> Curves:
    """Response curves of the rows of X, or of combinations of levels at the training means."""
    check_is_fitted(estimator)
    rows = _rows_at_means(estimator) if X is None else X
    feature = _only_predictor(estimator) if feature is None else feature
    settings: dict[str, Any] = {"coverage": coverage, "kind": kind, "slope": slope}
    if derive is None:
        frame = response_curve(estimator, rows, feature, grid, **settings)
    else:
        frame = estimator.response_curve(rows, feature, grid, derive=derive, **settings)
    place = frame.columns.tolist().index("mean") - 1
    name, n = str(frame.columns[place]), int(frame["row"].iloc[-1]) + 1
    points = frame[name].to_numpy().reshape(n, -1)[0]
    shown = _SLOPE if slope else _LEVEL
    curves = Curves(
        feature=name,
        column=feature,
        names=curve_names(frame.iloc[:: len(points), 1:place], _finest(estimator)),
        grid=points,
        bands=np.stack([frame[column].to_numpy().reshape(n, -1) for column in shown]),
        extrapolated=frame["extrapolated"].to_numpy().reshape(n, -1),
        current=np.full((n, 2), np.nan),
        codes=_codes(estimator, rows),
        of=len(estimator._spec.combinations) if X is None else n,
        outcome=_model_of(estimator)._spec.outcome_name,
    )
    if X is None or not _has_column(X, feature):
        return curves
    own = _column(X, feature)
    now = _values_now(estimator, X, own, curves, slope)
    return replace(curves, current=np.column_stack([own, now]))


def _values_now(estimator: Any, X: Any, own: Floats, curves: Curves, slope: bool) -> Floats:
    """Where the rows of X are on their curves, (n,)."""
    if not slope:
        return np.asarray(estimator.predict(X), dtype=np.float64)
    means = curves.bands[0]
    return np.array(
        [
            np.interp(x, curves.grid, mean, np.nan, np.nan)
            for x, mean in zip(own, means, strict=True)
        ]
    )


def locate_observed(
    estimator: Any, observed: Any, feature: str | int, codes: Ints
) -> tuple[Floats, Ints, Ints]:
    """Observed points, and which combination of levels they and the curves have.

    Parameters
    ----------
    estimator : HLMRegressor or Pipeline
    observed : (X, y)
        Rows and outcomes.
    feature : str or int
        The column of X along which curves go.
    codes : ndarray of shape (n, G)
        Levels of the curves.

    Returns
    -------
    points : ndarray of shape (m, 2)
    of_points : ndarray of shape (m,)
        Numbers of combinations; -1 with a level that fit has not seen.
    of_curves : ndarray of shape (n,)
    """
    if not isinstance(observed, (tuple, list)) or len(observed) != 2:
        raise ValueError("observed must be a pair (X, y) of rows and their outcomes.")
    X, y = observed
    outcome = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    levels = _codes(estimator, X)
    if outcome.shape != (len(levels),):
        raise ValueError(f"observed: X has {len(levels)} rows, and y the shape {outcome.shape}.")
    if not _has_column(X, feature):
        raise ValueError(f"observed: X has no column {feature!r} to draw the points along.")
    both = np.concatenate([codes, levels])
    number = np.zeros(len(both), dtype=np.int64)
    if both.shape[1]:
        number = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
    n = len(codes)
    of_points = np.where((levels < 0).any(axis=1), -1, number[n:])
    return np.column_stack([_column(X, feature), outcome]), of_points, number[:n]


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


def _joined(groups: pd.DataFrame) -> pd.Series[str]:
    """Values of each row in one string."""
    return pd.Series([" / ".join(map(str, row)) for row in groups.itertuples(index=False)])


_LEVEL = ("mean", "lower", "upper")
_SLOPE = ("slope", "slope_lower", "slope_upper")


def _rows_at_means(estimator: Any) -> Any:
    """Combinations of levels seen at fit, evenly not too many, at the training means."""
    if not hasattr(estimator, "_spec"):
        return None
    spec = estimator._spec
    last = len(spec.combinations) - 1
    picks = np.unique(np.linspace(0, last, min(last + 1, MOST_CURVES)).round().astype(np.int64))
    rows = np.empty((len(picks), spec.columns.n), dtype=object)
    predictors = predictor_positions(spec.groups.hierarchies, spec.columns)
    rows[:, predictors] = spec.ranges.mean
    values = spec.labels.values(spec.combinations[picks])
    for hierarchy in spec.groups.hierarchies:
        for position, name in zip(hierarchy.columns, hierarchy.names, strict=True):
            rows[:, position] = values[name]
    if spec.columns.names is None:
        return rows
    return pd.DataFrame(rows, columns=list(spec.columns.names)).infer_objects()


def _only_predictor(estimator: Any) -> int | None:
    """Position of the predictor, if there is only one."""
    if not hasattr(estimator, "_spec"):
        return None
    spec = estimator._spec
    positions = predictor_positions(spec.groups.hierarchies, spec.columns)
    return positions[0] if len(positions) == 1 else None


def _finest(estimator: Any) -> list[str]:
    """The finest group column of each hierarchy."""
    return [h.names[-1] for h in _model_of(estimator)._spec.groups.hierarchies]


def _model_of(estimator: Any) -> Any:
    """The model, or the last step of a pipeline."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _codes(estimator: Any, X: Any) -> Ints:
    """Levels of the rows of X, (n, G)."""
    if isinstance(estimator, Pipeline):
        return _codes(estimator[-1], estimator[:-1].transform(X))
    codes: Ints = estimator._rows(X)[1]
    return codes


def _has_column(X: Any, feature: str | int) -> bool:
    """Whether X has a column of this name, or at this position if it has no names."""
    if hasattr(X, "columns"):
        return isinstance(feature, int) or feature in X.columns
    return isinstance(feature, int)


def _column(X: Any, feature: str | int) -> Floats:
    """Values of a column as numbers, (n,)."""
    column = _safe_indexing(X, feature, axis=1)
    return np.asarray(column, dtype=np.float64)
