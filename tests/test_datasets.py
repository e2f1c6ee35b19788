"""The shipped data are what their docstrings say; the simulated ones have the truth they state."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression, PoissonRegressor

from skhlm.datasets import (
    Dataset,
    derive,
    load_aggression,
    load_airfare,
    load_epilepsy,
    load_gapminder,
    load_grouse,
    load_radon,
    load_sleepstudy,
    make_campaigns,
)

LOADERS = {
    "gapminder": (load_gapminder, 1704, "continent/country", "life_expectancy"),
    "sleepstudy": (load_sleepstudy, 180, "subject", "reaction"),
    "radon": (load_radon, 12490, "state/county", "log_radon"),
    "grouse": (load_grouse, 403, "location/brood", "ticks"),
    "aggression": (load_aggression, 7584, ["person", "item"], "answer"),
    "airfare": (load_airfare, 4596, "route", "fare"),
    "epilepsy": (load_epilepsy, 236, "patient", "seizures"),
}
FACTORS = ["region", "region/country", "industry", "industry/vertical"]


@pytest.mark.parametrize(("load", "n", "groups", "outcome"), LOADERS.values(), ids=LOADERS)
def test_a_loaded_set_is_complete(load, n, groups, outcome):
    dataset = load()
    assert isinstance(dataset, Dataset)
    assert dataset.groups == groups
    group_columns = groups.split("/") if isinstance(groups, str) else groups
    assert dataset.feature_names[: len(group_columns)] == group_columns
    assert list(dataset.frame) == [*dataset.feature_names, outcome]
    assert len(dataset.frame) == n
    assert not dataset.frame.isna().any(axis=None)
    predictors = dataset.data.drop(columns=group_columns)
    assert all(pd.api.types.is_numeric_dtype(predictors[name]) for name in predictors)
    assert all(isinstance(level, str) for name in group_columns for level in dataset.data[name])
    assert dataset.source


@pytest.mark.parametrize("load", [loader for loader, *_ in LOADERS.values()], ids=LOADERS)
def test_the_pair_is_the_data_and_the_target(load):
    X, y = load(return_X_y=True)
    pd.testing.assert_frame_equal(X, load().data)
    pd.testing.assert_series_equal(y, load().target)


def test_every_load_is_a_fresh_copy():
    first = load_sleepstudy()
    first.data["days"] = 0
    assert load_sleepstudy().data["days"].max() == 9


def test_gapminder_counts_and_known_values():
    frame = load_gapminder().frame
    countries = frame.groupby("continent")["country"].nunique()
    assert countries.to_dict() == {
        "Africa": 52,
        "Americas": 25,
        "Asia": 33,
        "Europe": 30,
        "Oceania": 2,
    }
    assert frame.groupby("country").size().eq(12).all()
    assert sorted(frame["year"].unique()) == list(range(1952, 2008, 5))
    rwanda = frame[(frame["country"] == "Rwanda") & (frame["year"] == 1992)].iloc[0]
    assert rwanda["life_expectancy"] == 23.599
    assert 10 ** rwanda["log10_gdp_per_capita"] == pytest.approx(737.0685949)


def test_sleepstudy_has_its_published_least_squares_line():
    X, y = load_sleepstudy(return_X_y=True)
    assert X.groupby("subject")["days"].apply(list).map(list(range(10)).__eq__).all()
    slope, intercept = np.polyfit(X["days"], y, 1)
    assert (intercept, slope) == pytest.approx((251.40510, 10.46729), abs=1e-5)


def test_radon_counties_are_known_by_their_path():
    X, y = load_radon(return_X_y=True)
    assert X["state"].nunique() == 9
    assert len(X[["state", "county"]].drop_duplicates()) == 469 > X["county"].nunique()
    assert set(X["floor"]) == {0, 1}
    minnesota = X["county"][X["state"] == "MN"]
    assert "AITKIN" in set(minnesota)
    assert np.exp(y.min()) == pytest.approx(0.1)


def test_grouse_chicks_have_the_broods_and_counts_of_the_source():
    X, y = load_grouse(return_X_y=True)
    assert X["location"].nunique() == 63
    assert X["brood"].nunique() == len(X[["location", "brood"]].drop_duplicates()) == 118
    assert X.groupby("brood")["year"].nunique().eq(1).all()
    assert X.groupby("location")["height"].nunique().eq(1).all()
    assert X["year"].value_counts().to_dict() == {1996: 155, 1997: 131, 1995: 117}
    assert (y.sum(), y.max(), (y == 0).sum()) == (2567, 85, 126)


def test_everybody_answered_every_item_of_verbal_aggression():
    """The shares of yes are those of the table in the source's documentation."""
    X, y = load_aggression(return_X_y=True)
    assert (X["person"].nunique(), X["item"].nunique()) == (316, 24)
    assert not X.duplicated(["person", "item"]).any()
    indicators = ["do", "self_to_blame", "scold", "shout"]
    assert X.groupby("item")[indicators].nunique().eq(1).all(axis=None)
    assert X.groupby("person")[["anger", "male"]].nunique().eq(1).all(axis=None)
    kinds = X.drop_duplicates("item").groupby(indicators).size()
    assert len(kinds) == 12 and kinds.eq(2).all()
    assert X.drop_duplicates("person")["male"].sum() == 73
    yes = (y == "yes").groupby([X["self_to_blame"], X["do"]]).sum()
    assert yes.to_dict() == {(0, 0): 1182, (0, 1): 952, (1, 0): 836, (1, 1): 641}


