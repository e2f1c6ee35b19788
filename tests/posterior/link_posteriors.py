"""Posteriors of families whose mean is a curve in eta, from arbitrary draws."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.families import FAMILIES, find_family
from skhlm.inputs.design import Units
from skhlm.posterior import Posterior

CURVED = [name for name, family in FAMILIES.items() if not family.link.linear]
COUNTS = ["poisson", "negative_binomial"]
VARYING = (np.array([0, 1]), np.array([0]))
UNITS = Units(True, 0.0, 1.0, np.array([1.0]), np.array([1.0]))
LEVELS = (5, 3)


def make_draws(name: str, n_draws: int, shift: float, tau: float, seed: int) -> Draws:
    """Draws of an intercept about ``shift`` and a slope, which vary by two factors."""
    rng = np.random.default_rng(seed)
    shape = (2, n_draws // 2) if n_draws > 1 else (1, 1)
    return Draws(
        kappa=np.array([shift, 0.3]) + 0.1 * rng.normal(size=(*shape, 2)),
        delta=tuple(
            0.3 * rng.normal(size=(*shape, J, len(k))) for J, k in zip(LEVELS, VARYING, strict=True)
        ),
        tau=tuple(tau * rng.gamma(50, 0.02, size=(*shape, len(k))) for k in VARYING),
        omega=(),
        auxiliary={
            parameter.name: rng.gamma(20, 0.02, size=shape)
            for parameter in find_family(name).auxiliary
        },
    )


def make_posterior(
    name: str, n_draws: int = 200, *, shift: float = 0.5, tau: float = 0.6, seed: int = 0
) -> Posterior:
    """The posterior of such draws."""
    draws = make_draws(name, n_draws, shift, tau, seed)
    return Posterior.from_draws(draws, VARYING, UNITS, find_family(name))


def make_rows(n: int, *, new: bool = True, seed: int = 1) -> tuple[Floats, Ints]:
    """Predictors (n, 1) and codes (n, 2), some of them new if asked for."""
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(-1 if new else 0, J, n) for J in LEVELS])
    return rng.normal(1, 1, size=(n, 1)), codes


def some_outcomes(posterior: Posterior, n: int, seed: int = 2) -> Floats:
    """Outcomes that the posterior could produce, (n,)."""
    eta = np.random.default_rng(seed).normal(0.5, 0.7, n)
    aux = {name: values[:1] for name, values in posterior.auxiliary.items()}
    return posterior.family.draw(eta, aux, np.random.default_rng(seed))
