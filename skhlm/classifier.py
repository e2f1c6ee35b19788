"""`HLMClassifier`: the door for outcomes that are one of two classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from skhlm._typing import Floats
from skhlm.condensing.dask_frames import lazily
from skhlm.estimator import HierarchicalModel
from skhlm.inputs.classes import Classes
from skhlm.methods.arguments import COVERAGES, EXPECTED, SCALE, checked
from skhlm.methods.fitted import Fit
from skhlm.methods.two_classes import TwoClasses
from skhlm.posterior import Kind, prediction
from skhlm.reports.curves import Scale

Expected = Literal["mean", "typical"]


class HLMClassifier(TwoClasses, HierarchicalModel):  # type: ignore[misc]  # predict is of labels
    """Bayesian hierarchical (multilevel) logistic regression with partial pooling.

    The log odds of a row's second class are population-level coefficients plus one effect for the
    level of each grouping factor that the row belongs to,

        y_i ~ bernoulli(p_i),   logit(p_i) = x_i' beta_i,
        beta_i = kappa + sum_g delta[g, level of row i],   delta[g, l] ~ normal(0, Sigma_g),

    and the data decide how far each group is pulled to the common value.

    Parameters
    ----------
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors, as names or positions of columns of X, which stay inside
        X: ``"country"``; ``"region/country"`` or ``("region", "country")`` for countries nested in
        regions, which makes two factors, "region" and "region/country"; ``3`` or ``(2, 3)``; a
        list of these for crossed hierarchies. A nested level is identified by its whole path. All
        other columns are predictors and must be numeric. None is ordinary logistic regression.
    varying : "all", "intercept", list or dict, default="all"
        Coefficients that vary by group: a list holds names of predictors and "Intercept", as do a
        tuple, set, index, array or series; a mapping gives one of these for each hierarchy or
        factor ("all" where it is silent).
    covariance : {"diagonal", "full"}, default="diagonal"
        Whether the effects of a level on different coefficients are correlated, with an LKJ(2)
        prior. Both refer to the predictors' means: diagonal effects are independent there, and
        correlated at x = 0, to which reports refer. Centre a predictor whose zero is far away.
    fit_intercept : bool, default=True
        Whether the model has an intercept. Without one nothing is centred.
    autoscale : bool, default=True
        Centre and scale the predictors to unit standard deviation before sampling, so that priors
        are in units of log odds and log odds per sd(x). What is reported is in your units. With
        False, give priors in the units of the data.
    priors : None, "default", "weakly_informative" or dict, default=None
        One word for all priors, or priors by parameter, from `skhlm.priors`; what is left out is
        the default, or what ``"rest"`` says, one of the words. The default is ``"kappa"``
        Normal(0, 2.5), ``"tau"`` Normal(0, 2.5) cut at zero; "weakly_informative", for factors of
        few levels, has "tau" Normal(0, 1) and needs ``autoscale``. Values of both may be mappings
        by coefficient, those of "tau" also by factor.
    algorithm : {"nuts", "pathfinder", "laplace", "advi", "map"}, default="nuts"
        How to draw from the posterior. "nuts" samples it; the others approximate it, and say how
        well (``diagnostics_.pareto_k``): normal distributions along paths to the mode
        ("pathfinder"), about the mode ("laplace"), independent ones ("advi"), all in the
        coordinates of the sampler. "map" is the mode in these coordinates: `predict` and the
        attributes below are those of the mode, intervals come from draws as of "laplace".
    fallback : {None, "nuts"}, default=None
        What to do where an approximation fails or its Pareto k is above 0.7: nothing but warn, or
        run NUTS.
    chains : int, default=4
        Markov chains; paths of "pathfinder". The others make ``chains * iter_sampling`` draws.
    iter_warmup : int or None, default=None
        Iterations that adapt the step size and are not kept; None is 100.
    iter_sampling : int or None, default=None
        Draws in each chain. None is as many as it takes: NUTS goes on in rounds until every
        parameter has 100 effective draws for each chain, bulk and tail, and no R-hat is beyond
        chance, which is after 500 to 600 draws as a rule and 4800 at most; other algorithms make
        500. A number is kept to, but for a run whose chains disagree by more than chance, or
        whose least effective sample size is below a tenth of all draws, which is lengthened.
    adapt_delta : float or None, default=None
        Target acceptance rate; None is 0.8, or 0.7 for 500 independent effects and more
        that the sampler moves.
    max_treedepth : int, default=10
        Most doublings of a trajectory.
    unseen : {"population", "error"}, default="population"
        What prediction does with levels not seen at fit and missing group values: use the rest of
        the model (a new country in a known region keeps the region's effect) with wider intervals,
        or raise a ValueError. May be set after fit.
    warm_start : bool, default=False
        Whether a fit after the first begins where the last one ended: its draws, with the effects
        of new levels at 0, its step size, and half of the warmup. For refits of the same model with
        more rows or new levels; another model starts afresh, and data that have changed, as by
        another unit, begin no farther from the posterior than a first fit. The posterior is the
        same, but not the draws. The same data and parameters once more change nothing: the model
        stays as it is.
    n_jobs : int or None, default=None
        Chains at a time, never more than processors, and 1 inside a joblib worker; where there are
        twice as many as chains or more, those that are over share the rows. None is what
        ``joblib.parallel_config`` says, or else one for each processor, as -1 is. Results do not
        depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed; the same int gives the same model, bit for bit, on the same machine.
    verbose : int, default=0
        0 prints nothing; 1 shows a progress bar on the standard error, with the seconds left, or,
        where that is no terminal, a line every so often.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, in increasing order. All probabilities of one class alone, and all coefficients,
        are those of the second.
    coef_ : ndarray of shape (n_predictors,)
        Posterior means of the population-level slopes, in the order of the predictors in X, NaN
        where the posterior has no mean; for feature selection, which asks for one number a column,
        see `column_importance`.
    intercept_ : float
        Posterior mean of the population-level intercept, at x = 0; 0.0 without intercept.
    tau_ : dict of str to dict of str to float
        Posterior mean standard deviation of the group effects, by factor and coefficient; that of
        the intercept at x = 0. Infinite where the posterior has no mean, as in `summary`.
    groups_ : tuple of str
        Names of the grouping factors, coarse to fine within each hierarchy.
    diagnostics_ : Diagnostics
        What drew (``algorithm``); R-hat, effective sample sizes and divergences, or Pareto k; and
        the verdict on them.
    n_features_in_ : int
        Number of columns of X, group columns included.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it is a frame whose columns all have names.

    See Also
    --------
    HLMRegressor : With ``family="binomial"`` for successes out of several trials in a row.
    sklearn.linear_model.LogisticRegression : Without groups.
    sklearn.multiclass.OneVsRestClassifier : Around this for more than two classes.

    Notes
    -----
    All three predictions agree: `predict_proba` is the posterior mean of the probability, with the
    effects of levels that fit has not seen integrated out; `decision_function` its log odds; and
    `predict` the second class where these are above 0. ``kind="typical"`` of the first two has
    these effects at 0 instead. There is no ``class_weight``: weights count rows, and a posterior of
    rows that were not seen is none. Move the threshold instead, as
    `sklearn.model_selection.TunedThresholdClassifierCV` does.

    How the posterior is drawn, and what parameters set after fit do: `HLMRegressor`.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skhlm import HLMClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"shop": np.arange(200) % 8, "price": rng.normal(size=200)})
    >>> y = np.where(rng.logistic(size=200) < X["shop"] / 4 - X["price"], "bought", "left")
    >>> model = HLMClassifier(groups="shop", random_state=0).fit(X, y)
    >>> model.classes_.tolist()
    ['bought', 'left']
    >>> bool(model.coef_[0] > 0)
    True
    >>> model.predict_proba(X).shape
    (200, 2)
    """

    def _become(self, fit: Fit, attributes: Mapping[str, Any]) -> None:
        """Be what a fit has found, and have its classes."""
        super()._become(fit, {**attributes, "classes_": _classes(fit).labels})

    @lazily
    @checked({"kind": EXPECTED})
    def predict_proba(self, X: Any, kind: Expected = "mean") -> Floats:
        """Probability of each class.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        kind : {"mean", "typical"}, default="mean"
            "mean" is the posterior mean of the probability, over what the effects of levels that
            fit has not seen may be, too, so that it is nearer to one half there. "typical" is the
            probability at the posterior mean of the log odds, where a new level has effect 0: half
            of the new levels are above it.

        Returns
        -------
        probability : ndarray of shape (n_samples, 2)
            In the order of ``classes_``. A row's values do not depend on the other rows.
        """
        if kind == "mean":
            return super().predict_proba(X)
        predictors, codes, _ = self._rows(X)
        return prediction.typical_probabilities(self._posterior, predictors, codes)

    @lazily
    @checked({"kind": EXPECTED})
    def decision_function(self, X: Any, kind: Expected = "mean") -> Floats:
        """Log odds of the second class: those of `predict_proba`, finite always.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        kind : {"mean", "typical"}, default="mean"
            As of `predict_proba`. "typical" is the posterior mean of the log odds themselves, which
            is farther from 0.

        Returns
        -------
        log_odds : ndarray of shape (n_samples,)
            Of the mean above 0 where the second class is the more probable, as `predict` says it.
        """
        if kind == "mean":
            return super().decision_function(X)
        predictors, codes, _ = self._rows(X)
        return prediction.linear_predictor(self._posterior, predictors, codes)

    @lazily
    @checked({"coverage": COVERAGES, "kind": SCALE})
    def predict_interval(  # type: ignore[override]  # a label has no interval
        self, X: Any, coverage: float | Sequence[float] = 0.9, kind: Scale = "mean"
    ) -> Floats:
        """Central credible interval of the probability of the second class, or of its log odds.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit; rows with levels that fit has not seen have wider intervals.
        coverage : float in (0, 1) or array-like of shape (n_coverages,), default=0.9
            Posterior probability of the interval.
        kind : {"mean", "link"}, default="mean"
            Interval of the probability, or of its log odds. A label has no interval.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_coverages, 2)
            Lower and upper ends; of a probability between 0 and 1.

        Raises
        ------
        ValueError
            Of known levels, of which there are the draws alone, if fewer than one of them would lie
            beyond each end: S draws give no more than a coverage of 1 - 2 / S.
        """
        return super().predict_interval(X, coverage, kind)

    @checked({"kind": SCALE})
    def predict_quantiles(  # type: ignore[override]  # a label has no quantiles
        self,
        X: Any,
        quantiles: float | Sequence[float] = (0.05, 0.5, 0.95),
        kind: Scale = "mean",
    ) -> Floats:
        """Quantiles of the posterior of the second class's probability, or of its log odds.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        quantiles : float or array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Probabilities, between 0 and 1.
        kind : {"mean", "link"}, default="mean"
            Quantiles of the probability, or of its log odds.

        Returns
        -------
        values : ndarray of shape (n_samples, n_quantiles)
            Of a probability between 0 and 1.

        Raises
        ------
        ValueError
            As `predict_interval`: S draws have quantiles from 1 / S to 1 - 1 / S.
        """
        return super().predict_quantiles(X, quantiles, kind)

    def sample_y(
        self, X: Any, n_samples: int = 1, random_state: Any = 0, kind: Kind = "outcome"
    ) -> Any:
        """Joint draws of new observations, or of their probabilities, at all rows together.

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
            Draws of new observations, of probabilities of the second class, or of their log odds.

        Returns
        -------
        draws : ndarray of shape (n_samples_X, n_samples)
            Labels, numbers between 0 and 1, or log odds.
        """
        draws = super().sample_y(X, n_samples, random_state, kind)
        return self._classes.named(draws.astype(np.int64)) if kind == "outcome" else draws

    @property
    def _classes(self) -> Classes:
        """What zeros and ones stand for."""
        return _classes(self._fit)

    def _probabilities(self, X: Any) -> Floats:
        """Posterior mean probability of each class, (n, 2)."""
        predictors, codes, _ = self._rows(X)
        return prediction.probabilities(self._posterior, predictors, codes)


def _classes(fit: Fit) -> Classes:
    """What zeros and ones stand for in the fit of a classifier."""
    assert fit.spec.classes is not None
    return fit.spec.classes