def test_epilepsy_has_the_published_poisson_regression():
    """Coefficients of the example in the documentation of MASS, to its five decimals."""
    X, y = load_epilepsy(return_X_y=True)
    assert X.groupby("patient")["visit"].apply(list).map([1, 2, 3, 4].__eq__).all()
    assert X.groupby("patient")[["progabide", "baseline", "age"]].nunique().eq(1).all(axis=None)
    assert X.drop_duplicates("patient")["progabide"].value_counts().to_dict() == {1: 31, 0: 28}
    before, age = (np.log(X[name]) - np.log(X[name]).mean() for name in ("baseline", "age"))
    terms = [before, X["progabide"], age, X["visit"] == 4, before * X["progabide"]]
    fit = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-10)
    fit.fit(np.column_stack(terms).astype(float), y)
    published = [1.89791, 0.94862, -0.34588, 0.88760, -0.15977, 0.56154]
    np.testing.assert_allclose([fit.intercept_, *fit.coef_], published, atol=6e-6)


def test_airfare_has_the_slopes_that_wooldridge_published():
    """Of the largest airline's share: 0.360 between all rows, 0.169 within routes."""
    X, y = load_airfare(return_X_y=True)
    assert X.groupby("route")["year"].apply(list).map([1997, 1998, 1999, 2000].__eq__).all()
    years = [(X["year"] == year).astype(float) for year in (1998, 1999, 2000)]
    distance = np.log(X["distance"])
    terms = pd.concat([X["largest_share"], *years, distance, distance**2], axis=1)
    pooled = LinearRegression().fit(terms.to_numpy(), np.log(y))
    np.testing.assert_allclose(pooled.coef_[0], 0.360, atol=5e-4)

    def within(table):
        return table - table.groupby(X["route"]).transform("mean")

    fixed = LinearRegression().fit(within(terms.iloc[:, :4]).to_numpy(), within(np.log(y)))
    np.testing.assert_allclose(fixed.coef_[0], 0.169, atol=5e-4)


def test_shipped_files_are_small():
    data = files("skhlm.datasets") / "data"
    assert sum(len(file.read_bytes()) for file in data.iterdir()) < 150_000


def test_derivation_drops_unknown_floors_and_depends_on_its_input_alone(tmp_path):
    (tmp_path / "gapminder.csv").write_text(
        "country,continent,year,lifeExp,pop,gdpPercap\nChad,Africa,1952,38.092,2682462,1178.665927\n"
    )
    (tmp_path / "sleepstudy.csv").write_text('"","Reaction","Days","Subject"\n"1",249.56,0,"308"\n')
    (tmp_path / "srrs2.dat").write_text(
        "state,state2,floor,activity,county\n"
        "R5,WI,2, 0.3,VILAS               \n"
        "PA,PA,9, 7.0,YORK                \n"
        "PA,PA,0, 0.5,                    \n"
    )
    (tmp_path / "grouseticks.csv").write_text(
        '"","INDEX","TICKS","BROOD","HEIGHT","YEAR","LOCATION","cHEIGHT"\n'
        '"1","1",0,"501",465,"95","32",2.759\n'
    )
    (tmp_path / "VerbAgg.csv").write_text(
        '"","Anger","Gender","item","resp","id","btype","situ","mode","r2"\n'
        '"1",20,"M","S4wantCurse","perhaps","1","curse","self","want","Y"\n'
        '"2",11,"F","S1DoShout","no","2","shout","other","do","N"\n'
    )
    (tmp_path / "epil.csv").write_text(
        '"","y","trt","base","age","V4","subject","period","lbase","lage"\n'
        '"1",5,"placebo",11,31,0,1,1,-0.756,0.114\n'
        '"2",0,"progabide",19,20,1,30,4,-0.21,-0.324\n'
    )
    (tmp_path / "airfare.csv").write_text(
        "year,id,dist,passen,fare,bmktshr,ldist,y98,y99,y00,lfare,ldistsq,concen,lpassen\n"
        "1997,1,528,152,106,0.8385999798774719,6.26,0,0,0,4.66,39.3,0.8385999798774719,5.02\n"
    )
    targets = tmp_path / "first", tmp_path / "second"
    for target in targets:
        target.mkdir()
        derive.main(tmp_path, target)
    radon = pd.read_csv(targets[0] / "radon.csv.gz")
    assert radon.to_numpy().tolist() == [["PA", "UNKNOWN", 0, 0.5], ["WI", "VILAS", 1, 0.3]]
    for file in sorted(targets[0].iterdir()):
        assert file.read_bytes() == (targets[1] / file.name).read_bytes()
    shipped = load_sleepstudy().frame.iloc[0].tolist()
    assert (
        pd.read_csv(targets[0] / "sleepstudy.csv.gz", dtype={"subject": str}).iloc[0].tolist()
        == shipped
    )
    grouse = pd.read_csv(targets[0] / "grouse.csv.gz")
    assert grouse.to_numpy().tolist() == [[32, 501, 1995, 465, 0]]
    assert pd.read_csv(targets[0] / "aggression.csv.gz").to_numpy().tolist() == [
        [1, "S4WantCurse", 20, 1, 0, 1, 0, 0, "yes"],
        [2, "S1DoShout", 11, 0, 1, 0, 0, 1, "no"],
    ]
    airfare = pd.read_csv(targets[0] / "airfare.csv.gz")
    assert airfare.to_numpy().tolist() == [[1, 1997, 528, 152, 0.8386, 106]]
    epilepsy = pd.read_csv(targets[0] / "epilepsy.csv.gz")
    assert epilepsy.to_numpy().tolist() == [[1, 1, 0, 11, 31, 5], [30, 4, 1, 19, 20, 0]]


