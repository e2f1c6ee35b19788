"""Posteriors of made draws with residuals, and what they say by the model's formulas."""

from __future__ import annotations

from typing import Any

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.inputs.design import Units
from skhlm.posterior import prediction
from skhlm.posterior.posterior import Posterior
from tests.draws import auxiliary, posterior_of

LEVELS = (3, 7, 4)
VARYING = (np.array([0, 1, 2]), np.array([0, 2]), np.array([1]))
UNITS = Units(True, 10.0, 3.0, np.array([5.0, -2.0]), np.array([2.0, 0.25]))
FACTORS = range(len(LEVELS))


def make_draws(
    *,
    chains: int = 4,
    draws: int = 100,
    full: bool = True,
    student: bool = True,
    varying: tuple[Ints, ...] = VARYING,
    n_coefficients: int = 3,
    seed: int = 0,
) -> Draws:
    """Arbitrary draws of a model with three factors, in the model's units."""
    rng = np.random.default_rng(seed)
    shape = (chains, draws)
    sizes = [len(columns) for columns in varying]
    omega = tuple(np.stack([correlation(k, rng) for _ in range(chains * draws)]) for k in sizes)
    return Draws(
        kappa=rng.normal(size=(*shape, n_coefficients)),
        delta=tuple(rng.normal(size=(*shape, J, k)) for J, k in zip(LEVELS, sizes, strict=False)),
        tau=tuple(rng.gamma(4, 0.25, size=(*shape, k)) for k in sizes),
        omega=tuple(o.reshape(*shape, k, k) for o, k in zip(omega, sizes, strict=True)) * full,
        auxiliary=auxiliary(
            rng.gamma(20, 0.05, size=shape),
            2.5 + rng.gamma(2, 5, size=shape) if student else None,
        ),
    )


def correlation(k: int, rng: np.random.Generator) -> Floats:
    """A random correlation matrix (k, k)."""
    root = rng.normal(size=(k, k + 2))
    covariance = root @ root.T
    sd = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(sd, sd))


def make_posterior(**kwargs: Any) -> Posterior:
    """Posterior of `make_draws` in the user's units."""
    return posterior_of(make_draws(**kwargs), kwargs.get("varying", VARYING), UNITS)


def make_rows(n: int, *, new: bool = True, seed: int = 1) -> tuple[Floats, Ints]:
    """Predictors (n, 2) and codes (n, 3), some of them new if asked for."""
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(-1 if new else 0, J, n) for J in LEVELS])
    return rng.normal(size=(n, 2)) * 3, codes


def naive_expected_value(draws: Draws, X: Floats, codes: Ints) -> Floats:
    """Draws of E[y | x], (n, S), for levels seen at fit, by the model's formula in its units."""
    Z = np.column_stack([np.ones(len(X)), (X - UNITS.x_center) / UNITS.x_scale])
    flat = draws.map(lambda x: x.reshape(-1, *x.shape[2:]))
    beta = np.repeat(flat.kappa[None], len(X), axis=0)
    for g in FACTORS:
        beta[:, :, VARYING[g]] += np.moveaxis(flat.delta[g], 0, 1)[codes[:, g]]
    value: Floats = UNITS.y_center + UNITS.y_scale * np.einsum("nk,nsk->ns", Z, beta)
    return value


def expected_value_draws(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """All draws of E[y | x] at once, (n, S)."""
    result = np.empty((len(X), posterior.n_draws))
    for rows, values in prediction.draws_of_eta(posterior, X, codes):
        result[rows] = values
    return result


def rowwise(posterior: Posterior, X: Floats, codes: Ints) -> Floats:
    """Everything that is computed row by row, side by side."""
    return np.column_stack(
        [
            prediction.expected_value(posterior, X, codes),
            prediction.predictive_std(posterior, X, codes),
            prediction.interval(posterior, X, codes, 0.9, "outcome"),
            prediction.quantiles(posterior, X, codes, [0.5], "mean"),
            expected_value_draws(posterior, X, codes),
        ]
    )


def constant_draws(n_draws: int, *, nu: float | None, full: bool = False) -> Draws:
    """Draws that are all alike: kappa = (1, 2, 3), effects 0, tau = (.5, 1, 2), sigma = 1.5."""
    shape = (2, n_draws // 2)

    def repeated(value: Any) -> Floats:
        value = np.asarray(value, dtype=np.float64)
        return np.broadcast_to(value, (*shape, *value.shape)).copy()

    omega = [[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]]
    tau = np.array([0.5, 1.0, 2.0])
    return Draws(
        kappa=repeated([1.0, 2.0, 3.0]),
        delta=tuple(repeated(np.zeros((2, len(k)))) for k in VARYING),
        tau=tuple(repeated(tau[k]) for k in VARYING),
        omega=tuple(repeated(np.array(omega)[np.ix_(k, k)]) for k in VARYING) if full else (),
        auxiliary=auxiliary(repeated(1.5), nu),
    )
