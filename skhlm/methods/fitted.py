"""What a fitted model consists of, for the files that give `HLMRegressor` its methods."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeVar

from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Floats, Ints
from skhlm.diagnostics import Diagnostics
from skhlm.draws import SamplerStatistics
from skhlm.inputs.columns import GroupColumn
from skhlm.inputs.design import Rows
from skhlm.posterior import Posterior
from skhlm.preparation import ModelSpec
from skhlm.wrappers import Route, find_model

_Self = TypeVar("_Self", bound="Fitted")

_OF_THIS_PROCESS = ("_training", "_statistics", "_request")


class Fitted:
    """A fitted model.

    Attributes
    ----------
    diagnostics_ : Diagnostics
        How well inference went.
    _spec : ModelSpec
        What was learned from the training data besides the posterior.
    _posterior : Posterior
        Draws in the user's units.
    _training : Rows or None
        The rows that were fitted, for as long as the model stays in this process: neither pickles
        nor model files have them.
    _statistics : SamplerStatistics or None
        What the sampler said of its draws, as long as that.
    _request : str or None
        A hash of what was fitted and how, as long as that: a warm fit of the same is none.
    """

    diagnostics_: Diagnostics
    _spec: ModelSpec
    _posterior: Posterior
    _training: Rows | None
    _statistics: SamplerStatistics | None
    _request: str | None

    def __getstate__(self) -> dict[str, Any]:
        """State without the training rows and the sampler's statistics."""
        state: Any = super().__getstate__()
        return {name: None if name in _OF_THIS_PROCESS else state[name] for name in state}

    def __copy__(self: _Self) -> _Self:
        """A copy in this process, which has all that this one has."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    def __deepcopy__(self: _Self, memo: dict[int, Any]) -> _Self:
        """The same, sharing nothing."""
        copy = memo[id(self)] = object.__new__(type(self))
        copy.__dict__.update(deepcopy(self.__dict__, memo))
        return copy

    def _rows(self, X: Any) -> tuple[Floats, Ints, Mapping[int, GroupColumn]]:
        """Predictors (n, p), levels (n, G) and group columns of rows to predict."""
        check_is_fitted(self)
        return self._spec.read(self, X)


def find_hierarchical(estimator: Any) -> Route:
    """The way to the fitted `HLMRegressor` inside an estimator; raises where there is none."""
    route = find_model(estimator)
    if not isinstance(route.model, Fitted):
        raise TypeError(
            f"estimator must be an HLMRegressor, got {type(route.model).__name__}, which has no "
            "posterior to look at. A pipeline, search or TransformedTargetRegressor around an "
            "HLMRegressor will do."
        )
    return route
