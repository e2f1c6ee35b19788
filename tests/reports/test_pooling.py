"""Shrinkage factors and the estimates around them, against formulas and least squares by row."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.inputs.columns import Columns, read_group_column
from skhlm.inputs.design import Rows, Units, canonical_rows, learn_units
from skhlm.inputs.hierarchy import Groups, learn_groups, parse_groups
from skhlm.posterior import NO_EFFECT, Posterior
from skhlm.reports.pooling import (
    learn_level_data,
    level_codes,
    partial_means,
    shrinkage_factors,
)
from tests.draws import auxiliary, posterior_of, with_auxiliary

MU, TAU, SIGMA = 3.0, 0.7, 1.3


def make_groups(spec: object, **values: Any) -> tuple[Groups, Ints]:
    """Groups of named columns, and each row's levels (n, G)."""
    columns = Columns(len(values), tuple(values))
    read = {j: read_group_column(name, values[name]) for j, name in enumerate(values)}
    groups = learn_groups(parse_groups(spec, columns), read)
    return groups, groups.codes(read, len(read[0].codes))


def repeat(value: Any, n_draws: int) -> Floats:
    """The same value in every draw, (1, n_draws, ...)."""
    value = np.asarray(value, dtype=np.float64)
    return np.broadcast_to(value, (1, n_draws, *value.shape)).copy()


@pytest.fixture(scope="module")
def simple() -> tuple[Rows, Posterior, Groups, Floats, Floats]:
    """One factor, varying intercept, fixed mu, tau, sigma: theta is known; also n and ybar."""
    rng = np.random.default_rng(0)
    level = np.repeat(["a", "b", "c"], [1, 4, 40])
    groups, codes = make_groups("g", g=level)
    weight = rng.integers(1, 4, len(level)).astype(np.float64)
    rows = canonical_rows(np.empty((len(level), 0)), rng.normal(MU, 2, len(level)), weight, codes)
    (n,) = rows.level_weights([3])
    ybar = np.bincount(rows.codes[rows.cell, 0], rows.weight * rows.y) / n
    B = (SIGMA**2 / n) / (TAU**2 + SIGMA**2 / n)
    theta = (1 - B) * ybar + B * MU
    draws = Draws(
        kappa=repeat([MU], 4000),
        delta=(repeat((theta - MU)[:, None], 4000),),
        tau=(repeat([TAU], 4000),),
        omega=(),
        auxiliary=auxiliary(repeat(SIGMA, 4000)),
    )
    units = Units(True, 0.0, 1.0, np.empty(0), np.empty(0))
    return rows, posterior_of(draws, (np.array([0]),), units), groups, n, ybar


def test_the_simple_case_is_the_closed_form(simple: Any) -> None:
    rows, posterior, groups, n, ybar = simple
    found = shrinkage_factors(posterior, learn_level_data(rows, posterior, groups), groups, 0, 0.9)
    B = (SIGMA**2 / n) / (TAU**2 + SIGMA**2 / n)
    np.testing.assert_allclose(found.shrinkage[:, 0], B, rtol=1e-10)
    np.testing.assert_allclose(found.complete.mean[:, 0], MU, rtol=1e-10)
    np.testing.assert_allclose(found.partial.mean[:, 0], (1 - B) * ybar + B * MU, rtol=1e-10)
    np.testing.assert_allclose(found.none.mean[:, 0], ybar, rtol=1e-10)
    half = stats.norm.ppf(0.95) * SIGMA / np.sqrt(n)
    np.testing.assert_allclose(found.none.upper[:, 0] - ybar, half, rtol=2e-3)
    np.testing.assert_allclose(ybar - found.none.lower[:, 0], half, rtol=2e-3)


def make_crossed(
    *, student: bool = True, full: bool = True, n_draws: int = 60
) -> tuple[Rows, Posterior, Groups]:
    """Country in region, crossed with vertical; different coefficients vary; arbitrary draws."""
    rng = np.random.default_rng(1)
    n = 200
    groups, codes = make_groups(
        ["region/country", "vertical"],
        region=rng.choice(["r", "s"], n),
        country=rng.choice(["a", "b", "c", "d"], n),
        vertical=rng.choice(["u", "v", "w"], n),
    )
    rows = canonical_rows(
        rng.normal(4, 2, (n, 2)), rng.normal(size=n), rng.uniform(0.5, 2, n), codes
    )
    varying = (np.array([0, 1]), np.array([0, 1, 2]), np.array([0, 2]))
    sizes = [len(columns) for columns in varying]
    draws = Draws(
        kappa=rng.normal(size=(1, n_draws, 3)),
        delta=tuple(
            rng.normal(size=(1, n_draws, J, k)) for J, k in zip(groups.n_levels, sizes, strict=True)
        ),
        tau=tuple(rng.gamma(3, 0.3, size=(1, n_draws, k)) for k in sizes),
        omega=tuple(_correlations(rng, n_draws, k) for k in sizes) if full else (),
        auxiliary=auxiliary(
            rng.gamma(20, 0.05, size=(1, n_draws)),
            rng.gamma(4, 2, size=(1, n_draws)) + 1 if student else None,
        ),
    )
    units = learn_units(rows, ["x", "z"], autoscale=True, fit_intercept=True)
    return rows, posterior_of(draws, varying, units), groups


