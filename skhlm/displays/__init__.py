"""Pictures of fitted models, in the manner of scikit-learn's displays."""

from __future__ import annotations

from skhlm.displays.allocation import AllocationDisplay
from skhlm.displays.coefficients import CoefficientsDisplay
from skhlm.displays.contributions import ContributionsDisplay
from skhlm.displays.coverage import CoverageDisplay
from skhlm.displays.group_effects import GroupEffectsDisplay
from skhlm.displays.loo_pit import LooPitDisplay
from skhlm.displays.predictive import PosteriorPredictiveDisplay
from skhlm.displays.prior_posterior import PriorPosteriorDisplay
from skhlm.displays.residuals import ResidualsDisplay
from skhlm.displays.response_curve import ResponseCurveDisplay
from skhlm.displays.shrinkage import ShrinkageDisplay
from skhlm.displays.trace import TraceDisplay

__all__ = [
    "AllocationDisplay",
    "CoefficientsDisplay",
    "ContributionsDisplay",
    "CoverageDisplay",
    "GroupEffectsDisplay",
    "LooPitDisplay",
    "PosteriorPredictiveDisplay",
    "PriorPosteriorDisplay",
    "ResidualsDisplay",
    "ResponseCurveDisplay",
    "ShrinkageDisplay",
    "TraceDisplay",
]
