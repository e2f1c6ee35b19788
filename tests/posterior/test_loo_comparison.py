"""Several models compared, and stacked, against differences, optimality and a search."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from skhlm.posterior.leave_one_out import LeaveOneOut
from skhlm.posterior.loo_comparison import compare_loo, stacking_weights


def result(elpd, y, weight=None, **arguments):
    """Of rows with these densities."""
    n = len(y)
    weight = np.ones(n) if weight is None else weight
    columns = {"y": y, "weight": weight, "elpd": elpd, "p_loo": 0.1, "pareto_k": 0.2, "mean": 0.0}
    total = float(weight @ elpd)
    spread = float(np.sqrt(weight @ (elpd - total / weight.sum()) ** 2))
    given = pd.DataFrame({"row": np.arange(n), "weight": weight})
    return LeaveOneOut(
        total,
        spread,
        0.1 * n,
        pd.DataFrame(index=range(n)),
        pd.DataFrame(columns),
        given,
        float(weight.sum()),
        4000,
        1.0,
        **arguments,
    )


@pytest.fixture(scope="module")
def y():
    """Half about 0, half about 3: no normal distribution alone describes them."""
    rng = np.random.default_rng(0)
    return np.r_[rng.normal(0, 1, 100), rng.normal(3, 1, 50)]


@pytest.fixture(scope="module")
def densities(y):
    """Of models that know one half each, of one that knows none, and of a bad one."""
    return {
        "second": norm(3, 1).logpdf(y),
        "first": norm(0, 1).logpdf(y),
        "wide": norm(1, 2).logpdf(y),
        "bad": norm(30, 3).logpdf(y),
    }


def test_a_mapping_has_a_row_for_each_the_best_first(y, densities):
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    results = {name: result(elpd, y, weight) for name, elpd in densities.items()}
    found = compare_loo(results)
    names = ["model", "rank", "elpd", "p_loo", "elpd_diff", "weight", "se", "dse", "n_unreliable"]
    assert found.columns.tolist() == names
    assert found["rank"].tolist() == [0, 1, 2, 3]
    assert (np.diff(found["elpd"]) < 0).all()
    best = results[found["model"][0]]
    for _, row in found.iterrows():
        pair = compare_loo(best, results[row["model"]])
        assert row["elpd_diff"] == pytest.approx(pair.elpd_diff)
        assert row["dse"] == pytest.approx(pair.se)
        own = results[row["model"]]
        assert (row["elpd"], row["se"], row["p_loo"]) == (own.elpd, own.se, own.p_loo)
    order = found["model"].tolist()
    expected = stacking_weights(np.column_stack([densities[name] for name in order]), weight)
    np.testing.assert_allclose(found["weight"], expected)


def test_stacked_weights_are_the_best(y, densities):
    """The score's derivative is the same, 1, where a weight is, and not larger elsewhere."""
    elpd = np.column_stack(list(densities.values()))
    share = np.random.default_rng(2).gamma(2, 1, len(y))
    weights = stacking_weights(elpd, share)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    density = np.exp(elpd)
    slope = (share / share.sum() / (density @ weights)) @ density
    used = weights > 1e-6
    np.testing.assert_allclose(slope[used], 1, atol=1e-5)
    assert (slope[~used] < 1 + 1e-5).all()
    assert used.tolist() == [True, True, False, False] or used[:2].all()
    assert weights[3] < 1e-6


def test_two_models_are_weighed_as_a_search_says(y, densities):
    pair = np.column_stack([densities["first"], densities["second"]])
    density = np.exp(pair)
    search = minimize_scalar(
        lambda w: -np.log(density @ [w, 1 - w]).mean(), bounds=(0, 1), options={"xatol": 1e-10}
    )
    found = stacking_weights(pair, np.ones(len(y)))
    assert found[0] == pytest.approx(search.x, abs=1e-5)
    assert found[0] == pytest.approx(2 / 3, abs=0.15)  # the share of the rows that it knows


def test_densities_of_any_size_have_weights(y, densities):
    """1000 rows far away for one model: no underflow, and constants do not matter."""
    pair = np.column_stack([densities["first"], densities["second"] - 800])
    np.testing.assert_allclose(stacking_weights(pair, np.ones(len(y))), [1, 0], atol=1e-6)
    both = np.column_stack([densities["first"], densities["second"]])
    there = stacking_weights(both - 5000, np.ones(len(y)))
    np.testing.assert_allclose(there, stacking_weights(both, np.ones(len(y))))


def test_a_comparison_is_that_of_arviz(y, densities):
    """Of the same densities; weights to the tolerance of its own search."""
    arviz = pytest.importorskip("arviz_stats")
    xarray = pytest.importorskip("xarray")
    elpd_data = pytest.importorskip("arviz_stats.utils").ELPDData
    ours = {name: result(elpd, y) for name, elpd in densities.items()}
    theirs = {}
    for name, one in ours.items():
        by_row = xarray.DataArray(densities[name], dims=["row"])
        numbers = (one.elpd, one.se, one.p_loo, 4000, len(y), "log", False, 0.7)
        theirs[name] = elpd_data("loo", *numbers, by_row)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what ArviZ asks of pandas
        expected = arviz.compare(theirs)
    found = compare_loo(ours).set_index("model")
    assert found.index.tolist() == expected.index.tolist()
    for name in ("elpd_diff", "dse", "se", "elpd"):
        difference = np.abs(np.abs(found[name]) - np.abs(expected[name]))
        assert (difference < 0.06 + 1e-3 * np.abs(expected[name])).all()  # it may round to 0.1
    np.testing.assert_allclose(found["weight"], expected["weight"], atol=6e-3)


def test_what_cannot_be_compared_is_told(y, densities):
    first = result(densities["first"], y)
    with pytest.raises(ValueError, match="a mapping of two or more"):
        compare_loo({"first": first})
    with pytest.raises(TypeError, match="'a' is of type str, not a result"):
        compare_loo({"a": "model", "b": first})
    with pytest.raises(TypeError, match="second is of type NoneType"):
        compare_loo(first)
    with pytest.raises(ValueError, match="are of different rows"):
        compare_loo({"a": first, "b": first, "c": result(densities["first"], y + 1)})
    poor = result(densities["second"], y, converged=False)
    with pytest.warns(ConvergenceWarning, match="The 'poor' result is of a fit") as caught:
        compare_loo({"good": first, "poor": poor})
    assert caught[0].filename == __file__
    counts = result(densities["second"], y, is_discrete=True)
    with pytest.warns(UserWarning, match="The 'counts' result has probabilities of whole numbers"):
        compare_loo({"good": first, "other": first, "counts": counts})
