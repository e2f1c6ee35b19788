"""`HLMRegressor`: the door for outcomes that are numbers."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Hidden

from skhlm.engine import Algorithm, Covariance
from skhlm.estimator import HierarchicalModel
from skhlm.families import FAMILIES
from skhlm.inputs.outcomes import named_family
from skhlm.preparation import OutcomeRequest


class HLMRegressor(RegressorMixin, HierarchicalModel):
    """Bayesian hierarchical (multilevel) regression with partial pooling.

    The coefficients of a row are population-level coefficients plus one effect for the level of
    each grouping factor that the row belongs to,

        y_i ~ family(eta_i),   eta_i = x_i' beta_i + log(exposure_i),
        beta_i = kappa + sum_g delta[g, level of row i],   delta[g, l] ~ normal(0, Sigma_g),

    and the data decide how far each group is pulled to the common value.

    Parameters
    ----------
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors, as names or positions of columns of X, which stay inside
        X: ``"country"``; ``"region/country"`` or ``("region", "country")`` for countries nested in
        regions, which makes two factors, "region" and "region/country"; ``3`` or ``(2, 3)``; a
        list of these for crossed hierarchies. A nested level is identified by its whole path. All
        other columns are predictors and must be numeric. None is ordinary robust regression.
    varying : "all", "intercept", list or dict, default="all"
        Coefficients that vary by group: a list holds names of predictors and "Intercept", as do a
        tuple, set, index, array or series; a mapping gives one of these for each hierarchy or
        factor ("all" where it is silent).
    family : str, default="student_t"
        Distribution of the outcome given eta = x' beta. Of any number, eta being its expected
        value: ``"student_t"``, eta plus Student-t residuals, which bear outliers; ``"normal"``. Of
        a share in [0, 1], eta being its log odds: ``"binomial"``, with the number of trials as
        ``sample_weight``. Of counts 0, 1, 2, ..., eta being the logarithm of the expected one:
        ``"poisson"``; ``"negative_binomial"``, of larger variance, mu + overdispersion² mu². Of
        positive numbers, eta being the same: ``"gamma"``, with coefficient of variation cv. For
        yes or no in each row there is `HLMClassifier`. Short groups whose Student-t residuals
        have heavy tails are drawn by Gibbs sampling in the place of NUTS, with twice the warm-up;
        ``adapt_delta`` and ``max_treedepth`` do not apply to it.
    exposure : None, str or int, default=None
        Name or position of a positive column of X to which the expected outcome is proportional,
        such as days observed or people asked; for "poisson", "negative_binomial" and "gamma". It
        is no predictor: its logarithm is a part of eta, with coefficient 1. Predictions are for
        the exposure of each row, curves for the mean exposure of fit unless rows have their own.
    covariance : {"diagonal", "full"}, default="diagonal"
        Whether the effects of a level on different coefficients are correlated, with an LKJ(2)
        prior. Both refer to the predictors' means: diagonal effects are independent there, and
        correlated at x = 0, to which reports refer. Centre a predictor whose zero is far away.
    fit_intercept : bool, default=True
        Whether the model has an intercept. Without one nothing is centred.
    autoscale : bool, default=True
        Centre and scale y and the predictors to unit standard deviation before sampling, so that
        priors are in units of sd(y) and sd(y)/sd(x). What is reported is in your units. With
        False, give priors in the units of the data. Of families that model log odds or a logarithm
        y is never scaled: priors are in units of these and of 1/sd(x), and that of the intercept
        is about the logarithm of the mean outcome per exposure, or log odds of 0.
    priors : None, "default", "weakly_informative" or dict, default=None
        One word for all priors, or priors by parameter, from `skhlm.priors`; what is left out is
        the default, or what ``"rest"`` says, one of the words. The default for "student_t" and
        "normal" is ``"nu"`` Gamma(2, 0.1), ``"sigma"`` and ``"tau"`` Cauchy(0, 2.5) cut at zero,
        ``"kappa"`` Normal(0, 10); for the others ``"kappa"`` Normal(0, 2.5) and, cut at zero,
        ``"tau"`` Normal(0, 2.5) for log odds and Normal(0, 1) for logarithms, ``"overdispersion"``
        and ``"cv"`` Normal(0, 1). "weakly_informative", for factors of few levels: of every family
        "kappa" Normal(0, 2.5) and "tau" Normal(0, 1), "sigma" StudentT(3, 0, 1); it needs
        ``autoscale``. Values of "kappa" and "tau" may be mappings by coefficient, those of "tau"
        also by factor. A prior of what the family has not is an error, but for nu of "normal" and
        the overdispersion of "poisson", which are limits.
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
    coef_ : ndarray of shape (n_predictors,)
        Posterior means of the population-level slopes, in the order of the predictors in X, NaN
        where the posterior has no mean; for feature selection, which asks for one number a column,
        see `column_importance`.
    intercept_ : float
        Posterior mean of the population-level intercept, at x = 0; 0.0 without intercept.
    tau_ : dict of str to dict of str to float
        Posterior mean standard deviation of the group effects, by factor and coefficient; that of
        the intercept at x = 0. Infinite where the posterior has no mean, as in `summary`.
    sigma_ : float
        Posterior mean of the residual scale; for "student_t" and "normal" alone.
    nu_ : float
        Posterior mean degrees of freedom; infinite for "normal". For these two alone.
    overdispersion_ : float
        Posterior mean of 1/sqrt(phi), the coefficient of variation of the rates behind the counts;
        for "negative_binomial" alone. Near 0 the counts are Poisson.
    cv_ : float
        Posterior mean of the coefficient of variation, 1/sqrt(shape); for "gamma" alone.
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
    HLMClassifier : For an outcome that is one of two classes.
    sklearn.linear_model.BayesianRidge : Without groups and with normal residuals.

    Notes
    -----
    The posterior is sampled by the no-U-turn sampler [1]_ in Stan [2]_, in coordinates in which the
    posterior of a hierarchical model is close to a standard normal one, by steps that follow that
    one exactly [6]_. Partial pooling and its uses: [3]_. The approximations, of which Pathfinder
    [4]_ is one, work in the same coordinates; their draws are resampled by smoothed importance [5]_
    where k <= 0.7. For the normal family the cost of an iteration depends on the number of distinct
    combinations of levels, not on the number of rows.

    ``score`` is R² for every family, so that a search over families compares like with like. For
    counts and amounts `sklearn.metrics.d2_tweedie_score` is the share of the deviance, and the
    scorers of `skhlm.scorers` judge whole distributions.

    Parameters that are set on a fitted model are those of its next fit: until then it predicts and
    reports what was fitted. ``unseen`` alone is looked at by every prediction.

    References
    ----------
    .. [1] Hoffman and Gelman (2014). The No-U-Turn sampler. Journal of Machine Learning Research
       15. https://jmlr.org/papers/v15/hoffman14a.html
    .. [2] Carpenter et al. (2017). Stan: a probabilistic programming language. Journal of
       Statistical Software 76(1). doi:10.18637/jss.v076.i01
    .. [3] Gelman and Hill (2007). Data Analysis Using Regression and Multilevel/Hierarchical
       Models. doi:10.1017/CBO9780511790942
    .. [4] Zhang, Carpenter, Gelman and Vehtari (2022). Pathfinder: parallel quasi-Newton
       variational inference. Journal of Machine Learning Research 23(306).
       https://jmlr.org/papers/v23/21-0889.html
    .. [5] Vehtari, Simpson, Gelman, Yao and Gabry (2024). Pareto smoothed importance sampling.
       Journal of Machine Learning Research 25(72). https://jmlr.org/papers/v25/19-556.html
    .. [6] Shahbaba, Lan, Johnson and Neal (2014). Split Hamiltonian Monte Carlo. Statistics and
       Computing 24. doi:10.1007/s11222-012-9373-1

    Examples
    --------
    >>> from skhlm import HLMRegressor
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = HLMRegressor(groups="subject", random_state=0).fit(X, y)
    >>> model.diagnostics_.verdict
    'pass'
    >>> model.predict(X).shape
    (180,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **HierarchicalModel._parameter_constraints,
        "family": [str],
        "exposure": [None, str, Integral, Hidden("array-like")],  # fit says more
    }

    def __init__(
        self,
        groups: Any = None,
        *,
        varying: Any = "all",
        family: str = "student_t",
        exposure: Any = None,
        covariance: Covariance = "diagonal",
        fit_intercept: bool = True,
        autoscale: bool = True,
        priors: Mapping[str, Any] | str | None = None,
        algorithm: Algorithm = "nuts",
        fallback: Algorithm | None = None,
        chains: int = 4,
        iter_warmup: int | None = None,
        iter_sampling: int | None = None,
        adapt_delta: float | None = None,
        max_treedepth: int = 10,
        unseen: str = "population",
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            groups,
            varying=varying,
            covariance=covariance,
            fit_intercept=fit_intercept,
            autoscale=autoscale,
            priors=priors,
            algorithm=algorithm,
            fallback=fallback,
            chains=chains,
            iter_warmup=iter_warmup,
            iter_sampling=iter_sampling,
            adapt_delta=adapt_delta,
            max_treedepth=max_treedepth,
            unseen=unseen,
            warm_start=warm_start,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.family = family
        self.exposure = exposure

    @property
    def _outcome_request(self) -> OutcomeRequest:
        """The family by its name, numbers, and the exposure."""
        return OutcomeRequest(named_family(self.family, FAMILIES), exposure=self.exposure)
