"""The fitted model in the user's units, and what follows from its draws."""

from skhlm.posterior.posterior import NEW, NO_EFFECT, Coefficients, Posterior
from skhlm.posterior.prediction import Kind

__all__ = ["NEW", "NO_EFFECT", "Coefficients", "Kind", "Posterior"]