def test_campaigns_have_the_stated_shape():
    X, y, truth = make_campaigns(300, 3, n_regions=2, n_countries=7, random_state=0)
    spends = ["spend_1", "spend_2", "spend_3"]
    assert list(X) == ["region", "country", "industry", "vertical", *spends]
    assert X.shape == (300, 7) and y.shape == (300,) and y.name == "return"
    assert list(truth.kappa.index) == list(truth.beta) == list(truth.tau) == ["Intercept", *spends]
    assert list(truth.tau.index) == FACTORS
    counts = truth.effects.groupby("factor", sort=False).size() / 4
    assert counts.to_dict() == dict(zip(FACTORS, (2, 7, 6, 40), strict=True))
    assert X.groupby("country")["region"].nunique().eq(1).all()
    assert X.groupby("vertical")["industry"].nunique().eq(1).all()


def test_beta_is_kappa_plus_the_four_effects_of_the_row():
    X, _, truth = make_campaigns(50, random_state=1)
    effect = truth.effects.set_index(["factor", "level", "coefficient"])["effect"]
    for i, row in X.iterrows():
        levels = {factor: tuple(row[name] for name in factor.split("/")) for factor in FACTORS}
        for coefficient, kappa in truth.kappa.items():
            parts = [effect.loc[(*of, coefficient)] for of in levels.items()]
            assert truth.beta.loc[i, coefficient] == pytest.approx(kappa + sum(parts), rel=1e-12)


@pytest.mark.parametrize("family", ["student_t", "normal"])
def test_residuals_follow_the_stated_law(family):
    """Quartiles of the standardised residuals; binomial error sqrt(p(1-p)/n) of their shares."""
    n = 20_000
    X, y, truth = make_campaigns(n, family=family, nu=3.0, sigma=0.7, random_state=2)
    design = np.c_[np.ones(n), X[["spend_1", "spend_2"]]]
    residual = (y - np.sum(design * truth.beta, axis=1)) / truth.sigma
    law = stats.t(3.0) if family == "student_t" else stats.norm()
    assert truth.nu == (3.0 if family == "student_t" else np.inf)
    for p in (0.01, 0.25, 0.5, 0.75, 0.99):
        share = np.mean(residual < law.ppf(p))
        assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / n)


def test_effects_have_sd_tau():
    _, _, truth = make_campaigns(10, 3, n_countries=4000, n_verticals=4000, random_state=3)
    for factor in ("region/country", "industry/vertical"):
        effects = truth.effects[truth.effects["factor"] == factor]
        sd = effects.groupby("coefficient")["effect"].std()
        error = sd / np.sqrt(2 * 4000)
        assert ((sd - truth.tau.loc[factor]).abs() < 4 * error).all()


def test_sizes_of_levels_are_unequal():
    X, _, _ = make_campaigns(random_state=0)
    sizes = X["country"].value_counts()
    assert sizes.max() > 10 * sizes.min()


