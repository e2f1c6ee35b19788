"""Rows of fit, or others, one by one: by weights, and shares by their trials."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.html_report.rows import rows_of_fit
from skhlm.methods.fitted_rows import of_one_trial, one_by_one, rows_to_check
from tests.link_models import counts, shares


def test_rows_count_as_often_as_their_weights_say():
    every, y = one_by_one(np.array([0.5, 2.0, 7.0]), np.array([2.0, 0.0, 1.0]))
    assert (every.tolist(), y.tolist()) == ([0, 0, 2], [0.5, 0.5, 7.0])
    with pytest.raises(ValueError, match="without sample_weight, to count each row once"):
        one_by_one(np.ones(2), np.array([1.0, 1.5]))


def test_shares_become_rows_of_one_trial():
    every, y = of_one_trial(np.array([0.25, 1.0, 2 / 3, 0.5]), np.array([4.0, 2.0, 3.0, 0.0]))
    assert every.tolist() == [0, 1, 1, 2, 2, 0, 0, 0, 2]
    assert y.tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0]
    for trials in (3.0, 4.5):
        with pytest.raises(ValueError, match="has not the numbers of trials"):
            of_one_trial(np.array([0.25]), np.array([trials]))


def test_rows_given_are_checked_as_those_of_fit():
    for model, weight in ((shares(), shares()._fit.rows.weight), (counts(), None)):
        given = rows_to_check(model, *rows_of_fit(model), weight)
        for mine, theirs in zip(given, rows_to_check(model, None, None, None), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_shares_without_trials_are_refused():
    with pytest.raises(ValueError, match="y holds shares, and sample_weight has not"):
        rows_to_check(shares(), *rows_of_fit(shares()), None)
