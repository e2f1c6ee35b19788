"""Counts and shares that vary more than the model says, more zeros: how often a note is given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import expit, logit

from skhlm import HLMRegressor
from skhlm.diagnostics.counts import PROBABILITY_NOTE, check_counts
from skhlm.draws import Draws
from skhlm.families import FAMILIES, find_family
from skhlm.inputs.design import Units, canonical_rows
from skhlm.posterior import Posterior
from tests.chance import SHIFT, at_most

UNITS = Units(True, 0.0, 1.0, np.zeros(0), np.zeros(0))
RIGHT = 2 * PROBABILITY_NOTE  # at most this share of data sets gets a note if the model is right


def rows_of(y, level, weight=None):
    """Rows without predictors, by levels of one factor."""
    weight = np.ones(len(y)) if weight is None else weight
    return canonical_rows(np.zeros((len(y), 0)), np.asarray(y, float), weight, level[:, None])


def posterior_of(log_rates, name="poisson", **auxiliary):
    """Draws (S, J) of the logarithms of levels' rates."""
    draws = Draws(
        kappa=np.zeros((1, len(log_rates), 1)),
        delta=(log_rates[None, :, :, None],),
        tau=(np.ones((1, len(log_rates), 1)),),
        omega=(),
        auxiliary={key: np.full((1, len(log_rates)), x) for key, x in auxiliary.items()},
    )
    return Posterior.from_draws(draws, (np.array([0]),), UNITS, find_family(name))


def conjugate(y, level, shape, rate, rng):
    """Exact draws where levels have Poisson counts of rates that are gamma a priori."""
    count, n = np.bincount(level, y), np.bincount(level)
    return posterior_of(np.log(rng.gamma(shape + count, 1 / (rate + n), size=(50, len(n)))))


def verdicts(posterior, rows):
    return {check.name: check.verdict for check in check_counts(posterior, rows)}


@pytest.mark.parametrize("name", ["poisson", "negative_binomial"])
@pytest.mark.parametrize("mean", [0.01, 0.7, 6.0, 40.0])
def test_moments_are_those_of_the_distribution(name, mean):
    family, eta, y = find_family(name), np.log(mean), np.arange(2000.0)
    aux = {} if name == "poisson" else {"overdispersion": np.array(0.6)}
    p = np.exp(family.log_density(y, eta, aux))
    found = [family.excess_zeros(y, eta, aux), family.excess_variance(y, eta, np.ones(()))]
    assert (found[1] is None) == (name != "poisson")
    for excess in filter(None, found):
        moments = [(p * excess.value**k).sum() for k in (1, 2, 3)]
        expected = [0, *np.broadcast_arrays(excess.variance, excess.third, p)[:2]]
        for moment, of_family in zip(moments, expected, strict=True):
            assert_allclose(moment, np.ravel(of_family)[0], rtol=1e-7, atol=1e-9 * mean)


def test_the_scale_is_the_squared_variation_of_rates():
    mean, phi, y = 3.0, 2.0, np.arange(1000.0)
    p = stats.nbinom.pmf(y, phi, phi / (mean + phi))
    excess = find_family("poisson").excess_variance(y, np.log(mean), np.ones(()))
    assert_allclose((p * excess.value).sum() / excess.scale, 1 / phi)


@pytest.mark.parametrize("trials", [1, 2, 3, 40])
@pytest.mark.parametrize("mean", [0.02, 0.5, 0.9])
def test_moments_are_those_of_the_distribution_of_shares(trials, mean):
    k = np.arange(trials + 1.0)
    p = stats.binom.pmf(k, trials, mean)
    found = find_family("binomial").excess_variance(k / trials, logit(mean), np.array(trials))
    moments = [(p * found.value**power).sum() for power in (1, 2, 3)]
    assert_allclose(moments, [0, found.variance, found.third], rtol=1e-9, atol=1e-12)


def test_the_scale_is_the_variance_of_log_odds():
    """By quadrature over log odds that vary by 0.05, where powers of 4 do not count."""
    trials, centre, spread = 7, 0.8, 0.05
    z, weight = np.polynomial.hermite_e.hermegauss(20)
    k = np.arange(trials + 1.0)
    p = stats.binom.pmf(k[:, None], trials, expit(centre + spread * z)) @ weight / weight.sum()
    found = find_family("binomial").excess_variance(k / trials, centre, np.array(trials))
    assert_allclose((p * found.value).sum() / found.scale, spread**2, rtol=0.02)


