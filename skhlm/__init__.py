"""Bayesian hierarchical linear models as a scikit-learn estimator, with Stan underneath."""

from skhlm._version import __version__
from skhlm.baselines import PooledRegressor, UnpooledRegressor
from skhlm.comparison import compare
from skhlm.persistence import load, save
from skhlm.pipelines import response_curve
from skhlm.regressor import HLMRegressor

__all__ = [
    "HLMRegressor",
    "PooledRegressor",
    "UnpooledRegressor",
    "__version__",
    "compare",
    "load",
    "response_curve",
    "save",
]