def test_equal_seeds_give_equal_campaigns():
    first, again, other = (make_campaigns(40, random_state=seed) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first[0], again[0])
    pd.testing.assert_series_equal(first[1], again[1])
    pd.testing.assert_frame_equal(first[2].effects, again[2].effects)
    assert not first[1].equals(other[1])


def test_names_sort_as_numbers():
    X, _, _ = make_campaigns(5000, n_countries=12, random_state=0)
    names = sorted(X["country"].unique())
    assert names == sorted(names, key=lambda name: int(name.rpartition("-")[2]))


@pytest.mark.parametrize(
    "sizes", [{"n_regions": 0}, {"n_regions": 9, "n_countries": 8}, {"n_verticals": 3}]
)
def test_a_level_cannot_be_missing_its_parent(sizes):
    with pytest.raises(ValueError, match="at least one"):
        make_campaigns(10, **sizes)


@pytest.mark.parametrize(
    ("refused", "word"),
    [
        ({"family": "poisson"}, "family"),
        ({"outcome": "conversions", "family": "student_t"}, "family"),
        ({"outcome": "clicks"}, "outcome"),
        ({"outcome": "conversions", "overdispersion": -0.1}, "overdispersion"),
    ],
)
def test_an_unknown_family_or_outcome_is_refused(refused, word):
    with pytest.raises(ValueError, match=word):
        make_campaigns(10, **refused)


def _linear(X, truth):
    """x_i' beta_i of each campaign."""
    return np.sum(np.c_[np.ones(len(X)), X[["spend_1", "spend_2"]]] * truth.beta, axis=1)


@pytest.mark.parametrize("family", ["negative_binomial", "poisson"])
def test_conversions_follow_the_stated_law(family):
    """Sums over campaigns of any weights have their means and variances, to 4.5 standard errors.

    Pearson's residuals have variance 1 whatever the expectation, and their squares a variance that
    is taken from the sample. In less than one in 10,000 cases such a sum is farther away.
    """
    n = 40_000
    X, y, truth = make_campaigns(n, outcome="conversions", family=family, random_state=11)
    assert list(X)[-1] == "days" and set(X["days"]) == set(range(1, 31))
    assert y.name == "conversions" and np.issubdtype(y.dtype, np.integer) and y.min() >= 0
    np.testing.assert_allclose(truth.expected, X["days"] * np.exp(_linear(X, truth)), rtol=1e-12)
    assert truth.overdispersion == (0.5 if family == "negative_binomial" else 0.0)
    assert np.isnan(truth.sigma) and np.isnan(truth.nu)
    variance = truth.expected + (truth.overdispersion * truth.expected) ** 2
    residual = (y - truth.expected) / np.sqrt(variance)
    assert abs(residual.sum()) < 4.5 * np.sqrt(n)
    surprise = residual**2 - 1
    assert abs(surprise.sum()) < 4.5 * np.sqrt(n) * surprise.std()
    zero = np.exp(-truth.expected) if family == "poisson" else (1 + truth.expected / 4) ** -4
    assert abs(((y == 0) - zero).sum()) < 4.5 * np.sqrt((zero * (1 - zero)).sum())


def test_the_converted_are_as_many_as_their_probabilities_say():
    """In each fifth of the probabilities, to 4.5 standard errors of a sum of zeros and ones."""
    X, y, truth = make_campaigns(40_000, outcome="converted", random_state=12)
    assert list(X) == ["region", "country", "industry", "vertical", "spend_1", "spend_2"]
    assert y.name == "converted" and set(y) == {0, 1}
    np.testing.assert_allclose(truth.expected, 1 / (1 + np.exp(-_linear(X, truth))), rtol=1e-12)
    assert np.isnan([truth.sigma, truth.nu, truth.overdispersion]).all()
    table = pd.DataFrame({"p": truth.expected, "excess": y - truth.expected})
    for _, part in table.groupby(pd.qcut(table["p"], 5)):
        assert abs(part["excess"].sum()) < 4.5 * np.sqrt((part["p"] * (1 - part["p"])).sum())


def test_conversions_without_overdispersion_are_poisson():
    y, poisson = (
        make_campaigns(200, outcome="conversions", random_state=0, **how)[1]
        for how in ({"overdispersion": 0.0}, {"family": "poisson"})
    )
    pd.testing.assert_series_equal(y, poisson)


def test_returns_are_those_of_earlier_versions():
    """The same numbers, up to a machine's logarithm: a seed names a data set for good."""
    X, y, truth = make_campaigns(5, random_state=0)
    before = [
        -1.724382217529453,
        -0.7490954424511784,
        0.014740884132992904,
        0.18884095016906882,
        -0.5557926309969864,
    ]
    np.testing.assert_allclose(y, before, rtol=1e-12)
    np.testing.assert_allclose(truth.expected, _linear(X, truth), rtol=1e-12)
