"""Allocations against closed forms, brute force and the sums that they are the best of."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats.mstats import hdquantiles
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm import (
    HLMClassifier,
    HLMRegressor,
    average_difference,
    average_slope,
    optimize_allocation,
)
from skhlm.reports.allocation import Returns

# Whatever the Pareto k of the draws about a mode.
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='laplace' did not")

SLOPES = {"a": 1.0, "b": 2.0, "c": 3.0}
DERIVED = {
    "log": lambda spend: {"use": np.log(spend)},
    "root": lambda spend: {"use": np.sqrt(spend)},
    "hill": lambda spend: {"use": spend / (spend + 3)},
    "line": lambda spend: {"use": 2 * spend},
    "s": lambda spend: {"use": spend**2 / (spend**2 + 9)},
    "square": lambda spend: {"use": spend**2},
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": np.repeat(list(SLOPES), [10, 30, 20]), "spend": rng.gamma(4, 1, 60)})
    return X, rng.normal(0, 0.3, 60)


@pytest.fixture(scope="module")
def fitted(data):
    """Function from the name of a shape to a model of what is derived, and how it is."""
    X, noise = data

    @cache
    def fit(name):
        use = pd.Series(DERIVED[name](X["spend"])["use"], X.index)
        model = HLMRegressor("shop", family="normal", algorithm="laplace", random_state=0)
        model.fit(X[["shop"]].assign(use=use), X["shop"].map(SLOPES) * use + noise)
        return model, DERIVED[name]

    return fit


def slopes(model):
    """Of shops in what is derived."""
    found = model.coefficients()
    return found.loc[found["coefficient"] == "use", "mean"].to_numpy()


def test_a_logarithm_s_amounts_are_proportional_to_slopes(fitted, data):
    model, derive = fitted("log")
    X, sizes = data[0], np.array([10, 30, 20])
    found = optimize_allocation(model, X, "spend", 100.0, by="shop", derive=derive)
    expected = 100 * slopes(model) / (sizes @ slopes(model))
    np.testing.assert_allclose(found.units["end"], expected, rtol=1e-5)
    np.testing.assert_allclose(found.units["marginal"], slopes(model) / expected, rtol=1e-5)
    assert found.units["n_rows"].tolist() == sizes.tolist()
    assert found.units["bound"].tolist() == ["", "", ""]
    by_row = optimize_allocation(model, X, "spend", 100.0, derive=derive)
    np.testing.assert_allclose(by_row.units["end"], np.repeat(expected, sizes), rtol=1e-4)


def test_a_power_s_amounts_are_proportional_to_powers_of_slopes(fitted, data):
    """Of the square root to squares, as b / (2 sqrt x) is equal in all."""
    model, derive = fitted("root")
    found = optimize_allocation(model, data[0], "spend", by="shop", derive=derive)
    square = slopes(model) ** 2
    ratio = found.units["end"] / found.units["end"].iloc[-1]
    np.testing.assert_allclose(ratio, square / square[-1], rtol=1e-4)
    assert found.total == pytest.approx(data[0]["spend"].sum())


@pytest.mark.parametrize("objective", ["expected", 0.1])
@pytest.mark.parametrize("name", ["hill", "root"])
def test_nothing_on_a_grid_is_better(fitted, data, name, objective):
    """All allocations in steps of a hundredth, of expected outcomes and of a low quantile."""
    model, derive = fitted(name)
    X = data[0].drop_duplicates("shop").reset_index(drop=True)
    found = optimize_allocation(model, X, "spend", 9.0, objective=objective, derive=derive)
    draws = model.sample_y(X[["shop"]].assign(use=1.0), model._posterior.n_draws, kind="mean")
    draws -= (base := model.sample_y(X[["shop"]].assign(use=0.0), len(draws[0]), kind="mean"))
    share = np.linspace(0, 9, 101)
    first, second = (at.ravel() for at in np.meshgrid(share, share))
    amounts = np.stack([first, second, np.maximum(9 - first - second, 0)])[:, first + second <= 9]
    amounts = np.column_stack([found.units["end"], amounts])
    sums = draws.T @ derive(amounts)["use"] + base.sum(axis=0)[:, None]
    if objective == "expected":
        best = slopes(model) @ derive(amounts)["use"]
    else:
        best = np.array([float(hdquantiles(column, [objective])[0]) for column in sums.T])
    tolerance = 1e-9 if objective == "expected" else 0.002
    assert best[0] >= best.max() - tolerance * np.abs(best.max())


def test_derivatives_are_small_differences(fitted, data):
    model, derive = fitted("hill")
    X, h = data[0].drop_duplicates("shop"), 1e-6
    returns = []

    def keep(*args, **kwargs):
        returns.append(Returns(*args, **kwargs))
        return returns[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skhlm.methods.allocation.allocation.Returns", keep)
        optimize_allocation(model, X, "spend", derive=derive)
    x = np.array([1.0, 2.0, 4.0])
    for objective in (returns[0].expected, returns[0].quantile(0.2)):
        _, rates = objective(x)
        for i, step in enumerate(h * np.eye(3)):
            change = objective(x + step)[0] - objective(x - step)[0]
            assert rates[i] == pytest.approx(change / (2 * h), rel=1e-4)


@pytest.mark.parametrize("name", ["log", "hill"])
def test_the_gain_is_the_difference_of_all_rows(fitted, data, name):
    model, derive = fitted(name)
    X = data[0]
    found = optimize_allocation(model, X, "spend", by="shop", coverage=0.8, derive=derive)
    end = X["shop"].map(found.units.set_index("shop")["end"])
    one = average_difference(model, X, "spend", end=end, coverage=0.8, derive=derive).iloc[0]
    expected = one[["difference", "lower", "upper"]].to_numpy(dtype=float) * len(X)
    np.testing.assert_allclose([found.gain, found.lower, found.upper], expected, rtol=1e-9)
    assert found.probability == one["probability"]
    spent = X.assign(spend=end)
    marginal = average_slope(model, spent, "spend", by="shop", coverage=0.8, derive=derive)
    columns = found.units[["marginal", "marginal_lower", "marginal_upper"]]
    np.testing.assert_allclose(columns, marginal[["slope", "lower", "upper"]], rtol=1e-6)
    assert str(found).startswith("Allocation of ")


def test_a_lower_bound_of_0_is_the_least_that_has_predictors(fitted, data):
    model, derive = fitted("log")
    arguments = {"feature": "spend", "by": "shop", "derive": derive}
    found = optimize_allocation(model, data[0], bounds=(0, 20), **arguments)
    expected = optimize_allocation(model, data[0], bounds=(None, 20), **arguments)
    pd.testing.assert_frame_equal(found.units, expected.units)


def test_amounts_stay_within_their_bounds(fitted, data):
    model, derive = fitted("log")
    X, limits = data[0], {"a": 10.0, "b": 3.0, "c": 4.0}
    total = X["spend"].sum()
    found = optimize_allocation(
        model, X, "spend", by="shop", bounds=(2.0, limits), derive=derive
    ).units
    assert found["end"].between(2.0, found["shop"].map(limits)).all()
    assert (found["end"] @ found["n_rows"]) == pytest.approx(total)
    assert found["bound"].tolist() == ["", "upper", "upper"]
    inside, *at_most = found["marginal"]
    assert all(marginal > inside for marginal in at_most)


def test_straight_lines_need_bounds_and_fill_the_best_first(fitted, data):
    model, derive = fitted("line")
    X = data[0]
    for bounds in (None, (0.0, np.inf)):
        with pytest.raises(ValueError, match=r"is a straight line .* Give an upper bound"):
            optimize_allocation(model, X, "spend", by="shop", bounds=bounds, derive=derive)
    careful = optimize_allocation(
        model, X, "spend", by="shop", objective=0.05, bounds=(0, 10), derive=derive
    )
    assert careful.gain > 0
    alone = optimize_allocation(model, X[X["shop"] == "a"], "spend", by="shop", derive=derive)
    assert alone.units["end"].item() == pytest.approx(alone.units["start"].item())
    found = optimize_allocation(
        model, X, "spend", 200.0, by="shop", bounds=(1.0, [5.0, 5.0, 5.0]), derive=derive
    )
    np.testing.assert_allclose(found.units["end"], [1.0, 3.0, 5.0], atol=1e-6)
    assert found.units["bound"].tolist() == ["lower", "", "upper"]


@pytest.mark.filterwarnings("ignore:The best amounts of 1 of 3 units are beyond")
def test_returns_that_rise_faster_are_warned_of(fitted, data):
    """All goes where the most is brought, which is found wherever the search begins."""
    model, derive = fitted("square")
    X = data[0]
    with pytest.warns(UserWarning, match="Slopes of 3 of 3 units rise with the amount"):
        found = optimize_allocation(model, X, "spend", by="shop", derive=derive)
    total, sizes = X["spend"].sum(), np.array([10, 30, 20])
    best = int(np.argmax(slopes(model) * sizes * (total / sizes) ** 2))
    assert found.units["bound"].tolist() == ["total" if i == best else "lower" for i in range(3)]
    expected = np.where(np.arange(3) == best, total / sizes, 0.0)
    np.testing.assert_array_equal(found.units["end"], expected)


@pytest.mark.filterwarnings("ignore:Slopes of 3 of 3 units")
def test_amounts_far_beyond_what_fit_has_seen_are_warned_of(fitted, data):
    """In a shop of 10 rows all of the total is 24 a row, and fit saw squares up to 10 squared."""
    model, derive = fitted("square")
    said = "1 of 3 units are beyond what fit has seen: 'use' is .* there, and was .* to .* outside"
    with pytest.warns(UserWarning, match=said):
        optimize_allocation(model, data[0], "spend", by="shop", derive=derive)
    bounds = (0, data[0]["spend"].max())
    found = optimize_allocation(model, data[0], "spend", by="shop", derive=derive, bounds=bounds)
    assert set(found.units["bound"]) <= {"", "lower", "upper"}


@pytest.mark.filterwarnings("ignore:Slopes of", "ignore:The best amounts")
@pytest.mark.parametrize("total", [60.0, 150.0, 400.0])
def test_where_hills_are_several_no_exchange_is_better(fitted, data, total):
    """S-shaped returns, x^2 / (x^2 + 9), by brute force over two of the three amounts."""
    model, derive = fitted("s")
    X, sizes = data[0], np.array([10, 30, 20])
    found = optimize_allocation(model, X, "spend", total, by="shop", derive=derive)
    share = np.linspace(0, 1, 401)
    first, second = np.meshgrid(share, share)
    parts = np.stack([first, second, 1 - first - second])[:, first + second <= 1]
    x = parts * total / sizes[:, None]
    brought = (slopes(model) * sizes) @ (x**2 / (x**2 + 9))
    end = found.units["end"].to_numpy()
    assert (slopes(model) * sizes) @ (end**2 / (end**2 + 9)) >= brought.max() * (1 - 1e-9)


@pytest.mark.parametrize("slopes", [[-0.13, 1, 2], [-0.5, 1, 2], list(np.linspace(-0.5, 3, 12))])
def test_who_falls_gets_the_least_and_the_others_are_equal(slopes):
    """Of a logarithm the least is the smallest amount there is, or a hundredth of the mean one."""
    rng, n = np.random.default_rng(0), 20
    X = pd.DataFrame({"shop": np.repeat(np.arange(len(slopes)), n)})
    X["spend"] = rng.gamma(4, 1, len(X))
    use = np.log(X["spend"])
    y = np.repeat(slopes, n) * use + rng.normal(0, 0.3, len(X))
    model = HLMRegressor("shop", family="normal", algorithm="laplace", random_state=0)
    model.fit(X[["shop"]].assign(use=use), y)
    with pytest.warns(UserWarning, match="or fall ever slower"):
        found = optimize_allocation(model, X, "spend", by="shop", derive=DERIVED["log"])
    units, least = found.units, min(X["spend"].min(), X["spend"].mean() / 100)
    falls = units["marginal"] < 0
    assert falls.any() and (units["bound"] == np.where(falls, "lower", "")).all()
    np.testing.assert_allclose(units.loc[falls, "end"], least)
    marginal = units.loc[~falls, "marginal"]
    np.testing.assert_allclose(marginal, marginal.mean(), rtol=1e-3)


def test_bounds_of_rows_are_in_their_order(fitted, data):
    model, derive = fitted("log")
    X = data[0].sample(frac=1, random_state=0)
    most = pd.Series(np.linspace(1, 9, len(X)), X.index)
    found = [
        optimize_allocation(model, X, "spend", bounds=(None, high), derive=derive).units
        for high in (most, most.to_numpy(), most.tolist())
    ]
    assert (found[0]["end"] <= most.to_numpy() + 1e-9).all()
    for other in found[1:]:
        pd.testing.assert_frame_equal(found[0], other)


def test_what_does_not_move_is_no_extrapolation(data):
    X, noise = data
    given = X[["shop"]].assign(use=np.log(X["spend"]), size=np.tile([1.0, 2.0], 30))
    model = HLMRegressor("shop", algorithm="laplace", random_state=0).fit(
        given, given["use"] + noise
    )
    spend = X.assign(size=9.0)[["shop", "spend", "size"]]
    found = optimize_allocation(model, spend, "spend", by="shop", derive=DERIVED["log"])
    assert not found.units["extrapolated"].any()
    with pytest.warns(UserWarning, match="'use' is .* there, and was"):
        more = optimize_allocation(model, spend, "spend", 1e6, by="shop", derive=DERIVED["log"])
    assert more.units["extrapolated"].all()


def test_without_differences_within_groups_all_of_the_gain_is_between(fitted, data):
    model, derive = fitted("hill")
    X = data[0]
    found = optimize_allocation(model, X, "spend", by="shop", derive=derive)
    assert 0 < found.gain_between < found.gain
    even = X.assign(spend=X.groupby("shop")["spend"].transform("mean"))
    again = optimize_allocation(model, even, "spend", by="shop", derive=derive)
    assert again.gain_between == pytest.approx(again.gain)
    assert again.gain == pytest.approx(found.gain_between, rel=1e-4)


@pytest.mark.filterwarnings("ignore:Slopes of")  # of small probabilities
def test_probabilities_are_spent_on_by_compact_models_too(data):
    X, noise = data
    given = X[["shop"]].assign(use=np.log(X["spend"]))
    classifier = HLMClassifier("shop", algorithm="laplace", random_state=0)
    classifier.fit(given, X["shop"].map(SLOPES) * given["use"] + 4 * noise > 0)
    for model in (classifier, classifier.compact(50)):
        found = optimize_allocation(
            model, X.assign(spend=4.0), "spend", by="shop", bounds=(1, 9), derive=DERIVED["log"]
        )
        assert found.gain > 0
        inside = found.units.loc[found.units["bound"] == "", "marginal"]
        assert inside.std(ddof=0) < 1e-3 * inside.mean()


def test_a_pipeline_says_the_same_and_new_shops_may_be_among_the_rows(fitted, data):
    model, derive = fitted("log")
    X = data[0].copy()
    X.loc[X.index[:5], "shop"] = "new"

    def to_use(X):
        return X[["shop"]].assign(use=np.log(X["spend"]))

    pipeline = make_pipeline(FunctionTransformer(to_use), model)
    with np.errstate(divide="ignore"):
        through = optimize_allocation(pipeline, X, "spend", by="shop")
    alone = optimize_allocation(model, X, "spend", by="shop", derive=derive)
    pd.testing.assert_frame_equal(through.units, alone.units, rtol=1e-4)
    assert through.units["shop"].tolist() == ["a", "b", "c", "new"]
    assert through.units["marginal"].std() < 1e-4


def test_counts_are_spent_on_by_the_expected_count(data):
    X, _ = data
    rng = np.random.default_rng(1)
    power = X["shop"].map({"a": 0.3, "b": 0.5, "c": 0.6})
    counts = rng.poisson(5 * X["spend"] ** power)
    model = HLMRegressor("shop", family="poisson", algorithm="laplace", random_state=0)
    model.fit(X[["shop"]].assign(use=np.log(X["spend"])), counts)
    found = optimize_allocation(model, X, "spend", by="shop", derive=DERIVED["log"])
    np.testing.assert_allclose(found.units["marginal"], found.units["marginal"].mean(), rtol=1e-3)
    assert found.gain > 0


ERRORS = {
    "group": ({"feature": "shop"}, "must hold numbers"),
    "total": ({"total": 0}, "'total' parameter"),
    "little": ({"total": 10.0, "bounds": (5, 9)}, "total: 10 is less than .* are 300 in all"),
    "much": ({"bounds": (0, 1)}, "is more than the upper bounds, which are 60"),
    "crossed": ({"bounds": (5, 4)}, "of shop 'a' the lower bound is 5 and the upper one 4"),
    "pair": ({"bounds": (1, 2, 3)}, "bounds must be a pair"),
    "length": ({"bounds": ([1, 2], None)}, "low must be a number .* of the 3 units"),
    "unknown": ({"bounds": (None, {"a": 9, "b": 9, "c": 9, "d": 9})}, "has 'd', which no row is"),
    "two columns": ({"by": ["shop", "shop "], "bounds": ({"a": 1}, None)}, "no column 'shop '"),
    "rows": ({"by": None, "bounds": ({"a": 1}, None)}, "needs a single column in by"),
    "missing": ({"bounds": (None, {"a": 3})}, "high has nothing for 'b', 'c'"),
    "negative": ({"bounds": (-1, None)}, "low must be a number that is not negative"),
    "objective": ({"objective": 1.5}, "'objective' parameter"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_is_said(fitted, data, case):
    model, derive = fitted("log")
    arguments, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        optimize_allocation(
            model, data[0], **{"feature": "spend", "by": "shop", "derive": derive, **arguments}
        )


def test_amounts_are_not_negative_and_not_too_many(fitted, data):
    model, derive = fitted("hill")
    X = data[0]
    with pytest.raises(ValueError, match=r"cannot be negative, and is -1.0 in row 3\. If"):
        below = X.assign(spend=X["spend"].where(X.index != 3, -1.0))
        optimize_allocation(model, below, "spend", derive=derive)
    with pytest.raises(ValueError, match="total: no row has any amount of"):
        optimize_allocation(model, X.assign(spend=0.0), "spend", derive=derive)
    from_nothing = optimize_allocation(model, X.assign(spend=0.0), "spend", 60.0, derive=derive)
    assert from_nothing.gain > 0
    with pytest.raises(ValueError, match="1200 amounts to decide, and at most 1000"):
        optimize_allocation(model, pd.concat([X] * 20), "spend", derive=derive)
