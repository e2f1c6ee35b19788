"""Intervals, quantiles and draws of models inside pipelines, searches and transformed targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skhlm._typing import Floats
from skhlm.methods.arguments import check_quantiles
from skhlm.methods.original_scale import KindOfY, find_scale, on_scale_of_y
from skhlm.methods.paths import check_no_name
from skhlm.posterior import Kind
from skhlm.wrappers import Route, find_model

_QUARTILES = 0.25, 0.75


def predict_interval(
    estimator: Any,
    X: Any,
    coverage: float | Sequence[float] = 0.9,
    kind: KindOfY | None = None,
) -> Floats:
    """Central credible interval of each row, also through pipelines and searches.

    Parameters
    ----------
    estimator : estimator
        A fitted model of this package, alone or inside pipelines, searches and transformed targets.
    X : frame or array-like of shape (n_samples, n_features)
        Rows as the estimator takes them.
    coverage : float in (0, 1) or array-like of shape (n_coverages,), default=0.9
        Posterior probability of the interval.
    kind : {"outcome", "mean", "median", "link"}, default=None
        As in the model's own method; None is its default: "outcome", of classifiers "mean". Of a
        transformed target "mean" is the expected value of y, which is known of logarithms with
        normal residuals (see `response_curve`), and "median" that of the model transformed back.

    Returns
    -------
    interval : ndarray of shape (n_samples, 2) or (n_samples, n_coverages, 2)
        Lower and upper ends on the scale of y. Of a transformed target they are those of the model
        transformed back, which is exact for increasing and decreasing transformations of outcomes:
        quantiles stay quantiles.

    Raises
    ------
    NotFittedError
        When the estimator is not fitted.
    TypeError
        When the model inside is none that has intervals.
    ValueError
        As the model's method; for ``kind="link"`` of a transformed target, and for "mean" where the
        expected value of y is not known.

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
    route, own = _route(estimator, X, kind)
    ends = _method(route, "predict_interval")(route.features(X), coverage, **own)
    return route.intervals(ends)


def predict_quantiles(
    estimator: Any,
    X: Any,
    quantiles: float | Sequence[float] = (0.05, 0.5, 0.95),
    kind: KindOfY | None = None,
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
    route, as_asked = _route(estimator, X, kind)
    method, features = _method(route, "predict_quantiles"), route.features(X)
    if not route.targets:
        own: Floats = method(features, quantiles, **as_asked)
        return own
    q = check_quantiles(quantiles)
    values = route.outcomes(method(features, [*q, *(1 - q), *_QUARTILES], **as_asked))
    falls = values[:, -2:-1] > values[:, -1:]
    return np.where(falls, values[:, len(q) : 2 * len(q)], values[:, : len(q)])


def sample_y(
    estimator: Any,
    X: Any,
    n_samples: int = 1,
    random_state: Any = 0,
    kind: KindOfY = "outcome",
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
    kind : {"outcome", "mean", "median", "link"}, default="outcome"
        As in `predict_interval`.

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
    route, own = _route(estimator, X, kind)
    draws = _method(route, "sample_y")(route.features(X), n_samples, random_state, **own)
    return route.outcomes(draws) if route.targets else draws


def predict_mean(estimator: Any, X: Any) -> Floats:
    """Expected value of each row, also of what was fitted as a logarithm.

    ``predict`` of a `TransformedTargetRegressor` transforms back what the model expects, which is
    the median of y for a logarithm, and too small a number for a sum or a mean over rows.

    Parameters
    ----------
    estimator, X
        As in `predict_interval`.

    Returns
    -------
    mean : ndarray of shape (n_samples,)
        E[y] over the posterior, and over what the effects of new levels may be; of a classifier the
        probability of the second class. With f(y) = eta + e, e ~ N(0, sigma), and f a logarithm it
        is the mean over draws of exp(eta + sigma^2 / 2).

    Raises
    ------
    NotFittedError, TypeError
        As `predict_interval`.
    ValueError
        Where y is transformed otherwise than by a logarithm (np.log, np.log1p, np.log10, scaled or
        not); where residuals are not normal, as exp of a Student-t residual has no finite mean.

    Warns
    -----
    UserWarning
        As `HLMRegressor.predict`; where the mean of exp(sigma^2 / 2) rests on few draws of sigma.

    See Also
    --------
    average_prediction : Means over rows, with intervals.

    Notes
    -----
    That mean is over the posterior draws. Under priors of sigma with tails that fall by a power its
    exact value is infinite, as exp(sigma^2 / 2) grows faster [1]_; that over draws is of a sigma no
    larger than the largest of them, and a warning tells where these decide.

    References
    ----------
    .. [1] Fabrizi and Trivisano (2012). Bayesian estimation of log-normal means with finite
       quadratic expected loss. Bayesian Analysis 7(4), 975-996. doi:10.1214/12-BA733

    Examples
    --------
    >>> import numpy as np
    >>> import skhlm
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = skhlm.HLMRegressor("subject", family="normal", random_state=0)
    >>> of_log = TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp).fit(X, y)
    >>> bool((skhlm.predict_mean(of_log, X) > of_log.predict(X)).all())
    True
    """
    check_no_name(X)
    route = find_model(estimator)
    if route.targets:
        route = on_scale_of_y(route)
    features = route.features(X)
    if hasattr(route.model, "predict_proba"):
        probability: Floats = route.model.predict_proba(features)[:, 1]
        return probability
    mean: Floats = _method(route, "predict")(features)
    return mean


def _route(estimator: Any, X: Any, kind: KindOfY | None) -> tuple[Route, dict[str, Kind]]:
    """The way to what a kind is of, and the argument that asks its model for it."""
    check_no_name(X)
    route = find_model(estimator)
    if kind is None:
        return route, {}
    route, own, _ = find_scale(route, kind)
    return route, {"kind": own}


def _method(route: Route, name: str) -> Callable[..., Any]:
    """A method of the model."""
    method: Callable[..., Any] | None = getattr(route.model, name, None)
    if method is None:
        raise TypeError(
            f"estimator: {type(route.model).__name__} has no {name}. An HLMRegressor or "
            "HLMClassifier has, also inside a pipeline, a search or a transformed target."
        )
    return method
