"""scikit-learn's own checks, all of them, on a model that takes short chains."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skhlm import HLMRegressor, PooledRegressor, UnpooledRegressor


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::skhlm.exceptions.IdentificationWarning")
@parametrize_with_checks(
    [
        HLMRegressor(chains=1, iter_warmup=20, iter_sampling=20),
        PooledRegressor(),
        UnpooledRegressor(),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
