"""What the engine is asked to fit: one scaled regression with grouping factors, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from skhlm._typing import Ints
from skhlm.families import Evidence, Family
from skhlm.numerics.forest import Forest, learn_forest
from skhlm.priors import Priors

Covariance = Literal["diagonal", "full"]


@dataclass(frozen=True)
class Problem:
    """What the likelihood sees of the rows, the cells' levels, and the model to fit to them.

    ============  ===========  ===================================================================
    field         shape        what it is
    ============  ===========  ===================================================================
    ``evidence``               the rows, predictors and outcome as the model sees them, the
                               intercept's ones included, as few as the family needs
    ``codes``     (C, G)       level of each cell in each factor, from 0; every level occurs
    ``n_levels``  G numbers    J_g
    ``varying``   G x (K_g,)   which coefficients vary by the factor (predictors), increasing
    ============  ===========  ===================================================================

    A cell is a distinct combination of levels. Without grouping factors there is one cell and
    ``codes`` has shape (1, 0).
    """

    evidence: Evidence
    codes: Ints
    n_levels: tuple[int, ...]
    varying: tuple[Ints, ...]
    family: Family
    covariance: Covariance
    priors: Priors

    @property
    def n_coefficients(self) -> int:
        """K."""
        return self.evidence.n_coefficients

    @property
    def n_effects(self) -> int:
        """Numbers that group effects are, sum J_g K_g."""
        return sum(J * len(a) for J, a in zip(self.n_levels, self.varying, strict=True))

    @property
    def n_tau(self) -> int:
        """Scales of effects, sum K_g."""
        return sum(len(a) for a in self.varying)

    @property
    def n_omega(self) -> int:
        """Correlations of effects, sum K_g (K_g - 1) / 2; none with a diagonal covariance."""
        if self.covariance == "diagonal":
            return 0
        return sum(len(a) * (len(a) - 1) // 2 for a in self.varying)

    @property
    def cuts(self) -> tuple[float, ...]:
        """How far above its bound each auxiliary parameter stays."""
        return self.family.cuts(self.evidence)


def may_be_exact(problem: Problem, forest: Forest) -> bool:
    """Whether group effects are normal given the rest: one tree, a quadratic likelihood."""
    return problem.family.is_gaussian and len(forest.chains) == 1


def count_sampled(problem: Problem) -> int:
    """Independent effects that the sampler moves: none that may be correlated or left out."""
    forest = learn_forest(problem.codes, problem.n_levels)
    if problem.covariance == "full" or may_be_exact(problem, forest):
        return 0
    return problem.n_effects
