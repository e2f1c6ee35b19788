from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skhlm import Allocation, AllocationDisplay


def test_what_is_no_allocation_is_refused():
    with pytest.raises(TypeError, match=r"give what optimize_allocation returned, .* got int"):
        AllocationDisplay.from_allocation(3)


def allocation(m=5):
    rng = np.random.default_rng(0)
    start, end, marginal = rng.gamma(5, 2, (3, m))
    units = {"region": np.arange(m) % 3, "country": [f"country {i}" for i in range(m)]}
    numbers = {"n_rows": 1, "start": start, "end": end, "marginal": marginal}
    ends = {"marginal_lower": 0.5 * marginal, "marginal_upper": 2 * marginal}
    frame = pd.DataFrame({**units, **numbers, **ends, "bound": "", "extrapolated": False})
    return Allocation(frame, 12.3, 4.5, 20.1, 0.99, 6.0, end.sum(), "spend", 0.9)


def test_artists_hold_the_amounts_in_order_of_what_changes():
    found = allocation()
    display = AllocationDisplay.from_allocation(found)
    ordered = found.units.iloc[display.order_]
    assert np.all(np.diff(ordered["end"] - ordered["start"]) >= 0)
    for artist, name in ((display.start_, "start"), (display.end_, "end")):
        np.testing.assert_array_equal(artist.get_offsets()[:, 0], ordered[name])
    segments = np.array(display.changes_.get_segments())
    np.testing.assert_array_equal(segments[:, :, 0], ordered[["start", "end"]])
    line, _, (bars,) = display.marginal_
    np.testing.assert_array_equal(line.get_xdata(), ordered["marginal"])
    ends = np.array(bars.get_segments())[:, :, 0]
    np.testing.assert_allclose(ends, ordered[["marginal_lower", "marginal_upper"]])
    labels = [label.get_text() for label in display.ax_[0].get_yticklabels()]
    assert "2 / country 2" in labels
    assert display.ax_[0].get_title().replace("\n", " ") == "gain 12.3, 90% interval 4.5 to 20.1"
    assert display.ax_[0].get_xlabel() == "spend"


def test_colours_say_who_gets_more():
    display = AllocationDisplay.from_allocation(allocation())
    more = display.end >= display.start
    colors = [tuple(color) for color in display.end_.get_facecolors()]
    assert len(set(colors)) == 2
    assert [color == colors[-1] for color in colors] == more[display.order_].tolist()


@pytest.mark.parametrize("m", [1, 6, 300])
def test_it_is_legible(assert_legible, m):
    assert_legible(AllocationDisplay.from_allocation(allocation(m), feature="spend (kEUR)").figure_)
