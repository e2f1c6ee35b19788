"""Few components against the draws that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.families import find_family
from skhlm.posterior.condensed import Components

LOGARITHMIC = ["poisson", "negative_binomial", "gamma"]


def draws(name, *, level, sd, size=0.4, spread=0.05, n=4800, seed=0):
    """An even mixture over draws of eta, and of the family's parameter if it has one."""
    rng, family = np.random.default_rng(seed), find_family(name)
    eta = level + sd * rng.normal(size=n)
    aux = {p.name: size * np.exp(spread * rng.normal(size=n)) for p in family.auxiliary}
    return Components.even(family, eta, aux)


def outcomes_of(mixture):
    """What is likely, and what is not."""
    u = np.array([1e-6, 0.01, 0.2, 0.5, 0.9, 1 - 1e-4])
    at = np.quantile(mixture.eta, [0.0, 0.1, 0.4, 0.5, 0.9, 1.0])
    aux = {name: values[:6] for name, values in mixture.auxiliary.items()}
    y = mixture.family.quantile(u, at, aux)
    return np.floor(y) if mixture.family.is_discrete else y


@pytest.mark.parametrize("name", LOGARITHMIC)
@pytest.mark.parametrize("level", [-3.0, 1.0, 6.0])
@pytest.mark.parametrize(("sd", "spread"), [(0.01, 0.01), (0.1, 0.05), (0.3, 0.1)])
def test_few_components_have_the_distribution_of_all(name, level, sd, spread):
    all_draws = draws(name, level=level, sd=sd, spread=spread)
    few = all_draws.condensed(20)
    assert len(few.eta) <= 0.2 * 4800
    y = outcomes_of(all_draws)
    np.testing.assert_allclose(few.cdf_at(y), all_draws.cdf_at(y), rtol=0, atol=1e-11)
    for at in y[2:5]:
        assert few.density(at) == pytest.approx(all_draws.density(at), rel=1e-7)


@pytest.mark.parametrize("name", LOGARITHMIC)
@pytest.mark.parametrize(("level", "size"), [(14.0, 1e-3), (18.0, 1e-4), (6.0, 1e-4), (-8.0, 1e-6)])
@pytest.mark.parametrize("n", [4800, 2**14])
def test_outcomes_known_to_a_hair_are_those_of_all_draws(name, level, size, n):
    """Up to what doubles leave of a distribution function of counts in the millions."""
    all_draws = draws(name, level=level, sd=0.002, size=size, n=n)
    y = outcomes_of(all_draws)
    found = all_draws.condensed(20).cdf_at(y)
    np.testing.assert_allclose(found, all_draws.cdf_at(y), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", LOGARITHMIC)
def test_draws_stay_where_there_is_little_to_gain(name):
    for case in (
        draws(name, level=1.0, sd=5.0, spread=1.0),
        draws(name, level=1.0, sd=0.1, n=50),
    ):
        assert case.condensed(20) is case


@pytest.mark.parametrize("name", LOGARITHMIC)
def test_draws_that_are_all_the_same_are_one_component(name):
    same = draws(name, level=1.0, sd=0.0, spread=0.0)
    few = same.condensed(20)
    assert len(few.eta) == 1
    y = outcomes_of(same)
    np.testing.assert_allclose(few.cdf_at(y), same.cdf_at(y), rtol=1e-12)
