from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skhlm.engine.quick_fit import recalibration
from skhlm.engine.quick_fit.calibration import calibrate
from skhlm.engine.quick_fit.recalibration import recalibrate
from skhlm.engine.tree_map.forward import Coordinates, to_draws
from skhlm.numerics.columns import Columns
from skhlm.numerics.forest import learn_forest
from tests.engine.problems import make_problem, normal_coordinates, simulate

N_DRAWS = 500  # in each of two chains
RNG = np.random.default_rng(4)
N = 120
LEVEL, OTHER = np.arange(N) % 6, np.arange(N) % 4
X = np.column_stack([np.ones(N), RNG.normal(size=(N, 2))])
Y = X @ [1, 2, 0] + RNG.normal(size=6)[LEVEL] + RNG.normal(size=4)[OTHER] + RNG.normal(size=N)

CASES = {
    "no factors": {"factors": []},
    "one factor": {"factors": [LEVEL]},
    "nested": {"factors": [LEVEL // 2, LEVEL]},
    "crossed": {"factors": [LEVEL, OTHER]},
    "subsets": {"factors": [LEVEL, OTHER], "varying": [[0, 2], [1]]},
    "full covariance": {"factors": [LEVEL, OTHER], "covariance": "full"},
}


def build(family, factors, **options):
    problem = make_problem(X, Y, factors, family, **options)
    forest = learn_forest(problem.codes, problem.n_levels)
    return problem, forest, calibrate(problem, forest)


@pytest.mark.parametrize("family", ["student_t", "normal"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_perfect_run_changes_little(case, family):
    """Coordinates that are N(0, I) give the constants they were mapped by, up to Monte Carlo error:
    twenty of a thousand draws' worth of prior, and covariances with relative sd sqrt(2 / 1000)."""
    problem, forest, constants = build(family, **case)
    z = normal_coordinates(problem, forest, N_DRAWS)
    again = recalibrate(problem, forest, constants, z, to_draws(z, problem, forest, constants))
    for old, new in zip(constants.log_tau, again.log_tau, strict=True):
        np.testing.assert_allclose(new[0], old[0], atol=0.25 * old[1].max())
        np.testing.assert_allclose(new[1], old[1], rtol=0.2)
    np.testing.assert_allclose(again.log_aux[0, 0], constants.log_aux[0, 0], atol=0.02)
    np.testing.assert_allclose(again.log_aux[1, 0], constants.log_aux[1, 0], rtol=0.15)
    np.testing.assert_allclose(again.log_aux[:2], constants.log_aux[:2], rtol=0.2, atol=0.2)
    assert again.log_c == pytest.approx(constants.log_c, abs=0.04)
    for t, chain in enumerate(forest.chains):
        old, new = constants.leaf_information[t], again.leaf_information[t]
        precision = np.einsum("lii->li", old).copy()  # of an effect, given its parent's total
        precision[:, problem.varying[chain[-1]]] += np.exp(-2 * again.log_tau[chain[-1]][0])
        change = (new - old) / np.sqrt(precision[:, :, None] * precision[:, None, :])
        assert np.abs(change).max() < 5 * np.sqrt(2 / 1000) + 0.06
    if not forest.chains:
        precision = np.diag(constants.root_information) + constants.prior_precision
        change = again.root_information - constants.root_information
        change /= np.sqrt(np.outer(precision, precision))
        assert np.abs(change).max() < 5 * np.sqrt(2 / 1000) + 0.06


def test_a_bad_map_is_repaired():
    """Draws of the exact posterior that came by a wrong map: under the recalibrated one their
    coordinates are N(0, I) again."""
    problem, forest, good = build("normal", [LEVEL])
    good = replace(good, log_tau=(good.log_tau[0] * [[1], [1e-3], [0]],))
    good = replace(good, log_aux=good.log_aux * [[1], [1e-3], [0]])  # scales all but fixed
    wrong = replace(
        good,
        leaf_information=(3 * good.leaf_information[0],),
        leaf_score=(good.leaf_score[0] + 20,),
    )
    z = normal_coordinates(problem, forest, N_DRAWS)
    exact = to_draws(z, problem, forest, good)

    def z_delta_under(constants):
        """Coordinates of the exact effects, given the exact kappa, at the median scales."""
        F, s = constants.leaf_information[0], constants.leaf_score[0]
        A = F + np.diag(np.exp(-2 * constants.log_tau[0][0]))
        told = s - np.einsum("lij,cdj->cdli", F, exact.kappa)
        mean = np.einsum("lij,cdlj->cdli", np.linalg.inv(A), told)
        z_delta = np.einsum("lji,cdlj->cdli", np.linalg.cholesky(A), exact.delta[0] - mean)
        return z_delta.reshape(z.z_delta.shape)

    bad_z = replace(z, z_delta=z_delta_under(wrong))
    repaired = recalibrate(problem, forest, wrong, bad_z, exact)
    for constants, is_good in [(wrong, False), (repaired, True)]:
        found = z_delta_under(constants).reshape(2 * N_DRAWS, -1)
        centred = np.abs(found.mean(axis=0)).max() < 6 / np.sqrt(2 * N_DRAWS)
        spread = np.abs(found.std(axis=0) - 1).max() < 6 * np.sqrt(0.5 / (2 * N_DRAWS)) + 0.03
        assert (centred and spread) == is_good


@pytest.mark.parametrize("block", [1, 2**22])
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_products_of_coordinates_a_block_at_a_time(block, shift, monkeypatch):
    """They are sums of squares and products about means, however far these lie from zero."""
    monkeypatch.setattr(recalibration, "BLOCK_BYTES", block)
    z = shift + np.random.default_rng(0).normal(size=(2, 30, 4, 3))
    centred = (z - z.mean(axis=(0, 1))).reshape(60, 4, 3)
    expected = np.einsum("dli,dlj->lij", centred, centred)
    found = recalibration._centred_products(Columns.in_memory(z), (4, 3))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("family", ["student_t", "normal"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_stuck_run_gives_sane_constants(case, family):
    problem, forest, constants = build(family, **case)
    z = normal_coordinates(problem, forest, 10)
    stuck = Coordinates(
        **{name: None if a is None else np.ones_like(a) for name, a in vars(z).items()}
    )
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        again = recalibrate(
            problem, forest, constants, stuck, to_draws(stuck, problem, forest, constants)
        )
    for value in vars(again).values():
        for array in value if isinstance(value, tuple) else [value]:
            assert np.all(np.isfinite(array))
    for old, (_, b, c) in zip(constants.log_tau, again.log_tau, strict=True):
        assert np.all(b >= 0.04 * old[1])
        assert np.all(np.abs(c) <= 0.8 * b)
    assert again.log_aux[1, 0] >= 0.04 * constants.log_aux[1, 0]
    for F in again.leaf_information:
        assert np.linalg.eigvalsh(F).min() > 0


def test_scales_follow_the_draws():
    problem, _ = simulate(500, 2, 3, 10, 3, 8, 0)
    forest = learn_forest(problem.codes, problem.n_levels)
    constants = calibrate(problem, forest)
    z = normal_coordinates(problem, forest, N_DRAWS)
    shifted = replace(z, z_tau=0.5 * z.z_tau + 1, z_aux=[1, 2] * z.z_aux - [2, 0])
    draws = to_draws(shifted, problem, forest, constants)
    again = recalibrate(problem, forest, constants, shifted, draws)
    for g, (a, b, _) in enumerate(again.log_tau):
        np.testing.assert_allclose(a, np.median(np.log(draws.tau[g]), axis=(0, 1)))
        np.testing.assert_allclose(b, np.log(draws.tau[g]).std(axis=(0, 1)), rtol=0.15)
    assert again.log_aux[1, 1] == pytest.approx(np.log(draws.auxiliary["nu"] - 1).std(), rel=0.1)
    total = np.hypot(again.log_aux[1, 0], again.aux_lean[0, 1])
    log_sigma = np.log(draws.auxiliary["sigma"])
    assert total == pytest.approx(log_sigma.std(), rel=0.05)
    assert again.log_aux[0, 0] == pytest.approx(np.median(log_sigma), abs=0.02)


@pytest.mark.parametrize(
    ("name", "value"), [("kappa", np.inf), ("tau", 0.0), ("auxiliary", np.nan), ("omega", 1.0)]
)
def test_a_run_that_went_astray_leaves_the_first_map(name, value):
    problem, forest, constants = build("student_t", [LEVEL, OTHER], covariance="full")
    z = normal_coordinates(problem, forest, 10)
    draws = to_draws(z, problem, forest, constants)

    def lost(part):
        if isinstance(part, dict):
            return {key: lost(value) for key, value in part.items()}
        return tuple(map(lost, part)) if isinstance(part, tuple) else np.full_like(part, value)

    astray = replace(draws, **{name: lost(getattr(draws, name))})
    assert recalibrate(problem, forest, constants, z, astray) is constants
