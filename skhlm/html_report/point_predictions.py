"""How close expected outcomes are to the observed ones, beside one number for all rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skhlm._typing import Floats, Ints
from skhlm.families.links import LOG, LOGIT
from skhlm.methods.fitted import Fitted
from skhlm.posterior import Posterior, prediction
from skhlm.posterior.predictive_checks import Statistic

_FEWEST, _NUMBERS = 400, 400_000_000  # draws; draws times rows
_RIGHT = 0.5  # probability from which the second class is predicted


@dataclass(frozen=True)
class PointPredictions:
    """What expected outcomes explain of weighted rows; 0 is what their mean does.

    ==================  ======================================================================
    ``r2``              1 - (squared errors) / (squared deviations from the mean of these
                        rows): what ``score`` of a regressor is; of a class that of its
                        probability, which is one less the Brier score over the constant's
    ``error``           root mean squared error
    ``spread``          that of the mean: the standard deviation, by n
    ``accuracy``        of predicted classes; NaN where outcomes are numbers
    ``most_frequent``   that of the most frequent class; NaN where outcomes are numbers
    ``least``           r2 that the half percent of replicated outcomes with the smallest have
                        at most; NaN where outcomes were not replicated
    ==================  ======================================================================
    """

    r2: float
    error: float
    spread: float
    accuracy: float = np.nan
    most_frequent: float = np.nan
    least: float = np.nan

    @property
    def is_worse_than_constant(self) -> bool:
        """Whether one number for all rows, or one class, is closer to them."""
        return self.r2 < 0 or self.accuracy < self.most_frequent

    @property
    def is_worse_than_promised(self) -> bool:
        """Whether the model, if it were right, would be closer."""
        return self.r2 < self.least

    def table(self) -> pd.DataFrame:
        """Each measure of the model's and of one number for all rows."""
        told = [("R² (score)", self.r2, 0.0), ("root mean squared error", self.error, self.spread)]
        if not np.isnan(self.accuracy):
            told = [
                ("accuracy (score)", self.accuracy, self.most_frequent),
                ("R² of the probability", self.r2, 0.0),
            ]
        return pd.DataFrame(told, columns=["measure", "model", "best constant"])


def point_predictions(
    model: Fitted, X: Floats, codes: Ints, y: Floats, weight: Floats
) -> tuple[PointPredictions | None, Floats]:
    """How close they are to rows of weight (n,), and the expected outcomes (n,).

    None of outcomes that are all the same, of which there is nothing to explain.
    """
    expected = _expected(model._posterior, X, codes)
    center = np.average(y, weights=weight)
    spread = float(np.average((y - center) ** 2, weights=weight))
    if not spread > 0:
        return None, expected
    error = float(np.average((y - expected) ** 2, weights=weight))
    found = PointPredictions(1 - error / spread, error**0.5, spread**0.5)
    if model._spec.classes is not None:
        right = np.average((expected > _RIGHT) == (y > _RIGHT), weights=weight)
        found = replace(found, accuracy=float(right), most_frequent=float(max(center, 1 - center)))
    return found, expected


def explained(expected: Floats) -> Statistic:
    """R² of expected outcomes (n,) as a statistic of outcomes (n, S)."""

    def r2(y: Floats) -> Floats:
        error = ((y - expected[:, None]) ** 2).sum(axis=0)
        return np.asarray(1 - error / ((y - y.mean(axis=0)) ** 2).sum(axis=0))

    return r2


def worse_in_words(found: PointPredictions, model: Fitted, rows: str) -> list[str]:
    """Why the expected outcomes are no good, and what to do; empty where they are."""
    if not (found.is_worse_than_constant or found.is_worse_than_promised):
        return []
    if found.accuracy < found.most_frequent:
        said = (
            f"accuracy: {found.accuracy:.1%} of the {rows} are predicted right, and "
            f"{found.most_frequent:.1%} would be by always saying the more frequent class."
        )
    elif found.r2 < 0:
        said = (
            f"R² of the expected outcome (score) is {found.r2:.2f}: expected outcomes are farther "
            f"from the {rows} than their plain mean is."
        )
    else:
        said = (
            f"R² of the expected outcome (score) is {found.r2:.2f}, while 99.5% of the outcomes "
            f"that the model replicates have more than {found.least:.2f}: it explains less of the "
            f"{rows} than it should if it were right."
        )
    return [f"{said} {_REMEDIES[model._posterior.family.link.name]}"]


_REMEDIES = {
    LOG.name: (
        "Expected outcomes multiply with every step along a predictor. Where that is an amount "
        "(spend, people, days), give its logarithm instead, so that they grow as a power of it; "
        "look at residuals and response curves where the predictor is large."
    ),
    LOGIT.name: (
        "Look at how often it was so among rows of about the same probability. A predictor "
        "with a long tail may have to be given as its logarithm, or one may be missing."
    ),
    "identity": (
        "A few rows far from the others decide this: look at residuals against fitted "
        "values. A predictor or an outcome with a long tail may have to be given as its logarithm."
    ),
}


def worse_than_constant(model: Fitted) -> list[str]:
    """What is to be known of a model that predicts its own rows worse than one number does."""
    rows = model._fit.rows
    if rows is None:
        return []
    found, _ = point_predictions(model, rows.X, rows.codes[rows.cell], rows.y, rows.weight)
    return [] if found is None else worse_in_words(found, model, "rows of fit")


def _expected(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Expected outcomes (n,), from fewer draws where there are very many rows."""
    n_draws = max(_FEWEST, _NUMBERS // max(len(X), 1))
    if n_draws < posterior.n_draws:
        posterior = posterior.thinned(n_draws)
    return prediction.expected_value(posterior, X, codes)
