"""`HierarchicalModel`: what the doors of the package share. `fit` names the steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from numbers import Integral
from time import perf_counter
from typing import Any, ClassVar, TypeVar, get_args

import joblib
import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Hidden, Interval, StrOptions

from skhlm.condensing.source import condensed
from skhlm.diagnostics import (
    Check,
    check_counts,
    check_slopes,
    diagnose,
    warn_unless_converged,
)
from skhlm.engine import (
    Algorithm,
    Covariance,
    Earlier,
    Inference,
    Problem,
    SamplerSettings,
    choose_settings,
    count_sampled,
    infer,
)
from skhlm.families import limits_of
from skhlm.identification import (
    OF_SINGLE_ROWS,
    check_identification,
    warn_unless_identified,
)
from skhlm.inputs.design import Rows
from skhlm.inputs.labels import Labels
from skhlm.methods.arguments import UNIT_INTERVAL
from skhlm.methods.checking import Checking
from skhlm.methods.constructors import NamedConstructor
from skhlm.methods.continuation import continue_from
from skhlm.methods.explaining import Explaining
from skhlm.methods.fitted import Fit
from skhlm.methods.predicting import Predicting
from skhlm.methods.reporting import Reporting
from skhlm.posterior import Posterior, at_zero
from skhlm.posterior.moments import BOTH, count_moments
from skhlm.preparation import ModelSpec, OutcomeRequest, prepare
from skhlm.progress import progress_of
from skhlm.random_state import seed_of
from skhlm.reports.pooling import learn_level_data

_Self = TypeVar("_Self", bound="HierarchicalModel")
_PREPARING = 0.05  # of the progress


class HierarchicalModel(
    Predicting, Reporting, Explaining, Checking, NamedConstructor, BaseEstimator, ABC
):
    """A hierarchical model of an outcome, whose distribution `HLMRegressor` or `HLMClassifier` say.

    Its parameters are those of both.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "groups": [None, str, Integral, tuple, list, Hidden("array-like")],  # fit says more
        "varying": [StrOptions({"all", "intercept"}), list, Mapping, Hidden("array-like")],
        "covariance": [StrOptions({"diagonal", "full"})],
        "fit_intercept": ["boolean"],
        "autoscale": ["boolean"],
        "priors": [None, Mapping, str],  # fit says more
        "algorithm": [StrOptions(set(get_args(Algorithm)))],
        "fallback": [None, StrOptions({"nuts"})],
        "chains": [Interval(Integral, 1, None, closed="left")],
        "iter_warmup": [None, Interval(Integral, 10, None, closed="left")],
        "iter_sampling": [Interval(Integral, 4, None, closed="left"), None],
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
        self.groups = groups
        self.varying = varying
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

    @property
    @abstractmethod
    def _outcome_request(self) -> OutcomeRequest:
        """Which outcome is modelled."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self: _Self, X: Any, y: Any, sample_weight: Any = None) -> _Self:
        """Draw from the posterior given the rows of X and y.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Predictors and group columns. Of a Dask frame, whose rows need not fit in memory, the
            partitions are put together to few rows with the same likelihood where they are; so
            with families whose rows add up, see `skhlm.fit_frames`. The model does not remember
            such rows.
        y : array-like of shape (n_samples,)
            Outcome. Of a regressor numbers that its family can have; yes/no values (bool) are
            refused. Of a classifier two labels of any type.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequency weights, >= 0: weight 2 is the same as the row given twice. (lme4's weights
            divide the residual variance instead.) Of a binomial row the number of trials, of which
            y is the share of successes.

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
            y exactly, or tell the classes apart without exception.
        ConvergenceWarning
            Once, with numbers and advice: when an R-hat is above 1.01 and beyond chance, an
            effective sample size below 100 for each chain, or a trajectory diverged; when the
            Pareto k of an approximation is above 0.7.
        UserWarning
            When labels of a group column differ by case, white space or Unicode form alone.
        """
        started = perf_counter()
        with progress_of("skhlm", self.verbose) as progress:
            with progress.part(_PREPARING, "preparing"):
                few = condensed(self, X, y, sample_weight)
                data = (X, y, sample_weight) if few is None else (few.X, few.y, few.weight)
                problem, spec, rows = prepare(copy(self), *data)
                if few is not None:
                    problem, spec = few.with_extremes(problem, spec)
            earlier = self._earlier(problem, spec)
            settings = self._settings(problem, warm=earlier is not None)
            request = _request(problem, spec, settings, self.iter_warmup)
            if earlier is not None and request == self._fit.request:
                unsaid = warn_unless_identified(self._fit.diagnostics.checks)
                warn_unless_converged(replace(self._fit.diagnostics, checks=unsaid))
                return self
            checks = check_identification(problem, rows, spec.units, spec.labels)
            if few is not None:
                checks = tuple(check for check in checks if check.name not in OF_SINGLE_ROWS)
            unsaid = warn_unless_identified(checks)
            judge = partial(diagnose, labels=spec.labels.where_fitted)
            found = infer(problem, settings, judge, progress, earlier)
            posterior = _posterior(found, problem, spec, rows)
            fit = Fit(
                spec=spec,
                posterior=posterior,
                diagnostics=found.diagnostics.and_also(
                    (*checks, *_check_fit(posterior, rows, spec.labels, singly=few is None))
                ),
                level_data=learn_level_data(rows, posterior, spec.groups),
                fingerprint=rows.fingerprint() if few is None else "",
                seed=settings.seed,
                rows=rows if few is None else None,
                statistics=found.statistics,
                request=request,
                seconds=perf_counter() - started,
            )
            self._become(fit, _estimates(posterior, spec.labels))
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
            algorithm=self.algorithm,
            fallback=self.fallback,
            chains=self.chains,
            iter_warmup=self.iter_warmup,
            iter_sampling=self.iter_sampling,
            adapt_delta=self.adapt_delta,
            max_treedepth=self.max_treedepth,
            n_jobs=self.n_jobs,
            seed=seed_of(self.random_state),
            warm=warm,
            n_sampled=count_sampled(problem),
        )


def _estimates(posterior: Posterior, labels: Labels) -> dict[str, Any]:
    """The attributes that scikit-learn's users look at first: posterior means, or modes.

    Where a posterior has no finite mean they say so as tables do: NaN of what may be of both signs,
    and else infinity. A mode has no such moments.
    """
    posterior = posterior if posterior.mode is None else posterior.mode
    kappa = at_zero.kappa(posterior).mean(axis=-1)
    taus = [at_zero.tau(posterior, g).mean(axis=-1) for g in range(len(labels.factors))]
    kappa[at_zero.moments_of_kappa(posterior) < 1] = np.nan
    for g, means in enumerate(taus):
        means[at_zero.moments_of_tau(posterior, g) < 1] = np.inf
    intercept = posterior.units.fit_intercept
    return {
        "intercept_": float(kappa[0]) if intercept else 0.0,
        "coef_": kappa[1:] if intercept else kappa,
        "tau_": {
            factor: dict(zip(labels.varying_names(g), means.tolist(), strict=True))
            for g, (factor, means) in enumerate(zip(labels.factors, taus, strict=True))
        },
        **_auxiliary_estimates(posterior),
    }


def _auxiliary_estimates(posterior: Posterior) -> dict[str, float]:
    """Posterior means of the family's own parameters, and limits that it is of others'."""
    moments = posterior.finite_moments.auxiliary
    means = {
        name: float(draws.mean()) if moments.get(name, BOTH) >= 1 else np.inf
        for name, draws in posterior.auxiliary.items()
    }
    found = {**means, **limits_of(posterior.family)}
    return {f"{name}_": value for name, value in found.items()}


def _posterior(found: Inference, problem: Problem, spec: ModelSpec, rows: Rows) -> Posterior:
    """What was drawn, in the user's units."""
    return Posterior.from_draws(
        found.draws,
        problem.varying,
        spec.units,
        problem.family,
        mode=found.mode,
        left_out=found.left_out,
        n_chains=found.n_chains,
        moments=count_moments(
            problem.priors, rows, spec.units, problem.varying, problem.n_levels, problem.family
        ),
    )


def _check_fit(
    posterior: Posterior, rows: Rows, labels: Labels, *, singly: bool
) -> tuple[Check, ...]:
    """Are the data as the fitted model says? Counts are looked at ``singly`` or not at all."""
    of_counts = check_counts(posterior, rows) if singly else ()
    return (*check_slopes(posterior, rows, labels), *of_counts)


def _request(
    problem: Problem, spec: ModelSpec, settings: SamplerSettings, iter_warmup: int | None
) -> str:
    """A hash of all that the draws of a cold fit depend on; priors are the problem's numbers."""
    cold = replace(settings, iter_warmup=iter_warmup or 0, parallel_chains=1, threads_per_chain=1)
    names = replace(spec.labels, levels=())  # which spec.groups says, sooner
    return str(joblib.hash((problem, replace(spec, priors=None, labels=names), cold)))
