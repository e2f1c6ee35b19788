"""The methods of `HLMRegressor` that predict rows: expected values, intervals, joint draws."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skhlm._typing import Floats
from skhlm.fitted import Fitted
from skhlm.posterior import Kind
from skhlm.random_state import seed_of

_KIND = StrOptions({"outcome", "mean"})
_UNIT_INTERVAL = Interval(Real, 0, 1, closed="neither")


class PredictionMixin(Fitted):
    """Predictions for rows of X."""

    def predict(self, X: Any, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Posterior mean of the expected value of y.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit. A level that fit has not seen, or a missing one, has an effect of mean 0.
        return_std : bool, default=False
            Whether to return the standard deviation of a new observation's distribution as well.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            A row's value does not depend on the other rows.
        std : ndarray of shape (n_samples,)
            Only with ``return_std``. Infinite where a Student-t residual has no finite variance
            for half of the posterior (nu <= 2).
        """
        predictors, codes, _ = self._rows(X)
        mean = self._posterior.expected_value(predictors, codes)
        if not return_std:
            return mean
        return mean, self._posterior.predictive_std(predictors, codes)

    @validate_params(
        {"coverage": [_UNIT_INTERVAL], "kind": [_KIND]}, prefer_skip_nested_validation=True
    )
    def predict_interval(self, X: Any, coverage: float = 0.9, kind: Kind = "outcome") -> Floats:
        """Central credible interval of a new observation, or of the expected value.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit; rows with levels that fit has not seen have wider intervals.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the interval.
        kind : {"outcome", "mean"}, default="outcome"
            Interval of a new observation, or of its expected value.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2)
            Lower and upper ends, in the units of y.
        """
        predictors, codes, _ = self._rows(X)
        return self._posterior.interval(predictors, codes, coverage, kind)

    @validate_params(
        {"quantiles": ["array-like", _UNIT_INTERVAL], "kind": [_KIND]},
        prefer_skip_nested_validation=True,
    )
    def predict_quantiles(
        self, X: Any, quantiles: float | Sequence[float], kind: Kind = "outcome"
    ) -> Floats:
        """Quantiles of a new observation's distribution, or of the expected value's posterior.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        quantiles : float or array-like of shape (n_quantiles,)
            Probabilities, between 0 and 1.
        kind : {"outcome", "mean"}, default="outcome"
            Quantiles of a new observation, or of its expected value.

        Returns
        -------
        values : ndarray of shape (n_samples, n_quantiles)
            In the units of y.
        """
        probabilities = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
        if probabilities.ndim != 1 or not ((probabilities > 0) & (probabilities < 1)).all():
            raise ValueError(f"quantiles must lie between 0 and 1, got {quantiles!r}.")
        predictors, codes, _ = self._rows(X)
        return self._posterior.quantiles(predictors, codes, probabilities.tolist(), kind)

    @validate_params(
        {
            "n_samples": [Interval(Integral, 1, None, closed="left")],
            "random_state": ["random_state"],
            "kind": [_KIND],
        },
        prefer_skip_nested_validation=True,
    )
    def sample_y(
        self, X: Any, n_samples: int = 1, random_state: Any = 0, kind: Kind = "outcome"
    ) -> Floats:
        """Joint draws of new observations, or of their expected values, at all rows together.

        Rows of the same level that fit has not seen share its effect in each draw.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        n_samples : int, default=1
            Number of draws.
        random_state : int, RandomState instance or None, default=0
            Seed of the draws.
        kind : {"outcome", "mean"}, default="outcome"
            Draws of new observations, or of their expected values.

        Returns
        -------
        draws : ndarray of shape (n_samples_X, n_samples)
            In the units of y.
        """
        predictors, codes, columns = self._rows(X)
        new_levels = self._spec.groups.new_levels(columns, codes)
        rng = np.random.default_rng(seed_of(random_state))
        return self._posterior.joint_draws(predictors, codes, new_levels, n_samples, rng, kind)
