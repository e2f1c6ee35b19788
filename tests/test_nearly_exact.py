"""Nearly exact outcomes end in numbers, whatever is drawn by.

Some of the many cases that ``python -m tests.nearly_exact`` runs through.
"""

from __future__ import annotations

import pytest

from tests.nearly_exact import ALGORITHMS, check_fit, check_map, nearly_exact


@pytest.mark.parametrize("seed", range(60))
def test_maps_are_finite(seed):
    check_map(nearly_exact(seed))


@pytest.mark.parametrize("seed", range(1000, 1004))
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_fits_end_in_numbers(algorithm, seed):
    check_fit(nearly_exact(seed), algorithm)
