"""Complete pooling and no pooling of any family: one regression of all rows, one for each cell."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LinearRegression

from skhlm._typing import Bools
from skhlm.baselines.curves import Curves, fit_curves
from skhlm.families import Family, LinkFamily
from skhlm.inputs.columns import listed
from skhlm.inputs.design import Rows
from skhlm.least_squares import Regressions, fit_cells, fit_cells_beside


def fit_pooled(
    family: Family, rows: Rows, n_predictors: int, *, fit_intercept: bool
) -> Regressions | Curves:
    """The regression of all rows; behind n predictors there may be an offset."""
    together = Rows(rows.X, rows.y, rows.weight, np.zeros_like(rows.cell), rows.codes[:1])
    if isinstance(family, LinkFamily):
        return _pooled_curve(family, together, n_predictors, fit_intercept=fit_intercept)
    return _pooled_line(together, fit_intercept=fit_intercept)


def fit_unpooled(
    family: Family, rows: Rows, pooled: Regressions | Curves, *, fit_intercept: bool
) -> tuple[Regressions | Curves, Bools]:
    """One regression for each cell, and which cells (C,) are left to the pooled one."""
    if isinstance(family, LinkFamily):
        assert isinstance(pooled, Curves)
        return _unpooled_curves(family, rows, pooled, fit_intercept=fit_intercept)
    assert isinstance(pooled, Regressions)
    return _unpooled_lines(rows, pooled, fit_intercept=fit_intercept)


def _pooled_line(rows: Rows, *, fit_intercept: bool) -> Regressions:
    """By scikit-learn, but where rows do not determine it: there rounding could.

    Standard errors are `fit_cells`'s.
    """
    combined = fit_cells(rows, fit_intercept=fit_intercept)
    if combined.rank[0] == combined.coef.shape[1] and rows.X.shape[1]:
        line = LinearRegression(fit_intercept=fit_intercept)
        line.fit(rows.X, rows.y, rows.weight)
        combined = combined.with_line(line.coef_, float(line.intercept_))
    return combined.with_scale(np.ones(1, dtype=np.bool_), rows.y)


def _unpooled_lines(
    rows: Rows, pooled: Regressions, *, fit_intercept: bool
) -> tuple[Regressions, Bools]:
    """Cells of less than one row are left, all where sigma would have no expected size."""
    own = fit_cells_beside(rows, pooled)
    fallback = own.n < 1 if fit_intercept else own.n <= own.rank
    own = own.with_scale(~fallback, rows.y)
    if own.df <= 1:  # by Student-t without a mean
        fallback[:] = True
    return own, fallback


def _pooled_curve(
    family: LinkFamily, rows: Rows, n_predictors: int, *, fit_intercept: bool
) -> Curves:
    """Raises where a parameter beside eta is to be estimated and no degrees of freedom are left."""
    curve = fit_curves(family, rows, n_predictors=n_predictors, fit_intercept=fit_intercept)
    curve = curve.with_auxiliary(np.ones(1, dtype=np.bool_), rows)
    if not curve.is_complete:
        raise ValueError(
            f"{int(curve.rank[0])} coefficients leave nothing of {curve.n[0]:g} rows to estimate "
            f"{listed(parameter.name for parameter in family.auxiliary)} from. Leave out "
            "predictors, or take a family without such a parameter."
        )
    return curve


def _unpooled_curves(
    family: LinkFamily, rows: Rows, pooled: Curves, *, fit_intercept: bool
) -> tuple[Curves, Bools]:
    """Cells are left that have not more rows than coefficients, or outcomes at one end alone."""
    n_predictors = pooled.slopes.shape[1]
    own = fit_curves(family, rows, n_predictors=n_predictors, fit_intercept=fit_intercept)
    fallback = own.extreme | (own.n <= own.rank)
    own = own.beside(pooled).with_auxiliary(~fallback, rows)
    if not own.is_complete:
        fallback[:] = True
    return own, fallback
