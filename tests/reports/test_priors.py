"""The frame of priors against draws of the priors, family by family."""

from __future__ import annotations

import io
import warnings
from math import inf

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import skhlm
from skhlm import HLMRegressor
from skhlm.families import FAMILIES, parameters_of
from skhlm.posterior import Posterior
from skhlm.posterior.prior_draws import draw_priors
from skhlm.priors import Cauchy, Gamma, Normal, StudentT
from skhlm.reports.priors import COLUMNS
from tests.chance import SHIFT

P_LEAST = 1e-6  # of each of fewer than 60 comparisons: a right one fails in fewer than 1 of 10,000


def rows_of(name):
    rng = np.random.default_rng(5)
    X = pd.DataFrame(
        {
            "g": np.arange(60) % 6,
            "h": np.arange(60) // 10,
            "x": rng.normal(40, 3, size=60),
            "z": rng.normal(size=60) / 50,
        }
    )
    y = {"gamma": 300 * rng.gamma(3, size=60), "binomial": rng.integers(0, 2, 60)}
    counts = rng.poisson(4, size=60) if FAMILIES[name].is_discrete else 200 + rng.normal(size=60)
    return X, y.get(name, counts).astype(float)


GIVEN = {
    "kappa": {"Intercept": StudentT(4, 0.5, 2), "x": Cauchy(-1, 0.2)},
    "tau": {"g": {"z": Normal(0.3, 0.4)}, "h": StudentT(3, 0, 1.5)},
}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    """A model of each family with priors of all kinds; only they are looked at."""
    name = request.param
    own = {"nu": Gamma(4, 0.2), "sigma": Cauchy(0.1, 0.7), "cv": StudentT(5, 0, 0.5)}
    own = {key: prior for key, prior in own.items() if key in parameters_of(FAMILIES[name])}
    model = HLMRegressor(
        ["g", "h"],
        varying={"g": "all", "h": ["Intercept", "x"]},
        family=name,
        covariance="full",
        priors=GIVEN | own,
        algorithm="map",
        iter_sampling=20,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*rows_of(name))


def distribution(prior):
    """The frame's numbers as a distribution function, cut at its bound."""
    known = {
        "Normal": lambda p: stats.norm(p["loc"], p["scale"]),
        "Cauchy": lambda p: stats.cauchy(p["loc"], p["scale"]),
        "StudentT": lambda p: stats.t(p["df"], p["loc"], p["scale"]),
        "Gamma": lambda p: stats.gamma(p["shape"], scale=1 / p["rate"]),
    }
    whole = known[prior["distribution"]](prior)
    below = 0.0 if prior["lower"] == -inf else whole.cdf(prior["lower"])
    return lambda x: (whole.cdf(x) - below) / (1 - below)


def test_numbers_are_those_of_the_priors_in_the_user_s_units(model):
    posterior, spec = model._posterior, model._spec
    family, rng = posterior.family, np.random.default_rng(11 + SHIFT)
    drawn = draw_priors(
        spec.build_priors(family), [1, 1], 3000, rng, family=family, covariance="full"
    )
    prior = Posterior.from_draws(drawn, spec.labels.varying, spec.units, family)
    draws = [*prior.draws.kappa, *np.vstack(prior.tau), *prior.auxiliary.values()]
    frame = model.prior_summary()
    assert list(frame) == list(COLUMNS)
    correlations = frame[frame["parameter"] == "omega"]
    assert correlations["factor"].tolist() == ["g", "h"]
    assert correlations[["distribution", "shape"]].drop_duplicates().to_numpy().tolist() == [
        ["LKJ", 2.0]
    ]
    others = frame.drop(correlations.index)
    assert len(others) == len(draws)
    for (_, row), values in zip(others.iterrows(), draws, strict=True):
        assert stats.kstest(values, distribution(row)).pvalue > P_LEAST, row.to_dict()


def test_names_and_sources(model):
    frame = model.prior_summary()
    frame = frame[frame["parameter"].isin(["kappa", "tau"])]
    where = list(zip(frame["parameter"], frame["factor"], frame["coefficient"], strict=True))
    intercept = "Intercept at the means"
    assert where == [
        *(("kappa", "", name) for name in (intercept, "x", "z")),
        *(("tau", "g", name) for name in (intercept, "x", "z")),
        *(("tau", "h", name) for name in (intercept, "x")),
    ]
    user = ["user", "user", "default", "default", "default", "user", "user", "user"]
    assert frame["source"].tolist() == user
    given = frame["given"].tolist()
    assert given[:2] == ["StudentT(4, 0.5, 2)", "Cauchy(-1, 0.2)"]
    assert given[5:] == ["Normal(0.3, 0.4)", "StudentT(3, 0, 1.5)", "StudentT(3, 0, 1.5)"]


def test_units_are_those_of_the_data(model):
    X, y = rows_of(model.family)
    frame = model.prior_summary().set_index(["parameter", "factor", "coefficient"])
    sd_y = y.std() if model._posterior.family.scales_outcome else 1
    assert np.isclose(frame.loc[("kappa", "", "x"), "unit"], sd_y / X["x"].std(ddof=0))
    assert np.isclose(frame.loc[("tau", "h", "Intercept at the means"), "unit"], sd_y)
    if model.family == "poisson":
        centre = np.log((y.sum() + 0.5) / 60)
        at = frame.loc[("kappa", "", "Intercept at the means")]
        assert np.isclose(at["loc"], centre + 0.5)


def test_it_is_of_the_fit_and_stays_in_a_file(model):
    frame, file = model.prior_summary(), io.BytesIO()
    skhlm.save(model, file)
    pd.testing.assert_frame_equal(skhlm.load(file).prior_summary(), frame)
    given = model.priors
    pd.testing.assert_frame_equal(model.set_params(priors=None).prior_summary(), frame)
    model.set_params(priors=given)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("priors", [None, "weakly_informative", {"rest": "weakly_informative"}])
def test_a_word_is_a_source_and_nothing_scaled_has_units_of_one(priors):
    X, y = rows_of("normal")
    short = {"algorithm": "map", "iter_sampling": 20, "random_state": 0}
    word = HLMRegressor("g", priors=priors, **short).fit(X, y).prior_summary()
    assert set(word["source"]) == {"default" if priors is None else "weakly_informative"}
    scale = word.set_index("parameter").loc["sigma"]
    assert np.isclose(scale["scale"], (2.5 if priors is None else 1) * y.std())
    bare = HLMRegressor("g", fit_intercept=False, autoscale=False, **short).fit(X, y)
    frame = bare.prior_summary()
    assert frame["coefficient"].tolist() == ["h", "x", "z"] * 2 + ["", ""]
    assert (frame["unit"] == 1).all()
    assert frame["loc"].dropna().eq(0).all()
