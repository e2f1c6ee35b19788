"""A number that is beyond a bound is not printed as the bound."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.numerics.digits import told_apart


@pytest.mark.parametrize(
    ("value", "bound", "digits", "style", "expected"),
    [
        (1.2345678, 1.01, 4, "f", "1.2346"),
        (1.01003, 1.01, 4, "f", "1.01003"),
        (0.7004, 0.7, 2, "f", "0.7004"),
        (399.96, 400, 0, "f", "399.96"),
        (399.4, 400, 0, "f", "399"),
        (399.96, 400, 4, "g", "399.96"),
        (0.6986, 0.6991, 2, "f", "0.6986"),
        (0.7, 0.7, 2, "f", "0.70"),
        (np.nan, 0.7, 2, "f", "nan"),
        (np.inf, 0.7, 2, "f", "inf"),
    ],
)
def test_digits_are_as_many_as_it_takes(value, bound, digits, style, expected):
    assert told_apart(value, bound, digits, style) == expected
