"""Arguments of the methods of `HLMRegressor`, checked as scikit-learn checks those of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, TypeVar

from sklearn.utils._param_validation import Interval, StrOptions, validate_params

COVERAGE = [Interval(Real, 0, 1, closed="neither")]
KIND = [StrOptions({"outcome", "mean"})]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def checked(constraints: Mapping[str, Any]) -> Callable[[_Method], _Method]:
    """Decorate a method; what is said of an argument names `HLMRegressor`, not its mixin."""

    def decorate(method: _Method) -> _Method:
        method.__qualname__ = f"HLMRegressor.{method.__name__}"
        decorated: _Method = validate_params(dict(constraints), prefer_skip_nested_validation=True)(
            method
        )
        return decorated

    return decorate
