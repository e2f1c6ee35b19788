"""The rows of fit, remembered or given again."""

from __future__ import annotations

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
    "The weights are no whole numbers, and replications of a fraction of a row are not defined: "
    "pass X and y without sample_weight, to count each row once."
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


def rows_singly(model: Fitted, X: Any, y: Any, sample_weight: Any) -> Observed:
    """Rows of fit or others, those of weight w w times; shares as the rows of trials they are.

    These are the units that `leave_one_out` leaves out, and that residuals are of.
    """
    if X is None or y is None:
        return fitted_rows_singly(model, fitted_rows(model, X, y, sample_weight))
    predictors, codes, _ = model._rows(X)
    weight = check_weight(sample_weight, predictors)
    observed = model._observed(y, len(predictors))
    build = _of_trials if _has_shares(model, observed) else _repeated
    return build(predictors, codes, observed, weight)


def fitted_rows_singly(model: Fitted, rows: Rows) -> Observed:
    """The same of rows of fit in canonical order."""
    codes = rows.codes[rows.cell]
    if not _has_shares(model, rows.y):
        return _repeated(rows.X, codes, rows.y, rows.weight)
    given = rows.given
    return _of_trials(rows.X[given], codes[given], rows.y[given], rows.given_weight)


def _has_shares(model: Fitted, y: Floats) -> bool:
    """Whether weights are trials: some y is neither 0 nor 1 where outcomes are one of these."""
    return model._posterior.family.is_binary and bool((y % 1).any())


def _of_trials(X: Floats, codes: Ints, y: Floats, trials: Floats) -> Observed:
    """Shares as successes, rows without trials left out."""
    used, successes = trials > 0, _successes(y, trials)
    return Observed(X[used], codes[used], successes[used], trials[used])


def _repeated(X: Floats, codes: Ints, y: Floats, weight: Floats) -> Observed:
    """Rows as often as their whole weights say."""
    every, y = one_by_one(y, weight)
    return Observed(X[every], codes[every], y, np.ones(len(every)))


def _successes(y: Floats, trials: Floats) -> Floats:
    """How many of them a share is; raises where there cannot be so many."""
    if not _are_of(trials, y):
        raise ValueError(
            "y holds shares, and sample_weight has not the numbers of trials that they are of: "
            "pass these."
        )
    return np.round(y * trials)


def _are_of(trials: Floats, y: Floats) -> bool:
    """Whether shares y can be of so many trials."""
    gap = np.abs(np.round(y * trials) - y * trials)
    return not ((trials % 1).any() or (gap > _WHOLE * trials).any())


def can_be_replicated(model: Fitted, rows: Rows) -> bool:
    """Whether `rows_to_check` can count rows of fit one by one."""
    weight = rows.weight
    return _are_of(weight, rows.y) if _has_shares(model, rows.y) else not (weight % 1).any()


def rows_to_check(
    model: Fitted, X: Any, y: Any, sample_weight: Any
) -> tuple[Floats, Ints, Ints, Floats]:
    """Predictors (n, p), levels and new levels (n, G), outcomes (n,): rows of weight 1.

    Those of fit, or others; shares are as many rows of 1 and of 0 as their trials.
    """
    if X is None or y is None:
        rows = fitted_rows(model, X, y, sample_weight)
        predictors, y, weight = rows.X, rows.y, rows.weight
        codes = rows.codes[rows.cell]
        new_levels = np.full_like(codes, -1)
    else:
        predictors, codes, columns = model._rows(X)
        new_levels = model._spec.groups.new_levels(columns, codes)
        y, weight = model._observed(y, len(predictors)), check_weight(sample_weight, predictors)
    every, observed = (of_one_trial if _has_shares(model, y) else one_by_one)(y, weight)
    return predictors[every], codes[every], new_levels[every], observed


def one_by_one(y: Floats, weight: Floats) -> tuple[Ints, Floats]:
    """Which row each outcome (n,) is of, and the outcome, each as often as its weight says."""
    if (weight % 1).any():
        raise ValueError(_FRACTIONS)
    every = np.repeat(np.arange(len(y)), weight.astype(np.int64))
    return every, y[every]


def of_one_trial(y: Floats, trials: Floats) -> tuple[Ints, Floats]:
    """The same of shares: a one for each success, and then a zero for each failure."""
    successes = _successes(y, trials)
    every, _ = one_by_one(np.r_[y, y], np.r_[successes, trials - successes])
    return every % len(y), np.where(every < len(y), 1.0, 0.0)


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
