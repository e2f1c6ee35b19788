"""Links: from the linear predictor eta = x' beta to the expected outcome."""

from __future__ import annotations

from dataclasses import dataclass

from skhlm._typing import Floats


@dataclass(frozen=True)
class Link:
    """The identity: the expected outcome is eta itself.

    ``linear`` says that the mean over draws is the value at the mean coefficients, and that the
    effect of a new level, whose mean is 0, leaves it.
    """

    name: str = "identity"
    linear: bool = True

    def inverse(self, eta: Floats) -> Floats:
        """Expected outcome at eta."""
        return eta


IDENTITY = Link()
