"""The model inside pipelines, searches, transformed targets and their nestings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Floats
from skhlm.kinds import is_a

_PIPELINE = "sklearn.pipeline.Pipeline"
_TARGET = "sklearn.compose.TransformedTargetRegressor"
_NO_BEST = (
    "This %(name)s has no best_estimator_ and so no model to look at: fit it, with refit=True."
)


@dataclass(frozen=True)
class Route:
    """The way from what a fitted estimator is given to the model inside it, and back.

    ===========  =================================================================================
    ``model``    what predicts in the end
    ``steps``    the transformers of X on the way there, in their order
    ``targets``  the transformers of y, outermost first
    ===========  =================================================================================
    """

    model: Any
    steps: tuple[Any, ...] = ()
    targets: tuple[Any, ...] = ()

    @property
    def direct(self) -> bool:
        """Whether the model is given X and y as they are."""
        return not self.steps and not self.targets

    def features(self, X: Any) -> Any:
        """X as it reaches the model."""
        for step in self.steps:  # one by one: a slice of a pipeline may count as not fitted
            X = step.transform(X)
        return X

    def seen_outcomes(self, y: Any) -> Any:
        """Y as it reaches the model."""
        for target in self.targets:
            y = np.asarray(target.transform(np.reshape(np.asarray(y), (-1, 1)))).reshape(-1)
        return y

    def outcomes(self, values: Floats) -> Floats:
        """Outcomes of the model, of any shape, on the scale of y."""
        for target in reversed(self.targets):
            values = np.asarray(target.inverse_transform(values.reshape(-1, 1))).reshape(
                values.shape
            )
        return values

    def intervals(self, ends: Floats) -> Floats:
        """Intervals (..., 2) on the scale of y; exact where it is a monotone transformation."""
        return np.sort(self.outcomes(ends), axis=-1) if self.targets else ends


def find_model(estimator: Any) -> Route:
    """The model inside a fitted estimator; raises `NotFittedError` where there is none yet."""
    if is_a(estimator, _PIPELINE):
        *earlier, (_, last) = estimator.steps
        steps = tuple(step for _, step in earlier if step not in (None, "passthrough"))
        inner = find_model(last)
        return replace(inner, steps=(*steps, *inner.steps))
    if is_a(estimator, _TARGET):
        check_is_fitted(estimator, "regressor_")
        inner = find_model(estimator.regressor_)
        return replace(inner, targets=(estimator.transformer_, *inner.targets))
    if is_a(estimator, "sklearn.feature_selection.RFE"):
        check_is_fitted(estimator, "estimator_")
        inner = find_model(estimator.estimator_)
        return replace(inner, steps=(estimator, *inner.steps))
    if _is_search(estimator):
        check_is_fitted(estimator, "best_estimator_", msg=_NO_BEST)
        return find_model(estimator.best_estimator_)
    if is_a(estimator, "sklearn.frozen.FrozenEstimator"):
        return find_model(estimator.estimator)
    check_is_fitted(estimator)
    return Route(estimator)


def model_to_fit(estimator: Any) -> Any:
    """The model inside an estimator that need not be fitted."""
    if is_a(estimator, _PIPELINE):
        return model_to_fit(estimator.steps[-1][1])
    if is_a(estimator, _TARGET):
        return model_to_fit(estimator.regressor)
    return model_to_fit(estimator.estimator) if hasattr(estimator, "estimator") else estimator


def wrapped_as(estimator: Any, model: Any) -> Any:
    """Another model behind the steps of an estimator, its y transformed alike; without searches."""
    if is_a(estimator, _PIPELINE):
        name, last = estimator.steps[-1]
        return clone(estimator).set_params(**{name: wrapped_as(last, model)})
    if is_a(estimator, _TARGET):
        return clone(estimator).set_params(regressor=wrapped_as(estimator.regressor, model))
    return wrapped_as(estimator.estimator, model) if hasattr(estimator, "estimator") else model


def fit_weights(estimator: Any, sample_weight: Floats | None) -> dict[str, Any]:
    """Arguments of an estimator's `fit` by which weights reach the model inside it."""
    return {} if sample_weight is None else {_weight_argument(estimator): sample_weight}


def asking(model: Any) -> Any:
    """The model, which asks for weights where scikit-learn passes them to who does."""
    return model.set_fit_request(sample_weight=True) if _are_routed() else model


def _weight_argument(estimator: Any) -> str:
    """What `fit` calls the weights: of a pipeline with its step, unless they are routed."""
    if is_a(estimator, _PIPELINE) and not _are_routed():
        name, last = estimator.steps[-1]
        return f"{name}__{_weight_argument(last)}"
    if is_a(estimator, _TARGET):
        return _weight_argument(estimator.regressor)
    inner = getattr(estimator, "estimator", None)
    return "sample_weight" if inner is None else _weight_argument(inner)


def _are_routed() -> bool:
    """Whether scikit-learn passes metadata, as weights are, to those who ask for them."""
    return bool(get_config()["enable_metadata_routing"])


def _is_search(estimator: Any) -> bool:
    """Whether an estimator chooses among others; those of other packages look alike."""
    return hasattr(estimator, "best_estimator_") or (
        hasattr(estimator, "refit") and hasattr(estimator, "estimator")
    )
