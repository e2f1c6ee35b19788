"""Arguments of methods, checked as scikit-learn checks those of functions; what they may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from numbers import Integral, Real
from typing import Any, TypeVar, cast

import numpy as np
from sklearn import get_config
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints

from skhlm._typing import Floats

UNIT_INTERVAL = Interval(Real, 0, 1, closed="neither")
COVERAGE = [UNIT_INTERVAL]
COVERAGES = ["array-like", UNIT_INTERVAL]
KIND = [StrOptions({"outcome", "mean", "link"})]
KIND_OF_Y = [StrOptions({"outcome", "mean", "median", "link"}), None]
SCALE = [StrOptions({"mean", "link"})]
POINT = [StrOptions({"mean", "typical", "link"})]
EXPECTED = [StrOptions({"mean", "typical"})]
FACTOR = [Interval(Real, None, None, closed="neither"), None]
POSITIVE = [Interval(Integral, 1, None, closed="left")]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def check_quantiles(quantiles: Any) -> Floats:
    """Probabilities, (q,): strictly between 0 and 1."""
    probabilities = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    if probabilities.ndim != 1 or not ((probabilities > 0) & (probabilities < 1)).all():
        raise ValueError(f"quantiles must lie between 0 and 1, got {quantiles!r}.")
    return probabilities


def check_coverage(coverage: Any, name: str = "coverage") -> None:
    """Raise unless it is one number between 0 and 1."""
    if not isinstance(coverage, Real) or not 0 < float(coverage) < 1:
        raise ValueError(f"{name} must be one number between 0 and 1, got {coverage!r}.")


def check_has_interval(kind: str, *, has_classes: bool) -> None:
    """Raise for the interval of a new observation where that is a label."""
    if has_classes and kind == "outcome":
        raise ValueError(
            "kind='outcome': a label has no interval. kind='mean' has that of the probability of "
            "the second class."
        )


def check_has_eta(kind: str | None, *, has_targets: bool) -> None:
    """Raise for eta where the y of the model is transformed."""
    if kind == "link" and has_targets:
        raise ValueError(
            "kind='link': the model's y is transformed, and what is transformed back is not eta. "
            "Ask for that of its regressor_."
        )


def checked(
    constraints: Mapping[str, list[Any]], otherwise: str = ""
) -> Callable[[_Method], _Method]:
    """Decorate a method; what is said of an argument names the class on which it is called.

    Of arguments that the method does not have ``otherwise`` says what does.
    """

    def decorate(method: _Method) -> _Method:
        parameters = signature(method)

        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not get_config()["skip_parameter_validation"]:
                name = f"{type(self).__name__}.{method.__name__}"
                try:
                    given = parameters.bind(self, *args, **kwargs)
                except TypeError as error:
                    raise TypeError(f"{name}() {error}.{otherwise}") from error
                given.apply_defaults()
                validate_parameter_constraints(constraints, given.arguments, name)
            return method(self, *args, **kwargs)

        return cast(_Method, call)

    return decorate
