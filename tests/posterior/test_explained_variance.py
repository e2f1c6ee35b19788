"""R^2 draw by draw against its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose

from skhlm.posterior import prediction
from skhlm.posterior.explained_variance import bayes_r2, r2_draws, r2_parts


def test_draws_are_the_definition(fitted, campaigns, monkeypatch):
    X, y = campaigns
    expected = prediction.joint_draws(
        fitted._posterior,
        *fitted._rows(X)[:2],
        np.full((len(X), 4), -1),
        50,
        np.random.default_rng(0),
        "mean",
    )
    picks = np.random.default_rng(0).choice(fitted._posterior.n_draws, 50, replace=False)
    residual = np.asarray(y)[:, None] - expected
    definition = expected.var(axis=0) / (expected.var(axis=0) + residual.var(axis=0))
    assert_allclose(r2_draws(fitted._posterior, fitted._fit.rows)[picks], definition, rtol=1e-9)
    monkeypatch.setattr(prediction, "BLOCK_BYTES", 1)
    assert_allclose(r2_draws(fitted._posterior, fitted._fit.rows)[picks], definition, rtol=1e-9)


def test_summary_is_that_of_the_draws(fitted):
    result = bayes_r2(fitted._posterior, fitted._fit.rows, 0.5)
    assert_allclose(result.mean, result.draws.mean())
    assert_allclose(result.sd, result.draws.std())
    assert_allclose([result.lower, result.upper], np.quantile(result.draws, [0.25, 0.75]))
    assert f"{result.mean:.3f}" in repr(result)
    assert "50% interval" in repr(result)


def test_a_weight_is_a_number_of_equal_rows(fitted):
    rows = fitted._fit.rows
    weight = np.arange(len(rows.y)) % 3 + 1
    merged = replace(rows, weight=weight.astype(float))
    repeated = replace(
        rows,
        X=rows.X.repeat(weight, axis=0),
        y=rows.y.repeat(weight),
        weight=np.ones(weight.sum()),
        cell=rows.cell.repeat(weight),
    )
    assert_allclose(
        r2_draws(fitted._posterior, merged), r2_draws(fitted._posterior, repeated), rtol=1e-9
    )


def test_a_large_offset_of_y_loses_no_digits(fitted):
    rows, posterior = fitted._fit.rows, fitted._posterior
    moved = replace(
        posterior,
        draws=replace(
            posterior.draws,
            kappa=posterior.draws.kappa
            + 1e6 * (np.arange(len(posterior.draws.kappa)) == 0)[:, None],
        ),
    )
    assert_allclose(
        r2_draws(moved, replace(rows, y=rows.y + 1e6)), r2_draws(posterior, rows), rtol=1e-6
    )


def test_no_variance_at_all_is_nothing_explained(fitted):
    rows = fitted._fit.rows
    one = replace(rows, X=rows.X[:1], y=rows.y[:1], weight=rows.weight[:1], cell=rows.cell[:1])
    np.testing.assert_array_equal(r2_draws(fitted._posterior, one), 0)


def test_parts_are_covariances_with_their_sum(fitted, monkeypatch):
    posterior, rows = fitted._posterior.thinned(40), fitted._fit.rows
    codes, Z = rows.codes[rows.cell], posterior.units.centred(rows.X)
    draws = posterior.draws
    parts = [np.einsum("nk,ks->ns", Z, draws.kappa)]
    for g, columns in enumerate(posterior.varying):
        parts.append(np.einsum("nk,nks->ns", Z[:, columns], draws.delta[g][codes[:, g]]))
    share = rows.weight / rows.weight.sum()
    about = [part - share @ part for part in parts]
    eta = sum(about)
    expected = [share @ (part * eta) / (share @ eta**2) for part in about]
    found = r2_parts(posterior, rows)
    assert_allclose(found, np.array(expected) * r2_draws(posterior, rows), rtol=1e-7, atol=1e-9)
    assert_allclose(found.sum(axis=0), r2_draws(posterior, rows), rtol=1e-8)
    monkeypatch.setattr(prediction, "BLOCK_BYTES", 1)
    assert_allclose(r2_parts(posterior, rows), found, rtol=1e-7, atol=1e-9)


def test_parts_without_variance_are_nothing(fitted):
    rows = fitted._fit.rows
    one = replace(rows, X=rows.X[:1], y=rows.y[:1], weight=rows.weight[:1], cell=rows.cell[:1])
    np.testing.assert_array_equal(r2_parts(fitted._posterior.thinned(20), one), 0)
