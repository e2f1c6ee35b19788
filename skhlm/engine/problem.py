"""What the engine is asked to fit: one scaled regression with grouping factors, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.priors import LocationScale, Priors

__all__ = ["Covariance", "Family", "LocationScale", "Priors", "Problem"]

Family = Literal["student_t", "normal"]
Covariance = Literal["diagonal", "full"]

_SMALLEST = 1e-8


@dataclass(frozen=True)
class Problem:
    """Rows in canonical order (sorted by cell), the cells' levels, and the model to fit to them.

    ============  ===========  ===================================================================
    field         shape        what it is
    ============  ===========  ===================================================================
    ``X``         (N, K)       predictors as the model sees them, the intercept's ones included
    ``y``         (N,)         outcome as the model sees it
    ``weight``    (N,)         frequency weights, > 0
    ``cell``      (N,)         cell of each row: 0, ..., C - 1, non-decreasing, none left out
    ``codes``     (C, G)       level of each cell in each factor, from 0; every level occurs
    ``n_levels``  G numbers    J_g
    ``varying``   G x (K_g,)   which coefficients vary by the factor (columns of X), increasing
    ============  ===========  ===================================================================

    A cell is a distinct combination of levels. Without grouping factors there is one cell and
    ``codes`` has shape (1, 0).
    """

    X: Floats
    y: Floats
    weight: Floats
    cell: Ints
    codes: Ints
    n_levels: tuple[int, ...]
    varying: tuple[Ints, ...]
    family: Family
    covariance: Covariance
    priors: Priors

    @property
    def sigma_min(self) -> float:
        """Where sigma is cut, far below what data tell: 1e-8 sd(y), or of its prior's scale.

        Where the model fits every row exactly (a constant y; repeated rows and more coefficients
        than distinct ones) the posterior would otherwise pile up without end at sigma = 0.
        """
        mean = np.average(self.y, weights=self.weight)
        variance = np.average(np.square(self.y - mean), weights=self.weight)
        return _SMALLEST * float(np.sqrt(variance) or self.priors.sigma.scale[0])
