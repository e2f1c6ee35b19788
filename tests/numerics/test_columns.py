from __future__ import annotations

import numpy as np
import pytest

from skhlm.numerics.columns import Columns

WHOLE = np.arange(3 * 10 * 4.0).reshape(3, 10, 4)


@pytest.fixture
def columns():
    """Three chains of ten draws of four parameters, in pieces of 6, 1 and 3 draws."""
    pieces = [Columns.in_memory(piece) for piece in np.split(WHOLE, [6, 7], axis=1)]
    return pieces[0].followed_by(pieces[1]).followed_by(pieces[2])


def test_pieces_are_one_array(columns):
    assert columns.shape == WHOLE.shape
    np.testing.assert_array_equal(columns.array(), WHOLE)
    np.testing.assert_array_equal(columns.last, WHOLE[:, -1:])


@pytest.mark.parametrize("start", range(30))
def test_some_draws_chain_after_chain(columns, start):
    flat = WHOLE.reshape(30, 4)
    for stop in range(start + 1, 31):
        np.testing.assert_array_equal(columns[start:stop], flat[start:stop])


def test_some_parameters(columns):
    part = columns.part(1, 4)
    assert part.shape == (3, 10, 3)
    np.testing.assert_array_equal(part.array(), WHOLE[:, :, 1:4])
    np.testing.assert_array_equal(part.last, WHOLE[:, -1:, 1:4])
    np.testing.assert_array_equal(part.part(1, 2)[4:17], WHOLE.reshape(30, 4)[4:17, 2:3])
    assert columns.part(4, 4).array().shape == (3, 10, 0)


def test_nothing_is_read_before_it_is_asked_for():
    asked = []

    class Rows:
        shape = (10, 4)

        def __getitem__(self, key):
            asked.append(key)
            return WHOLE[0][key]

    columns = Columns(((Rows(),), (Rows(),)))
    part = columns.followed_by(columns).part(2, 4)
    assert part.shape == (2, 20, 2)
    assert not asked
    np.testing.assert_array_equal(part[3:5], WHOLE[0, 3:5, 2:])
    assert asked == [(slice(3, 5), slice(2, 4))]


def test_further_axes_become_one():
    draws = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(Columns.in_memory(draws).array(), draws.reshape(2, 3, 20))
