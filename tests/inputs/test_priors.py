"""The priors that a user gives, and the numbers they become."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import GridSearchCV

from skhlm import HLMRegressor
from skhlm.families import AUXILIARY, FAMILIES, find_family, parameters_of
from skhlm.inputs.columns import Columns
from skhlm.inputs.hierarchy import parse_groups
from skhlm.inputs.priors import check_units, choose_priors
from skhlm.priors import Cauchy, Gamma, Normal, StudentT

COEFFICIENTS = ("Intercept", "price", "spend")
COLUMNS = Columns(4, ("region", "country", "price", "spend"))
HIERARCHIES = parse_groups("region/country", COLUMNS)
VARYING = (np.array([0, 1, 2]), np.array([0, 2]))


def build(priors, family="student_t"):
    return choose_priors(
        priors,
        columns=COLUMNS,
        hierarchies=HIERARCHIES,
        coefficients=COEFFICIENTS,
        varying=VARYING,
        family=find_family(family),
    ).numbers()


def rows(numbers):
    return list(zip(numbers.df, numbers.loc, numbers.scale, strict=True))


HALF_CAUCHY = (1, 0, 2.5)
FLAT = (inf, 0, 10)


@pytest.mark.parametrize("priors", [None, {}, {"tau": {}, "kappa": {}}])
def test_defaults_are_those_of_the_model(priors):
    built = build(priors)
    assert rows(built.kappa) == [FLAT] * 3
    assert [rows(tau) for tau in built.tau] == [[HALF_CAUCHY] * 3, [HALF_CAUCHY] * 2]
    assert rows(built.auxiliary["sigma"]) == [HALF_CAUCHY]
    assert (built.auxiliary["nu"], built.lkj) == (Gamma(2, 0.1), 2)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_has_the_priors_of_its_own_parameters(family):
    """Those of a family that it is the limit of may be given too: searches over both need it."""
    given = {name: AUXILIARY[name].prior for name in parameters_of(family)}
    for priors in (None, given):
        built = build(priors, family.name)
        assert list(built.auxiliary) == [parameter.name for parameter in family.auxiliary]


@pytest.mark.parametrize(
    ("family", "theirs"),
    [
        ("student_t", {"sigma", "nu"}),
        ("normal", {"sigma", "nu"}),
        ("binomial", set()),
        ("poisson", {"overdispersion"}),
        ("negative_binomial", {"overdispersion"}),
        ("gamma", {"cv"}),
    ],
)
def test_a_prior_of_a_parameter_of_other_outcomes_is_a_mistake(family, theirs):
    assert {*parameters_of(find_family(family))} == theirs
    for name in {*AUXILIARY} - theirs:
        with pytest.raises(ValueError, match=rf"have no '{name}', .* of '.*'\. Leave it out"):
            build({name: AUXILIARY[name].prior}, family)
    with pytest.raises(ValueError, match=r"Poisson counts .* 'student_t', 'normal'.* are 'tau', "):
        build({"sigma": ONE}, "poisson")


def test_one_location_scale_family_holds_them_all():
    built = build({"sigma": StudentT(3, 1, 2), "kappa": Cauchy(4, 5), "tau": Normal(0, 1)})
    assert rows(built.auxiliary["sigma"]) == [(3, 1, 2)]
    assert rows(built.kappa) == [(1, 4, 5)] * 3
    assert [rows(tau) for tau in built.tau] == [[(inf, 0, 1)] * 3, [(inf, 0, 1)] * 2]
    assert build({"nu": Gamma(4, 1)}).auxiliary["nu"] == Gamma(4, 1)
    assert build({"sigma": StudentT(inf, 1, 2)}).auxiliary["sigma"].df == inf


ONE, TWO = Normal(0, 1), Normal(0, 2)
P1, P2, D = (inf, 0, 1), (inf, 0, 2), HALF_CAUCHY


@pytest.mark.parametrize(
    ("tau", "region", "country"),
    [
        ({"region": ONE}, [P1, P1, P1], [D, D]),
        ({"region": {"spend": ONE}}, [D, D, P1], [D, D]),
        ({"spend": ONE}, [D, D, P1], [D, P1]),
        ({"spend": ONE, "region": {"price": TWO}}, [D, P2, P1], [D, P1]),
        ({"spend": ONE, "region/country": TWO}, [D, D, P1], [P2, P2]),
        ({"region/country": {"price": ONE}}, [D, D, D], [D, D]),
        ({("region", "country"): TWO, 0: ONE}, [P1, P1, P1], [P2, P2]),
        ({(0,): {3: ONE}, 2: TWO}, [D, P2, P1], [D, D]),
        ({(0, "country"): {-1: ONE}}, [D, D, D], [D, P1]),
    ],
)
def test_tau_by_factor_and_by_coefficient(tau, region, country):
    assert [rows(numbers) for numbers in build({"tau": tau}).tau] == [region, country]


@pytest.mark.parametrize("spend", ["spend", 3, -1])
def test_kappa_by_coefficient(spend):
    built = build({"kappa": {"Intercept": ONE, spend: TWO}})
    assert rows(built.kappa) == [P1, FLAT, P2]


def test_without_groups_or_coefficients_there_are_no_numbers():
    nothing = {"columns": Columns(0), "hierarchies": (), "coefficients": (), "varying": ()}
    built = choose_priors(None, **nothing, family=find_family("normal")).numbers()
    assert built.tau == ()
    assert built.kappa.df.shape == (0,)


WEAK = (inf, 0, 2.5)
CALM = (3, 0, 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_weakly_informative_is_the_same_of_coefficients_in_every_family(family):
    built = build("weakly_informative", family)
    assert rows(built.kappa) == [WEAK] * 3
    assert [rows(tau) for tau in built.tau] == [[P1] * 3, [P1] * 2]
    default = build("default", family).auxiliary
    assert built.auxiliary.keys() == default.keys()
    for name, prior in built.auxiliary.items():
        known = {"sigma": [CALM], "overdispersion": [P1], "cv": [P1]}
        assert prior == default[name] if name == "nu" else rows(prior) == known[name]


def test_a_half_t_of_sigma_is_about_exponential():
    """Quantiles of the half-t(3, 0, 1) are those of the exponential(1) to within a third."""
    p = np.array([0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
    ratio = stats.t(CALM[0]).ppf((1 + p) / 2) * CALM[2] / stats.expon.ppf(p)
    assert (np.abs(np.log(ratio)) < np.log(4 / 3)).all()


def test_one_word_is_a_set_and_none_is_the_default():
    for word in ("default", {}, {"rest": "default"}):
        same = build(word)
        assert rows(same.kappa) == [FLAT] * 3
        assert rows(same.auxiliary["sigma"]) == [HALF_CAUCHY]


def test_the_rest_is_of_a_set_where_some_are_given():
    given = {"rest": "weakly_informative", "kappa": {"spend": TWO}, "tau": {"region": TWO}}
    built = build(given)
    assert rows(built.kappa) == [WEAK, WEAK, P2]
    assert [rows(tau) for tau in built.tau] == [[P2] * 3, [P1] * 2]
    assert rows(built.auxiliary["sigma"]) == [CALM]


def test_a_set_is_in_scaled_units():
    with pytest.raises(ValueError, match=r"units of sd\(y\) and sd\(x\).*leave autoscale=True"):
        check_units("weakly_informative", autoscale=False)
    with pytest.raises(ValueError, match="autoscale"):
        check_units({"rest": "weakly_informative"}, autoscale=False)
    check_units("weakly_informative", autoscale=True)
    for own in (None, "default", {"tau": ONE}):
        check_units(own, autoscale=False)


@pytest.mark.parametrize(
    ("priors", "error", "message"),
    [
        (Normal(0, 1), TypeError, r"priors: got Normal\(loc=0, scale=1\); it is .*a mapping"),
        (
            "weakly",
            ValueError,
            r"priors: there is no 'weakly'. In one word it is 'default' or 'weakly_informative'",
        ),
        ("weakly_informativ", ValueError, r"Did you mean 'weakly_informative'\?"),
        ("", ValueError, "priors: there is no ''"),
        ({"rest": "flat"}, ValueError, r"priors\['rest'\]: there is no 'flat'. In one word"),
        ({"rest": ONE}, ValueError, r"priors\['rest'\]: there is no Normal"),
        ({"sgima": ONE}, ValueError, r"no parameter 'sgima'.*'kappa'. Did you mean 'sigma'\?"),
        ({1: ONE}, ValueError, "no parameter 1"),
        ({"phi": ONE}, ValueError, r"'kappa'\. 'overdispersion' is 1 / sqrt\(phi\)\.$"),
        ({"theta": ONE}, ValueError, r"'overdispersion' is 1 / sqrt\(theta\)\.$"),
        ({"shape": ONE}, ValueError, r"'cv' of gamma and 'overdispersion' of negative_bin.*shape"),
        ({"sigma": 2.5}, TypeError, r"prior of sigma is Normal.*got 2.5"),
        ({"sigma": Gamma(2, 0.1)}, TypeError, r"prior of sigma is .*got Gamma"),
        ({"sigma": {"spend": ONE}}, TypeError, "prior of sigma is"),
        ({"tau": Gamma(2, 0.1)}, TypeError, r"prior of tau is .*got Gamma"),
        ({"tau": {"region": (0, 1)}}, TypeError, r"prior of tau\['region'\] is .*got \(0, 1\)"),
        ({"tau": {"regoin": ONE}}, ValueError, r"'regoin' is neither.*'region/country'.*'spend'"),
        ({"tau": {"region": {"x": ONE}}}, ValueError, r"tau\['region'\] has no coefficient 'x'"),
        ({"tau": {"region": {"spend": 1}}}, TypeError, r"tau\['region'\]\['spend'\] is"),
        ({"kappa": {"spnd": ONE}}, ValueError, r"kappa has no coefficient 'spnd'.*mean 'spend'\?"),
        ({"kappa": {"intercept": ONE}}, ValueError, r"no coefficient 'intercept'.*'Intercept'\?"),
        ({"kappa": {0: ONE}}, ValueError, "kappa has no coefficient 0"),
        ({"kappa": {9: ONE}}, ValueError, "kappa: there is no column 9"),
        ({"kappa": {3: ONE, "spend": TWO}}, ValueError, "kappa: 3 and 'spend' name the same"),
        ({"tau": {0: ONE, "region": TWO}}, ValueError, r"\['tau'\]: 0 and 'region' name the same"),
        ({"tau": {("country",): ONE}}, ValueError, r"\('country',\) is neither a grouping factor"),
        ({"tau": {1.5: ONE}}, TypeError, "got 1.5 of type float"),
        ({"tau": {None: ONE}}, TypeError, "got None of type NoneType"),
        ({"kappa": {"spend": None}}, TypeError, r"kappa\['spend'\] is .*got None"),
        ({"nu": Normal(0, 1)}, TypeError, r"prior of nu is Gamma\(shape, rate\).*got Normal"),
    ],
)
def test_priors_that_make_no_sense_name_key_value_and_remedy(priors, error, message):
    with pytest.raises(error, match=message):
        build(priors)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_search_over_families_of_two_kinds_has_a_grid_for_each():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 1)), rng.gamma(4, size=40)
    grids = [
        {"family": ["normal", "student_t"], "priors": [{"nu": Gamma(4, 0.1)}]},
        {"family": ["gamma"], "priors": [{"cv": Normal(0, 0.3)}]},
    ]
    model = HLMRegressor(algorithm="map", iter_sampling=100, random_state=0)
    search = GridSearchCV(model, grids, cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    wrong = {"family": ["normal", "gamma"], "priors": [{"cv": Normal(0, 0.3)}]}
    with pytest.raises(ValueError, match=r"normal residuals have no 'cv'.*a grid of its own"):
        GridSearchCV(model, wrong, cv=2, error_score="raise").fit(X, y)
