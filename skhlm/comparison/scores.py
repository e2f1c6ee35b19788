"""Scores of a fitted model on rows whose outcome is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.utils.validation import _num_samples

from skhlm._typing import Bools
from skhlm.comparison.metrics import Metrics, Predicted, metrics_of
from skhlm.estimator import HierarchicalModel
from skhlm.inputs.frames import check_weight


def scores_of(
    model: HierarchicalModel, X: Any, y: Any, sample_weight: Any, coverage: float
) -> pd.DataFrame:
    """The metrics of `compare` on all rows, on those of known and on those of unseen levels.

    Rows of which there are none are left out.
    """
    metrics = metrics_of(None if is_classifier(model) else model._family)
    observed = metrics.check(y, _num_samples(X))
    model._observed(observed, len(observed))  # such as there can be
    weight = check_weight(sample_weight, observed)
    _, codes, _ = model._rows(X)
    told = {**metrics.predictions(model, X, observed, coverage), "weight": weight}
    scores = pd.DataFrame(by_kind_of_row(metrics, told, np.asarray((codes >= 0).all(axis=1))))
    return scores[scores["n"] > 0]


def by_kind_of_row(metrics: Metrics, told: Predicted, known: Bools) -> list[dict[str, Any]]:
    """Three records: all test rows, those of known levels and the others."""
    kinds = {"all": np.ones_like(known), "known": known, "unseen": ~known}
    return [
        {"rows": label, "n": int(rows.sum()), **metrics.summary(told, rows)}
        for label, rows in kinds.items()
    ]
