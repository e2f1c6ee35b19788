"""The method of `HLMRegressor` that makes it small."""

from __future__ import annotations

from copy import copy
from numbers import Integral
from typing import TypeVar

from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skhlm.methods.arguments import checked
from skhlm.methods.fitted import Fitted

_Self = TypeVar("_Self", bound="DeploymentMixin")


class DeploymentMixin(Fitted):
    """Models for machines with little memory."""

    @checked({"max_draws": [Interval(Integral, 1, None, closed="left")]})
    def compact(self: _Self, max_draws: int = 400) -> _Self:
        """A copy of the model with fewer draws, for small deployments.

        Parameters
        ----------
        max_draws : int, default=400
            At most so many draws are kept: evenly spaced ones, as many of each chain, and at least
            one of each. A model that has no more keeps all of them.

        Returns
        -------
        model : HLMRegressor
            This one stays as it is.

        Notes
        -----
        Stay as they are: `predict`, ``coef_``, ``tau_`` and all other attributes, the means of
        `coefficients`, and ``diagnostics_``, which tell of all draws of the run.

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
        model._training = model._statistics = model._request = None
        model._posterior = self._posterior.thinned(max_draws)
        return model
