"""What informations identify, and their inverses there."""

from __future__ import annotations

import numpy as np

from skhlm.numerics.pseudo_inverse import pseudo_inverse


def test_what_the_rows_of_a_level_do_not_identify() -> None:
    one_row = np.outer([1.0, 0.3], [1.0, 0.3])
    two_rows = one_row + np.outer([1.0, 0.4], [1.0, 0.4])
    no_slope = np.diag([5.0, 0.0])
    inverse, identified = pseudo_inverse(np.stack([one_row, two_rows, no_slope]))
    assert identified.tolist() == [[False, False], [True, True], [True, False]]
    np.testing.assert_allclose(inverse[1], np.linalg.inv(two_rows), rtol=1e-9)
    np.testing.assert_allclose(inverse[2], np.diag([0.2, 0.0]), atol=1e-15)
