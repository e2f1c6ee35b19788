from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skhlm import GroupEffectsDisplay, HLMRegressor, ResponseCurveDisplay


def test_artists_hold_the_group_effects(fitted):
    display = GroupEffectsDisplay.from_estimator(fitted, "region/country")
    frame = fitted.group_effects("region/country")
    for k, coefficient in enumerate(display.coefficients):
        effects = frame[frame["coefficient"] == coefficient].set_index("level")
        seen = 0
        for parent, (points, _, (intervals,)) in zip(
            display.parents_, display.errorbars_[k], strict=True
        ):
            ends = intervals.get_segments()
            for (x, row), segment in zip(points.get_xydata(), ends, strict=True):
                level = effects.index[display.order_[int(row)]]
                described = effects.loc[[level], ["lower", "upper"]].iloc[0]
                assert level[0] == parent
                assert x == effects["mean"][level]
                np.testing.assert_allclose(segment[:, 0], described, rtol=1e-12)
                seen += 1
        assert seen == len(effects)


def test_levels_are_ordered_by_a_coefficient(fitted):
    display = GroupEffectsDisplay.from_estimator(fitted, "industry/vertical", sort_by="spend_1")
    k = display.coefficients.tolist().index("spend_1")
    assert (np.diff(display.mean[display.order_, k]) >= 0).all()
    labels = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert labels == display.levels[display.order_][::-1].tolist()


def test_the_default_factor_has_most_levels(fitted):
    display = GroupEffectsDisplay.from_estimator(fitted, coefficients="spend_2", outcome="return")
    assert display.factor == "region/country"
    assert display.ax_.get_xlabel() == "return\nper unit of spend_2"


def test_errors_name_what_there_is(fitted):
    with pytest.raises(ValueError, match=r"'vertical' is not a grouping.*'industry/vertical'"):
        GroupEffectsDisplay.from_estimator(fitted, "vertical")
    with pytest.raises(ValueError, match=r"'spend_3' does not vary.*Did you mean 'spend_"):
        GroupEffectsDisplay.from_estimator(fitted, coefficients=["spend_3"])
    with pytest.raises(ValueError, match="coefficients is empty"):
        GroupEffectsDisplay.from_estimator(fitted, coefficients=[])
    with pytest.raises(ValueError, match=r"sort_by='x' is not shown; shown are 'Intercept'"):
        GroupEffectsDisplay.from_estimator(fitted, sort_by="x")
    with pytest.raises(NotFittedError):
        GroupEffectsDisplay.from_estimator(HLMRegressor("country"))


@pytest.mark.parametrize("n_levels", [5, 300])
@pytest.mark.parametrize("n_coefficients", [1, 2, 8])
def test_legible(n_levels, n_coefficients, assert_legible):
    mean = np.random.default_rng(0).normal(size=(n_levels, n_coefficients))
    display = GroupEffectsDisplay(
        levels=[f"a rather long name, level {j}" for j in range(n_levels)],
        coefficients=["Intercept", *(f"predictor_{k}" for k in range(1, n_coefficients))],
        mean=mean,
        lower=mean - 1,
        upper=mean + 1,
        parents=[f"parent {j % 20}" for j in range(n_levels)],
        factor="region/country",
        outcome="return on investment (EUR)",
    ).plot()
    assert_legible(display.figure_)


def test_one_coverage_at_a_time(fitted):
    for display in (GroupEffectsDisplay, ResponseCurveDisplay):
        with pytest.raises(ValueError, match="coverage must be one number"):
            display.from_estimator(fitted, coverage=(0.5, 0.9))
