"""The rows of fit, remembered or given again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Floats, Ints
from skhlm.inputs.design import Rows, canonical_rows
from skhlm.inputs.frames import check_weight
from skhlm.methods.fitted import Fitted
from skhlm.preparation import ModelSpec
from skhlm.reports.export import Observed

_FRACTIONS = (
    "The model was fitted with weights that are no whole numbers, and replications of a fraction "
    "of a row are not defined: pass X and y, to count each row once."
)
_WHOLE = 1e-6  # of a number of successes, by trial


def fitted_rows(model: Fitted, X: Any, y: Any, sample_weight: Any) -> Rows:
    """The rows of fit, remembered or given again."""
    check_is_fitted(model)
    if X is not None and y is not None:
        return _read_fitted_rows(model, X, y, sample_weight)
    if not (X is None and y is None and sample_weight is None):
        raise ValueError("Give both X and y (and sample_weight, if fit had it), or none of them.")
    if model._fit.rows is None:
        raise ValueError(
            "The model does not remember the rows it was fitted to, as pickles and model files "
            "do not have them: pass X and y of fit (and sample_weight, if fit had it)."
        )
    return model._fit.rows


def rows_to_export(model: Fitted, X: Any, y: Any, sample_weight: Any) -> Observed:
    """Rows of fit or others, those of weight w w times; shares as the rows of trials they are.

    These are the units that `leave_one_out` leaves out.
    """
    if X is None or y is None:
        rows = fitted_rows(model, X, y, sample_weight)
        codes = rows.codes[rows.cell]
        if not _has_shares(model, rows.y):
            return _repeated(rows.X, codes, rows.y, rows.weight)
        given = rows.given
        return _of_trials(rows.X[given], codes[given], rows.y[given], rows.given_weight)
    predictors, codes, _ = model._rows(X)
    weight = check_weight(sample_weight, predictors)
    observed = model._observed(y, len(predictors))
    build = _of_trials if _has_shares(model, observed) else _repeated
    return build(predictors, codes, observed, weight)


def _has_shares(model: Fitted, y: Floats) -> bool:
    """Whether weights are trials: some y is neither 0 nor 1 where outcomes are one of these."""
    return model._posterior.family.is_binary and bool((y % 1).any())


def _of_trials(X: Floats, codes: Ints, y: Floats, trials: Floats) -> Observed:
    """Shares as successes; raise where there cannot be so many, rows without trials left out."""
    successes = np.round(y * trials)
    if (trials % 1).any() or (np.abs(successes - y * trials) > _WHOLE * trials).any():
        raise ValueError(
            "y holds shares, and sample_weight has not the numbers of trials that they are of: "
            "pass these."
        )
    used = trials > 0
    return Observed(X[used], codes[used], successes[used], trials[used])


def _repeated(X: Floats, codes: Ints, y: Floats, weight: Floats) -> Observed:
    """Rows as often as their whole weights say."""
    if (weight % 1).any():
        raise ValueError(_FRACTIONS)
    every = np.repeat(np.arange(len(y)), weight.astype(np.int64))
    return Observed(X[every], codes[every], y[every], np.ones(len(every)))


def rows_to_check(model: Fitted, X: Any, y: Any) -> tuple[Floats, Ints, Ints, Floats]:
    """Predictors (n, p), levels and new levels (n, G), outcomes (n,), by whole weights."""
    if X is not None and y is not None:
        predictors, codes, columns = model._rows(X)
        new_levels = model._spec.groups.new_levels(columns, codes)
        return predictors, codes, new_levels, model._observed(y, len(predictors))
    rows = _of_one_trial(model, fitted_rows(model, X, y, None))
    if (rows.weight % 1).any():
        raise ValueError(_FRACTIONS)
    every = np.repeat(np.arange(len(rows.y)), rows.weight.astype(np.int64))
    codes = rows.codes[rows.cell[every]]
    return rows.X[every], codes, np.full_like(codes, -1), rows.y[every]


def _of_one_trial(model: Fitted, rows: Rows) -> Rows:
    """Shares of whole numbers of trials as rows of 0 and of 1."""
    if not (model._posterior.family.is_discrete and (rows.y % 1).any()):
        return rows
    ones = np.round(rows.weight * rows.y, 6)  # whole but for rounding
    weight = np.r_[ones, rows.weight - ones]
    y = np.repeat([1.0, 0.0], len(rows.y))
    kept = np.flatnonzero(weight > 0)
    return replace(
        rows,
        X=np.tile(rows.X, (2, 1))[kept],
        y=y[kept],
        weight=weight[kept],
        cell=np.tile(rows.cell, 2)[kept],
    )


def table_of(spec: ModelSpec, rows: Rows) -> pd.DataFrame:
    """Predictors and group columns of canonical rows, and the exposure."""
    labels = spec.labels
    names = labels.coefficients[spec.units.fit_intercept :]
    groups = pd.DataFrame(labels.values(rows.codes), index=range(len(rows.codes)))
    predictors = pd.DataFrame(rows.X[:, : len(names)], columns=list(names))
    if spec.exposure is not None:
        predictors[spec.columns.group_name(spec.exposure)] = np.exp(rows.X[:, -1])
    return predictors.join(groups.iloc[rows.cell].reset_index(drop=True))


def _read_fitted_rows(model: Fitted, X: Any, y: Any, sample_weight: Any) -> Rows:
    """Rows in canonical order; raises where they are not those of fit."""
    predictors, codes, columns = model._rows(X)
    model._spec.groups.check_seen(columns, codes)
    weight = check_weight(sample_weight, predictors)
    used = weight > 0
    y = model._observed(y, len(predictors))
    rows = canonical_rows(predictors[used], y[used], weight[used], codes[used])
    levels = zip(
        model._spec.labels.factors,
        rows.level_weights(model._posterior.n_levels),
        model._spec.level_weights,
        strict=True,
    )
    for factor, given, fitted in levels:
        if not np.allclose(given, fitted, rtol=1e-9, atol=0):
            raise ValueError(
                f"X has not the rows of fit: the levels of grouping factor {factor!r} have "
                f"{fitted.sum():g} rows (or weights) at fit and {given.sum():g} here, or are "
                "otherwise distributed. For other rows there are the scorers."
            )
    known = model._fit.fingerprint
    if known and rows.fingerprint() != known:
        raise ValueError(
            "X and y have not the rows of fit: predictors, outcomes or weights differ, by more "
            "than rounding. Pass the data of fit, in float64 if it was; for other rows there "
            "are the scorers."
        )
    return rows
