"""Expected values of y where what was fitted, with normal residuals, is a logarithm of it."""

from __future__ import annotations

from skhlm._typing import Floats
from skhlm.families.links import Log
from skhlm.families.normal import Normal


class ShiftedLog(Log):
    """The expected outcome is exp(eta) and a number."""

    def __init__(self, shift: float) -> None:
        self.shift = shift

    def inverse(self, eta: Floats) -> Floats:
        """exp(eta) and the shift."""
        return super().inverse(eta) + self.shift

    def average(self, eta: Floats) -> Floats:
        """The mean of that over draws."""
        return super().average(eta) + self.shift

    def link(self, mean: Floats) -> Floats:
        """Logarithm of what is above the shift."""
        return super().link(mean - self.shift)

    def derivative(self, eta: Floats) -> Floats:
        """exp(eta)."""
        return super().inverse(eta)

    def slopes_over_normal(self, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        """exp(eta + variance / 2), twice."""
        slope = super().inverse(eta + 0.5 * variance)
        return slope, slope


class LogNormal(Normal):
    """A normal outcome on a logarithmic scale, of which expected values are on that of y."""

    def __init__(self, shift: float) -> None:
        self.link = ShiftedLog(shift)  # type: ignore[misc]  # a model's own, not its family's
