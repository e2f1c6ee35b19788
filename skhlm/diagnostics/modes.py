"""Why chains disagree: levels of few rows whose effects have more than one mode.

With residuals of heavy tails a level may take one or another of its rows for the outlier, and each
choice has coefficients of its own that fit. These are found by climbing, at the posterior's middle,
from where each row in turn is left out (iteratively reweighted least squares).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.diagnostics.checks import Check
from skhlm.draws import Draws
from skhlm.families import Evidence, LocationFamily
from skhlm.numerics.cell_sums import sum_by_cell, sum_products

_WORST = 20  # levels looked at, those whose chains differ most
_MOST_ROWS = 100  # of a level: longer ones are not looked at
_STEPS, _STILL = 60, 1e-9
_APART = 4.0  # squared distance of two modes, in standard deviations
_LESS_LIKELY = 7.0  # log density of a mode below the highest, from where it does not matter


def check_modes(
    family: LocationFamily,
    evidence: Evidence,
    codes: Ints,
    varying: Sequence[Ints],
    draws: Draws,
    factor: int,
) -> tuple[Check, ...]:
    """Of a factor's levels that have several modes, among those whose chains differ most.

    Parameters
    ----------
    family : LocationFamily
        Student-t residuals.
    evidence : Evidence
        The rows.
    codes : ndarray of shape (C, G)
        Level of each cell in each factor.
    varying : sequence of ndarrays of shape (K_g,)
        Coefficients that vary by each factor.
    draws : Draws
        Chains that disagree, in the units of the rows.
    factor : int
        Number of the factor looked at.

    Returns
    -------
    checks : tuple of Check
        "modes of levels", a failure, whose ``value`` is the share of levels looked at that have
        several modes; none where none has.
    """
    delta = draws.delta[factor]
    if delta.shape[0] < 2 or not delta.shape[2]:
        return ()
    n_rows = np.bincount(codes[evidence.cell, factor], minlength=delta.shape[2])
    worst = [level for level in _most_apart(delta) if 0 < n_rows[level] <= _MOST_ROWS]
    if not worst:
        return ()
    density = _LevelDensity.at_the_middle(
        family, evidence, codes, varying, draws, factor, np.array(worst)
    )
    several = int((density.count_modes() > 1).sum())
    if not several:
        return ()
    advice = (
        f"Residuals of short groups are multimodal: nu is near {density.df:.3g}, and of the "
        f"{len(worst)} levels whose chains differ most {several} have two or more sets of effects "
        "that fit, each with other rows as its outliers. Chains seldom go from one to another. Set "
        "family='normal', or a prior that keeps nu larger, such as priors={'nu': Gamma(20, 2)}, "
        "or let fewer coefficients vary (varying='intercept')."
    )
    share = several / len(worst)
    return (Check("modes of levels", "fail", share, 0.0, "our choice", advice),)


def _most_apart(delta: Floats) -> Ints:
    """Levels of (chains, draws, J, K_g) whose chains' means are farthest apart, these first."""
    with np.errstate(all="ignore"):
        between = delta.mean(axis=1, dtype=np.float64).var(axis=0)
        apart = between / delta.var(axis=1, dtype=np.float64).mean(axis=0)
    return np.argsort(-np.nan_to_num(apart).max(axis=-1))[:_WORST]


