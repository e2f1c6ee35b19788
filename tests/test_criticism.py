"""Checks of a fitted model: rows remembered and given again, and what is said of others."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from skhlm import HLMRegressor


@pytest.mark.filterwarnings("ignore:Pareto k")
def test_loo_of_remembered_rows_is_that_of_the_same_rows_given(fitted, campaigns):
    X, y = campaigns
    remembered = fitted.loo()
    order = np.random.default_rng(0).permutation(len(y))
    given = fitted.loo(X.iloc[order], np.asarray(y)[order])
    assert given.elpd == remembered.elpd
    assert given.rows.equals(remembered.rows)
    assert given.pointwise.equals(remembered.pointwise)
    assert set(remembered.rows.columns) == set(X.columns)
    assert remembered.n == len(y)
    # every row that was fitted is among those shown
    table = remembered.rows.assign(outcome=remembered.pointwise["y"])
    merged = X.assign(outcome=np.asarray(y)).merge(table, how="left", indicator=True)
    assert (merged["_merge"] == "both").all()


def test_r2_is_near_the_score(fitted, campaigns):
    result = fitted.bayes_r2()
    assert abs(result.mean - fitted.score(*campaigns)) < 0.05
    assert result.lower < result.mean < result.upper
    np.testing.assert_array_equal(fitted.bayes_r2(*campaigns).draws, result.draws)
    with pytest.raises(ValueError, match="coverage"):
        fitted.bayes_r2(coverage=1.5)


@pytest.mark.parametrize("method", ["loo", "bayes_r2"])
def test_rows_must_be_those_of_fit(fitted, campaigns, method):
    X, y = campaigns
    check = getattr(fitted, method)
    with pytest.raises(ValueError, match="has not the rows of fit"):
        check(X.iloc[:-1], y[:-1])
    with pytest.raises(ValueError, match="has not the rows of fit"):
        check(X, y, sample_weight=np.full(len(y), 2.0))
    with pytest.raises(ValueError, match="not seen at fit"):
        check(X.assign(region="Atlantis"), y)
    with pytest.raises(ValueError, match="Give both X and y"):
        check(X)
    with pytest.raises(ValueError, match="Give both X and y"):
        check(sample_weight=np.ones(len(y)))


def test_a_pickled_model_asks_for_the_rows(fitted, campaigns):
    model = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(ValueError, match="does not remember the rows"):
        model.bayes_r2()
    np.testing.assert_array_equal(model.bayes_r2(*campaigns).draws, fitted.bayes_r2().draws)


@pytest.mark.parametrize("method", ["loo", "bayes_r2"])
def test_an_unfitted_model_says_so(method):
    with pytest.raises(ValueError, match="not fitted"):
        getattr(HLMRegressor(), method)()


def test_checks_do_not_change_the_model(fitted):
    before = dict(vars(fitted))
    fitted.bayes_r2()
    assert vars(fitted) == before
