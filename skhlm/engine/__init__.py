"""All that knows Stan: a scaled problem goes in, draws come out."""

from skhlm.engine.nuts import run_nuts
from skhlm.engine.problem import Covariance, Family, Problem
from skhlm.engine.settings import SamplerSettings, choose_settings

__all__ = [
    "Covariance",
    "Family",
    "Problem",
    "SamplerSettings",
    "choose_settings",
    "run_nuts",
]
