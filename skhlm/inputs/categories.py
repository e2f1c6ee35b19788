"""The categories of an input of a pipeline, as an encoder among its steps learned them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils._indexing import _get_column_indices

from skhlm.inputs.frames import column_at, columns_of


def learned_categories(steps: Sequence[Any], X: Any, position: int) -> list[Any] | None:
    """Categories of a column of X, or None where no encoder sees it as it is.

    Encoders of scikit-learn, and those that keep ``categories_`` as they do, are found in
    pipelines, column transformers and unions of these; behind a step that changes the column none
    is looked for.
    """
    for step in steps:
        found = _learned(step, X, position)
        if found is not None:
            return found
        after = step.transform(X)
        position_after = _unchanged(X, position, after)
        if position_after is None:
            return None
        X, position = after, position_after
    return None


def _learned(step: Any, X: Any, position: int) -> list[Any] | None:
    """The same of one step."""
    if isinstance(step, Pipeline):
        inner = [part for _, part in step.steps if part not in (None, "passthrough")]
        return learned_categories(inner, X, position)
    if isinstance(step, FeatureUnion):
        found = (_learned(part, X, position) for _, part in step.transformer_list)
        return next((categories for categories in found if categories is not None), None)
    if isinstance(step, ColumnTransformer):
        return _learned_by_columns(step, X, position)
    categories = getattr(step, "categories_", None)
    if not isinstance(categories, list) or position >= len(categories):
        return None
    return [value for value in np.asarray(categories[position]).tolist() if not pd.isna(value)]


def _learned_by_columns(step: ColumnTransformer, X: Any, position: int) -> list[Any] | None:
    """The same of a transformer for some of the columns."""
    for _, inner, columns in step.transformers_:
        own = list(_get_column_indices(X, columns))
        if position in own:
            found = _learned(inner, _safe_indexing(X, own, axis=1), own.index(position))
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
