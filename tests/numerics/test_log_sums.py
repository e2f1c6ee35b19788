from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose
from scipy.special import logsumexp

from skhlm.numerics.log_sums import log_mean_exp, log_sum_exp


def test_log_sum_exp():
    x = np.array([[1e3, 1e3], [-1e3, -np.inf], [0.0, 1.0]])
    assert_allclose(log_sum_exp(x), logsumexp(x, axis=-1), rtol=1e-15)


def test_mean_of_logarithms_keeps_its_range():
    values = np.array([[-1e4, -1e4 - 1.0], [1e4, 0.0], [-np.inf, 0.0], [-np.inf, -np.inf]])
    found = log_mean_exp(values)
    expected = [-1e4 + np.log((1 + np.exp(-1)) / 2), 1e4 - np.log(2), -np.log(2), -np.inf]
    assert_allclose(found, expected, rtol=1e-12)
