"""What replaces cmdstanpy's own reader of draws."""

from __future__ import annotations

import numpy as np

from skhlm.engine.program.quiet import read_rows


def test_rows_are_read_to_the_last_bit():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((200, 7)) * 10.0 ** rng.integers(-300, 300, (200, 7))
    rows[3, 2], rows[5, 1] = np.inf, np.nan
    lines = [(",".join(map(repr, row.tolist())) + "\n").encode() for row in rows]
    np.testing.assert_array_equal(read_rows(lines), rows)
    assert read_rows([]).shape == (0, 0)
