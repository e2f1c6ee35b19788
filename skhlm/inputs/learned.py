"""What transformers in a pipeline learned of one of its inputs: its categories, its range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing
from sklearn.utils._indexing import _get_column_indices

from skhlm.inputs.frames import column_at, columns_of
from skhlm.kinds import is_a

_Learned = Callable[[Any, int], Any]  # from a transformer and the position of its input


def learned_categories(steps: Sequence[Any], X: Any, position: int) -> list[Any] | None:
    """Categories of a column of X, or None where no encoder sees it as it is.

    Encoders of scikit-learn, and those that keep ``categories_`` as they do, are found in
    pipelines, column transformers and unions of these; behind a step that changes the column none
    is looked for.
    """
    found: list[Any] | None = _find(steps, X, position, _categories)
    return found


def learned_range(steps: Sequence[Any], X: Any, position: int) -> tuple[float, float] | None:
    """Ends of the training range of a column of X, found like categories; None where unknown.

    Bins, splines and quantiles are the same far outside as at their ends, so that what they make
    of the column does not show where it was.
    """
    found: tuple[float, float] | None = _find(steps, X, position, _range)
    return found


def _categories(step: Any, position: int) -> list[Any] | None:
    """Categories that an encoder learned, without those that say that a value is missing."""
    categories = getattr(step, "categories_", None)
    if not isinstance(categories, list) or position >= len(categories):
        return None
    own = np.asarray(categories[position])
    return [value for value in own.tolist() if not pd.isna(value)] if own.ndim == 1 else None


def _range(step: Any, position: int) -> tuple[float, float] | None:
    """Where the outermost edges, knots or quantiles are, which are those of the training data."""
    if is_a(step, "sklearn.preprocessing.KBinsDiscretizer"):
        ends = step.bin_edges_[position][[0, -1]]
    elif is_a(step, "sklearn.preprocessing.SplineTransformer"):
        spline = step.bsplines_[position]
        ends = spline.t[[spline.k, -spline.k - 1]]
    elif is_a(step, "sklearn.preprocessing.QuantileTransformer"):
        ends = step.quantiles_[[0, -1], position]
    else:
        return None
    return float(ends[0]), float(ends[1])


def _find(steps: Sequence[Any], X: Any, position: int, learned: _Learned) -> Any:
    """What the first step that sees a column as it is and knows of it learned, or None."""
    for step in steps:
        found = _in_step(step, X, position, learned)
        if found is not None:
            return found
        after = step.transform(X)
        position_after = _unchanged(X, position, after)
        if position_after is None:
            return None
        X, position = after, position_after
    return None


def _in_step(step: Any, X: Any, position: int, learned: _Learned) -> Any:
    """The same of one step."""
    if is_a(step, "sklearn.pipeline.Pipeline"):
        inner = [part for _, part in step.steps if part not in (None, "passthrough")]
        return _find(inner, X, position, learned)
    if is_a(step, "sklearn.pipeline.FeatureUnion"):
        found = (_in_step(part, X, position, learned) for _, part in step.transformer_list)
        return next((one for one in found if one is not None), None)
    if is_a(step, "sklearn.compose.ColumnTransformer"):
        return _in_columns(step, X, position, learned)
    return learned(step, position)


def _in_columns(step: Any, X: Any, position: int, learned: _Learned) -> Any:
    """The same of transformers for some of the columns."""
    for _, inner, columns in step.transformers_:
        own = list(_get_column_indices(X, columns))
        if position in own:
            part = _safe_indexing(X, own, axis=1)
            found = _in_step(inner, part, own.index(position), learned)
            if found is not None:
                return found
    return None


def _unchanged(X: Any, position: int, after: Any) -> int | None:
    """Where a step left a column, by its name or else its position; None where it did not."""
    if hasattr(after, "toarray"):  # sparse
        return None
    names, known = columns_of(X).names, columns_of(after)
    if names is not None and known.names is not None:
        if names[position] not in known.names:
            return None
        found = known.names.index(names[position])
    else:
        found = position
    if found >= known.n or list(column_at(X, position)) != list(column_at(after, found)):
        return None
    return found
