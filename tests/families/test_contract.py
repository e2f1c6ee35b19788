"""What every family promises, whichever it is."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate
from scipy.special import ndtr, ndtri
from scipy.stats import chisquare, kstest

from skhlm.families import AUXILIARY, FAMILIES, LinkFamily, LocationFamily
from tests.chance import RATE

STEP = 1e-5
ETA = np.array([-0.7, 0.0, 1.3])
P = np.array([0.001, 0.05, 0.3, 0.5, 0.9, 0.9999])


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES.keys())
def family(request):
    """Each family in turn."""
    return request.param


@pytest.fixture(params=[name for name, f in FAMILIES.items() if isinstance(f, LocationFamily)])
def residual_family(request):
    """Each family of y = eta + error."""
    return FAMILIES[request.param]


@pytest.fixture(params=[name for name, f in FAMILIES.items() if isinstance(f, LinkFamily)])
def link_family(request):
    """Each of the others."""
    return FAMILIES[request.param]


def auxiliary_of(family, distance=1.7):
    """A value of every auxiliary parameter, well above its bound; later ones are larger."""
    return {
        parameter.name: np.float64(parameter.lower + distance * (i + 1))
        for i, parameter in enumerate(family.auxiliary)
    }


def outcomes(family, eta, aux):
    """Outcomes from the middle to far out."""
    return family.quantile(P, eta, aux)


def support(family, eta, aux):
    """All whole numbers that have a probability."""
    return np.arange(family.quantile(np.float64(1 - 1e-15), eta, aux) + 1)


def expectation(family, function, eta, aux):
    """E f(y) given eta, by a sum, or by quadrature over the probabilities of y: exact for any."""
    if family.is_discrete:
        y = support(family, eta, aux)
        return float(function(y) @ np.exp(family.log_density(y, eta, aux)))
    value, error = integrate.quad(
        lambda p: float(function(family.quantile(p, eta, aux))), 0, 1, limit=500, epsabs=1e-9
    )
    assert error < 1e-5
    return value


def test_names_and_numbers_tell_families_apart():
    assert all(known.name == name for name, known in FAMILIES.items())
    codes = [known.code for known in FAMILIES.values()]
    assert len(set(codes)) == len(codes)


def test_a_name_means_one_parameter():
    for known in FAMILIES.values():
        for parameter in known.auxiliary:
            assert parameter == AUXILIARY[parameter.name]


def test_a_family_is_one_and_the_same_after_a_pickle(family):
    copy = pickle.loads(pickle.dumps(family))
    assert (type(copy), copy.name) == (type(family), family.name)


@pytest.mark.parametrize("eta", ETA)
def test_score_is_the_derivative_of_the_log_density(family, eta):
    aux = auxiliary_of(family)
    y = outcomes(family, eta, aux)
    above, below = (family.log_density(y, eta + step, aux) for step in (STEP, -STEP))
    numerical = (above - below) / (2 * STEP)
    np.testing.assert_allclose(family.score(y, eta, aux), numerical, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("eta", ETA)
def test_information_is_the_expected_square_of_the_score(family, eta):
    aux = auxiliary_of(family)
    expected = expectation(family, lambda y: family.score(y, eta, aux) ** 2, eta, aux)
    assert family.information(eta, aux) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("eta", ETA)
def test_curvature_is_the_derivative_of_the_score(link_family, eta):
    aux = auxiliary_of(link_family)
    y = outcomes(link_family, eta, aux)
    below, above = (link_family.score(y, eta + step, aux) for step in (-STEP, STEP))
    curvature = link_family.curvature(y, eta, aux)
    np.testing.assert_allclose(
        np.broadcast_to(curvature, y.shape), (below - above) / (2 * STEP), rtol=1e-6, atol=1e-8
    )
    assert (curvature > 0).all()


def test_rows_differ_in_their_information_unless_there_is_a_residual_scale(link_family):
    assert link_family.log_information([np.zeros(())] * len(link_family.auxiliary)) == 0


def test_the_quick_fit_has_the_same_information(residual_family):
    family = residual_family
    aux = auxiliary_of(family)
    logs = [np.log(aux[parameter.name] - parameter.lower) for parameter in family.auxiliary]
    information = family.information(0.0, aux)
    assert np.exp(family.log_information(logs)) == pytest.approx(information, rel=1e-12)


@pytest.mark.parametrize("eta", ETA)
def test_the_density_is_that_of_the_distribution_function(family, eta):
    aux = auxiliary_of(family)
    y = outcomes(family, eta, aux)
    for low, high in pairwise(np.unique(y)):
        if family.is_discrete:
            between = np.exp(family.log_density(np.arange(low + 1, high + 1), eta, aux)).sum()
            cdf = family.cdf(np.array([low, high]), eta, aux)
            assert between == pytest.approx(np.diff(cdf)[0], abs=1e-11)
            continue
        mass, _ = integrate.quad(lambda x: np.exp(family.log_density(x, eta, aux)), low, high)
        between = family.cdf(high, eta, aux) - family.cdf(low, eta, aux)
        assert mass == pytest.approx(between, abs=1e-9)


@pytest.mark.parametrize("eta", ETA)
def test_counts_have_probabilities_from_each_other(link_family, eta):
    aux = auxiliary_of(link_family)
    recursion = link_family.recursion(np.array([eta]), aux)
    if recursion is None:
        assert link_family.is_binary or not link_family.is_discrete
        return
    zero, first, step, mean = (np.zeros(1) if part is None else part for part in recursion)
    k = np.arange(40.0)
    ratio = (first + k * step) / (k + 1)
    chances = zero * np.cumprod(np.r_[1.0, ratio])
    expected = np.exp(link_family.log_density(np.arange(41.0), eta, aux))
    np.testing.assert_allclose(chances, expected, rtol=1e-11)
    np.testing.assert_allclose(mean, link_family.mean(np.array([eta]), aux), rtol=1e-15)


@pytest.mark.parametrize("eta", ETA)
def test_probabilities_sum_to_one(family, eta):
    if family.is_discrete:
        total = expectation(family, np.ones_like, eta, auxiliary_of(family))
        assert total == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("eta", ETA)
def test_quantiles_invert_the_distribution_function(family, eta):
    aux = auxiliary_of(family)
    if family.is_discrete:
        y = outcomes(family, eta, aux)
        assert (family.cdf(y, eta, aux) >= P).all()
        assert (family.cdf(y - 1, eta, aux) < P).all()
        at = family.cdf(support(family, eta, aux)[:-1], eta, aux)
        at = at[: np.searchsorted(at, 1 - 1e-12)]  # ties: exactly the probability of at most y
        np.testing.assert_array_equal(family.quantile(at, eta, aux), np.arange(len(at)))
        return
    np.testing.assert_allclose(family.cdf(outcomes(family, eta, aux), eta, aux), P, rtol=1e-9)


@pytest.mark.parametrize("eta", ETA)
def test_mean_and_variance_are_those_of_the_distribution(family, eta):
    aux = auxiliary_of(family, distance=4.0 if family.scales_outcome else 0.8)  # both exist
    mean = expectation(family, lambda y: y, eta, aux)
    assert family.mean(eta, aux) == pytest.approx(mean, rel=1e-4, abs=1e-6)
    variance = expectation(family, lambda y: (y - mean) ** 2, eta, aux)
    assert family.variance(eta, aux) == pytest.approx(variance, rel=1e-3)


def test_rows_weigh_as_their_score_says(residual_family):
    family = residual_family
    aux, weight = auxiliary_of(family), np.array([0.3, 1.0, 2.0])[:, None]
    error = outcomes(family, 0.0, aux)
    precision = family.robust_precision(weight, np.broadcast_to(error, (3, len(P))), aux)
    expected = weight * family.score(error, np.zeros(1), aux)
    np.testing.assert_allclose(precision * error, expected, rtol=1e-12, atol=1e-12)
    middle = family.expected_precision(weight, np.full((3, 1), 1e-12), aux)
    np.testing.assert_allclose(middle, weight * family.information(0.0, aux), rtol=1e-9)


def test_draws_are_the_last_axis(family):
    n, S = 5, 7
    aux = {name: np.full(S, value) for name, value in auxiliary_of(family).items()}
    y, eta = np.linspace(-1, 1, n)[:, None], np.linspace(-1, 1, n * S).reshape(n, S)
    if family.support == "numbers above zero":
        y = np.exp(y)
    elif family.is_discrete:
        y = (y > 0).astype(float)
    for method in (family.log_density, family.score, family.cdf):
        assert method(y, eta, aux).shape == (n, S)
    assert family.quantile(np.full((n, 1), 0.3), eta, aux).shape == (n, S)
    assert family.draw(eta, aux, np.random.default_rng(0)).shape == (n, S)
    assert np.broadcast_shapes(np.shape(family.curvature(y, eta, aux)), (n, S)) == (n, S)
    assert np.broadcast_shapes(np.shape(family.information(eta, aux)), (n, S)) == (n, S)
    assert np.broadcast_shapes(np.shape(family.variance(eta, aux)), (n, S)) == (n, S)


def test_every_parameter_has_a_prior_that_can_be_set(family):
    for parameter in family.auxiliary:
        parameter.numbers(parameter.prior)
        with pytest.raises(TypeError, match=f"prior of {parameter.name} is "):
            parameter.numbers(0.5)


def test_words(family):
    assert family.noun
    assert "eta" in family.formula
    assert all(parameter.meaning for parameter in family.auxiliary)


def draws_of(family, n):
    """Draws of the auxiliary parameters, all the same."""
    return {name: np.full(n, value) for name, value in auxiliary_of(family).items()}


def test_components_are_the_errors(residual_family):
    """Those of 50 equal draws tell the distribution function to some thousandths."""
    family = residual_family
    aux, at = draws_of(family, 50), np.array([-6.0, -1.0, 0.0, 0.5, 3.0])
    variance, weight = family.residuals(aux).components
    assert weight.sum() == pytest.approx(1)
    found = ndtr(at[:, None] / np.sqrt(variance)) @ weight
    np.testing.assert_allclose(found, family.cdf(at, 0.0, auxiliary_of(family)), atol=5e-3)


@pytest.mark.parametrize("variance", [0.0, 0.3, 20.0])
def test_density_of_an_error_and_a_normal_effect(residual_family, variance):
    family = residual_family
    aux, one = draws_of(family, 1), auxiliary_of(family)
    for at in (0.0, 0.8, 7.0):
        square, spread = np.array([[at**2]]), np.array([[variance]])
        found = np.exp(family.residuals(aux).log_density(square, spread)[0, 0])

        def density(p, at=at):
            """Of the error where the effect is the quantile at p."""
            return np.exp(family.log_density(at, np.sqrt(variance) * ndtri(p), one))

        expected = integrate.quad(density, 0, 1, limit=500)[0] if variance else density(0.5)
        assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("eta", ETA)
def test_drawn_outcomes_have_the_distribution(family, eta):
    """Kolmogorov's test, or that of chi-squared, at level `RATE`."""
    n, one = 20_000, auxiliary_of(family)
    drawn = family.draw(np.full((1, n), eta), draws_of(family, n), np.random.default_rng(3))[0]
    if family.is_discrete:
        ends = np.unique(family.quantile(np.linspace(0.02, 0.98, 25), eta, one))
        probability = np.diff([0, *family.cdf(ends[:-1], eta, one), 1])
        seen = np.bincount(np.searchsorted(ends[:-1], drawn), minlength=len(ends))
        assert chisquare(seen, n * probability).pvalue > RATE
    else:
        assert kstest(drawn, lambda x: family.cdf(x, eta, one)).pvalue > RATE


def test_what_is_drawn_may_be_given(family):
    aux, eta = draws_of(family, 100), np.linspace(-3, 3, 100)
    assert family.find_flaw(family.draw(eta, aux, np.random.default_rng(1))) is None


def test_the_typical_variance_of_equal_draws_is_their_variance(residual_family):
    family = residual_family
    one = auxiliary_of(family, distance=4.0)
    aux = {name: np.full(6, value) for name, value in one.items()}
    assert family.typical_variance(aux) == pytest.approx(family.variance(0.0, one))
