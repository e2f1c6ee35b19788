"""Convergence statistics against ArviZ, parameter by parameter, and against known answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from arviz_stats.base import array_stats

from benchmarks.agreement import FAULTS, rotation
from skhlm._typing import Floats
from skhlm.numerics.convergence import (
    autocorrelation,
    convergence,
    e_bfmi,
    ess_bulk,
    ess_mean,
    ess_tail,
    rhat,
)
from tests.chance import SHIFT

SHAPES = [(4, 500), (4, 499), (2, 101), (3, 7), (1, 200), (4, 4), (4, 5), (2, 6), (8, 33), (2, 21)]


def autoregression(rho: float, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Stationary AR(1) chains along axis 1 with unit variance."""
    noise = rng.normal(size=shape)
    x = noise.copy()
    for t in range(1, shape[1]):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return x


def families(chains: int, draws: int) -> dict[str, Floats]:
    """Draws of three parameters of every kind that a sampler may produce."""
    rng = np.random.default_rng(chains * 1000 + draws)
    shape = (chains, draws, 3)
    iid = rng.normal(size=shape)
    stuck = np.repeat(rng.normal(size=(chains, 1, 3)), draws, axis=1)
    return {
        "iid": iid,
        "autocorrelated": autoregression(0.9, shape, rng),
        "antithetic": autoregression(-0.8, shape, rng),
        "alternating": np.where(np.arange(draws)[:, None] % 2, 1.0, -1.0) * np.abs(iid),
        "heavy tails": rng.standard_cauchy(size=shape),
        "far from zero": 1e9 + iid,
        "tiny": 1e-200 * iid,
        "ties": np.round(iid),
        "two values": (iid > 0) * 1.0,
        "one other value": (np.arange(draws)[:, None] == 1) * np.ones(shape),
        "constant": np.full(shape, 3.0),
        "chains apart": iid + 3 * np.arange(chains)[:, None, None],
        "scales apart": iid * (1 + 3 * np.arange(chains)[:, None, None]),
        "trend": iid + np.linspace(0, 3, draws)[:, None],
        "chains that never move": stuck,
        "infinite": np.where(iid > 1, np.inf, iid),
        "not a number": np.where(np.arange(draws)[:, None] == 0, np.nan, iid),
    }


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("family", list(families(1, 4)))
@pytest.mark.filterwarnings("ignore::RuntimeWarning:arviz_stats")
@pytest.mark.filterwarnings("ignore::RuntimeWarning:numpy")
def test_agrees_with_arviz(shape: tuple[int, int], family: str) -> None:
    x = families(*shape)[family]
    ours = convergence(x)
    kwargs = {"chain_axis": 0, "draw_axis": 1}
    np.testing.assert_allclose(ours.rhat, array_stats.rhat(x, **kwargs), rtol=1e-8)
    for tail, method in [(False, "bulk"), (True, "tail")]:
        expected = array_stats.ess(x, method=method, prob=(0.05, 0.95) if tail else None, **kwargs)
        np.testing.assert_allclose(ours.ess_tail if tail else ours.ess_bulk, expected, rtol=1e-8)


def test_single_statistics_and_any_parameter_shape() -> None:
    x = np.random.default_rng(0).normal(size=(4, 100, 2, 3))
    together = convergence(x)
    for function, expected in zip([rhat, ess_bulk, ess_tail], together[:3], strict=True):
        assert np.array_equal(function(x), expected)
        assert np.array_equal(function(x[:, :, 1, 2]), expected[1, 2])
    assert together.rhat.shape == (2, 3)
    assert convergence(x[..., :0]).rhat.shape == (2, 0)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_blocks_and_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch, n_threads: int) -> None:
    x = np.random.default_rng(1).normal(size=(4, 50, 23))
    whole = convergence(x)
    monkeypatch.setattr("skhlm.numerics.convergence.BLOCK_BYTES", 8 * 4 * 50 * 5)
    assert all(np.array_equal(a, b) for a, b in zip(whole, convergence(x, n_threads), strict=True))


def test_ess_of_an_autoregression_is_known() -> None:
    rho, draws = 0.5, 2000
    x = autoregression(rho, (4, draws, 200), np.random.default_rng(2))
    expected = 4 * draws * (1 - rho) / (1 + rho)
    found = ess_bulk(x)
    assert abs(found.mean() / expected - 1) < 4 * found.std() / found.mean() / np.sqrt(200) + 0.02


