"""The explorer's draws: those of the model to 16 bits, few enough, divergent ones among them."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import numpy as np
import pytest

from skhlm.html_report.sections import explorer, sampling
from skhlm.html_report.sections.effects import largest_levels
from skhlm.posterior import at_zero
from tests.html_report.test_table import unpacked

pytest.importorskip("matplotlib.pyplot")


def content_of(model):
    """What the page has, decoded, and the paragraphs."""
    (page,) = explorer.explorer(model, largest_levels(model))
    found = unpacked(re.search(r'text/plain">([^<]*)<', page).group(1))
    low, high = np.array(found["scales"]).T
    P = len(low)
    for name in ("values", "divergent"):
        whole = np.frombuffer(base64.b64decode(found[name]), dtype="<u2").reshape(P, -1)
        found[name] = low[:, None] + whole / 65535 * (high - low)[:, None]
    acf = np.frombuffer(base64.b64decode(found["acf"]), dtype=np.int8) / 127
    found["acf"] = acf.reshape(P, found["chains"], found["lags"])
    found["names"] = [name for _, names in found["groups"] for name in names]
    return found, page


@pytest.fixture(scope="module")
def content(model):
    return content_of(model)[0]


def test_draws_are_the_models(content, model):
    posterior = model._posterior
    n = posterior.n_draws // 2
    picks = np.concatenate([np.array(content["kept"]) + chain * n for chain in range(2)])
    expected = {
        "kappa[Intercept at x = 0]": at_zero.kappa(posterior)[0],
        "tau[continent/country, decades]": at_zero.tau(posterior, 1)[1],
        "sigma": posterior.auxiliary["sigma"],
    }
    for name, draws in expected.items():
        found = content["values"][content["names"].index(name)]
        np.testing.assert_allclose(found, draws[picks], atol=np.ptp(draws) / 65535)


def test_every_parameter_and_the_sampler_is_there(content, model):
    effects = sum(d.shape[0] * d.shape[1] for d in at_zero_effects(model))
    assert len(content["names"]) == len(model.summary()) + effects + 4
    assert content["names"][-4:] == ["energy", "acceptance", "treedepth", "steps of a trajectory"]
    assert "Asia/Afghanistan, noise" in content["names"]
    energy = model._fit.statistics.energy[:, content["kept"]].ravel()
    found = content["values"][content["names"].index("energy")]
    np.testing.assert_allclose(found, energy, atol=np.ptp(model._fit.statistics.energy) / 65535)


def at_zero_effects(model):
    return [at_zero.delta(model._posterior, g) for g in range(len(model.groups_))]


def test_autocorrelations_are_of_all_draws(content, model):
    draws = model._posterior.auxiliary["sigma"].reshape(2, -1)
    about = draws - draws.mean(axis=1, keepdims=True)
    for lag in (0, 1, 5):
        n = draws.shape[1] - lag
        expected = (about[:, lag:] * about[:, :n]).sum(axis=1) / (about**2).sum(axis=1)
        found = content["acf"][content["names"].index("sigma"), :, lag]
        np.testing.assert_allclose(found, expected, atol=0.6 / 127)


def test_energies_are_densities(content):
    energy = content["energy"]
    widths = np.diff(energy["edges"])
    for name in ("marginal", "steps"):
        assert (np.array(energy[name][:-1]) * widths).sum() == pytest.approx(1)


def test_gibbs_sampling_has_no_steps(model):
    """As after short panels: neither pages nor exports show zeros as if NUTS had said them."""
    statistics = model._fit.statistics
    still = replace(statistics, n_leapfrog=np.zeros_like(statistics.n_leapfrog))
    diagnostics = replace(model.diagnostics_, n_leapfrog=0)
    changed = model.__copy__()
    changed._fit = replace(model._fit, statistics=still)
    changed.diagnostics_ = diagnostics
    content, _ = content_of(changed)
    assert content["energy"] is None
    assert "acceptance" not in content["names"]
    said = "".join(map(str, sampling._chains(changed)))
    assert "2 chains of Gibbs sampling" in said
    assert "E-BFMI" not in said
    assert "E-BFMI" in "".join(map(str, sampling._chains(model)))
    assert not hasattr(changed.to_arviz(), "sample_stats")


def test_every_divergent_draw_is_there(model):
    divergent = np.zeros_like(model._fit.statistics.divergent)
    divergent[1, [3, 4, 9]] = True
    changed = model.__copy__()
    statistics = replace(model._fit.statistics, divergent=divergent)
    changed._fit = replace(model._fit, statistics=statistics)
    found, _ = content_of(changed)
    draws = model._posterior.auxiliary["sigma"].reshape(2, -1)[1, [3, 4, 9]]
    shown = found["divergent"][found["names"].index("sigma")]
    np.testing.assert_allclose(shown, draws, rtol=1e-3)
    assert found["pair_said"].startswith("3 draws ended a divergent trajectory: where they crowd")


def test_independent_draws_are_no_chains(levels_in_the_dozens, monkeypatch):
    monkeypatch.setattr(explorer, "MOST_NUMBERS", 2000)
    found, said = content_of(levels_in_the_dozens)
    assert found["independent"] and found["chains"] == 1 and found["lags"] == 0
    assert found["energy"] is None
    assert found["values"].size <= 2000
    n_shown = len(found["names"]) - len(levels_in_the_dozens.summary())
    assert f"The list has {n_shown} of 600 group effects" in said
    n = levels_in_the_dozens._posterior.n_draws
    assert f"of {n:,} independent draws." in said
