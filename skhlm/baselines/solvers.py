"""scikit-learn's solvers of regressions whose mean is a curve in eta."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.special import logit, logsumexp
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor

from skhlm._typing import Floats
from skhlm.families import LinkFamily
from skhlm.families.links import LOGIT

PENALTY = 1e-4
"""Of half the squares of coefficients of orthonormal features, beside the log likelihood of all
rows: it tells where the likelihood has no maximum, and hardly anything elsewhere."""

_SETTINGS = {"solver": "newton-cholesky", "fit_intercept": False, "tol": 1e-8, "max_iter": 200}


class Solver(ABC):
    """Maximum likelihood of one family."""

    def __init__(self, family: LinkFamily) -> None:
        self.family = family

    @abstractmethod
    def solve(self, features: Floats, y: Floats, weight: Floats, offset: Floats) -> Floats:
        """Coefficients (k,) of orthonormal features (n, k); offsets include the level."""

    @abstractmethod
    def level(self, y: Floats, weight: Floats, offset: Floats) -> float:
        """Where to begin, offsets aside, and to stay where all are failures, or no events."""


class _Shares(Solver):
    """Successes and failures, by logistic regression; there are no offsets."""

    def solve(self, features: Floats, y: Floats, weight: Floats, offset: Floats) -> Floats:
        """A row of m trials is two, of its successes and failures."""
        del offset
        both = np.concatenate([weight * y, weight * (1 - y)])
        seen = both > 0
        label = np.repeat([1, 0], len(y))
        model = LogisticRegression(C=1 / PENALTY, **_SETTINGS)
        model.fit(np.tile(features, (2, 1))[seen], label[seen], both[seen])
        found: Floats = model.coef_[0]
        return found

    def level(self, y: Floats, weight: Floats, offset: Floats) -> float:
        """Even odds; of successes or failures alone as if half a trial had been of each beside."""
        del offset
        if y.min() < 1 and y.max() > 0:
            return 0.0
        return float(logit((weight @ y + 0.5) / (weight.sum() + 1)))


class _Rates(Solver):
    """Outcomes with a mean in proportion to exp(offset)."""

    def solve(self, features: Floats, y: Floats, weight: Floats, offset: Floats) -> Floats:
        """Outcomes per exposure, which has the weight of so many rows where variance grows with it.

        The negative binomial's coefficients are Poisson's, too: those of its quasi-likelihood.
        """
        exposure = np.exp(offset)
        model = PoissonRegressor if self.family.is_discrete else GammaRegressor
        weight = weight * exposure if self.family.is_discrete else weight
        size = weight.sum()
        line = model(alpha=PENALTY / size, **_SETTINGS).fit(features, y / exposure, weight / size)
        found: Floats = line.coef_
        return found

    def level(self, y: Floats, weight: Floats, offset: Floats) -> float:
        """Of the mean; of no event as if half of one had been seen."""
        if not y.any():
            return self.family.centre(y, weight, offset)
        return float(np.log(weight @ y) - logsumexp(offset, b=weight))


def solver_of(family: LinkFamily) -> Solver:
    """What finds the coefficients of a family."""
    return _Shares(family) if family.link == LOGIT else _Rates(family)
