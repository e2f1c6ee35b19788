"""Expected values of y where the model inside an estimator has a logarithm of it."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import replace
from typing import Literal

import numpy as np

from skhlm.exceptions import stacklevel_of_user
from skhlm.families.location import SIGMA
from skhlm.methods.arguments import check_has_eta
from skhlm.methods.fitted import Fitted
from skhlm.numerics.importance import k_threshold, smooth
from skhlm.posterior import Kind, Posterior, log_outcomes
from skhlm.wrappers import Route

KindOfY = Kind | Literal["median"]
_MEDIANS = "predict_quantiles(model, X, 0.5) and kind='median' have medians, which always are."


def on_scale_of_y(route: Route) -> Route:
    """The way to a model whose expected values are those of y, behind the same steps.

    Raises
    ------
    ValueError
        Where y is transformed otherwise than by a logarithm, so that a mean transformed back is
        not that of y; and where residuals are not normal, as exp of a Student-t residual has no
        finite mean.

    Warns
    -----
    UserWarning
        Where the mean over draws is decided by the few largest sigma.
    """
    if not route.targets:
        return route
    back, model = _exponential(route), route.model
    if not isinstance(model, Fitted) or back is None:
        raise ValueError(
            "y is transformed inside the estimator, and not by a logarithm, so that a mean "
            f"transformed back is not the mean of y. {_MEDIANS}"
        )
    posterior = model._posterior
    if not posterior.family.is_gaussian:
        raise ValueError(
            f"The model has the logarithm of y with {posterior.family.noun}, and exp of these has "
            "no finite mean, so that there is no expected value of y. Fit with family='normal'; or "
            f"{_MEDIANS}"
        )
    of_outcome = log_outcomes.of_outcome(posterior, back)
    _warn_of_few_draws(of_outcome)
    view = copy(model)
    view._fit = replace(model._fit, posterior=of_outcome)
    return Route(view, route.steps)


def find_scale(route: Route, kind: KindOfY | None) -> tuple[Route, Kind, str]:
    """The way to what a kind is of, that model's own kind, and what the middle is called."""
    check_has_eta(kind, has_targets=bool(route.targets))
    if not route.targets:
        if kind == "median":
            raise ValueError(
                "kind='median' is for a y that is transformed inside the estimator. Of others "
                "predict_quantiles(X, 0.5) has medians."
            )
        return route, kind or "mean", "mean"
    if kind == "mean":
        return on_scale_of_y(route), kind, "mean"
    return route, "outcome" if kind == "outcome" else "mean", "median"


def _exponential(route: Route) -> log_outcomes.Exponential | None:
    """How y follows from what the model has, if exponentially: looked at about where it is."""
    if not isinstance(route.model, Fitted):
        return None
    posterior = route.model._posterior
    sizes = posterior.auxiliary.get(SIGMA.name, np.ones(1))
    for unit in (1.0, float(sizes.mean()), route.model._spec.units.y_scale):
        z = log_outcomes.steps_about(posterior, unit)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                y = route.outcomes(z)
            except ValueError:  # of an inverse that has none there
                continue
        found = log_outcomes.Exponential.through(z, y)
        if found is not None:
            return found
    return None


def _warn_of_few_draws(posterior: Posterior) -> None:
    """Warn where the mean of exp(sigma^2 / 2) is decided by the largest draws of sigma."""
    if posterior.mode is not None:
        return
    k = float(smooth(0.5 * posterior.auxiliary[SIGMA.name][None] ** 2).pareto_k[0])
    if k_threshold(posterior.n_draws) < k < np.inf:
        warnings.warn(
            f"Expected values of y rest on a few draws of sigma (Pareto k {k:.2f}): the mean of "
            f"exp(sigma^2 / 2) hardly exists. {_MEDIANS}",
            UserWarning,
            stacklevel=stacklevel_of_user(),
        )
