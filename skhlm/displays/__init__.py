"""Pictures of fitted models, in the manner of scikit-learn's displays."""

from __future__ import annotations

from skhlm.displays.allocation import AllocationDisplay
from skhlm.displays.coverage import CoverageDisplay
from skhlm.displays.group_effects import GroupEffectsDisplay
from skhlm.displays.predictive import PosteriorPredictiveDisplay
from skhlm.displays.response_curve import ResponseCurveDisplay
from skhlm.displays.shrinkage import ShrinkageDisplay
from skhlm.displays.trace import TraceDisplay

__all__ = [
    "AllocationDisplay",
    "CoverageDisplay",
    "GroupEffectsDisplay",
    "PosteriorPredictiveDisplay",
    "ResponseCurveDisplay",
    "ShrinkageDisplay",
    "TraceDisplay",
]
