"""All that knows Stan: a scaled problem goes in, draws come out."""

from skhlm.engine.algorithms import infer
from skhlm.engine.earlier import Earlier
from skhlm.engine.inference import Inference
from skhlm.engine.problem import Covariance, Family, Problem
from skhlm.engine.settings import Algorithm, SamplerSettings, choose_settings

__all__ = [
    "Algorithm",
    "Covariance",
    "Earlier",
    "Family",
    "Inference",
    "Problem",
    "SamplerSettings",
    "choose_settings",
    "infer",
]
