"""All that ``import skhlm`` offers, imported when the first of it is asked for."""

from skhlm._version import __version__
from skhlm.baselines import (
    PooledClassifier,
    PooledRegressor,
    UnpooledClassifier,
    UnpooledRegressor,
)
from skhlm.classifier import HLMClassifier
from skhlm.comparison import compare
from skhlm.condensing.fitting import fit_frames, fit_parquet
from skhlm.displays import (
    AllocationDisplay,
    CoefficientsDisplay,
    CoverageDisplay,
    GroupEffectsDisplay,
    LooPitDisplay,
    PosteriorPredictiveDisplay,
    PriorPosteriorDisplay,
    ResidualsDisplay,
    ResponseCurveDisplay,
    ShrinkageDisplay,
    TraceDisplay,
)
from skhlm.files.persistence import load, save
from skhlm.group_means import GroupMeans
from skhlm.html_report import report
from skhlm.methods.allocation import Allocation, optimize_allocation
from skhlm.methods.averages import average_difference, average_prediction, average_slope
from skhlm.methods.contributions import contributions
from skhlm.methods.differences import compare_points
from skhlm.methods.pipelines import response_curve
from skhlm.methods.wrapped import (
    predict_interval,
    predict_mean,
    predict_quantiles,
    sample_y,
)
from skhlm.posterior.loo_comparison import compare_loo
from skhlm.regressor import HLMRegressor
from skhlm.selection import column_importance

__all__ = [
    "Allocation",
    "AllocationDisplay",
    "CoefficientsDisplay",
    "CoverageDisplay",
    "GroupEffectsDisplay",
    "GroupMeans",
    "HLMClassifier",
    "HLMRegressor",
    "LooPitDisplay",
    "PooledClassifier",
    "PooledRegressor",
    "PosteriorPredictiveDisplay",
    "PriorPosteriorDisplay",
    "ResidualsDisplay",
    "ResponseCurveDisplay",
    "ShrinkageDisplay",
    "TraceDisplay",
    "UnpooledClassifier",
    "UnpooledRegressor",
    "__version__",
    "average_difference",
    "average_prediction",
    "average_slope",
    "column_importance",
    "compare",
    "compare_loo",
    "compare_points",
    "contributions",
    "fit_frames",
    "fit_parquet",
    "load",
    "optimize_allocation",
    "predict_interval",
    "predict_mean",
    "predict_quantiles",
    "report",
    "response_curve",
    "sample_y",
    "save",
]
