"""`HLMRegressor`: the door of the package. `fit` names the steps; the rooms do the work."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, get_args

import joblib
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.utils._param_validation import Hidden, Interval, StrOptions

from skhlm.diagnostics import diagnose, warn_unless_converged
from skhlm.draws import Draws
from skhlm.engine import (
    Algorithm,
    Covariance,
    Earlier,
    Problem,
    SamplerSettings,
    choose_settings,
    infer,
)
from skhlm.families import AUXILIARY, FAMILIES
from skhlm.identification import check_identification, warn_unless_identified
from skhlm.inputs.labels import Labels
from skhlm.methods.arguments import UNIT_INTERVAL
from skhlm.methods.checking import Checking
from skhlm.methods.continuation import continue_from
from skhlm.methods.fitted import Fit
from skhlm.methods.predicting import Predicting
from skhlm.methods.reporting import Reporting
from skhlm.posterior import Posterior, at_zero
from skhlm.preparation import ModelSpec, prepare
from skhlm.random_state import seed_of
from skhlm.reports.pooling import learn_level_data


class HLMRegressor(Predicting, Reporting, Checking, RegressorMixin, BaseEstimator):
    """Bayesian hierarchical (multilevel) linear regression with partial pooling.

    The coefficients of a row are population-level coefficients plus one effect for the level of
    each grouping factor that the row belongs to,

        y_i ~ student_t(nu, x_i' beta_i, sigma)  or  normal(x_i' beta_i, sigma),
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
    family : {"student_t", "normal"}, default="student_t"
        Distribution of the residuals.
    covariance : {"diagonal", "full"}, default="diagonal"
        Whether the effects of a level on different coefficients are correlated, with an LKJ(2)
        prior. Both refer to the predictors' means: diagonal effects are independent there, and
        correlated at x = 0, to which reports refer. Centre a predictor whose zero is far away.
    fit_intercept : bool, default=True
        Whether the model has an intercept. Without one nothing is centred.
    autoscale : bool, default=True
        Centre and scale y and the predictors to unit standard deviation before sampling, so that
        priors are in units of sd(y) and sd(y)/sd(x). What is reported is in your units. With
        False, give priors in the units of the data.
    priors : dict or None, default=None
        Priors by parameter, from `skhlm.priors`; what is left out keeps its default: ``"nu"``
        Gamma(2, 0.1), ``"sigma"`` and ``"tau"`` Cauchy(0, 2.5) cut at zero, ``"kappa"``
        Normal(0, 10). Values of "kappa" and "tau" may be mappings by coefficient, those of "tau"
        also by factor.
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
    iter_sampling : int, default=1200
        Draws in each chain; there are more where a run with too few effective draws was
        lengthened.
    adapt_delta : float or None, default=None
        Target acceptance rate; None is 0.6, or 0.8 for a full covariance and for fewer than 30
        coefficients in all.
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
        Chains at a time, never more than processors, and 1 inside a joblib worker. None is what
        ``joblib.parallel_config`` says, or else one for each processor, as -1 is. Results do not
        depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed; the same int gives the same model, bit for bit, on the same machine.
    verbose : int, default=0
        0 prints nothing at all; 1 shows a progress bar.

    Attributes
    ----------
    coef_ : ndarray of shape (n_predictors,)
        Posterior means of the population-level slopes, in the order of the predictors in X; for
        feature selection, which asks for one number a column, see `column_importance`.
    intercept_ : float
        Posterior mean of the population-level intercept, at x = 0; 0.0 without intercept.
    tau_ : dict of str to dict of str to float
        Posterior mean standard deviation of the group effects, by factor and coefficient; that of
        the intercept at x = 0.
    sigma_ : float
        Posterior mean of the residual scale.
    nu_ : float
        Posterior mean degrees of freedom; infinite for the normal family.
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
    sklearn.linear_model.BayesianRidge : Without groups and with normal residuals.

    Notes
    -----
    The posterior is sampled by the no-U-turn sampler [1]_ in Stan [2]_, in coordinates in which the
    posterior of a hierarchical model is close to a standard normal one. Partial pooling and its
    uses: [3]_. The approximations, of which Pathfinder [4]_ is one, work in the same coordinates;
    their draws are resampled by smoothed importance [5]_ where k <= 0.7. For the normal family the
    cost of an iteration depends on the number of distinct combinations of levels, not on the number
    of rows.

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
        "groups": [None, str, Integral, tuple, list, Hidden("array-like")],  # fit says more
        "varying": [StrOptions({"all", "intercept"}), list, Mapping, Hidden("array-like")],
        "family": [StrOptions(set(FAMILIES))],
        "covariance": [StrOptions({"diagonal", "full"})],
        "fit_intercept": ["boolean"],
        "autoscale": ["boolean"],
        "priors": [None, Mapping],
        "algorithm": [StrOptions(set(get_args(Algorithm)))],
        "fallback": [None, StrOptions({"nuts"})],
        "chains": [Interval(Integral, 1, None, closed="left")],
        "iter_warmup": [None, Interval(Integral, 10, None, closed="left")],
        "iter_sampling": [Interval(Integral, 4, None, closed="left")],
        "adapt_delta": [None, UNIT_INTERVAL],
        "max_treedepth": [Interval(Integral, 1, 20, closed="both")],
        "unseen": [StrOptions({"population", "error"})],
        "warm_start": ["boolean"],
        "n_jobs": [
            None,
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
        ],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        groups: Any = None,
        *,
        varying: Any = "all",
        family: str = "student_t",
        covariance: Covariance = "diagonal",
        fit_intercept: bool = True,
        autoscale: bool = True,
        priors: Mapping[str, Any] | None = None,
        algorithm: Algorithm = "nuts",
        fallback: Algorithm | None = None,
        chains: int = 4,
        iter_warmup: int | None = None,
        iter_sampling: int = 1200,
        adapt_delta: float | None = None,
        max_treedepth: int = 10,
        unseen: str = "population",
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.groups = groups
        self.varying = varying
        self.family = family
        self.covariance = covariance
        self.fit_intercept = fit_intercept
        self.autoscale = autoscale
        self.priors = priors
        self.algorithm = algorithm
        self.fallback = fallback
        self.chains = chains
        self.iter_warmup = iter_warmup
        self.iter_sampling = iter_sampling
        self.adapt_delta = adapt_delta
        self.max_treedepth = max_treedepth
        self.unseen = unseen
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> HLMRegressor:
        """Draw from the posterior given the rows of X and y.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Predictors and group columns.
        y : array-like of shape (n_samples,)
            Outcome: numbers. Yes/no values (bool) are refused.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequency weights, >= 0: weight 2 is the same as the row given twice. (lme4's weights
            divide the residual variance instead.)

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            When X, y or a parameter cannot be used; names the column and the remedy.
        ProgramError, SamplingError
            When the Stan program does not run, or fails on the way. What an earlier fit left is
            unchanged.

        Warns
        -----
        IdentificationWarning
            Once, before sampling, with names and advice: when the data cannot tell parameters
            apart, as with collinear predictors or one row in every level; when the predictors give
            y exactly.
        ConvergenceWarning
            Once, with numbers and advice: when an R-hat is above 1.01, an effective sample size
            below 100 for each chain, or a trajectory diverged; when the Pareto k of an
            approximation is above 0.7.
        UserWarning
            When labels of a group column differ by case, white space or Unicode form alone.
        """
        problem, spec, rows = prepare(copy(self), X, y, sample_weight)
        earlier = self._earlier(problem, spec)
        settings = self._settings(problem, warm=earlier is not None)
        request = _request(problem, spec, settings, self.iter_warmup)
        if earlier is not None and request == self._fit.request:
            unsaid = warn_unless_identified(self._fit.diagnostics.checks)
            warn_unless_converged(replace(self._fit.diagnostics, checks=unsaid))
            return self
        checks = check_identification(problem, rows, spec.units, spec.labels)
        unsaid = warn_unless_identified(checks)
        found = infer(
            problem, settings, partial(diagnose, labels=spec.labels.where_fitted), earlier
        )
        posterior = Posterior.from_draws(
            found.draws,
            problem.varying,
            spec.units,
            problem.family,
            mode=found.mode,
            n_chains=found.n_chains,
        )
        fit = Fit(
            spec=spec,
            posterior=posterior,
            diagnostics=found.diagnostics.and_also(checks),
            level_data=learn_level_data(rows, posterior, spec.groups),
            fingerprint=rows.fingerprint(),
            rows=rows,
            statistics=found.statistics,
            request=request,
        )
        self._become(fit, _estimates(posterior, spec.labels, found.mode))
        warn_unless_converged(found.diagnostics.and_also(unsaid))
        return self

    def _earlier(self, problem: Problem, spec: ModelSpec) -> Earlier | None:
        """What the last fit knows of this one, if that is wanted."""
        if not self.warm_start or not hasattr(self, "_fit"):
            return None
        return continue_from(self._fit, problem, spec, self.chains)

    def _settings(self, problem: Problem, warm: bool = False) -> SamplerSettings:
        """The sampler's settings, and its seed drawn from ``random_state``."""
        return choose_settings(
            problem,
            algorithm=self.algorithm,
            fallback=self.fallback,
            chains=self.chains,
            iter_warmup=self.iter_warmup,
            iter_sampling=self.iter_sampling,
            adapt_delta=self.adapt_delta,
            max_treedepth=self.max_treedepth,
            n_jobs=self.n_jobs,
            seed=seed_of(self.random_state),
            verbose=self.verbose,
            warm=warm,
        )