@pytest.mark.parametrize(
    ("levels", "each", "shape", "rate"),
    [(1, 30, 2, 1), (10, 3, 1, 1), (40, 2, 0.5, 10), (5, 20, 50, 1), (150, 1, 2, 1)],
)
def test_a_right_model_hardly_ever_gets_a_note(levels, each, shape, rate):
    """Each of the two notes in less than 1% of data sets: at most 2 in 1000, whatever data."""
    rng = np.random.default_rng([SHIFT, levels])
    level = np.repeat(np.arange(levels), each)
    found = []
    for _ in range(400):
        y = rng.poisson(rng.gamma(shape, 1 / rate, levels)[level]).astype(float)
        found.append(verdicts(conjugate(y, level, shape, rate, rng), rows_of(y, level)))
    for name in ("dispersion", "zeros"):
        assert sum(each[name] != "pass" for each in found) <= at_most(400, RIGHT)


@pytest.mark.parametrize(("n", "mean"), [(30, 1e-3), (200, 0.01), (50, 0.3), (15, 1e3), (60, 1e6)])
def test_rare_and_huge_counts_of_known_means_hardly_ever_get_a_note(n, mean):
    """As the test itself, so without the factor of 2; tails of the gamma are not exact."""
    rng = np.random.default_rng([SHIFT, n])
    level = np.zeros(n, dtype=np.int64)
    posterior = posterior_of(np.full((4, 1), np.log(mean)))
    drawn = rng.poisson(mean, (500, n)).astype(float)
    found = [verdicts(posterior, rows_of(y, level)) for y in drawn]
    for name in ("dispersion", "zeros"):
        assert sum(each[name] != "pass" for each in found) <= at_most(500, RIGHT)


def test_negative_binomial_counts_are_told_from_poisson_ones():
    """phi = 2, mean 3, 100 rows: 199 of 200 data sets and more got the note."""
    rng = np.random.default_rng(SHIFT)
    level = np.zeros(100, dtype=np.int64)
    missed = 0
    for _ in range(100):
        y = rng.poisson(3 * rng.gamma(2, 1 / 2, 100)).astype(float)
        checks = check_counts(conjugate(y, level, 2, 1, rng), rows_of(y, level))
        missed += checks[0].verdict == "pass"
    assert missed <= at_most(100, 0.02)
    assert "family='negative_binomial'" in checks[0].advice


@pytest.mark.parametrize(("variation", "verdict"), [(0.2, "note"), (0.6, "warn")])
def test_a_little_more_variance_is_noted_and_much_more_is_a_warning(variation, verdict):
    """Counts of mean 5 in 4,000 rows: 1 + 5 variation^2 is 1.2 and 2.8, known to 0.03 and 0.12."""
    rng = np.random.default_rng(SHIFT)
    rate = 5 * rng.gamma(variation**-2, variation**2, 4000)
    posterior = posterior_of(np.full((4, 1), np.log(5)))
    rows = rows_of(rng.poisson(rate), np.zeros(4000, dtype=np.int64))
    dispersion, _ = check_counts(posterior, rows)
    assert dispersion.verdict == verdict
    ratio = float(dispersion.advice.split("Outcomes have ")[1].split()[0])
    assert ratio == pytest.approx(1 + 5 * variation**2, abs=0.6)


def shares(rng, trials, variation=0.0):
    """Successes of trials of five levels' probabilities, and exact draws of these."""
    level = np.arange(len(trials)) % 5
    p = rng.beta(2, 3, 5)[level]
    p = p if not variation else rng.beta(p / variation, (1 - p) / variation)
    k = rng.binomial(trials, p)
    won, lost = (np.bincount(level, x) for x in (k, trials - k))
    posterior = posterior_of(logit(rng.beta(2 + won, 3 + lost, size=(50, 5))), "binomial")
    return posterior, rows_of(k / trials, level, trials.astype(float))


