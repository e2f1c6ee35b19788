"""Cross-validates models side by side: how well they predict, what their intervals are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import r2_score, root_mean_squared_error

from skhlm import HLMRegressor
from skhlm._typing import Floats, Ints
from skhlm.demo.least_squares import t_interval

COVERAGE = 0.9

Fold = tuple[Ints, Ints]


@dataclass(frozen=True)
class Comparison:
    """Scores of held-out rows, and the models that made them.

    Attributes
    ----------
    scores : pandas.DataFrame
        One row for each model, means over the folds: ``R²``, ``RMSE``, and the 90% intervals'
        ``coverage`` and mean ``width``.
    fitted : dict of str to list
        Each model as fitted on each fold.
    """

    scores: pd.DataFrame
    fitted: dict[str, list[Any]]


def cross_validate(
    models: Mapping[str, Any], X: pd.DataFrame, y: pd.Series[float], folds: Iterable[Fold]
) -> Comparison:
    """Fit every model on every fold's training rows and score it on the others."""
    scores: list[dict[str, Any]] = []
    fitted: dict[str, list[Any]] = {name: [] for name in models}
    for train, test in folds:
        for name, model in models.items():
            fit = clone(model).fit(X.iloc[train], y.iloc[train])
            interval = _interval(fit, X.iloc[train], y.iloc[train], X.iloc[test])
            found = _score(y.iloc[test], fit.predict(X.iloc[test]), interval)
            scores.append({"model": name, **found})
            fitted[name].append(fit)
    means = pd.DataFrame(scores).groupby("model", sort=False).mean().rename_axis(None)
    return Comparison(means, fitted)


def convergence(models: Iterable[HLMRegressor]) -> str:
    """What the fits' diagnostics say, in a line; then their complaints, if any."""
    found = [model.diagnostics_ for model in models]
    passed = sum(diagnostics.verdict == "pass" for diagnostics in found)
    rhat = max(diagnostics.max_rhat for diagnostics in found)
    line = f"Convergence (diagnostics_): {passed} of {len(found)} fits pass, R-hat <= {rhat:.3f}."
    return "\n".join([line, *(text for diagnostics in found for text in diagnostics.messages)])


def _interval(
    fit: Any, X_train: pd.DataFrame, y_train: pd.Series[float], X: pd.DataFrame
) -> Floats:
    """90% intervals of new observations, shape (n, 2)."""
    if isinstance(fit, HLMRegressor):
        interval: Floats = fit.predict_interval(X, COVERAGE)
        return interval
    return t_interval(fit, X_train, y_train, X, COVERAGE)


def _score(y: pd.Series[float], predicted: Floats, interval: Floats) -> dict[str, float]:
    """A row of the comparison."""
    lower, upper = interval.T
    return {
        "R²": r2_score(y, predicted),
        "RMSE": root_mean_squared_error(y, predicted),
        "coverage": float(np.mean((lower <= y) & (y <= upper))),
        "width": float(np.mean(upper - lower)),
    }
