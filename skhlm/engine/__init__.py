"""Inference: a scaled problem goes in, draws of its posterior come out."""

from skhlm.engine.algorithms import infer
from skhlm.engine.inference import (
    Algorithm,
    Earlier,
    Inference,
    SamplerSettings,
    choose_settings,
)
from skhlm.engine.problem import Covariance, Problem, count_sampled

__all__ = [
    "Algorithm",
    "Covariance",
    "Earlier",
    "Inference",
    "Problem",
    "SamplerSettings",
    "choose_settings",
    "count_sampled",
    "infer",
]
