"""Intervals, quantiles and draws of models inside pipelines, searches and transformed targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skhlm._typing import Floats
from skhlm.methods.arguments import check_has_eta, check_quantiles
from skhlm.methods.paths import check_no_name
from skhlm.posterior import Kind
from skhlm.wrappers import Route, find_model

_QUARTILES = 0.25, 0.75


def predict_interval(
    estimator: Any, X: Any, coverage: float = 0.9, kind: Kind | None = None
) -> Floats:
    """Central credible interval of each row, also through pipelines and searches.

    Parameters
    ----------
    estimator : estimator
        A fitted model of this package, alone or inside pipelines, searches and transformed targets.
    X : frame or array-like of shape (n_samples, n_features)
        Rows as the estimator takes them.
    coverage : float in (0, 1), default=0.9
        Posterior probability of the interval.
    kind : {"outcome", "mean", "link"}, default=None
        As in the model's own method; None is its default: "outcome", of classifiers "mean".

    Returns
    -------
    interval : ndarray of shape (n_samples, 2)
        Lower and upper ends on the scale of y. Of a transformed target they are those of the model
        transformed back, which is exact for increasing and decreasing transformations of outcomes:
        quantiles stay quantiles. With ``kind="mean"`` they are then not of the mean of y but of the
        mean transformed back, of the median for a logarithm.

    Raises
    ------
    NotFittedError
        When the estimator is not fitted.
    TypeError
        When the model inside is none that has intervals.
    ValueError
        As the model's method; for ``kind="link"`` of a transformed target.

    Examples
    --------
    >>> import numpy as np
    >>> import skhlm
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = skhlm.HLMRegressor("subject", random_state=0)
    >>> of_log = TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp).fit(X, y)
    >>> skhlm.predict_interval(of_log, X).shape
    (180, 2)
    """
    route = _route(estimator, X, kind)
    ends = _method(route, "predict_interval")(route.features(X), coverage, **_as_is(kind))
    return route.intervals(ends)


def predict_quantiles(
    estimator: Any,
    X: Any,
    quantiles: float | Sequence[float] = (0.05, 0.5, 0.95),
    kind: Kind | None = None,
) -> Floats:
    """Quantiles of each row, also through pipelines and searches.

    Parameters
    ----------
    estimator, X, kind
        As in `predict_interval`.
    quantiles : float or array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
        Probabilities, between 0 and 1.

    Returns
    -------
    values : ndarray of shape (n_samples, n_quantiles)
        On the scale of y; of decreasing transformations in the order asked for, too.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As `predict_interval`.
    """
    route = _route(estimator, X, kind)
    method, features = _method(route, "predict_quantiles"), route.features(X)
    if not route.targets:
        own: Floats = method(features, quantiles, **_as_is(kind))
        return own
    q = check_quantiles(quantiles)
    values = route.outcomes(method(features, [*q, *(1 - q), *_QUARTILES], **_as_is(kind)))
    falls = values[:, -2:-1] > values[:, -1:]
    return np.where(falls, values[:, len(q) : 2 * len(q)], values[:, : len(q)])


def sample_y(
    estimator: Any,
    X: Any,
    n_samples: int = 1,
    random_state: Any = 0,
    kind: Kind = "outcome",
) -> Any:
    """Joint draws of new observations at all rows, also through pipelines and searches.

    Parameters
    ----------
    estimator, X
        As in `predict_interval`.
    n_samples : int, default=1
        Number of draws.
    random_state : int, RandomState instance or None, default=0
        Seed of the draws.
    kind : {"outcome", "mean", "link"}, default="outcome"
        As in the model's own method.

    Returns
    -------
    draws : ndarray of shape (n_samples_X, n_samples)
        On the scale of y, each draw of a transformed target transformed back; labels of a
        classifier.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As `predict_interval`.
    """
    route = _route(estimator, X, kind)
    draws = _method(route, "sample_y")(route.features(X), n_samples, random_state, kind)
    return route.outcomes(draws) if route.targets else draws


def _route(estimator: Any, X: Any, kind: Kind | None) -> Route:
    """The way to the model, whose eta is none of a transformed target."""
    check_no_name(X)
    route = find_model(estimator)
    check_has_eta(kind, has_targets=bool(route.targets))
    return route


def _method(route: Route, name: str) -> Callable[..., Any]:
    """A method of the model."""
    method: Callable[..., Any] | None = getattr(route.model, name, None)
    if method is None:
        raise TypeError(
            f"estimator: {type(route.model).__name__} has no {name}. An HLMRegressor or "
            "HLMClassifier has, also inside a pipeline, a search or a transformed target."
        )
    return method


def _as_is(kind: Kind | None) -> dict[str, Kind]:
    """The argument, where it is given."""
    return {} if kind is None else {"kind": kind}
