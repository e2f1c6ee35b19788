"""The two yardsticks of partial pooling: one regression for all rows, and one for each group."""

from skhlm.baselines.classifiers import PooledClassifier, UnpooledClassifier
from skhlm.baselines.regressors import PooledRegressor, UnpooledRegressor
from skhlm.baselines.yardstick import knows_levels, share_fallen_back

__all__ = [
    "PooledClassifier",
    "PooledRegressor",
    "UnpooledClassifier",
    "UnpooledRegressor",
    "knows_levels",
    "share_fallen_back",
]
