"""The quick fit that the tree map is calibrated at."""

from skhlm.engine.quick_fit.calibration import calibrate
from skhlm.engine.quick_fit.recalibration import recalibrate

__all__ = ["calibrate", "recalibrate"]
