"""Inference: a scaled problem goes in, draws of its posterior come out."""

from skhlm.engine.algorithms import infer
from skhlm.engine.inference import Earlier, Inference
from skhlm.engine.problem import Covariance, Problem
from skhlm.engine.settings import Algorithm, SamplerSettings, choose_settings

__all__ = [
    "Algorithm",
    "Covariance",
    "Earlier",
    "Inference",
    "Problem",
    "SamplerSettings",
    "choose_settings",
    "infer",
]
