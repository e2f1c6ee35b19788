"""The list of parameters: one order, one name each, and values from draws and from posteriors."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.draws import Draws
from skhlm.families import find_family
from skhlm.inputs.design import Units
from skhlm.inputs.labels import Labels
from skhlm.posterior import Posterior, at_zero
from skhlm.posterior.parameters import Name, list_parameters, list_population

LABELS = Labels(
    coefficients=("Intercept", "days"),
    factors=("region", "site"),
    group_columns=(("region",), ("site",)),
    levels=((("APAC",), ("EMEA",)), ((1,), (2,), (3,))),
    varying=(np.array([0, 1]), np.array([0])),
)
UNITS = Units(True, 1.0, 2.0, np.array([3.0]), np.array([0.5]))
NAMES = {
    "kappa": ["kappa[Intercept]", "kappa[days]"],
    "factor0.tau": ["tau[region, Intercept]", "tau[region, days]"],
    "factor1.tau": ["tau[site, Intercept]"],
    "factor0.omega": ["omega[region, Intercept, days]"],
    "factor1.omega": [],
    "sigma": ["sigma"],
    "nu": ["nu"],
    "factor0.delta": [
        f"delta[region, {level}, {name}]"
        for level in ("APAC", "EMEA")
        for name in ("Intercept", "days")
    ],
    "factor1.delta": [f"delta[site, {level}, Intercept]" for level in (1, 2, 3)],
}


@pytest.fixture
def draws() -> Draws:
    rng = np.random.default_rng(0)
    shape = (2, 5)
    omega = np.tile(np.eye(2), (*shape, 1, 1))
    omega[..., 0, 1] = omega[..., 1, 0] = rng.uniform(-0.9, 0.9, shape)
    return Draws(
        kappa=rng.normal(size=(*shape, 2)),
        delta=(rng.normal(size=(*shape, 2, 2)), rng.normal(size=(*shape, 3, 1))),
        tau=(rng.gamma(2, size=(*shape, 2)), rng.gamma(2, size=(*shape, 1))),
        omega=(omega, np.ones((*shape, 1, 1))),
        auxiliary={"sigma": rng.gamma(2, size=shape), "nu": 2 + rng.gamma(2, size=shape)},
    )


@pytest.fixture
def posterior(draws: Draws) -> Posterior:
    return Posterior.from_draws(draws, LABELS.varying, UNITS, find_family("student_t"))


def test_order_and_names(draws: Draws, posterior: Posterior) -> None:
    for of in (draws, posterior):
        names = {block.key: list(map(str, block.names(LABELS))) for block in list_parameters(of)}
        assert list(names.items()) == list(NAMES.items())
        assert [block.key for block in list_population(of)] == list(NAMES)[:-2]


def test_a_diagonal_covariance_has_no_correlations(draws: Draws) -> None:
    diagonal = Draws(draws.kappa, draws.delta, draws.tau, (), {"sigma": draws.auxiliary["sigma"]})
    kinds = [block.kind for block in list_parameters(diagonal)]
    assert kinds == ["kappa", "tau", "tau", "sigma", "delta", "delta"]


def test_a_nameless_factor_keeps_its_place() -> None:
    assert str(Name("tau", "", coefficient="days")) == "tau[, days]"


def test_every_name_has_its_draws(draws: Draws, posterior: Posterior) -> None:
    """At the predictors' means, in the model's units: as drawn, but for these units."""
    for block in list_parameters(draws):
        n = len(NAMES[block.key])
        drawn = block.drawn(draws)
        assert drawn.shape == (2, 5, n)
        kept = block.reported(posterior.where_fitted).reshape(n, 10)
        for own, theirs in zip(kept, np.moveaxis(drawn, -1, 0), strict=True):
            assert np.corrcoef(own, theirs.ravel())[0, 1] == pytest.approx(1)


def test_what_is_reported_is_at_zero(posterior: Posterior) -> None:
    found = {block.key: block.reported(posterior) for block in list_parameters(posterior)}
    assert np.array_equal(found["kappa"], at_zero.kappa(posterior))
    assert np.array_equal(found["factor0.tau"], at_zero.tau(posterior, 0))
    assert np.array_equal(found["factor0.omega"][0], at_zero.omega(posterior, 0)[1, 0])
    assert np.array_equal(found["factor0.delta"], at_zero.delta(posterior, 0))
    assert np.array_equal(found["nu"], posterior.auxiliary["nu"])


def test_what_is_kept_is_whole(posterior: Posterior) -> None:
    kept = {block.key: block.kept(posterior) for block in list_parameters(posterior)}
    assert kept["factor0.omega"] is posterior.omega[0]
    assert kept["factor1.delta"].shape == (3, 1, 10)
    assert kept["kappa"] is posterior.draws.kappa