def test_shares_of_a_right_model_hardly_ever_get_a_note():
    """As for counts: at most 2 in 1000."""
    rng = np.random.default_rng([SHIFT, 5])
    found = [check_counts(*shares(rng, rng.integers(1, 12, 40))) for _ in range(400)]
    assert sum(check.verdict != "pass" for (check,) in found) <= at_most(400, RIGHT)


def test_shares_that_vary_more_are_noted():
    """Beta-binomial ones of correlation 0.2: 100 of 100 data sets got the note, and more."""
    rng = np.random.default_rng([SHIFT, 6])
    found = [check_counts(*shares(rng, np.full(80, 10), variation=0.25)) for _ in range(100)]
    assert sum(check.verdict == "pass" for (check,) in found) <= at_most(100, 0.02)
    assert "varying={'row': 'intercept'}" in found[0][0].advice


def test_single_trials_are_no_shares_whatever_their_weights():
    posterior, _ = shares(np.random.default_rng(0), np.full(80, 10))
    y, level = np.arange(80) % 2, np.arange(80) % 5
    for weight in (np.ones(80), np.full(80, 7.0)):
        assert check_counts(posterior, rows_of(y, level, weight)) == ()


def test_zeros_that_nothing_explains_are_noted_beside_a_larger_variance():
    """A third of the rows can only be 0; overdispersion is what it is in the others."""
    rng = np.random.default_rng(SHIFT)
    level = np.zeros(300, dtype=np.int64)
    mixed = rng.poisson(5 * rng.gamma(10, 0.1, 300)) * (rng.random(300) > 1 / 3)
    posterior = posterior_of(
        np.full((4, 1), np.log(5)), "negative_binomial", overdispersion=np.sqrt(0.1)
    )
    (zeros,) = check_counts(posterior, rows_of(mixed, level))
    assert (zeros.name, zeros.verdict) == ("zeros", "note")
    zero = stats.nbinom.pmf(0, 10, 10 / 15)
    assert f"There are {(mixed == 0).sum()} zeros, and the model expects {300 * zero:.0f}" in (
        zeros.advice
    )
    assert "family=" not in zeros.advice


def test_weights_count_rows():
    rng = np.random.default_rng(0)
    y, level = rng.poisson(2, 40).astype(float), np.arange(40) % 4
    weight = rng.integers(1, 4, 40)
    posterior = conjugate(y, level, 1, 1, rng)
    weighted = check_counts(posterior, rows_of(y, level, weight.astype(float)))
    repeated = check_counts(posterior, rows_of(np.repeat(y, weight), np.repeat(level, weight)))
    assert_allclose([check.value for check in weighted], [check.value for check in repeated])


@pytest.mark.parametrize("name", [n for n, f in FAMILIES.items() if f.scales_outcome])
def test_other_outcomes_have_no_such_check(name):
    auxiliary = {parameter.name: 2.0 for parameter in FAMILIES[name].auxiliary}
    posterior = posterior_of(np.zeros((4, 1)), name, **auxiliary)
    assert check_counts(posterior, rows_of([0.0, 1.0], np.zeros(2, dtype=np.int64))) == ()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few draws
def test_fit_warns_of_much_more_variance():
    """Poisson counts of rates that vary by 0.7 of themselves, in 200 rows."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"shop": np.arange(200) % 8, "x": rng.normal(size=200)})
    y = rng.poisson(np.exp(1 + 0.3 * X["x"]) * rng.gamma(2, 0.5, 200))
    settings = {"varying": "intercept", "chains": 2, "iter_sampling": 300, "random_state": 0}
    poisson = HLMRegressor("shop", family="poisson", **settings).fit(X, y)
    checks = poisson.diagnose().set_index("check")
    assert checks.loc["dispersion", "verdict"] == "warn"
    assert checks.loc["dispersion", "value"] < PROBABILITY_NOTE
    assert "negative_binomial" in " ".join(poisson.diagnostics_.messages)
    wider = HLMRegressor("shop", family="negative_binomial", **settings).fit(X, y)
    checks = wider.diagnose().set_index("check")
    assert "dispersion" not in checks.index
    assert checks.loc["zeros", "verdict"] == "pass"
