"""Bayesian hierarchical linear models as a scikit-learn estimator, with Stan underneath."""

from skhlm.regressor import HLMRegressor

__version__ = "0.1.0"

__all__ = ["HLMRegressor", "__version__"]
