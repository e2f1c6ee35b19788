"""Methods of a fitted model that predict rows: expected values, intervals, joint draws."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from skhlm._typing import Floats
from skhlm.condensing.dask_frames import lazily
from skhlm.inputs.frames import check_weight
from skhlm.methods.arguments import (
    COVERAGES,
    KIND,
    POINT,
    POSITIVE,
    UNIT_INTERVAL,
    check_quantiles,
    checked,
)
from skhlm.methods.coverages import intervals_of
from skhlm.methods.fitted import Fitted
from skhlm.posterior import Kind, prediction, scoring
from skhlm.posterior.joint_density import joint_log_density
from skhlm.random_state import seed_of

Point = Literal["mean", "typical", "link"]

_POINTS = {
    "mean": prediction.expected_value,
    "typical": prediction.typical_value,
    "link": prediction.linear_predictor,
}


class Predicting(Fitted):
    """Predictions for rows of X."""

    @lazily
    @checked({"kind": POINT})
    def predict(
        self, X: Any, return_std: bool = False, kind: Point = "mean"
    ) -> Floats | tuple[Floats, Floats]:
        """Posterior mean of the expected value of y.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit. A level that fit has not seen, or a missing one, has an effect of mean 0.
        return_std : bool, default=False
            Whether to return the standard deviation of a new observation's distribution as well;
            with ``kind="link"`` that of eta.
        kind : {"mean", "typical", "link"}, default="mean"
            "mean" is E[y], over the posterior and over what the effects of new levels may be.
            "typical" is the expected value at the posterior mean of eta = x' beta, where a new
            level has effect 0: for a curved mean half of the new levels are above it, and their
            mean is another, larger for counts. "link" is that eta: the log of an expected count or
            outcome, the log odds of a share, exposure included. For families with residuals all
            three are the same.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            A row's value does not depend on the other rows.
        std : ndarray of shape (n_samples,)
            Only with ``return_std``. Infinite, in all rows, where a Student-t residual has no
            finite variance for half of the posterior (nu <= 2): `predict_interval` is finite
            there. Half the width of ``predict_interval(X, coverage=0.683)`` is what a standard
            deviation is of a normal distribution. Infinite for levels that fit
            has not seen where tau has none, as of a factor with one level under its default prior.

        Warns
        -----
        UserWarning
            If expected values of levels that fit has not seen rest on few draws of tau, as the
            mean of exp(effect) may: `predict_quantiles` and ``kind="typical"`` do not. If a
            standard deviation that is asked for is infinite, with what to ask for instead.

        Notes
        -----
        With a curved mean (log or logit link) every draw counts, so that a row costs some
        microseconds for 1000 draws, rows that are equal once; with new levels under a logit link
        some 50. Rows are worked out on all processors, unless joblib runs several things at once or
        is told otherwise (``joblib.parallel_config``). With ``algorithm="map"`` it is the value at
        the mode.
        """
        predictors, codes, _ = self._rows(X)
        mean = _POINTS[kind](self._posterior, predictors, codes)
        if kind == "mean":
            prediction.warn_of_few_draws(self._posterior, predictors, codes)
        if not return_std:
            return mean
        if kind == "link":
            return mean, prediction.std_of_eta(self._posterior, predictors, codes)
        prediction.warn_of_infinite_std(self._posterior)
        return mean, prediction.predictive_std(self._posterior, predictors, codes)

    @lazily
    @checked({"coverage": COVERAGES, "kind": KIND})
    def predict_interval(
        self, X: Any, coverage: float | Sequence[float] = 0.9, kind: Kind = "outcome"
    ) -> Floats:
        """Central credible interval of a new observation, or of the expected value.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit; rows with levels that fit has not seen have wider intervals.
        coverage : float in (0, 1) or array-like of shape (n_coverages,), default=0.9
            Posterior probability of the interval.
        kind : {"outcome", "mean", "link"}, default="outcome"
            Interval of a new observation, of its expected value, or of eta = x' beta (see
            `predict`). A yes or no has no interval: its probability, "mean", does.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_coverages, 2)
            Lower and upper ends, in the units of y; of several coverages in their order. Those of
            counts are whole numbers that are in the interval, which has at least this probability.

        Raises
        ------
        ValueError
            For the expected value of known levels, of which there are the draws alone, if fewer
            than one of them would lie beyond each end: S draws give no more than a coverage of
            1 - 2 / S.

        Notes
        -----
        Of new observations and new levels the ends are quantiles of the mixture of the
        distributions that the draws stand for, and reach as far as their tails.
        """
        predictors, codes, _ = self._rows(X)
        of_rows = partial(prediction.quantiles, self._posterior, predictors, codes, kind=kind)
        return intervals_of(coverage, of_rows)

    @lazily
    @checked({"quantiles": ["array-like", UNIT_INTERVAL], "kind": KIND})
    def predict_quantiles(
        self,
        X: Any,
        quantiles: float | Sequence[float] = (0.05, 0.5, 0.95),
        kind: Kind = "outcome",
    ) -> Floats:
        """Quantiles of a new observation's distribution, or of the expected value's posterior.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        quantiles : float or array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Probabilities, between 0 and 1.
        kind : {"outcome", "mean", "link"}, default="outcome"
            Quantiles of a new observation, of its expected value, or of eta = x' beta.

        Returns
        -------
        values : ndarray of shape (n_samples, n_quantiles)
            In the units of y. Of counts the smallest with at least this probability at or below.

        Raises
        ------
        ValueError
            As `predict_interval`: S draws of the expected value of known levels have quantiles
            from 1 / S to 1 - 1 / S.
        """
        probabilities = check_quantiles(quantiles)
        predictors, codes, _ = self._rows(X)
        return prediction.quantiles(
            self._posterior, predictors, codes, probabilities.tolist(), kind
        )

    @checked({"n_samples": POSITIVE, "random_state": ["random_state"], "kind": KIND})
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
        kind : {"outcome", "mean", "link"}, default="outcome"
            Draws of new observations, of their expected values, or of eta = x' beta. A binomial
            observation is one trial, 0 or 1.

        Returns
        -------
        draws : ndarray of shape (n_samples_X, n_samples)
            In the units of y.
        """
        predictors, codes, columns = self._rows(X)
        new_levels = self._spec.groups.new_levels(columns, codes)
        rng = np.random.default_rng(seed_of(random_state))
        return prediction.joint_draws(
            self._posterior, predictors, codes, new_levels, n_samples, rng, kind
        )

    def log_predictive_density(self, X: Any, y: Any) -> Floats:
        """Log density of a new observation at y, each row by itself: log mean_s p(y_i | theta^s).

        Unknown effects of levels that fit has not seen are integrated out in each draw, exactly
        for normal residuals, with a relative error below 1e-3 for other families.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Higher is better; y in other units shifts it by a constant. Of whole numbers log
            probabilities, those of a share being of one trial.

        See Also
        --------
        joint_log_density : Of all rows together.

        References
        ----------
        Vehtari, Gelman and Gabry (2017). Practical Bayesian model evaluation using leave-one-out
        cross-validation and WAIC. Statistics and Computing 27. doi:10.1007/s11222-016-9696-4
        """
        predictors, codes, _ = self._rows(X)
        observed = self._observed(y, len(predictors))
        return scoring.log_predictive_density(self._posterior, predictors, codes, observed)

    def joint_log_density(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Log density of all rows together: log mean_s p(y_1, ..., y_n | theta^s).

        Rows of a level that fit has not seen share its unknown effects, which are integrated out.
        It is what leave-one-group-out cross-validation scores: how well the model foresees a whole
        new group, not only each of its rows.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight 2 is the same as the row given twice; the trials of a share.

        Returns
        -------
        log_density : float
            Of n rows, not divided by n.

        See Also
        --------
        log_predictive_density : Of each row by itself.

        Notes
        -----
        Given a posterior draw, new effects are integrated out exactly for normal residuals, and by
        importance sampling, without bias, for other families. For very many rows a mean over draws
        is dominated by few of them: score one group at a time, as cross-validation does.
        """
        predictors, codes, columns = self._rows(X)
        return joint_log_density(
            self._posterior,
            predictors,
            codes,
            self._spec.groups.new_levels(columns, codes),
            self._observed(y, len(predictors)),
            check_weight(sample_weight, predictors),
        )

    def crps(self, X: Any, y: Any) -> Floats:
        """Continuous ranked probability score of each row: E|Y - y| - E|Y - Y'| / 2.

        Y and Y' are independent new observations of the row. For a forecast without any spread it
        is the absolute error, which it generalises. For a yes or no it is Brier's score, the square
        of what is missing to the probability of what was observed.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            In units of y; lower is better.

        References
        ----------
        Gneiting and Raftery (2007). Strictly proper scoring rules, prediction, and estimation.
        Journal of the American Statistical Association 102. doi:10.1198/016214506000001437
        """
        predictors, codes, _ = self._rows(X)
        observed = self._observed(y, len(predictors))
        return scoring.crps(self._posterior, predictors, codes, observed)