HEALTHY = {
    "independent": lambda shape, rng: rng.normal(size=shape),
    "autocorrelated": lambda shape, rng: autoregression(0.5, shape, rng),
    "antithetic": lambda shape, rng: autoregression(-0.3, shape, rng),
    "rotated": lambda shape, rng: rotation(rng, *shape),
    "heavy tails": lambda shape, rng: rng.standard_cauchy(size=shape),
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_chains_that_agree_have_no_more_than_chance(kind: str) -> None:
    """One parameter in a thousand exceeds its limit where it is judged alone, bulk or folded.

    Of 20,000 parameters that is 20, or 40 if the F law is off by a factor of two; a count of 40
    exceeds 67 with a probability under 1e-4.
    """
    rng = np.random.default_rng([5, SHIFT])
    x = HEALTHY[kind]((4, 200, 20_000), rng)
    found = convergence(x, n_parameters=1)
    assert (found.rhat_excess > 1).sum() <= 67
    assert (found.rhat > 1.01).sum() > 80  # 160 to 9,000: what a limit without a size would say


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("n_parameters", [10, 1000, 100_000])
def test_a_chain_that_disagrees_is_beyond_chance(
    fault: Callable[[Floats], Floats], n_parameters: int
) -> None:
    """With 4 x 600 draws as NUTS makes them; more than 95% of 400 such parameters are found.

    At least 99% are, and of 400 then fewer than 380 with a probability under 1e-7.
    """
    x = fault(rotation(np.random.default_rng([6, SHIFT]), 4, 600, 400))
    assert (convergence(x, n_parameters=n_parameters).rhat_excess > 1).sum() >= 380


def test_chains_that_never_move_disagree_without_limit() -> None:
    x = np.repeat(np.arange(4.0)[:, None, None], 100, axis=1)
    assert convergence(x).rhat_excess > 1e6


def test_an_r_hat_of_one_percent_is_let_pass_however_many_draws_say_it() -> None:
    x = np.random.default_rng(7).normal(size=(4, 20_000, 1))
    x += np.array([0, 0, 0, 0.2])[:, None, None]  # R-hat 1.004, far beyond chance
    found = convergence(x)
    assert 1.002 < found.rhat[0] < 1.006
    assert found.rhat_excess[0] == pytest.approx((found.rhat[0] - 1) / 0.01)


def test_e_bfmi() -> None:
    energy = np.random.default_rng(3).normal(size=(3, 400))
    expected = np.square(np.diff(energy)).mean(axis=1) / energy.var(axis=1, ddof=1)
    np.testing.assert_allclose(e_bfmi(energy), expected, rtol=1e-12)
    np.testing.assert_allclose(array_stats.bfmi(energy), expected, rtol=1e-12)
    assert np.isnan(e_bfmi(np.ones((2, 5)))).all()
    assert np.isnan(e_bfmi(np.ones((2, 1)))).all()


@pytest.mark.parametrize("family", ["iid", "autocorrelated", "antithetic", "ties", "constant"])
def test_ess_of_the_mean_agrees_with_arviz(family: str) -> None:
    x = families(4, 101)[family]
    expected = array_stats.ess(x, chain_axis=0, draw_axis=1, method="mean")
    np.testing.assert_allclose(ess_mean(x), expected, rtol=1e-8)


def test_autocorrelation_is_that_of_each_chain():
    x = np.cumsum(np.random.default_rng(0).normal(size=(2, 3, 57)), axis=-1)
    about = x - x.mean(axis=-1, keepdims=True)
    variance = (about**2).sum(axis=-1)
    found = autocorrelation(x, 9)
    assert found.shape == (2, 3, 9)
    for lag in range(9):
        expected = (about[..., lag:] * about[..., : 57 - lag]).sum(axis=-1) / variance
        np.testing.assert_allclose(found[..., lag], expected, rtol=1e-9, atol=1e-12)


def test_autocorrelation_of_few_or_equal_draws():
    assert autocorrelation(np.zeros((1, 2, 3)), 10).shape == (1, 2, 3)
    assert np.isnan(autocorrelation(np.ones((1, 1, 20)), 4)).all()
    assert autocorrelation(np.ones((3, 1, 20)), 0).shape == (3, 1, 0)
