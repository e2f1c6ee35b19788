"""Importance of the columns of X, for scikit-learn's feature selection."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from skhlm._typing import Floats
from skhlm.baselines import PooledClassifier, PooledRegressor
from skhlm.estimator import HierarchicalModel
from skhlm.inputs.columns import listed
from skhlm.inputs.frames import predictor_positions
from skhlm.wrappers import find_model


def column_importance(estimator: Any) -> Floats:
    """Absolute coefficients by column of X, for ``importance_getter`` of `RFE` and the like.

    ``coef_`` has one entry for each predictor, fewer than there are columns where groups are inside
    X: `RFE` would take them for those of the first columns and drop the wrong one.

    Parameters
    ----------
    estimator : HLMRegressor, HLMClassifier, PooledRegressor or PooledClassifier
        Fitted, alone or inside a search or a transformed target.

    Returns
    -------
    importance : ndarray of shape (n_features,)
        ``abs(coef_)`` for predictors, of families with a link on its scale: how far log odds or
        logarithms move; for group columns and the exposure just above the largest of
        them, so that they are kept longest.

    Raises
    ------
    TypeError
        If it is another estimator, which has no coefficients by predictor, or one behind steps,
        whose predictors are not the columns of X.
    ValueError
        If groups were given by position and stand between predictors: a selected table has fewer
        columns, and their positions would move.

    Notes
    -----
    Coefficients depend on the predictors' units: scale them first, as for any linear model. `RFE`
    hands on arrays without names, so give groups by position there: as the first columns (``0``) or
    the last (``-1``).

    Examples
    --------
    >>> from skhlm import PooledRegressor, column_importance
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> list(X.columns)
    ['subject', 'days']
    >>> column_importance(PooledRegressor("subject").fit(X, y)).round(2)
    array([10.47, 10.47])
    """
    route = find_model(estimator)
    model = route.model
    if not isinstance(model, (HierarchicalModel, PooledRegressor, PooledClassifier)):
        raise TypeError(
            f"column_importance: got a {type(model).__name__}; give a fitted HLMRegressor, "
            "HLMClassifier, PooledRegressor or PooledClassifier."
        )
    if route.steps:
        raise TypeError(
            f"column_importance: got a {type(estimator).__name__} whose steps change the columns "
            "of X before the model sees them; put the selection behind these steps, next to the "
            "model."
        )
    learned = model._fit.spec if isinstance(model, HierarchicalModel) else model._fit
    columns, hierarchies = learned.columns, learned.groups.hierarchies
    exposure = getattr(learned, "exposure", None)
    predictors = predictor_positions(hierarchies, columns, exposure)
    split = any(b - a > 1 for a, b in pairwise(predictors))
    named = all(hierarchy.by_name for hierarchy in hierarchies)
    if split and not (named and (exposure is None or isinstance(model.exposure, str))):
        names = [columns.group_name(j) for j in range(columns.n) if j not in predictors]
        raise ValueError(
            f"column_importance: the columns {listed(names)} were given by position and "
            "stand between predictors, so that their positions move when a predictor is dropped. "
            "Put them first or last, or name them."
        )
    coefficients = np.abs(model.coef_)
    coefficients[np.isnan(coefficients)] = np.inf  # of a posterior without a mean
    largest = coefficients.max(initial=0.0)
    importance = np.full(columns.n, np.nextafter(largest, np.inf))
    importance[predictors] = coefficients
    return importance
