"""The quick fit's posterior of a residual scale."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.families.location import ErrorScale
from skhlm.numerics.scale_maps import bent

LOG_NU = np.log([0.3, 7.0, 300.0])


def test_maps_and_logs_are_in_the_order_of_the_parameters():
    scale = ErrorScale(np.array([0.5, 0.2, -0.1]), LOG_NU, 1e-3)
    maps, lean = scale.maps()
    np.testing.assert_array_equal(maps[:, 0], [0.5, 0.2, 0.0])
    np.testing.assert_array_equal(lean, [[0, -0.1], [0, 0]])
    assert bent(maps[:, 1], np.zeros(1))[0] == LOG_NU[1]
    log_sigma, log_nu = scale.logs
    assert log_sigma == pytest.approx(np.log(1e-3 + np.exp(0.5)))
    assert log_nu == LOG_NU[1]


def test_a_scale_alone_has_no_slope():
    scale = ErrorScale.vague(3.0, None, 0.0)
    maps, lean = scale.maps()
    assert (maps.shape, lean.tolist(), len(scale.logs)) == ((3, 1), [[0.0]], 1)
    assert scale.variance == pytest.approx(9)


def test_the_sweeps_end_where_sigma_hardly_moves():
    scale = ErrorScale.vague(3.0, None, 0.0)
    assert scale.is_near(ErrorScale.vague(3.02, None, 0.0))
    assert not scale.is_near(ErrorScale.vague(3.04, None, 0.0))
    low, high = scale.box
    assert (low + high) / 2 == pytest.approx(np.log(3))
