"""gpboost with its defaults: maximum likelihood, of Student-t residuals by Laplace's method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gpboost
import numpy as np
import pandas as pd

from benchmarks.peers.task import Effects, Task

PACKAGES = ("gpboost",)
LIKELIHOODS = {"normal": "gaussian", "student_t": "t"}


def fit(task: Task, rows: pd.DataFrame) -> Any:
    """All effects are independent of each other."""
    slopes = rows[list(task.varying[1:])].to_numpy()
    by_factor = np.repeat(np.arange(len(task.factors)), slopes.shape[1]) + 1
    coefficients = {
        "group_rand_coef_data": np.tile(slopes, len(task.factors)),
        "ind_effect_group_rand_coef": by_factor.tolist(),
    }
    model = gpboost.GPModel(
        group_data=rows[list(task.factors)].to_numpy(),
        likelihood=LIKELIHOODS[task.family],
        **(coefficients if slopes.shape[1] else {}),
    )
    X = rows[list(task.slopes)].to_numpy()
    model.fit(y=rows["y"].to_numpy(), X=np.column_stack([np.ones(len(X)), X]))
    return model, rows


def effects(task: Task, fitted: tuple[Any, pd.DataFrame]) -> dict[str, Effects]:
    """With their conditional variances, which it does not have for all its ways to solve."""
    model, rows = fitted
    try:
        found = model.predict_training_data_random_effects(predict_var=True).to_numpy()
        mean, variance = np.split(found, 2, axis=1)
    except gpboost.basic.GPBoostError:
        mean, variance = model.predict_training_data_random_effects().to_numpy(), None
    effects = {}
    for i, factor in enumerate(task.factors):
        rows_of = np.unique(rows[factor], return_index=True)[1], _columns(task, i)
        of_factor = mean[np.ix_(*rows_of)]
        effects[factor] = (
            Effects(of_factor)
            if variance is None
            else Effects.normal(of_factor, np.sqrt(variance[np.ix_(*rows_of)]))
        )
    return effects


def _columns(task: Task, i: int) -> list[int]:
    """Intercepts of all factors come first, then slopes factor by factor."""
    n_slopes = len(task.varying) - 1
    first = len(task.factors) + i * n_slopes
    return [i, *range(first, first + n_slopes)]


def tell(_task: Task, _fitted: Any, _folder: Path) -> dict[str, Any]:
    """It says nothing of its fit."""
    return {"said": ""}