def _correlations(rng: np.random.Generator, n_draws: int, k: int) -> Floats:
    root = rng.normal(size=(1, n_draws, k, k + 2))
    covariance = root @ np.swapaxes(root, -1, -2)
    sd = np.sqrt(np.einsum("...kk->...k", covariance))
    return np.asarray(covariance / (sd[..., :, None] * sd[..., None, :]))


@pytest.mark.parametrize("student", [True, False])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("block", [2**22, 1])
def test_shrinkage_is_the_formula(
    student: bool, full: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skhlm.reports.pooling.BLOCK_BYTES", block)
    rows, posterior, groups = make_crossed(student=student, full=full)
    data = learn_level_data(rows, posterior, groups)
    Z = posterior.units.centred(rows.X)
    nu = posterior.auxiliary.get("nu", np.full(60, np.inf))
    information = (1 - 2 / (nu + 3)) / posterior.auxiliary["sigma"] ** 2  # 1 / sigma^2 of normal
    for g, columns in enumerate(posterior.varying):
        found = shrinkage_factors(posterior, data, groups, g).shrinkage
        for level in range(groups.n_levels[g]):
            own = rows.codes[rows.cell, g] == level
            z = Z[own][:, columns]
            G = (rows.weight[own, None] * z).T @ z
            expected = np.zeros(len(columns))
            for s in range(60):
                prior = np.linalg.inv(posterior.covariance(g)[:, :, s])
                inverse = np.linalg.inv(information[s] * G + prior)
                expected += np.diag(inverse) / posterior.tau[g][:, s] ** 2 / 60
            np.testing.assert_allclose(found[level], expected, rtol=1e-8)


def test_no_pooling_is_least_squares_of_the_own_rows_given_the_rest() -> None:
    rows, posterior, groups = make_crossed()
    data = learn_level_data(rows, posterior, groups)
    Z, codes = posterior.units.centred(rows.X), rows.codes[rows.cell]
    of = posterior.draws
    for g, columns in enumerate(posterior.varying):
        own_codes = level_codes(groups, g)
        for level in range(groups.n_levels[g]):
            own = codes[:, g] == level
            z, root = Z[own][:, columns], np.sqrt(rows.weight[own])
            rest = of.expected_value(Z[own], codes[own])
            for k in columns:
                rest -= Z[own][:, k, None] * of.at(own_codes[[level]], int(k))
            target = rows.y[own, None] - rest
            by_draw = np.linalg.lstsq(root[:, None] * z, root[:, None] * target, rcond=None)[0]
            np.testing.assert_allclose(data.estimate[g][level], by_draw.mean(axis=1), rtol=1e-9)
            np.testing.assert_allclose(data.spread[g][level], by_draw.std(axis=1), rtol=1e-9)


def test_tables_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, posterior, groups = make_crossed()
    whole = learn_level_data(rows, posterior, groups)
    monkeypatch.setattr("skhlm.reports.pooling.JOINT_BYTES", 1)
    parts = learn_level_data(rows, posterior, groups)
    for one, other in zip(whole.spread, parts.spread, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_some_levels_are_those_of_all() -> None:
    rows, posterior, groups = make_crossed()
    data = learn_level_data(rows, posterior, groups)
    for g, n_levels in enumerate(groups.n_levels):
        levels = np.arange(n_levels)[::-2]
        whole = shrinkage_factors(posterior, data, groups, g)
        some = shrinkage_factors(posterior, data, groups, g, levels=levels)
        np.testing.assert_array_equal(some.shrinkage, whole.shrinkage[levels])
        for found, all_of_them in zip(some[1:], whole[1:], strict=True):
            for numbers, expected in zip(found, all_of_them, strict=True):
                np.testing.assert_array_equal(numbers, expected[levels])
        means = partial_means(posterior, groups, g)
        np.testing.assert_array_equal(means, whole.partial.mean[:, 0])


def test_complete_pooling_is_the_rest_of_the_path() -> None:
    rows, posterior, groups = make_crossed()
    data = learn_level_data(rows, posterior, groups)
    found = shrinkage_factors(posterior, data, groups, 1, coverage=0.5)
    region = groups.factors[1].parent
    intercept = posterior.draws.kappa[0] + posterior.draws.delta[0][region, 0]
    np.testing.assert_allclose(found.complete.mean[:, 0], intercept.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.complete.lower[:, 0], np.quantile(intercept, 0.25, axis=1))
    own = intercept + posterior.draws.delta[1][:-2, 0]
    np.testing.assert_allclose(found.partial.mean[:, 0], own.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.partial.upper[:, 0], np.quantile(own, 0.75, axis=1))
    only_kappa = found.complete.mean[:, 2]  # the third coefficient does not vary by region
    np.testing.assert_allclose(only_kappa, posterior.draws.kappa[2].mean())


def test_codes_of_levels_hold_their_path() -> None:
    _, _, groups = make_crossed()
    codes = level_codes(groups, 1)
    assert (codes[:, 0] == groups.factors[1].parent).all()
    assert (codes[:, 1] == np.arange(8)).all()
    assert (codes[:, 2] == NO_EFFECT).all()
    assert (level_codes(groups, 0)[:, 1:] == NO_EFFECT).all()


def test_levels_that_say_nothing_alone_have_no_estimate() -> None:
    rows, posterior, groups = make_crossed(student=False)
    data = learn_level_data(rows, posterior, groups)
    lone = np.zeros((2, 2))
    lone[0, 0] = 1.0
    data = replace(data, information=(np.stack([lone, lone]), *data.information[1:]))
    none = shrinkage_factors(posterior, data, groups, 0).none
    for estimate in none:
        assert np.isfinite(estimate[:, 0]).all()
        assert np.isnan(estimate[:, 1]).all()


def test_units_make_no_difference_to_shrinkage() -> None:
    """Other scales and zeros of the predictors and another unit of y: the same B."""
    rows, posterior, groups = make_crossed()
    factor, offset = np.array([1e3, 0.1]), np.array([-50.0, 7.0])
    other = replace(rows, X=rows.X * factor + offset, y=rows.y * 60 + 32)
    units = learn_units(other, ["x", "z"], autoscale=True, fit_intercept=True)
    scale = np.r_[60.0, 60 / factor]
    coefficients = replace(
        posterior.draws,
        kappa=posterior.draws.kappa * scale[:, None] + np.array([[32.0], [0.0], [0.0]]),
        delta=tuple(
            delta * scale[columns][:, None]
            for delta, columns in zip(posterior.draws.delta, posterior.varying, strict=True)
        ),
    )
    tau = tuple(
        tau * scale[columns][:, None]
        for tau, columns in zip(posterior.tau, posterior.varying, strict=True)
    )
    moved = replace(posterior, units=units, draws=coefficients, tau=tau)
    moved = with_auxiliary(moved, sigma=60 * posterior.auxiliary["sigma"])
    for g in range(3):
        one = shrinkage_factors(posterior, learn_level_data(rows, posterior, groups), groups, g)
        two = shrinkage_factors(moved, learn_level_data(other, moved, groups), groups, g)
        np.testing.assert_allclose(one.shrinkage, two.shrinkage, rtol=1e-9)


def test_student_t_noise_makes_the_interval_of_one_row(simple: Any) -> None:
    """A level of one row is estimated by that row, less the noise that it has."""
    rows, posterior, groups, n, ybar = simple
    draws = Draws(
        kappa=repeat([MU], 4000),
        delta=(repeat(np.zeros((3, 1)), 4000),),
        tau=(repeat([TAU], 4000),),
        omega=(),
        auxiliary=auxiliary(repeat(SIGMA, 4000), 4.0),
    )
    student = posterior_of(draws, posterior.varying, posterior.units)
    found = shrinkage_factors(student, learn_level_data(rows, student, groups), groups, 0)
    half = stats.t(4).ppf(0.95) * SIGMA / np.sqrt(n[0])
    assert found.none.upper[0, 0] - ybar[0] == pytest.approx(half, rel=5e-3)


def test_frame_of_a_fitted_model(fitted: Any) -> None:
    frame = fitted.shrinkage_factors()
    estimates = ("complete_pooling", "partial_pooling", "no_pooling")
    ends = [f"{estimate}{end}" for estimate in estimates for end in ("", "_lower", "_upper")]
    assert list(frame.columns) == ["factor", "level", "coefficient", "n", "B", *ends]
    assert frame["B"].between(0, 1).all()
    effects = fitted.group_effects()
    where = effects["coefficient"].replace({"Intercept": "Intercept at the means"})
    keys = ["factor", "level", "coefficient", "n"]
    assert (frame[keys] == effects.assign(coefficient=where)[keys]).all(axis=None)
    regions = fitted.shrinkage_factors("region", coverage=0.5)
    assert set(regions["factor"]) == {"region"}
    narrow = regions["no_pooling_upper"] - regions["no_pooling_lower"]
    wide = frame["no_pooling_upper"] - frame["no_pooling_lower"]
    assert (narrow < wide[: len(narrow)]).all()
    slope = frame["coefficient"] == "spend_1"
    difference = frame["partial_pooling"] - frame["complete_pooling"]
    np.testing.assert_allclose(difference[slope], effects["mean"][slope], atol=1e-12)


def test_pickles_know_shrinkage_without_the_rows(fitted: Any) -> None:
    copy = pickle.loads(pickle.dumps(fitted))
    assert copy._fit.rows is None
    assert copy.shrinkage_factors().equals(fitted.shrinkage_factors())


def test_unknown_factor(fitted: Any) -> None:
    with pytest.raises(ValueError, match="no grouping factor 'country'"):
        fitted.shrinkage_factors("country")
