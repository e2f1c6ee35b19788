"""What a fit leaves, and what every fitted model can do: be copied, be pickled, be made small."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Floats, Ints
from skhlm.diagnostics import Diagnostics
from skhlm.draws import SamplerStatistics
from skhlm.families import AUXILIARY, Family
from skhlm.inputs.columns import GroupColumn
from skhlm.inputs.design import Rows
from skhlm.inputs.outcomes import check_possible
from skhlm.methods.arguments import POSITIVE, checked
from skhlm.posterior import Posterior
from skhlm.preparation import ModelSpec
from skhlm.reports.pooling import LevelData
from skhlm.wrappers import Route, find_model

_Self = TypeVar("_Self", bound="Fitted")

# what the next fit may not have
_NOT_ALWAYS = {"feature_names_in_", *(f"{name}_" for name in AUXILIARY)}


@dataclass(frozen=True, eq=False)
class Fit:
    """What a fit leaves for predictions and reports.

    ===============  ==========================================================================
    ``spec``         what was learned from the training data besides the posterior
    ``posterior``    draws in the user's units
    ``diagnostics``  how well inference went
    ``level_data``   what each level's rows say alone
    ``fingerprint``  of the rows; empty in older files
    ``seed``         of the draws; None in older files
    ``statistics``   what the sampler said of its draws; None in older files
    ``rows``         the rows that were fitted, in canonical order
    ``request``      a hash of what was fitted and how: a warm fit of the same is none
    ``seconds``      how long it took
    ===============  ==========================================================================

    The last three stay in the process that fitted: elsewhere they are None.
    """

    spec: ModelSpec
    posterior: Posterior
    diagnostics: Diagnostics
    level_data: LevelData
    fingerprint: str
    seed: int | None = None
    statistics: SamplerStatistics | None = None
    rows: Rows | None = None
    request: str | None = None
    seconds: float | None = None

    def elsewhere(self) -> Fit:
        """What pickles, model files and compact models have of it."""
        return replace(self, rows=None, request=None, seconds=None)


class Fitted:
    """A fitted model: ``_fit`` is all that was found, the public attributes are views of it."""

    _fit: Fit

    @property
    def _spec(self) -> ModelSpec:
        """What was learned from the training data besides the posterior."""
        return self._fit.spec

    @property
    def _posterior(self) -> Posterior:
        """Draws in the user's units."""
        return self._fit.posterior

    @property
    def _family(self) -> Family:
        """The distribution of the outcome."""
        return self._posterior.family

    @property
    def _unit(self) -> str:
        """What weights, and numbers of rows, count: "trial" where y is a share, else "row"."""
        of_shares = self._family.is_binary and self._spec.classes is None
        return "trial" if of_shares else "row"

    def _become(self, fit: Fit, attributes: Mapping[str, Any]) -> None:
        """Be what a fit has found, by one assignment: one that fails leaves the last as it was."""
        names = fit.spec.columns.names
        named = {} if names is None else {"feature_names_in_": np.array(names, dtype=object)}
        kept = {name: value for name, value in vars(self).items() if name not in _NOT_ALWAYS}
        self.__dict__ = {
            **kept,
            **named,
            "n_features_in_": fit.spec.columns.n,
            "groups_": fit.spec.labels.factors,
            "diagnostics_": fit.diagnostics,
            **attributes,
            "_fit": fit,
        }

    def __getstate__(self) -> dict[str, Any]:
        """State without what belongs to this process."""
        state: Any = super().__getstate__()
        return {**state, "_fit": self._fit.elsewhere()} if "_fit" in state else state

    def __copy__(self: _Self) -> _Self:
        """A copy in this process, which has all that this one has."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __deepcopy__(self: _Self, memo: dict[int, Any]) -> _Self:
        """The same, sharing nothing."""
        other = memo[id(self)] = object.__new__(type(self))
        other.__dict__.update(deepcopy(self.__dict__, memo))
        return other

    @checked({"max_draws": POSITIVE})
    def compact(self: _Self, max_draws: int = 400) -> _Self:
        """A copy of the model with fewer draws, for small deployments.

        Parameters
        ----------
        max_draws : int, default=400
            At most so many draws are kept: evenly spaced ones, as many of each chain, and at least
            one of each. A model that has no more keeps all of them.

        Returns
        -------
        model : HLMRegressor or HLMClassifier
            This one stays as it is.

        Notes
        -----
        Stay as they are: ``coef_``, ``tau_`` and all other attributes, the means of `coefficients`,
        ``diagnostics_``, which tell of all draws of the run, and `predict` of a regressor with the
        families "normal" and "student_t".

        Behind a link (classes, counts, shares, amounts) expected values are means over draws: from
        those that are kept they differ by some hundredths of their posterior standard deviations,
        and labels that were hardly decided may change. Validate the model that you deploy.

        Come from the draws that are kept: standard deviations, intervals, quantiles and densities,
        `sample_y`, `group_effects` and `summary`, whose ``ess_bulk``, ``ess_tail`` and ``rhat`` are
        those of the kept draws (there can hardly be more effective draws than draws). The end of a
        90% interval is then off by about 2.1 / sqrt(max_draws) posterior standard deviations of
        what it is about: a tenth for 400 draws. Residuals of new observations and effects of new
        levels are no draws in it, so that their intervals move far less, and reach as far into the
        tails as before. Intervals of expected values are draws: `predict_interval` says how far
        these go.

        The training rows are not copied, as with pickles and model files.

        Examples
        --------
        >>> small = model.compact(200)  # doctest: +SKIP
        """
        check_is_fitted(self)
        model = copy(self)
        thinned = self._posterior.thinned(max_draws)
        model._fit = replace(self._fit.elsewhere(), posterior=thinned, statistics=None)
        return model

    def _rows(self, X: Any) -> tuple[Floats, Ints, Mapping[int, GroupColumn]]:
        """Predictors (n, p), levels (n, G) and group columns of rows to predict."""
        check_is_fitted(self)
        return self._spec.read(self, X)

    def _observed(self, y: Any, n_rows: int) -> Floats:
        """Observed outcomes (n,) of rows to be scored: such as there can be; classes as 0 and 1."""
        observed = self._spec.read_outcome(y, n_rows)
        check_possible(self._family, observed, y)
        return observed


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
