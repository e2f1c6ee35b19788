"""Predictions of two classes: labels, probabilities and log odds that agree."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags

from skhlm._typing import Floats
from skhlm.condensing.dask_frames import lazily
from skhlm.families import family_of_classes
from skhlm.inputs.classes import Classes
from skhlm.methods.arguments import checked
from skhlm.preparation import OutcomeRequest

_LEAST = float(np.finfo(np.float64).tiny)  # probability, so that log odds are finite


class TwoClasses(ClassifierMixin):
    """A classifier of two classes, from the probability of each."""

    @property
    def _outcome_request(self) -> OutcomeRequest:
        """Labels of two classes, as zeros and ones."""
        return OutcomeRequest(family_of_classes(), has_classes=True)

    @property
    @abstractmethod
    def _classes(self) -> Classes:
        """What zeros and ones stand for."""

    @abstractmethod
    def _probabilities(self, X: Any) -> Floats:
        """Probability of each class, (n, 2), the small ones to all digits."""

    def __sklearn_tags__(self) -> Tags:
        """scikit-learn's tags: two classes, no more."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    @lazily
    @checked(
        {},
        " Probabilities are predict_proba's, log odds decision_function's: predict gives labels.",
    )
    def predict(self, X: Any) -> Any:
        """The more probable class.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit. The effects of levels that fit has not seen are integrated out.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The second class where `decision_function` is above 0, the first elsewhere.
        """
        second = self.decision_function(X) > 0
        return self._classes.named(second.astype(np.int64))

    def predict_proba(self, X: Any) -> Floats:
        """Probability of each class; of a Bayesian model its posterior mean.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit. The effects of levels that fit has not seen are integrated out, so that
            probabilities there are nearer to one half.

        Returns
        -------
        probability : ndarray of shape (n_samples, 2)
            In the order of ``classes_``. A row's values do not depend on the other rows.
        """
        return self._probabilities(X)

    @lazily
    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithm of `predict_proba`, finite always.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.

        Returns
        -------
        log_probability : ndarray of shape (n_samples, 2)
            In the order of ``classes_``.
        """
        probability = np.maximum(self._probabilities(X), _LEAST)
        smaller = probability.min(axis=1, keepdims=True)
        larger = np.log1p(-smaller)
        log_probability: Floats = np.where(probability > 0.5, larger, np.log(probability))
        return log_probability

    def decision_function(self, X: Any) -> Floats:
        """Log odds of the second class, those of `predict_proba`, finite always.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.

        Returns
        -------
        log_odds : ndarray of shape (n_samples,)
            Above 0 where the second class is the more probable. (The posterior mean of the log odds
            themselves is another number, farther from 0.)
        """
        first, second = np.maximum(self._probabilities(X), _LEAST).T
        log_odds: Floats = np.log(second / first)
        return log_odds
