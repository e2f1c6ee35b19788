"""What is told of each model's predictions, by what the outcome is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import mean_tweedie_deviance, r2_score, root_mean_squared_error

from skhlm._typing import Bools, Floats
from skhlm.families import Family
from skhlm.families.links import LOG, LOGIT
from skhlm.inputs.classes import check_labels
from skhlm.inputs.frames import check_observed
from skhlm.posterior.scoring import inside
from skhlm.scorers import crps, predict_interval
from skhlm.wrappers import find_model

_POISSON, _GAMMA = 1, 2  # Tweedie's powers of the mean that the variance is proportional to

Predicted = Mapping[str, Any]  # arrays with one entry a row


class Metrics(ABC):
    """Numbers for some rows of a fold."""

    names: ClassVar[tuple[str, ...]]

    def check(self, y: Any, n_rows: int) -> Any:
        """Outcomes (n,) as they are scored."""
        return check_observed(y, n_rows)

    @abstractmethod
    def predictions(self, fit: Any, X: Any, y: Any, coverage: float) -> Predicted:
        """What a fitted model says of rows, whose outcomes are y."""

    def summary(self, predicted: Predicted, rows: Bools) -> dict[str, float]:
        """Values by name for some of the rows, by their "weight"; NaN where there are none."""
        rows = rows & (predicted["weight"] > 0)
        if not rows.any():
            return dict.fromkeys(self.names, np.nan)
        values = self._values({name: of_rows[rows] for name, of_rows in predicted.items()})
        return {name: float(values[name]) for name in self.names}

    @abstractmethod
    def _values(self, predicted: Predicted) -> Mapping[str, float]:
        """The same of one row or more."""


class NumberMetrics(Metrics):
    """Of outcomes that are any numbers."""

    names: ClassVar[tuple[str, ...]] = ("r2", "rmse", "coverage", "width", "crps")

    def predictions(self, fit: Any, X: Any, y: Any, coverage: float) -> Predicted:
        """Expected values, intervals, and scores of rows where they are on the scale of y."""
        on_scale = not find_model(fit).targets
        return {
            "y": y,
            "mean": np.asarray(fit.predict(X)),
            "interval": predict_interval(fit, X, coverage),
            "crps": crps(fit, X, y) if on_scale else np.full(len(y), np.nan),
        }

    def _values(self, predicted: Predicted) -> dict[str, float]:
        y, mean, interval = predicted["y"], predicted["mean"], predicted["interval"]
        weight = predicted["weight"]
        return {
            "r2": _r2(y, mean, weight),
            "rmse": root_mean_squared_error(y, mean, sample_weight=weight),
            "coverage": np.average(inside(y, interval), weights=weight),
            "width": np.average(interval[:, 1] - interval[:, 0], weights=weight),
            "crps": np.average(predicted["crps"], weights=weight),
        }


@dataclass(frozen=True)
class AmountMetrics(NumberMetrics):
    """Of counts and positive numbers: the mean deviance, too, with a power of the mean."""

    power: int
    names: ClassVar[tuple[str, ...]] = ("r2", "rmse", "deviance", "coverage", "width", "crps")

    def _values(self, predicted: Predicted) -> dict[str, float]:
        y, mean, weight = predicted["y"], predicted["mean"], predicted["weight"]
        deviance = np.nan
        if (mean > 0).all():
            deviance = mean_tweedie_deviance(y, mean, sample_weight=weight, power=self.power)
        return {**super()._values(predicted), "deviance": deviance}


class ShareMetrics(Metrics):
    """Of shares of successes, by their trials."""

    names = ("r2", "log_loss", "brier")

    def predictions(self, fit: Any, X: Any, y: Any, coverage: float) -> Predicted:
        """Probabilities of failure and success, and how much of both there was."""
        del coverage
        mean = np.clip(fit.predict(X), 0, 1)
        return {
            "y": y,
            "mean": mean,
            "observed": np.column_stack([1 - y, y]),
            "probability": np.column_stack([1 - mean, mean]),
        }

    def _values(self, predicted: Predicted) -> dict[str, float]:
        r2 = _r2(predicted["y"], predicted["mean"], predicted["weight"])
        return {"r2": r2, **_of_probabilities(predicted)}


class ClassMetrics(Metrics):
    """Of labels."""

    names = ("log_loss", "brier", "accuracy")

    def check(self, y: Any, n_rows: int) -> Any:
        """Labels (n,)."""
        return check_labels(y, n_rows)

    def predictions(self, fit: Any, X: Any, y: Any, coverage: float) -> Predicted:
        """Probabilities of the classes, which it was, and whether that was predicted."""
        del coverage
        return {
            "probability": np.asarray(fit.predict_proba(X)),
            "observed": (y[:, None] == fit.classes_).astype(np.float64),
            "right": np.asarray(fit.predict(X)) == y,
        }

    def _values(self, predicted: Predicted) -> dict[str, float]:
        accuracy = np.average(predicted["right"], weights=predicted["weight"])
        return {**_of_probabilities(predicted), "accuracy": accuracy}


def metrics_of(family: Family | None) -> Metrics:
    """What there is to tell of outcomes of a family, or of labels for None."""
    if family is None:
        return ClassMetrics()
    if family.link == LOGIT:
        return ShareMetrics()
    if family.link == LOG:
        return AmountMetrics(_POISSON if family.is_discrete else _GAMMA)
    return NumberMetrics()


def _r2(y: Floats, mean: Floats, weight: Floats) -> float:
    """Share of the variance that is explained; NaN of one row."""
    return float(r2_score(y, mean, sample_weight=weight)) if len(y) > 1 else np.nan


def _of_probabilities(predicted: Predicted) -> dict[str, float]:
    """Log loss and Brier score of two classes, from shares (n, 2) of what was observed.

    The former as scikit-learn has it: no probability is below the rounding of one.
    """
    probability, observed = predicted["probability"], predicted["observed"]
    least = np.finfo(np.float64).eps
    surprise = -np.log(np.clip(probability, least, 1 - least))
    missed = (1 - probability) ** 2
    return {
        name: float(np.average((observed * of_class).sum(axis=1), weights=predicted["weight"]))
        for name, of_class in (("log_loss", surprise), ("brier", missed))
    }
