"""The hierarchical model with group means before it, to be compared with that without."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skhlm.group_means import GroupMeans
from skhlm.inputs.columns import Columns
from skhlm.inputs.frames import columns_of, predictor_positions
from skhlm.inputs.hierarchy import parse_groups
from skhlm.inputs.labels import INTERCEPT
from skhlm.wrappers import model_to_fit, wrapped_as


def with_group_means(model: Any, columns: Any, X: Any) -> Any:
    """A model behind the same steps and a `GroupMeans` of its groups; without searches.

    Coefficients of means do not vary by group, where they would only because all do.
    """
    inner = model_to_fit(model)
    groups = getattr(inner, "groups", None)
    if groups is None:
        raise ValueError(
            "group_means: the model has no groups whose means these would be. Give the model "
            "groups, or leave group_means out."
        )
    slower = clone(inner)
    if inner is model and isinstance(inner.varying, str) and inner.varying == "all":
        slower.set_params(varying=_own_coefficients(inner, columns_of(X)))
    return wrapped_as(model, make_pipeline(GroupMeans(groups, columns), slower))


def _own_coefficients(model: Any, columns: Columns) -> list[Any]:
    """The intercept and the predictors of X, by position."""
    exposure = getattr(model, "exposure", None)
    taken = None if exposure is None else columns.position(exposure, "exposure")
    predictors = predictor_positions(parse_groups(model.groups, columns), columns, taken)
    return [*([INTERCEPT] if model.fit_intercept else []), *predictors]
