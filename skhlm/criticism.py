"""The methods of `HLMRegressor` that check it: against its data, its priors, rows left out."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import check_is_fitted

from skhlm.design import Rows, canonical_rows
from skhlm.explained_variance import BayesR2, bayes_r2
from skhlm.fitted import Fitted
from skhlm.frames import check_observed, check_weight
from skhlm.leave_one_out import LeaveOneOut, leave_one_out

_UNIT_INTERVAL = Interval(Real, 0, 1, closed="neither")


class CriticismMixin(Fitted):
    """Does the model describe the data?"""

    def diagnose(self) -> pd.DataFrame:
        """Every check of the fit: the algorithm's draws, what the data identify, scales of inputs.

        Returns
        -------
        checks : DataFrame
            One row for each check, passed ones too: ``check``, ``verdict`` ("pass", "warn" or
            "fail"), ``value`` (NaN where there is none), ``threshold``, ``source`` (where the
            threshold is from) and ``advice`` (what was found and what to do; empty if passed).

        See Also
        --------
        skhlm.diagnostics.Diagnostics : The same as ``model.diagnostics_``, with the verdict.
        """
        check_is_fitted(self)
        return self.diagnostics_.to_frame()

    def loo(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> LeaveOneOut:
        """Leave-one-out cross-validation without fitting again.

        How well each row is predicted from all others, log p(y_i | y_-i), by Pareto smoothed
        importance sampling from the posterior of all rows [1]_.

        Parameters
        ----------
        X, y, sample_weight : as at fit, default=None
            The rows that were fitted. None is those that the model remembers, which it does not
            after it was pickled or saved.

        Returns
        -------
        result : LeaveOneOut
            ``elpd``, its standard error ``se``, ``p_loo``; by row in ``pointwise``.

        Raises
        ------
        ValueError
            If the rows are not remembered and not given, or if others were given than those of
            fit.

        Warns
        -----
        UserWarning
            If Pareto k is above min(1 - 1/log10(S), 0.7) for a row: its posterior without that row
            is too far from the one with it for S draws.

        Notes
        -----
        A row of weight w counts w times, and one of these is left out. Leaving out one row asks how
        well the model predicts another row of the same groups; for new groups use
        `cross_validate` with GroupKFold. Takes about 0.4 ms a row for 4800 draws; memory does not
        grow with the rows.

        References
        ----------
        .. [1] Vehtari, Gelman and Gabry (2017). Practical Bayesian model evaluation using
           leave-one-out cross-validation and WAIC. Statistics and Computing 27.
           doi:10.1007/s11222-016-9696-4
        """
        rows = self._fitted_rows(X, y, sample_weight)
        return leave_one_out(self._posterior, rows, self._table(rows))

    @validate_params({"coverage": [_UNIT_INTERVAL]}, prefer_skip_nested_validation=True)
    def bayes_r2(
        self, X: Any = None, y: Any = None, sample_weight: Any = None, *, coverage: float = 0.9
    ) -> BayesR2:
        """Posterior of the share of variance that the model explains in the rows of fit [1]_.

            R2^s = Var_i(eta_i^s) / (Var_i(eta_i^s) + Var_i(y_i - eta_i^s))    for each draw s

        Parameters
        ----------
        X, y, sample_weight : as at fit, default=None
            The rows that were fitted. None is those that the model remembers.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the interval.

        Returns
        -------
        result : BayesR2
            ``mean``, ``sd``, ``lower``, ``upper`` and the ``draws``.

        Notes
        -----
        The residual variance is that of the rows' residuals, not the model's: sigma^2 nu / (nu - 2)
        is infinite for nu <= 2, and so families can be compared. `score` is the usual R^2 of
        predictions and may be negative.

        References
        ----------
        .. [1] Gelman, Goodrich, Gabry and Vehtari (2019). R-squared for Bayesian regression models.
           The American Statistician 73(3). doi:10.1080/00031305.2018.1549100
        """
        rows = self._fitted_rows(X, y, sample_weight)
        return bayes_r2(self._posterior, rows, coverage)

    def _fitted_rows(self, X: Any, y: Any, sample_weight: Any) -> Rows:
        """The rows of fit, remembered or given again."""
        check_is_fitted(self)
        if X is not None and y is not None:
            return self._read_fitted_rows(X, y, sample_weight)
        if not (X is None and y is None and sample_weight is None):
            raise ValueError(
                "Give both X and y (and sample_weight, if fit had it), or none of them."
            )
        if self._training is None:
            raise ValueError(
                "The model does not remember the rows it was fitted to, as pickles and model files "
                "do not have them: pass X and y of fit (and sample_weight, if fit had it)."
            )
        return self._training

    def _read_fitted_rows(self, X: Any, y: Any, sample_weight: Any) -> Rows:
        """Rows in canonical order; raises where levels or their weights are not those of fit."""
        predictors, codes, columns = self._rows(X)
        self._spec.groups.check_seen(columns, codes)
        weight = check_weight(sample_weight, predictors)
        used = weight > 0
        y = check_observed(y, len(predictors))
        rows = canonical_rows(predictors[used], y[used], weight[used], codes[used])
        levels = zip(
            self._spec.labels.factors,
            rows.level_weights(self._posterior.n_levels),
            self._spec.level_weights,
            strict=True,
        )
        for factor, given, fitted in levels:
            if not np.allclose(given, fitted, rtol=1e-9, atol=0):
                raise ValueError(
                    f"X has not the rows of fit: the levels of grouping factor {factor!r} have "
                    f"{fitted.sum():g} rows (or weights) at fit and {given.sum():g} here, or are "
                    "otherwise distributed. For other rows there are the scorers."
                )
        return rows

    def _table(self, rows: Rows) -> pd.DataFrame:
        """Predictors and group columns of canonical rows."""
        labels = self._spec.labels
        names = labels.coefficients[self._spec.units.fit_intercept :]
        groups = pd.DataFrame(labels.values(rows.codes), index=range(len(rows.codes)))
        predictors = pd.DataFrame(rows.X, columns=list(names))
        return predictors.join(groups.iloc[rows.cell].reset_index(drop=True))