def _estimates(posterior: Posterior, labels: Labels, mode: Draws | None) -> dict[str, Any]:
    """The attributes that scikit-learn's users look at first: posterior means, or modes."""
    if mode is not None:
        posterior = Posterior.from_draws(mode, posterior.varying, posterior.units, posterior.family)
    kappa = at_zero.kappa(posterior).mean(axis=-1)
    taus = [at_zero.tau(posterior, g).mean(axis=-1) for g in range(len(labels.factors))]
    intercept = posterior.units.fit_intercept
    auxiliary = {
        f"{name}_": float(posterior.auxiliary[name].mean())
        if name in posterior.auxiliary
        else parameter.absent
        for name, parameter in AUXILIARY.items()
    }
    return {
        "intercept_": float(kappa[0]) if intercept else 0.0,
        "coef_": kappa[1:] if intercept else kappa,
        "tau_": {
            factor: dict(zip(labels.varying_names(g), means.tolist(), strict=True))
            for g, (factor, means) in enumerate(zip(labels.factors, taus, strict=True))
        },
        **auxiliary,
    }


def _request(
    problem: Problem, spec: ModelSpec, settings: SamplerSettings, iter_warmup: int | None
) -> str:
    """A hash of all that the draws of a cold fit depend on; priors are the problem's numbers."""
    cold = replace(settings, iter_warmup=iter_warmup or 0, parallel_chains=1, verbose=0)
    return str(joblib.hash((problem, replace(spec, priors=None), cold)))
