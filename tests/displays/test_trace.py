from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata

from skhlm import TraceDisplay
from skhlm.displays.parameters import MOST_PANELS
from skhlm.posterior import at_zero


def test_bars_count_the_ranks_of_each_chain():
    draws = np.random.default_rng(0).normal(size=(2, 3, 400)) + np.arange(3)[:, None]
    display = TraceDisplay(draws=draws, parameters=["a", "b"]).plot()
    for i in range(2):
        ranks = rankdata(draws[i], method="ordinal").astype(int).reshape(3, 400) - 1
        for c in range(3):
            counts = np.bincount(ranks[c] // 60, minlength=20)
            assert display.counts_[i, c].tolist() == counts.tolist()
            values, edges, base = display.bars_[i, c].get_data()
            heights = values - base
            np.testing.assert_allclose(heights / heights.sum(), counts / 400, atol=1e-12)
            assert edges.tolist() == np.linspace(0, 1, 21).tolist()
            assert base == 2 - c


def test_divergent_draws_are_marked_at_their_ranks():
    draws = np.arange(20.0).reshape(1, 2, 10)
    divergent = np.zeros((2, 10), dtype=bool)
    divergent[1, [0, 9]] = True
    display = TraceDisplay(draws=draws, parameters=["a"], divergent=divergent).plot()
    assert display.divergences_[0, 0].get_xdata().size == 0
    np.testing.assert_allclose(display.divergences_[0, 1].get_xdata(), [10.5 / 20, 19.5 / 20])
    assert display.legend_.get_texts()[-1].get_text() == "divergent (2)"
    display.plot(kind="trace")
    assert display.divergences_[0, 1].get_xdata().tolist() == [0, 9]


def test_traces_are_the_draws(fitted):
    display = TraceDisplay.from_estimator(fitted, ["sigma", "nu"], kind="trace")
    auxiliary = fitted._posterior.auxiliary
    for i, draws in enumerate([auxiliary["sigma"], auxiliary["nu"]]):
        for line, chain in zip(display.lines_[i], np.split(draws, 4), strict=True):
            assert line.get_ydata().tolist() == chain.tolist()
    assert display.bars_ is None


def test_parameters_have_the_names_of_the_diagnostics(fitted):
    worst = fitted.diagnostics_.worst_parameter
    assert TraceDisplay.from_estimator(fitted, worst).parameters.tolist() == [worst]
    effect = "delta[region/country, region-1/country-01, spend_1]"
    level = fitted._spec.labels.levels[1].index(("region-1", "country-01"))
    display = TraceDisplay.from_estimator(fitted, [effect, "kappa"])
    draws = fitted._posterior.draws
    assert display.draws[0].ravel().tolist() == draws.delta[1][level, 1].tolist()
    assert display.draws[1].ravel().tolist() == at_zero.kappa(fitted._posterior)[0].tolist()
    assert display.parameters[1:].tolist() == [
        "kappa[Intercept]",
        "kappa[spend_1]",
        "kappa[spend_2]",
    ]


def test_the_default_is_what_mixes_worst_but_no_effects(fitted):
    display = TraceDisplay.from_estimator(fitted)
    summary = fitted.summary()
    assert len(display.parameters) == MOST_PANELS < len(summary)
    assert not any(name.startswith("delta") for name in display.parameters)
    title = display.legend_.get_title().get_text()
    assert title == f"{MOST_PANELS} of {len(summary)} parameters:\nthe fewest effective draws"
    chosen = TraceDisplay.from_estimator(fitted, ["sigma", "nu"])
    assert not chosen.legend_.get_title().get_text()


def test_divergences_are_known_until_draws_are_left_out(fitted):
    display = TraceDisplay.from_estimator(fitted, "sigma")
    assert display.divergent.sum() == fitted.diagnostics_.n_divergent
    assert display.divergent.shape == display.draws.shape[1:]
    again = TraceDisplay.from_estimator(pickle.loads(pickle.dumps(fitted)), "sigma")
    np.testing.assert_array_equal(again.divergent, display.divergent)
    assert TraceDisplay.from_estimator(fitted.compact(100), "sigma").divergent is None


def test_an_approximation_has_no_chains(fitted):
    approximation = copy.copy(fitted)
    approximation._fit = replace(
        fitted._fit,
        diagnostics=replace(fitted.diagnostics_, algorithm="laplace"),
        posterior=replace(fitted._posterior, n_chains=0),
    )
    with pytest.raises(ValueError, match=r"no chains to compare.*'laplace'.*algorithm='nuts'"):
        TraceDisplay.from_estimator(approximation)


def test_errors_name_what_there_is(fitted):
    with pytest.raises(ValueError, match=r"no parameter 'sigm'.*Did you mean 'sigma'"):
        TraceDisplay.from_estimator(fitted, "sigm")
    with pytest.raises(ValueError, match="kind must be 'rank' or 'trace'"):
        TraceDisplay.from_estimator(fitted, "sigma", kind="ranks")


@pytest.mark.parametrize("kind", ["rank", "trace"])
@pytest.mark.parametrize(("n", "n_chains"), [(1, 4), (5, 1), (16, 8)])
def test_legible(kind, n, n_chains, assert_legible):
    draws = np.random.default_rng(0).normal(size=(n, n_chains, 50))
    names = [f"delta[region/country, EMEA/France{i}, log_advertising_spend]" for i in range(n)]
    divergent = np.zeros((n_chains, 50), dtype=bool)
    display = TraceDisplay(draws=draws, parameters=names, divergent=divergent).plot(kind=kind)
    assert_legible(display.figure_)
