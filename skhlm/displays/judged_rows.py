"""Rows whose outcomes are held against the model, through pipelines and transformed targets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.methods.fitted import Fitted, find_hierarchical
from skhlm.methods.fitted_rows import fitted_rows, fitted_rows_singly, rows_singly


class JudgedRows(NamedTuple):
    """Some rows one by one, of which there are ``of`` in all.

    Predictors ``X`` (n, p), levels ``codes`` (n, G), outcomes ``y`` (n,) as the model sees them:
    successes where they are of several ``trials`` (n,).
    """

    model: Fitted
    X: Floats
    codes: Ints
    y: Floats
    trials: Floats
    of: int


def judged_rows(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    max_rows: int,
    rng: np.random.Generator,
    *,
    of_fit: bool = False,
) -> JudgedRows:
    """Rows of fit, or others, each as often as its weight says; some of them if they are many.

    Parameters
    ----------
    estimator : estimator
        A fitted model, perhaps inside others.
    X, y, sample_weight
        As the estimator takes them; None is the rows of fit.
    max_rows : int
        At most so many, drawn at random.
    rng : numpy.random.Generator
    of_fit : bool, default=False
        Whether they must be those of fit, which is checked.
    """
    if (X is None) != (y is None):
        raise ValueError("Give both X and y, or none of them for the rows of fit.")
    if isinstance(max_rows, bool) or not isinstance(max_rows, int) or max_rows < 1:
        raise ValueError(f"max_rows must be a whole number of 1 or more, got {max_rows!r}.")
    route = find_hierarchical(estimator)
    if X is not None:
        X, y = route.features(X), route.seen_outcomes(y)
    if of_fit:  # in canonical order, whichever they were given in
        rows = fitted_rows_singly(route.model, fitted_rows(route.model, X, y, sample_weight))
    else:
        rows = rows_singly(route.model, X, y, sample_weight)
    n = len(rows.y)
    some = np.arange(n)
    if n > max_rows:
        some = np.sort(rng.choice(n, max_rows, replace=False))
    return JudgedRows(
        route.model, rows.X[some], rows.codes[some], rows.y[some], rows.trials[some], n
    )
