from __future__ import annotations

import numpy as np
import pytest

from skhlm import ShrinkageDisplay


def test_artists_hold_the_estimates(fitted):
    display = ShrinkageDisplay.from_estimator(fitted, "region/country")
    frame = fitted.shrinkage_factors("region/country")
    for k, coefficient in enumerate(display.coefficients):
        rows = frame[frame["coefficient"] == coefficient].reset_index(drop=True)
        ordered = rows.iloc[display.order_].reset_index(drop=True)
        for p, parent in enumerate(display.parents_):
            of_parent = ordered[[level[0] == parent for level in ordered["level"]]]
            by_row = np.argsort(display.partial_pooling_[k, p].get_offsets()[:, 1])
            partial = display.partial_pooling_[k, p].get_offsets()[by_row]
            assert partial[:, 0].tolist() == of_parent["partial_pooling"].tolist()
            assert partial[:, 1].tolist() == of_parent.index.tolist()
            own = display.no_pooling_[k, p].get_offsets()[by_row, 0]
            inside = ~np.ma.getmaskarray(own)
            assert own[inside].tolist() == of_parent["no_pooling"][inside].tolist()
        for segment in display.complete_pooling_[k].get_segments():
            first, last = (segment[:, 1] + 0.5).astype(int)
            covered = ordered["complete_pooling"][first:last]
            assert (covered == segment[0, 0]).all()


def test_areas_are_in_proportion_to_rows():
    n = np.array([10.0, 20.0, 40.0])
    display = _display(np.zeros(3), n)
    sizes = display.partial_pooling_[0, 0].get_sizes()
    np.testing.assert_allclose(sizes / sizes[2], n / 40)
    np.testing.assert_array_equal(sizes, display.no_pooling_[0, 0].get_sizes())


def test_levels_lie_in_blocks_of_their_parents():
    display = _display(np.arange(6.0), np.ones(6), parents=["b", "a", "b", "a", "b", "a"])
    assert display.order_.tolist() == [1, 3, 5, 0, 2, 4]


def test_estimates_far_away_are_arrows_at_the_edge():
    own = np.r_[np.linspace(-1, 1, 40), 1e6]
    display = _display(own, np.ones(41))
    left, right = display.beyond_[0]
    assert left.get_xdata().size == 0
    assert right.get_ydata().tolist() == [40]
    low, high = display.ax_.get_xlim()
    assert -3 < low < -1 and 1 < high < 3
    assert "beyond the axis" in [text.get_text() for text in display.legend_.get_texts()]


def test_levels_whose_rows_say_nothing_have_no_pull():
    display = _display(np.array([np.nan, 1.0, 2.0]), np.ones(3))
    assert display.no_pooling_[0, 0].get_offsets()[:, 0].mask.tolist() == [True, False, False]
    assert not np.isnan(display.partial_pooling_[0, 0].get_offsets()).any()


@pytest.mark.parametrize("n_levels", [5, 300])
def test_legible(n_levels, assert_legible):
    rng = np.random.default_rng(0)
    own = rng.standard_cauchy(n_levels)
    display = _display(
        own, rng.integers(1, 100, n_levels), [f"region {j % 9}" for j in range(n_levels)]
    )
    assert_legible(display.figure_)


def _display(own, n, parents=None):
    return ShrinkageDisplay(
        levels=[f"level {j}" for j in range(len(n))],
        coefficients=["Intercept"],
        no_pooling=own[:, None],
        partial_pooling=np.nan_to_num(np.clip(own, -2, 2) / 2)[:, None],
        complete_pooling=np.zeros((len(n), 1)),
        n=n,
        parents=parents,
        factor="level",
    ).plot()
