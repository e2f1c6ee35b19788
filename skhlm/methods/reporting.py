"""Methods of a fitted model that report what was learned: parameters, pooling, curves, exports."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Ints
from skhlm.inputs.columns import as_list
from skhlm.methods.arguments import (
    COVERAGE,
    FACTOR,
    KIND,
    SCALE,
    check_has_interval,
    checked,
)
from skhlm.methods.coverages import Coverage, check_coverages, several_coverages, suffix
from skhlm.methods.differences import DIFFERENCE, differences
from skhlm.methods.fitted import Fitted
from skhlm.methods.fitted_rows import rows_singly
from skhlm.methods.paths import (
    are_apart,
    check_no_name,
    completed,
    find_path,
    read_given,
    read_pairs,
    read_population,
)
from skhlm.posterior import NEW, Kind, prediction
from skhlm.random_state import seed_of
from skhlm.reports import curves, export, parameters, pooling, priors
from skhlm.reports.budget import shares_of, variance_parts
from skhlm.reports.frames import frame_along, free_names, repeated_frame
from skhlm.wrappers import Route

_DERIVE = [callable, None]


class Reporting(Fitted):
    """What was learned, as tidy frames and files."""

    def summary(self, coverage: Coverage = 0.9) -> pd.DataFrame:
        """Posterior of everything but the group effects, in the user's units and at x = 0.

        Parameters
        ----------
        coverage : float in (0, 1) or list of these, default=0.9
            Posterior probability between the quantiles beside the median: 0.5 has ``q25`` and
            ``q75``, and (0.5, 0.9) these, ``q05`` and ``q95``.

        Returns
        -------
        summary : DataFrame
            One row for each parameter: ``parameter`` ("kappa", "tau", "omega", and the family's:
            "sigma" and "nu", "overdispersion" and "phi", or "cv"), ``factor``, ``coefficient``,
            ``mean``, ``sd``, ``q05``, ``q50``, ``q95``, ``ess_bulk``, ``ess_tail``, ``rhat``.
            Behind a link all are on its scale, and the last columns are ``odds_ratio``,
            ``odds_ratio_lower``, ``odds_ratio_upper`` of log odds, ``rate_ratio`` and so on of
            logarithms: exp of ``q50``, ``q05``, ``q95`` of kappa, NaN for all else. Of several
            coverages ``odds_ratio_lower_50`` and so on.

        Notes
        -----
        A ratio is that of a predictor one higher, all else equal; of an "Intercept" it is the odds,
        or the expected outcome, where all predictors are 0. It is the posterior median: medians
        and quantiles of a ratio are exp of those of its logarithm, means are not.

        ``sd`` is infinite where the posterior has no finite one: then read the quantiles, which
        are as sound as ever, or give a prior with lighter tails. That is so of the standard
        deviation tau of a factor with a single level under a half-Cauchy prior, for instance, and
        of "phi", 1 / overdispersion² as other packages have it, since counts may be Poisson.
        ``mean``, where it is not finite either, is infinite of positive parameters and NaN of
        kappa. In `group_effects` and `coefficients` it is the same.

        Effective sample sizes and R-hat are those of the numbers beside them. ``diagnostics_``
        judges intercepts where the model was fitted, at the predictors' means.
        """
        check_is_fitted(self)
        coverages = check_coverages(coverage)
        names = [""] if as_list(coverage) is None else [suffix(one) for one in coverages]
        between = dict(zip(names, coverages, strict=True))
        return parameters.summary(self._posterior, self._spec.labels, between)

    def prior_summary(self) -> pd.DataFrame:
        """The prior of every parameter as it was used, in the user's units.

        Returns
        -------
        priors : DataFrame
            One row for each parameter: ``parameter``, ``factor``, ``coefficient`` as in `summary`;
            ``distribution`` ("Normal", "StudentT", "Cauchy", "Gamma", as in `skhlm.priors`, or
            "LKJ") and its numbers ``df``, ``loc``, ``scale``, ``shape``, ``rate``, NaN where it
            has no such; ``lower``, where it is cut; ``source`` ("user", "default" or
            "weakly_informative"); ``given``, the prior as the model has it, in its own units; and
            ``unit``, how many of yours one of those is: sd(y) or sd(y)/sd(x) with ``autoscale``.
            Correlations of all coefficients of a factor have one row.

        See Also
        --------
        HLMRegressor.prior_predictive : Outcomes that the priors think possible.

        Notes
        -----
        The intercept is "Intercept at the means", where the model is fitted and the prior holds,
        about the mean of y; at x = 0, to which `summary` refers, it has that of this one less the
        slopes times the predictors' means. rstanarm's and brms' ``prior_summary`` tell the same.

        The priors are those of the fit, whatever parameters were set since.

        Examples
        --------
        >>> from skhlm import HLMRegressor
        >>> from skhlm.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = HLMRegressor("subject", priors="weakly_informative", random_state=0).fit(X, y)
        >>> priors = model.prior_summary()
        >>> priors[["parameter", "coefficient", "distribution", "loc", "scale"]].round(1)
          parameter             coefficient distribution    loc  scale
        0     kappa  Intercept at the means       Normal  298.5  140.4
        1     kappa                    days       Normal    0.0   48.9
        2       tau  Intercept at the means       Normal    0.0   56.2
        3       tau                    days       Normal    0.0   19.6
        4     sigma                             StudentT    0.0   56.2
        5        nu                                Gamma    NaN    NaN
        """
        check_is_fitted(self)
        spec, posterior = self._spec, self._posterior
        chosen = spec.choose_priors(posterior.family)
        return priors.prior_summary(chosen, spec.labels, spec.units, posterior.structure)

    @several_coverages
    @checked({"factor": [str, None], "coverage": COVERAGE})
    def group_effects(self, factor: str | None = None, coverage: Coverage = 0.9) -> pd.DataFrame:
        """Posterior of the group effects delta, in the user's units and at x = 0.

        For families with a link they are on its scale: log odds or logarithms.

        Parameters
        ----------
        factor : str or None, default=None
            One grouping factor, such as "region/country"; None is all of them.
        coverage : float in (0, 1) or list of these, default=0.9
            Posterior probability of the central intervals. Several give columns such as
            ``lower_50`` and ``upper_50`` for each.

        Returns
        -------
        effects : DataFrame
            One row for each factor, level and coefficient that varies by it: ``factor``, ``level``
            (tuple of values, coarse to fine), ``coefficient``, ``mean``, ``sd``, ``lower`` and
            ``upper`` (central interval), ``n`` (sum of the weights of the level's rows). Behind a
            link also ``odds_ratio`` or ``rate_ratio``, the posterior median of exp(delta), with
            ``odds_ratio_lower`` and ``odds_ratio_upper``, exp of the interval's ends: the odds, or
            the rate, over those of a typical level.
        """
        check_is_fitted(self)
        spec = self._spec
        return parameters.group_effects(
            self._posterior, spec.labels, spec.level_weights, factor, coverage
        )

    @several_coverages
    @checked({"coverage": COVERAGE, "parts": ["boolean"]})
    def coefficients(
        self, levels: Any = None, coverage: Coverage = 0.9, parts: bool = False
    ) -> pd.DataFrame:
        """Posterior of beta = kappa + group effects for combinations of levels, at x = 0.

        For families with a link they are on its scale: log odds or logarithms.

        Parameters
        ----------
        levels : DataFrame, mapping or list of mappings, default=None
            Values of all group columns, one row for each combination asked for; levels that fit
            has not seen are allowed. None is every combination that fit has seen.
        coverage : float in (0, 1) or list of these, default=0.9
            Posterior probability of the central intervals. Several give columns such as
            ``lower_50`` and ``upper_50`` for each.
        parts : bool, default=False
            Whether to report what beta is the sum of as well.

        Returns
        -------
        coefficients : DataFrame
            One row for each combination and coefficient: the group columns, ``coefficient``,
            ``mean``, ``sd``, ``lower`` and ``upper`` (central interval). Behind a link also
            ``odds_ratio`` or ``rate_ratio``, the posterior median of exp(beta), with
            ``odds_ratio_lower`` and ``odds_ratio_upper``, exp of the interval's ends; of an
            "Intercept" these are the odds, or the expected outcome, at x = 0. With ``parts`` there
            is a column ``part`` before ``coefficient``:

            ===========================  ===================================================
            "kappa"                      population-level coefficient
            "delta[region/country]"      effect of the level of a grouping factor, each of them
            "gamma[region/country]"      total effect of a hierarchy, the sum of its deltas
            "beta"                       kappa and all gammas: what the row would show without
            ===========================  ===================================================

            In every draw beta is kappa and the gammas, and a gamma its deltas.
        """
        check_is_fitted(self)
        spec = self._spec
        values, codes = (None, spec.combinations) if levels is None else spec.read_levels(levels)
        return parameters.coefficients(
            self._posterior, spec.labels, codes, values, coverage, parts=parts
        )

    @several_coverages
    @checked({"factor": [str, None], "coverage": COVERAGE})
    def shrinkage_factors(
        self, factor: str | None = None, coverage: Coverage = 0.9
    ) -> pd.DataFrame:
        """Shrinkage factors B, and the estimates of complete, partial and no pooling.

        For each draw, with z the predictors whose coefficients vary by factor g::

            B_glk = [(I_gl + Sigma_g^-1)^-1]_kk / tau_gk^2
            I_gl = c / sigma^2 * sum of w_i z_i z_i' over the rows of level l

        with c = 1 for normal residuals and (nu + 1) / (nu + 3) for Student-t ones; for families
        with a link all is on its scale, and c / sigma^2 the posterior mean of each row's
        information about eta, mu (1 - mu) for yes or no, mu for Poisson counts. B = 0 is no
        pooling, B = 1 complete pooling. With one factor, a varying intercept and known scales, the
        partial-pooling estimate is ``(1 - B) * no_pooling + B * complete_pooling``.

        Parameters
        ----------
        factor : str or None, default=None
            One grouping factor, such as "region/country"; None is all of them.
        coverage : float in (0, 1) or list of these, default=0.9
            Posterior probability of the central intervals. Several give columns such as
            ``lower_50`` and ``upper_50`` for each.

        Returns
        -------
        pooling : DataFrame
            One row for each factor, level and coefficient that varies by it: ``factor``, ``level``
            (tuple of values, coarse to fine), ``coefficient``, ``n`` (sum of the weights of the
            level's rows), ``B`` (posterior mean) and three estimates in the user's units, behind a
            link log odds or logarithms, each with its interval in columns that end in ``_lower``
            and ``_upper``:

            ``complete_pooling``
                The common value to which the level is pulled: kappa and the effects of the coarser
                levels of its path, which is what the model expects of a new level there.
            ``partial_pooling``
                The same with the level's own effect: the model's estimate.
            ``no_pooling``
                Least squares of the level's own rows, given the rest of the model (other
                hierarchies, finer levels, coefficients that do not vary by the factor); NaN where
                they do not identify the coefficient. Behind a link maximum likelihood, NaN where it
                is infinite: in a level of failures alone, or of zeros; its interval is the usual
                one for large samples.

        Notes
        -----
        The intercept is "Intercept at the means": the expected value at the predictors' training
        means, where the model is fitted and pooling acts, not at x = 0 as the "Intercept" of
        `coefficients`. So B and the estimates depend neither on the units of the data nor on where
        a predictor has its zero. (With ``autoscale=False``, or where all means are 0, the model is
        fitted at x = 0, and the name is "Intercept".)

        Student-t residuals: least squares follows outliers, the posterior does not, so that the
        partial-pooling estimate may lie outside the other two.
        """
        check_is_fitted(self)
        labels = self._spec.labels
        every = range(len(labels.factors))
        chosen = every if factor is None else [parameters.find_factor(factor, labels)]
        frames = [self._pooling_of(g, coverage) for g in chosen]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=_POOLING)

    @several_coverages
    @checked(
        {
            "coverage": COVERAGE,
            "kind": KIND,
            "slope": ["boolean"],
            "derive": _DERIVE,
            "population": ["boolean"],
        }
    )
    def response_curve(
        self,
        X: Any = None,
        feature: Any = None,
        grid: Any = None,
        coverage: Coverage = 0.9,
        kind: Kind = "mean",
        slope: bool = False,
        derive: curves.Derive | None = None,
        *,
        population: bool = False,
    ) -> pd.DataFrame:
        """The expected value, a new observation or eta as one predictor moves, all else is held.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features), default=None
            Rows as at fit, levels that fit has not seen among them. None is one row for each
            combination of levels seen, with the other predictors at their training means.
        feature : str or int, default=None
            The predictor, by its name or position in X; None where there is only one. With
            ``derive`` any name.
        grid : array-like of shape (n_points,), default=None
            Values of the feature; None is 50 points over its training range.
        coverage : float in (0, 1) or list of these, default=0.9
            Posterior probability of the central interval at each point. Several give columns such
            as ``lower_50`` and ``upper_50`` for each.
        kind : {"mean", "outcome", "link"}, default="mean"
            Interval of the expected value, or of a new observation. "link" is the curve of eta =
            x' beta, in log odds or logarithms, slopes included: a straight line in the predictor.
        slope : bool, default=False
            Whether to report the slope of the expected value as well: the marginal return. Behind a
            link it differs from point to point: dE[y]/dx, averaged over draws and new levels.
        derive : callable, default=None
            For an input that the model sees only through predictors derived from it: takes an
            array of values of the feature, returns a mapping from names of predictors to arrays of
            their values, such as ``lambda spend: {"log_spend": np.log1p(spend)}``. The slope is
            that in the feature. A pandas frame may have a column of the feature instead.

        population : bool, default=False
            Whether to leave all group effects out: the curve at x' kappa, of a level whose effects
            are zero, with the uncertainty of kappa alone. Levels in X then say nothing, and X=None
            is a single row at the training means. (A new level has the same linear predictor on
            average, and its own effects in the interval.)

        Returns
        -------
        curve : DataFrame
            One row for each row of X and each point: ``row`` (position in X: 0, 1, ...; labels are
            ``X.index[curve["row"]]``), the group columns (none with ``population``), a column named
            as the feature, ``mean``, ``lower``, ``upper``, ``extrapolated`` (whether a predictor
            that moves is outside its training range, that of all rows of fit, not of the group's
            own) and, with ``slope``,
            ``slope``, ``slope_lower``, ``slope_upper``. In this frame, and in all others with the
            group columns in them, a column of X that is called as one of the results stands with an
            underscore: "mean" as ``mean_``.

        Raises
        ------
        ValueError
            When the feature is no predictor, or a grid is needed and missing; for the interval of
            a new observation of a classifier, as a label has none.

        See Also
        --------
        skhlm.response_curve : The same over the input columns of a pipeline.

        Notes
        -----
        ``mean`` is what `predict` gives, the probability of the second class from a classifier;
        ``lower`` and ``upper`` are what `predict_interval` gives. Where rows lack the exposure it
        is the mean exposure of fit.
        Draws, new levels' and the noise of new observations included, are the same along a curve.
        About 40 microseconds a point for 4000 draws, up to some milliseconds for new observations
        of counts and gamma outcomes; memory does not grow with the rows.
        """
        check_no_name(X)
        check_is_fitted(self)
        check_has_interval(kind, has_classes=self._spec.classes is not None)
        name, path = find_path(self._spec, feature, grid, derive)
        read = read_population if population else read_given
        given = read(self, completed(self._spec, X, name, path))
        if kind != "link":
            prediction.warn_of_few_draws(self._posterior, given.predictors, given.codes)
        band = curves.band_along(
            self._posterior, given.predictors, given.codes, path, coverage, kind
        )
        numbers = dict(zip(("mean", "lower", "upper"), np.moveaxis(band, -1, 0), strict=True))
        numbers["extrapolated"] = np.broadcast_to(path.outside(self._spec.ranges), band.shape[:2])
        if slope:
            slopes = curves.slopes_along(
                self._posterior, given.predictors, given.codes, path, coverage, kind
            )
            numbers |= zip(curves.SLOPE, np.moveaxis(slopes, -1, 0), strict=True)
        return frame_along(given.values, name, path.grid, numbers)

    @several_coverages
    @checked({"coverage": COVERAGE, "kind": SCALE, "derive": _DERIVE})
    def compare_curves(
        self,
        X: Any,
        reference: Any,
        feature: Any = None,
        grid: Any = None,
        coverage: Coverage = 0.9,
        derive: curves.Derive | None = None,
        *,
        kind: curves.Scale = "mean",
    ) -> pd.DataFrame:
        """Differences between the expected values of two sets of rows along a curve.

        Parameters
        ----------
        X, reference : frame or array-like of shape (n_samples, n_features)
            Rows as at fit; row i of X is compared with row i of the reference, or with its only
            row. They may differ in their levels, in other predictors, or both.
        feature, grid, derive
            As in `response_curve`.
        coverage : float in (0, 1) or list of these, default=0.9
            Posterior probability of the central interval at each point. Several give columns such
            as ``lower_50`` and ``upper_50`` for each.
        kind : {"mean", "link"}, default="mean"
            Differences of expected values, or of eta = x' beta: of log odds or logarithms, whose
            exp is an odds ratio or a ratio of rates.

        Returns
        -------
        differences : DataFrame
            One row for each pair of rows and each point: ``row``, the group columns of X, those of
            the reference with ``_reference`` added, a column named as the feature, ``difference``
            (X less the reference), ``lower``, ``upper``, ``probability`` (that it is above zero)
            and ``extrapolated``.

        Notes
        -----
        Differences are taken draw by draw, so that what both rows share cancels. Two levels that
        fit has not seen are the same level if all their values are equal, else independent ones.
        """
        check_is_fitted(self)
        spec, units = self._spec, self._posterior.units
        name, path = find_path(spec, feature, grid, derive)
        given, other = read_pairs(self, *(completed(spec, x, name, path) for x in (X, reference)))
        found = curves.compare_points(
            self._posterior,
            curves.points_along(units, given.predictors, given.codes, path),
            curves.points_along(units, other.predictors, other.codes, path),
            are_apart(spec.groups, given, other),
            coverage,
            kind,
        )
        numbers = dict(zip(DIFFERENCE, np.moveaxis(found, -1, 0), strict=True))
        numbers["extrapolated"] = np.broadcast_to(path.outside(spec.ranges), found.shape[:2])
        names = free_names((f"{key}_reference" for key in other.values), given.values)
        reference_values = dict(zip(names, other.values.values(), strict=True))
        return frame_along({**given.values, **reference_values}, name, path.grid, numbers)

    @several_coverages
    @checked({"coverage": COVERAGE, "factor": FACTOR, "kind": SCALE, "derive": _DERIVE})
    def compare_points(
        self,
        X: Any = None,
        feature: Any = None,
        *,
        start: Any = None,
        end: Any = None,
        factor: float | None = None,
        coverage: Coverage = 0.9,
        derive: curves.Derive | None = None,
        kind: curves.Scale = "mean",
    ) -> pd.DataFrame:
        """Differences between the expected values at two points of each row's curve.

        Parameters
        ----------
        X, feature, derive
            As in `response_curve`.
        start, end : value, array-like of shape (n_samples,) or callable
            What the feature comes from, and where it goes: a value for all rows, one for each, or
            a function of the values that the rows have. No start is what each row has. Without X
            both are numbers.
        factor : float, default=None
            In the place of an end: so many times the start. 2 doubles what each row has.
        coverage : float in (0, 1) or list of these, default=0.9
            Posterior probability of the central interval. Several give columns such as
            ``lower_50`` and ``upper_50`` for each.
        kind : {"mean", "link"}, default="mean"
            Differences of expected values, or of eta = x' beta: of log odds or logarithms, whose
            exp is an odds ratio or a ratio of rates.

        Returns
        -------
        differences : DataFrame
            One row for each row of X: ``row``, the group columns, ``start``, ``end``,
            ``difference`` (of the expected values, at the end less at the start), ``lower``,
            ``upper``, ``probability`` (that it is above zero) and ``extrapolated``.

        See Also
        --------
        skhlm.compare_points : The same through pipelines.
        skhlm.average_difference : Means over rows or groups.
        """
        check_no_name(X)
        check_is_fitted(self)
        if isinstance(start, Real) and factor is not None and end is None:
            end, factor = factor * float(start), None
        if X is not None and not (isinstance(start, Real) and isinstance(end, Real)):
            route = Route(self)
            return differences(route, X, feature, start, end, factor, coverage, derive, kind)
        if factor is not None or not (isinstance(start, Real) and isinstance(end, Real)):
            raise ValueError(
                "Give start and end, or start and factor: without X there are no rows whose own "
                "values could be a start."
            )
        name, path = find_path(self._spec, feature, [start, end], derive)
        given = read_given(self, completed(self._spec, X, name, path))
        units = self._posterior.units
        both = curves.points_along(units, given.predictors, given.codes, path)
        found = curves.compare_points(
            self._posterior,
            curves.Points(both.Z[:, 1:], given.codes),
            curves.Points(both.Z[:, :1], given.codes),
            np.zeros(given.codes.shape, dtype=np.bool_),
            coverage,
            kind,
        )
        n = len(given.codes)
        start_and_end = np.tile(path.grid, (n, 1)).T
        numbers: dict[str, Any] = dict(zip(("start", "end"), start_and_end, strict=True))
        numbers |= zip(DIFFERENCE, np.moveaxis(found, -1, 0), strict=True)
        numbers["extrapolated"] = np.full(n, path.outside(self._spec.ranges).any())
        return repeated_frame(given.values, n, 1, numbers)

    def interval_budget(self, X: Any = None) -> pd.DataFrame:
        """Where the variance of a new observation comes from, for each row of X.

        The expected value is a sum of parts, eta = x' kappa + sum_g x' delta_g, and ::

            variance of a part = Cov(part, eta) over draws       kappa; levels seen at fit
            variance of a part = E[x' Sigma_g x]                 levels not seen
            variance of a part = that of the noise               residual

        which add up to the square of the standard deviation that ``predict(X, return_std=True)``
        returns.

        For families with a link eta is on its scale, and so are the variances of its parts: they
        add up to the square of the standard deviation of ``predict(X, return_std=True,
        kind="link")``. The outcome's own variance about its mean is not on that scale; as a share
        of a new observation's variance it is E[Var(y | eta)] / Var(y), of one trial for a share.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features), default=None
            Rows as at fit; None as in `response_curve`.

        Returns
        -------
        budget : DataFrame
            One row for each row of X and each part: ``row``, the group columns, ``part`` ("kappa",
            "delta", "new level", "residual"), ``factor`` (empty for kappa and the residual),
            ``variance`` in squared units of y, ``share`` of the row's sum. Behind a link
            ``variance`` is in squared units of eta, log odds or logarithms, and NaN for the
            residual, whose ``share`` is that of the outcome's own variance; the others have what is
            left of the share, in proportion to their variances.

        Notes
        -----
        Data tell the sum of kappa and the effects better than each of them, so their posteriors
        are negatively correlated; a covariance with the sum gives each its due, and may be
        negative. Parts refer to the predictors' training means, as the model is fitted.

        Where a Student-t residual has no finite variance (see `predict`), its ``variance`` is
        infinite; to the shares it counts with the square of half the width of its central 68.3%
        interval, which of a normal residual is the variance.
        """
        given, factors = read_given(self, X), self._spec.labels.factors
        variance = variance_parts(self._posterior, given.predictors, given.codes)
        n, width = variance.shape
        names = np.full((n, width), "delta", dtype=object)
        names[:, 0], names[:, -1] = "kappa", "residual"
        names[:, 1:-1][given.codes == NEW] = "new level"
        numbers = {
            "part": names,
            "factor": np.array(["", *factors, ""] * n, dtype=object),
            "variance": variance,
            "share": shares_of(self._posterior, given.predictors, given.codes, variance),
        }
        return repeated_frame(given.values, n, width, numbers)

    @checked(
        {
            "log_likelihood": ["boolean"],
            "posterior_predictive": ["boolean"],
            "random_state": ["random_state"],
        }
    )
    def to_arviz(
        self,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        log_likelihood: bool = True,
        posterior_predictive: bool = True,
        random_state: Any = 0,
    ) -> Any:
        """The model for ArviZ, with named dimensions and coordinates.

        Parameters
        ----------
        X, y, sample_weight : as at fit, default=None
            The rows that were fitted. None is those that the model remembers, in their canonical
            order; a pickled or saved model remembers none and exports its parameters alone.
        log_likelihood, posterior_predictive : bool, default=True
            Whether to compute these groups: rows x draws numbers each.
        random_state : int, RandomState instance or None, default=0
            Seed of the predictive draws.

        Returns
        -------
        data : xarray.DataTree, or arviz.InferenceData with ArviZ below 1.0
            ``posterior``: "kappa", the family's parameters such as "sigma" and "nu",
            "overdispersion" or "cv", and for each factor "delta_<factor>",
            "tau_<factor>" and "omega_<factor>", in the user's units, intercepts at x = 0.
            "region/country" is written "region:country", as slashes are paths in a DataTree; its
            dimension has that name, and its levels are texts such as "EMEA/France".
            ``sample_stats``: what the sampler said of each draw, where that is known.
            ``log_likelihood``, ``posterior_predictive``, ``observed_data``, ``constant_data``: "y"
            and "X" by row, and "exposure" where there is one. Rows of weight w come w times. Shares
            are successes, of "trials", a row each; classes are 0 and 1, and "classes" names them.
            ``log_likelihood`` has all constants, so that ``arviz.loo`` agrees with `loo`.

        Raises
        ------
        ImportError
            If ArviZ is not installed: ``pip install 'skhlm[arviz]'``.

        Examples
        --------
        After ``data = model.to_arviz()``, ``arviz.summary(data)``, ``arviz.loo(data)`` and
        ``arviz.plot_trace(data, var_names=["kappa"])`` work as ever.
        """
        check_is_fitted(self)
        groups = export.Contents()
        posterior, labels = self._posterior, self._spec.labels
        export.add_parameters(groups, posterior, labels)
        export.add_statistics(groups, posterior, self._fit.statistics)
        if X is None and y is None and self._fit.rows is None:
            return export.to_arviz(groups)
        observed = rows_singly(self, X, y, sample_weight)
        names = labels.coefficients[self._spec.units.fit_intercept :]
        export.add_observed(groups, observed, labels, names)
        if self._spec.classes is not None:
            export.add_classes(groups, self._spec.classes.labels)
        if log_likelihood:
            export.add_log_likelihood(groups, posterior, observed)
        if posterior_predictive:
            rng = np.random.default_rng(seed_of(random_state))
            export.add_predictive(groups, posterior, observed, rng)
        return export.to_arviz(groups)

    def report(
        self: Any,
        path: str | Path,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        title: str | None = None,
        features: Sequence[str | int] | None = None,
    ) -> None:
        """Write everything about the model as one HTML file; the same as `skhlm.report`.

        Parameters
        ----------
        path : str or Path
            The file to write.
        X, y, sample_weight : rows, their outcome and how often they count, default=None
            Rows to compare the model with; by default those of fit, where it remembers them. Of
            shares the weight is the number of trials.
        title : str or None, default=None
            Title of the page; None says what the outcome is.
        features : sequence of str or int, default=None
            Predictors along which to draw response curves; None is every one, or the first 60.
        """
        from skhlm.html_report import report

        report(self, path, X, y, sample_weight, title=title, features=features)

    def _pooling_of(
        self, g: int, coverage: float | None, levels: Ints | None = None
    ) -> pd.DataFrame:
        """Rows of `shrinkage_factors` for factor g; without a coverage no intervals."""
        fit, spec = self._fit, self._spec
        levels = np.arange(spec.groups.n_levels[g]) if levels is None else levels
        found = pooling.shrinkage_factors(
            fit.posterior, fit.level_data, spec.groups, g, coverage, levels
        )
        estimates = [array for group in found[1:] for array in group]
        weights = np.repeat(spec.level_weights[g][levels], found.shrinkage.shape[1])
        numbers = [weights, found.shrinkage, *estimates]
        named = spec.labels.where_fitted.effects(g, levels)
        columns = {name: x.ravel() for name, x in zip(_POOLING[3:], numbers, strict=True)}
        return pd.DataFrame({**named, **columns})


_ESTIMATES = ("complete_pooling", "partial_pooling", "no_pooling")
_ENDS = ("", "_lower", "_upper")
_POOLING = [
    *("factor", "level", "coefficient", "n", "B"),
    *(f"{estimate}{end}" for estimate in _ESTIMATES for end in _ENDS),
]
