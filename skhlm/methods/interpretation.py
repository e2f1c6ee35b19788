"""The methods of `HLMRegressor` that say what the model means: pooling, curves, uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Bools, Floats, Ints
from skhlm.inputs.columns import GroupColumn, listed
from skhlm.inputs.frames import predictor_positions
from skhlm.methods.arguments import COVERAGE, KIND, checked
from skhlm.methods.fitted import Fitted
from skhlm.posterior import NEW, Kind
from skhlm.reports import curves, pooling
from skhlm.reports.budget import shares, variance_parts
from skhlm.reports.frames import frame_along, free_names, repeated_frame
from skhlm.reports.parameters import find_factor

_DERIVE = [callable, None]


class _Given(NamedTuple):
    """Rows to look at: predictors (n, p), codes (n, G), and values of the group columns."""

    predictors: Floats
    codes: Ints
    values: Mapping[str, Sequence[object]]
    columns: Mapping[int, GroupColumn]


class InterpretationMixin(Fitted):
    """What was learned, in the terms of a question: how far pulled, what if, how sure."""

    @checked({"factor": [str, None], "coverage": COVERAGE})
    def shrinkage_factors(self, factor: str | None = None, coverage: float = 0.9) -> pd.DataFrame:
        """Shrinkage factors B, and the estimates of complete, partial and no pooling.

        For each draw, with z the predictors whose coefficients vary by factor g::

            B_glk = [(I_gl + Sigma_g^-1)^-1]_kk / tau_gk^2
            I_gl = c / sigma^2 * sum of w_i z_i z_i' over the rows of level l

        with c = 1 for normal residuals and (nu + 1) / (nu + 3) for Student-t ones. B = 0 is no
        pooling, B = 1 complete pooling. With one factor, a varying intercept and known scales, the
        partial-pooling estimate is ``(1 - B) * no_pooling + B * complete_pooling``.

        Parameters
        ----------
        factor : str or None, default=None
            One grouping factor, such as "region/country"; None is all of them.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the central intervals.

        Returns
        -------
        pooling : DataFrame
            One row for each factor, level and coefficient that varies by it: ``factor``, ``level``
            (tuple of values, coarse to fine), ``coefficient``, ``n`` (sum of the weights of the
            level's rows), ``B`` (posterior mean) and three estimates in the user's units, each with
            its interval in columns that end in ``_lower`` and ``_upper``:

            ``complete_pooling``
                The common value to which the level is pulled: kappa and the effects of the coarser
                levels of its path, which is what the model expects of a new level there.
            ``partial_pooling``
                The same with the level's own effect: the model's estimate.
            ``no_pooling``
                Least squares of the level's own rows, given the rest of the model (other
                hierarchies, finer levels, coefficients that do not vary by the factor); NaN where
                they do not identify the coefficient.

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
        chosen = range(len(labels.factors)) if factor is None else [find_factor(factor, labels)]
        frames = [self._pooling_of(g, coverage) for g in chosen]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=_POOLING)

    @checked({"coverage": COVERAGE, "kind": KIND, "slope": ["boolean"], "derive": _DERIVE})
    def response_curve(
        self,
        X: Any = None,
        feature: Any = None,
        grid: Any = None,
        coverage: float = 0.9,
        kind: Kind = "mean",
        slope: bool = False,
        derive: curves.Derive | None = None,
    ) -> pd.DataFrame:
        """The expected value, or a new observation, as one predictor moves and all else is held.

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
        coverage : float in (0, 1), default=0.9
            Posterior probability of the central interval at each point.
        kind : {"mean", "outcome"}, default="mean"
            Interval of the expected value, or of a new observation.
        slope : bool, default=False
            Whether to report the slope of the expected value as well: the marginal return.
        derive : callable, default=None
            For an input that the model sees only through predictors derived from it: takes an
            array of values of the feature, returns a mapping from names of predictors to arrays of
            their values, such as ``lambda spend: {"log_spend": np.log1p(spend)}``. The slope is
            that in the feature. A pandas frame may have a column of the feature instead.

        Returns
        -------
        curve : DataFrame
            One row for each row of X and each point: ``row`` (position in X: 0, 1, ...; labels are
            ``X.index[curve["row"]]``), the group columns, a column named as the feature, ``mean``,
            ``lower``, ``upper``, ``extrapolated`` (whether a predictor that moves is outside its
            training range, that of all rows of fit, not of the group's own) and, with ``slope``,
            ``slope``, ``slope_lower``, ``slope_upper``. In this frame, and in all others with the
            group columns in them, a column of X that is called as one of the results stands with an
            underscore: "mean" as ``mean_``.

        Raises
        ------
        ValueError
            When the feature is no predictor, or a grid is needed and missing.

        See Also
        --------
        skhlm.response_curve : The same over the input columns of a pipeline.

        Notes
        -----
        ``mean`` is what `predict` gives, ``lower`` and ``upper`` what `predict_interval` gives.
        Draws, new levels' and the noise of new observations included, are the same along a curve.
        About 40 microseconds a point for 4000 draws; memory does not grow with the rows.
        """
        check_no_name(X)
        name, path = self._path(feature, grid, derive)
        given = self._given(self._completed(X, name, path))
        band = curves.band_along(
            self._posterior, given.predictors, given.codes, path, coverage, kind
        )
        numbers = dict(zip(("mean", "lower", "upper"), np.moveaxis(band, -1, 0), strict=True))
        numbers["extrapolated"] = np.broadcast_to(path.outside(self._spec.ranges), band.shape[:2])
        if slope:
            slopes = curves.slopes_along(self._posterior, given.codes, path, coverage)
            numbers |= zip(_SLOPE, np.moveaxis(slopes, -1, 0), strict=True)
        return frame_along(given.values, name, path.grid, numbers)

    @checked({"coverage": COVERAGE, "derive": _DERIVE})
    def compare_curves(
        self,
        X: Any,
        reference: Any,
        feature: Any = None,
        grid: Any = None,
        coverage: float = 0.9,
        derive: curves.Derive | None = None,
    ) -> pd.DataFrame:
        """Differences between the expected values of two sets of rows along a curve.

        Parameters
        ----------
        X, reference : frame or array-like of shape (n_samples, n_features)
            Rows as at fit; row i of X is compared with row i of the reference, or with its only
            row. They may differ in their levels, in other predictors, or both.
        feature, grid, derive
            As in `response_curve`.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the central interval at each point.

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
        name, path = self._path(feature, grid, derive)
        given, other = self._pairs(*(self._completed(rows, name, path) for rows in (X, reference)))
        found = curves.compare_points(
            self._posterior,
            self._points(given, path),
            self._points(other, path),
            self._apart(given, other),
            coverage,
        )
        numbers = dict(zip(_DIFFERENCE, np.moveaxis(found, -1, 0), strict=True))
        numbers["extrapolated"] = np.broadcast_to(path.outside(self._spec.ranges), found.shape[:2])
        names = free_names((f"{key}_reference" for key in other.values), given.values)
        reference_values = dict(zip(names, other.values.values(), strict=True))
        return frame_along({**given.values, **reference_values}, name, path.grid, numbers)

    @checked({"coverage": COVERAGE, "derive": _DERIVE})
    def compare_points(
        self,
        X: Any = None,
        feature: Any = None,
        *,
        start: float,
        end: float,
        coverage: float = 0.9,
        derive: curves.Derive | None = None,
    ) -> pd.DataFrame:
        """Differences between the expected values at two points of each row's curve.

        Parameters
        ----------
        X, feature, derive
            As in `response_curve`.
        start, end : float
            Values of the feature: what changes when it goes from one to the other.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the central interval.

        Returns
        -------
        differences : DataFrame
            One row for each row of X: ``row``, the group columns, ``start``, ``end``,
            ``difference`` (of the expected values, at the end less at the start), ``lower``,
            ``upper``, ``probability`` (that it is above zero) and ``extrapolated``.
        """
        check_no_name(X)
        name, path = self._path(feature, [start, end], derive)
        given = self._given(self._completed(X, name, path))
        both = self._points(given, path)
        found = curves.compare_points(
            self._posterior,
            curves.Points(both.Z[:, 1:], given.codes),
            curves.Points(both.Z[:, :1], given.codes),
            np.zeros(given.codes.shape, dtype=np.bool_),
            coverage,
        )
        n = len(given.codes)
        start_and_end = np.tile(path.grid, (n, 1)).T
        numbers: dict[str, Any] = dict(zip(("start", "end"), start_and_end, strict=True))
        numbers |= zip(_DIFFERENCE, np.moveaxis(found, -1, 0), strict=True)
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

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features), default=None
            Rows as at fit; None as in `response_curve`.

        Returns
        -------
        budget : DataFrame
            One row for each row of X and each part: ``row``, the group columns, ``part`` ("kappa",
            "delta", "new level", "residual"), ``factor`` (empty for kappa and the residual),
            ``variance`` in squared units of y, ``share`` of the row's sum.

        Notes
        -----
        Data tell the sum of kappa and the effects better than each of them, so their posteriors
        are negatively correlated; a covariance with the sum gives each its due, and may be
        negative. Parts refer to the predictors' training means, as the model is fitted.

        Where a Student-t residual has no finite variance (see `predict`), its variance is infinite,
        its share 1 and that of all else 0.
        """
        given, factors = self._given(X), self._spec.labels.factors
        variance = variance_parts(self._posterior, given.predictors, given.codes)
        n, width = variance.shape
        names = np.full((n, width), "delta", dtype=object)
        names[:, 0], names[:, -1] = "kappa", "residual"
        names[:, 1:-1][given.codes == NEW] = "new level"
        numbers = {
            "part": names,
            "factor": np.array(["", *factors, ""] * n, dtype=object),
            "variance": variance,
            "share": shares(variance),
        }
        return repeated_frame(given.values, n, width, numbers)

    def _pooling_of(self, g: int, coverage: float) -> pd.DataFrame:
        """Rows of `shrinkage_factors` for factor g."""
        spec = self._spec
        found = pooling.shrinkage_factors(
            self._posterior, spec.level_data, spec.groups, g, coverage
        )
        names, levels = spec.labels.where_fitted.varying_names(g), spec.labels.levels[g]
        estimates = [array for group in found[1:] for array in group]
        numbers = [np.repeat(spec.level_weights[g], len(names)), found.shrinkage, *estimates]
        return pd.DataFrame(
            {
                "factor": spec.labels.factors[g],
                "level": pd.Series(levels, dtype=object).repeat(len(names)).to_numpy(),
                "coefficient": names * len(levels),
                **{name: x.ravel() for name, x in zip(_POOLING[3:], numbers, strict=True)},
            }
        )

    def _given(self, X: Any) -> _Given:
        """Rows of X, or one for each combination of levels seen at the predictors' means."""
        if X is None:
            check_is_fitted(self)
            spec = self._spec
            predictors = np.tile(spec.ranges.mean, (len(spec.combinations), 1))
            values = spec.labels.values(spec.combinations)
            return _Given(predictors, spec.combinations, values, {})
        predictors, codes, columns = self._rows(X)
        return _Given(predictors, codes, values_of(columns), columns)

    def _completed(self, X: Any, name: str, path: curves.Path) -> Any:
        """A frame without predictors that the path moves, perhaps with its input, as at fit."""
        known = self._spec.columns.names
        moved = [self._predictor_names()[column] for column in path.columns]
        if known is None or not isinstance(X, pd.DataFrame):
            return X
        missing = [column for column in moved if column not in X]
        if not missing and (name in known or name not in X):
            return X
        kept = X if name in known else X.drop(columns=name, errors="ignore")
        wanted = [column for column in known if column in kept or column in missing]
        return kept.reindex(columns=wanted, fill_value=0.0)

    def _pairs(self, X: Any, reference: Any) -> tuple[_Given, _Given]:
        """Rows of X and of the reference, as many of each."""
        given, other = self._given(X), self._given(reference)
        n = len(given.predictors)
        if len(other.predictors) not in (1, n):
            raise ValueError(
                f"reference has {len(other.predictors)} rows and X has {n}: give one row of "
                "reference, or one for each row of X."
            )
        every = np.arange(n) % len(other.predictors)
        columns = {j: replace(c, codes=c.codes[every]) for j, c in other.columns.items()}
        return given, _Given(
            other.predictors[every], other.codes[every], values_of(columns), columns
        )

    def _apart(self, given: _Given, other: _Given) -> Bools:
        """Whether rows have different new levels of a factor, (n, G)."""
        apart: Bools = (given.codes == NEW) & (other.codes == NEW)
        for g in np.flatnonzero(apart.any(axis=0)):
            same = np.ones(len(apart), dtype=np.bool_)
            for j in self._spec.groups.factors[g].columns:
                ours, theirs = _objects(given.columns[j]), _objects(other.columns[j])
                same &= (ours == theirs) & (given.columns[j].codes >= 0)
            apart[:, g] &= ~same
        return apart

    def _points(self, given: _Given, path: curves.Path) -> curves.Points:
        """Centred predictors of each row at each point of a path."""
        n, T = len(given.predictors), len(path.grid)
        X = np.repeat(given.predictors[:, None], T, axis=1)
        X[:, :, path.columns] = path.values
        Z = self._posterior.units.centred(X.reshape(n * T, -1))
        return curves.Points(Z.reshape(n, T, -1), given.codes)

    def _path(
        self, feature: Any, grid: Any, derive: curves.Derive | None
    ) -> tuple[str, curves.Path]:
        """Name of the input and the path it takes."""
        check_is_fitted(self)
        spec, predictors = self._spec, self._predictor_names()
        if derive is not None and feature not in predictors:
            if grid is None:
                raise ValueError(
                    f"grid: {feature!r} is not a predictor of the model, so its training range is "
                    "not known. Give the values it should take."
                )
            points = curves.check_grid(grid)
            return str(feature), curves.derived_path(points, derive, predictors, spec.ranges)
        column = self._predictor(feature)
        if grid is None:
            low, high = spec.ranges.low[column], spec.ranges.high[column]
            grid = np.linspace(low, high, curves.N_POINTS)
        points = curves.check_grid(grid)
        if derive is not None:
            path = curves.derived_path(points, derive, predictors, spec.ranges)
            return predictors[column], path
        return predictors[column], curves.straight_path(points, column)

    def _predictor_names(self) -> list[str]:
        """Names of the predictors, in the order of X."""
        spec = self._spec
        positions = predictor_positions(spec.groups.hierarchies, spec.columns)
        return [spec.columns.predictor_name(position) for position in positions]

    def _predictor(self, feature: Any) -> int:
        """Which of the predictors a feature is."""
        spec, names = self._spec, self._predictor_names()
        if feature is None and len(names) == 1:
            return 0
        if feature is None:
            raise ValueError(f"feature: name one of the predictors {listed(names)}.")
        positions = predictor_positions(spec.groups.hierarchies, spec.columns)
        position = spec.columns.position(feature, "feature")
        if position not in positions:
            raise ValueError(
                f"feature: {feature!r} is a group column, not a predictor, so there is nothing to "
                f"move. The predictors are {listed(names)}."
            )
        return positions.index(position)


def check_no_name(X: Any) -> None:
    """Raise where a feature was given in the place of rows."""
    if isinstance(X, str):
        raise TypeError(
            f"X must hold rows, got {X!r}. Rows come first: if that is the feature, name the "
            f"argument, feature={X!r}."
        )


def values_of(columns: Mapping[int, GroupColumn]) -> dict[str, list[object]]:
    """Values of group columns as they were given; None where missing."""
    return {column.name: _objects(column).tolist() for column in columns.values()}


_ESTIMATES = ("complete_pooling", "partial_pooling", "no_pooling")
_ENDS = ("", "_lower", "_upper")
_POOLING = [
    *("factor", "level", "coefficient", "n", "B"),
    *(f"{estimate}{end}" for estimate in _ESTIMATES for end in _ENDS),
]
_SLOPE = ("slope", "slope_lower", "slope_upper")
_DIFFERENCE = ("difference", "lower", "upper", "probability")


def _objects(column: GroupColumn) -> Any:
    """Values of a group column, (n,), of any type; None where missing."""
    table = np.empty(len(column.values) + 1, dtype=object)
    table[:] = [*column.values, None]
    return table[column.codes]
