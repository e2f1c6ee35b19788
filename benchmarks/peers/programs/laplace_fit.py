"""skhlm with Laplace's approximation instead of NUTS."""

from __future__ import annotations

import pandas as pd

from benchmarks.peers.programs import skhlm_fit
from benchmarks.peers.programs.skhlm_fit import PACKAGES, effects, tell
from benchmarks.peers.task import Task
from skhlm import HLMRegressor

__all__ = ["PACKAGES", "effects", "fit", "tell"]


def fit(task: Task, rows: pd.DataFrame) -> HLMRegressor:
    """To all fitted attributes."""
    return skhlm_fit.fit(task, rows, "laplace")
