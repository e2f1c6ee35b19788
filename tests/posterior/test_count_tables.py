"""Tables of counts against the families' own distribution functions."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.families import find_family
from skhlm.posterior.count_tables import CountTable
from tests.posterior.link_posteriors import COUNTS

RNG = np.random.default_rng(0)
ETA = RNG.normal(1, 1, 50)
AUXILIARY = {
    "poisson": {},
    "negative_binomial": {"overdispersion": np.r_[1e-120, 1e-9, 0.01, RNG.gamma(2, 0.3, 47)]},
}


def table_of(name, eta):
    return CountTable.of(find_family(name).recursion(eta, AUXILIARY[name]))


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("shift", [-30.0, 0.0, 3.0])
def test_a_table_is_the_distribution_function(name, shift):
    """Also where factorials are divided out many times."""
    eta, family = ETA / 2 + shift, find_family(name)
    k = np.arange(600.0)
    found = table_of(name, eta).up_to(k[-1])
    exact = family.cdf(k[:, None], eta, AUXILIARY[name]).mean(axis=1)
    np.testing.assert_allclose(found, exact, rtol=1e-11)


@pytest.mark.parametrize("name", COUNTS)
def test_it_reaches_a_probability_and_goes_on_from_there(name):
    table = table_of(name, ETA)
    short = table.reaching(0.9)
    assert short[-1] >= 0.9 > short[-9]
    np.testing.assert_array_equal(table.up_to(100)[: len(short)], short)
    np.testing.assert_array_equal(table.up_to(100), table_of(name, ETA).up_to(100))


@pytest.mark.parametrize("name", COUNTS)
def test_there_is_none_of_large_counts(name):
    assert table_of(name, ETA + 7) is None
    assert table_of(name, ETA + 800) is None


def test_it_is_cut_short_where_it_would_be_too_long():
    aux = {"overdispersion": np.full(1, 30.0)}
    table = CountTable.of(find_family("negative_binomial").recursion(np.full(1, 6.0), aux))
    below = table.reaching(1 - 1e-9)
    assert len(below) < 5000
    assert below[-1] < 1 - 1e-9