@dataclass(frozen=True)
class _LevelDensity:
    """Density of J levels' effects given all else, as far as the rows X (K_g, N) of these tell."""

    X: Floats
    y: Floats  # less what does not vary by the factor, (N,)
    weight: Floats
    level: Ints  # (N,)
    rank: Ints  # (N,) number of the row within its level
    n_levels: int
    precision: Floats  # (K_g, K_g) of the effects a priori
    variance: float  # sigma^2
    df: float

    @classmethod
    def at_the_middle(
        cls,
        family: LocationFamily,
        evidence: Evidence,
        codes: Ints,
        varying: Sequence[Ints],
        draws: Draws,
        factor: int,
        chosen: Ints,
    ) -> _LevelDensity:
        """At the mean of what does not vary by the factor and the medians of scales."""
        level = codes[:, factor]
        number = np.full(int(level.max()) + 1, -1)
        number[chosen] = np.arange(len(chosen))
        of_row = number[level[evidence.cell]]
        rows = np.flatnonzero(of_row >= 0)
        rows = rows[np.argsort(of_row[rows], kind="stable")]
        of_row = of_row[rows]
        n_rows = np.bincount(of_row, minlength=len(chosen))
        rest = np.repeat(draws.kappa.mean(axis=(0, 1))[:, None], evidence.n_cells, axis=1)
        for g in range(codes.shape[1]):
            if g != factor:
                rest[varying[g]] += draws.delta[g].mean(axis=(0, 1))[codes[:, g]].T
        tau = np.median(draws.tau[factor], axis=(0, 1))
        omega = draws.omega[factor].mean(axis=(0, 1)) if draws.omega else np.eye(len(tau))
        return cls(
            X=evidence.X[np.ix_(varying[factor], rows)],
            y=(evidence.y - evidence.eta(rest))[rows],
            weight=evidence.weight[rows],
            level=of_row,
            rank=np.arange(len(rows)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows),
            n_levels=len(chosen),
            precision=np.asarray(np.linalg.inv(tau[:, None] * omega * tau), dtype=np.float64),
            variance=float(np.median(family.error_scale(draws.auxiliary))) ** 2,
            df=float(np.median(family.error_df(draws.auxiliary))),
        )

    def count_modes(self) -> Ints:
        """How many of the modes found matter and are apart, (J,)."""
        ranks = range(-1, int(self.rank.max()) + 1)
        modes = [self._climb(self.rank != r) for r in ranks]
        height = np.array([self._log_density(mode) for mode in modes])
        n_modes = np.zeros(self.n_levels, dtype=np.int64)
        for j in range(self.n_levels):
            kept: list[Floats] = []
            for i in np.argsort(-height[:, j]):
                mode = modes[i][j]
                if height[i, j] < height[:, j].max() - _LESS_LIKELY:
                    break
                F = self._information(self._row_precision(modes[i]))[j]
                if all((mode - other) @ F @ (mode - other) > _APART for other in kept):
                    kept.append(mode)
            n_modes[j] = len(kept)
        return n_modes

    def _climb(self, used: Bools) -> Floats:
        """Effects (J, K_g) uphill from least squares of some rows."""
        effects = self._solve(used * self.weight / self.variance)
        for _ in range(_STEPS):
            before, effects = effects, self._solve(self._row_precision(effects))
            if np.allclose(effects, before, rtol=_STILL, atol=0):
                break
        return effects

    def _errors(self, effects: Floats) -> Floats:
        fitted = np.einsum("kn,nk->n", self.X, effects[self.level])
        return np.asarray(self.y - fitted, dtype=np.float64)

    def _row_precision(self, effects: Floats) -> Floats:
        """Weights by which the next effects are least squares, (N,)."""
        room = self.df * self.variance + np.square(self._errors(effects))
        precision: Floats = self.weight * (self.df + 1) / room
        return precision

    def _information(self, precision: Floats) -> Floats:
        """(J, K_g, K_g), the prior's included."""
        told = np.moveaxis(sum_products(self.X, precision, self.level, self.n_levels), -1, 0)
        return np.asarray(told + self.precision, dtype=np.float64)

    def _solve(self, precision: Floats) -> Floats:
        """Effects (J, K_g) by weighted least squares."""
        score = np.stack(
            [sum_by_cell(precision * self.y * x, self.level, self.n_levels) for x in self.X]
        )
        solved = np.linalg.solve(self._information(precision), score.T[..., None])
        return np.asarray(solved[..., 0], dtype=np.float64)

    def _log_density(self, effects: Floats) -> Floats:
        """Of each level's effects, up to a constant: (J,)."""
        log_q = np.log1p(np.square(self._errors(effects)) / (self.df * self.variance))
        told = sum_by_cell(self.weight * log_q, self.level, self.n_levels)
        prior = np.einsum("jk,kh,jh->j", effects, self.precision, effects)
        density: Floats = -0.5 * ((self.df + 1) * told + prior)
        return density
