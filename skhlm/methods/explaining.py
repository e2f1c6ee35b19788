"""Methods of a fitted model that say how much of the outcome's variance is whose."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Floats
from skhlm.inputs.frames import check_weight
from skhlm.methods.arguments import COVERAGE, checked
from skhlm.methods.fitted import Fitted
from skhlm.methods.fitted_rows import fitted_rows
from skhlm.methods.paths import read_given
from skhlm.posterior.explained_variance import BayesR2, bayes_r2
from skhlm.posterior.variance_shares import variance_over_rows
from skhlm.reports import variance_shares as shares
from skhlm.reports.frames import repeated_frame


class Explaining(Fitted):
    """Whose is the variance?"""

    @checked({"coverage": COVERAGE, "conditional": ["boolean"]})
    def bayes_r2(
        self,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        coverage: float = 0.9,
        conditional: bool = True,
    ) -> BayesR2:
        """Posterior of the share of variance that the model explains in the rows of fit.

            R2^s = Var_i(mu_i^s) / (Var_i(mu_i^s) + what is left)    for each draw s

        with mu_i^s = E[y_i | s]. What is left is Var_i(y_i - mu_i^s) for families with residuals,
        else mean_i Var(y_i | s), of one trial for yes or no.

        Parameters
        ----------
        X, y, sample_weight : as at fit, default=None
            The rows that were fitted. None is those that the model remembers.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the interval.
        conditional : bool, default=True
            Whether rows have the effects of their levels. Without them it is the marginal R²: what
            predictors alone explain, mu_i and Var(y_i) being those of a level that fit has not
            seen, effects integrated out (brms has ``re_formula=NA`` for effects of zero).

        Returns
        -------
        result : BayesR2
            ``mean``, ``sd``, ``lower``, ``upper`` and the ``draws``.

        See Also
        --------
        HLMRegressor.r2_nakagawa : On the scale of the link, of levels as there may be.

        Notes
        -----
        As in [1]_, the variance of residuals is that of the rows', not the model's: sigma^2 nu /
        (nu - 2) is infinite for nu <= 2, and so these families can be compared. `score` is
        the usual R^2 of predictions and may be negative.

        References
        ----------
        .. [1] Gelman, Goodrich, Gabry and Vehtari (2019). R-squared for Bayesian regression models.
           The American Statistician 73(3). doi:10.1080/00031305.2018.1549100
        """
        rows = fitted_rows(self, X, y, sample_weight)
        return bayes_r2(self._posterior, rows, coverage, marginal=not conditional)

    @checked({"coverage": COVERAGE})
    def r2_nakagawa(
        self, X: Any = None, sample_weight: Any = None, *, coverage: float = 0.9
    ) -> pd.DataFrame:
        """Posterior of marginal and conditional R², from the model's variances.

            marginal    = V_kappa / (V_kappa + sum_g V_g + V_own)
            conditional = (V_kappa + sum_g V_g) / (V_kappa + sum_g V_g + V_own)

        in each draw, with V_kappa = Var_i(x_i' kappa) and V_g = mean_i(x_i' Sigma_g x_i) over rows
        [1]_ [2]_. V_own is the outcome's own variance on the scale of eta [3]_: that of the
        residuals; pi²/3 for log odds; log(1 + Var(y) / E[y]²) for logarithms, at the mean expected
        outcome of the rows, which is log(1 + 1/mu) of Poisson counts.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features), default=None
            Rows as at fit, of which only the predictors matter. None is those of fit, where the
            model remembers them.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each of these rows counts.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the central intervals.

        Returns
        -------
        r2 : DataFrame
            Two rows: ``r2`` ("marginal", "conditional"), ``mean``, ``sd``, ``lower``, ``upper``.

        Raises
        ------
        ValueError
            If X is None and the model does not remember the rows of fit.

        See Also
        --------
        HLMRegressor.bayes_r2 : From the fit to the rows, on the scale of the outcome.
        HLMRegressor.icc : The shares of each factor.

        Notes
        -----
        The name is that of R's performance package. V_g is of levels as there may be, whereas
        `bayes_r2` is about the levels that fit has seen. Where a Student-t residual has no finite
        variance (nu <= 2) R² is 0. The logarithm of an exposure is not part of V_kappa. For counts
        the variance of a log-normal distribution of the same mean and variance is a stand-in, a
        rough one where the expected count is below about 1.

        References
        ----------
        .. [1] Nakagawa and Schielzeth (2013). A general and simple method for obtaining R² from
           generalized linear mixed-effects models. Methods in Ecology and Evolution 4(2).
           doi:10.1111/j.2041-210x.2012.00261.x
        .. [2] Johnson (2014). Extension of Nakagawa & Schielzeth's R²GLMM to random slopes models.
           Methods in Ecology and Evolution 5(9). doi:10.1111/2041-210X.12225
        .. [3] Nakagawa, Johnson and Schielzeth (2017). The coefficient of determination R² and
           intra-class correlation coefficient from generalized linear mixed-effects models
           revisited and expanded. Journal of the Royal Society Interface 14(134).
           doi:10.1098/rsif.2017.0213

        Examples
        --------
        >>> from skhlm import HLMRegressor
        >>> from skhlm.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = HLMRegressor("subject", family="normal", random_state=0).fit(X, y)
        >>> model.r2_nakagawa()[["r2", "mean"]].round(1)
                    r2  mean
        0     marginal   0.3
        1  conditional   0.8
        """
        predictors, weight = self._rows_to_explain(X, sample_weight)
        parts = variance_over_rows(self._posterior, predictors, weight)
        return shares.r2_frame(parts, coverage)

    @checked({"coverage": COVERAGE, "adjusted": ["boolean"], "by_row": ["boolean"]})
    def icc(
        self,
        X: Any = None,
        sample_weight: Any = None,
        *,
        coverage: float = 0.9,
        adjusted: bool = True,
        by_row: bool = False,
    ) -> pd.DataFrame:
        """Intraclass correlations: the share of the variance that each grouping factor has.

            ICC_g = V_g / (sum_h V_h + V_own)

        in each draw, with the variances of `r2_nakagawa`: averaged over rows, or at the predictors
        of each. It is the correlation, given predictors, of two outcomes that share the level of g
        and no other; of two that share more levels, as rows of one country share its region, that
        is the sum of their shares. Behind a link all is on its scale, log odds or logarithms.

        Parameters
        ----------
        X, sample_weight
            As in `r2_nakagawa`.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the central intervals.
        adjusted : bool, default=True
            Whether shares are of the variance that the predictors leave. If not, x' kappa has its
            share, too: the marginal R².
        by_row : bool, default=False
            Whether to have the shares at the predictors of each row of X, which differ where slopes
            vary or outcomes are counts, instead of one average. Adjusted ones alone.

        Returns
        -------
        icc : DataFrame
            One row for each part: ``part`` ("kappa" unless adjusted, "factor", "all factors",
            "residual"), ``factor``, ``mean``, ``sd``, ``lower``, ``upper``. "all factors" is the
            sum of the factors, the ICC of a model with one. With ``by_row`` all that for each row
            of X, after ``row`` and its group columns.

        Raises
        ------
        ValueError
            If ``by_row`` lacks X or is not adjusted; as `r2_nakagawa`.

        See Also
        --------
        HLMRegressor.interval_budget : Where the variance of a prediction comes from.

        Examples
        --------
        >>> from skhlm import HLMRegressor
        >>> from skhlm.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = HLMRegressor("subject", family="normal", random_state=0).fit(X, y)
        >>> model.icc()[["part", "factor", "mean"]].round(1)
                  part   factor  mean
        0       factor  subject   0.7
        1  all factors            0.7
        2     residual            0.3
        """
        check_is_fitted(self)
        names = shares.names_of_shares(self._spec.labels.factors, adjusted=adjusted)
        if not by_row:
            predictors, weight = self._rows_to_explain(X, sample_weight)
            parts = variance_over_rows(self._posterior, predictors, weight)
            found = shares.describe_shares(parts, coverage, adjusted=adjusted)
            return pd.DataFrame(names | shares.numbers_of(found))
        _check_by_row(X, sample_weight, adjusted=adjusted)
        given = read_given(self, X)
        found = shares.describe_shares_by_row(self._posterior, given.predictors, coverage)
        n, times = found.shape[:2]
        columns = {key: values * n for key, values in names.items()}
        return repeated_frame(given.values, n, times, columns | shares.numbers_of(found))

    def _rows_to_explain(self, X: Any, sample_weight: Any) -> tuple[Floats, Floats]:
        """Predictors (n, p) and weights (n,) of the rows given, or of those of fit."""
        if X is None:
            rows = fitted_rows(self, None, None, sample_weight)
            return rows.X, rows.weight
        predictors, _, _ = self._rows(X)
        return predictors, check_weight(sample_weight, predictors)


def _check_by_row(X: Any, sample_weight: Any, *, adjusted: bool) -> None:
    """Raise for what single rows have not."""
    if X is None:
        raise ValueError("by_row=True: give X, the rows at whose predictors shares are asked for.")
    if sample_weight is not None:
        raise ValueError("by_row=True: shares of single rows have no sample_weight: leave it out.")
    if not adjusted:
        raise ValueError(
            "by_row=True: the predictors of a single row do not vary, so that x' kappa has no "
            "variance: leave adjusted=True."
        )
