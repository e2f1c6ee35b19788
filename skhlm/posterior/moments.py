"""Which parameters have a posterior without a finite mean, or standard deviation.

A prior of student_t(df, ., .) has moments of orders below df alone, and what the rows say of a
parameter far out adds to that:

- The sd tau of effects on coefficient k: far out each level whose rows *hold* its effect, so that
  the likelihood vanishes on both sides, makes the likelihood fall by 1 / tau. Moments of orders
  below df + r are finite, r being the number of such levels, and no others.
- A coefficient kappa_k that no row holds on one side: those below df.
- A scale of the outcome, such as sigma: those below df + `Family.power_of_scale`.

A row holds an effect from above if that moves its eta to where the outcome is ever less likely:
always where outcomes are any number, but zeros and ones hold on one side alone. The derivation is
docs/decisions/0027-moments.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.families import Family
from skhlm.inputs.design import Rows, Units
from skhlm.priors import LocationScale, Priors

BOTH = 2  # moments: the mean and the sd are finite, or nothing is known


@dataclass(frozen=True)
class Moments:
    """How many of mean and sd are finite: 2 both, 1 the mean alone, 0 neither.

    In the model's own coordinates, intercepts at the predictors' means.

    ==============  ==========  ======================================================
    ``kappa``       (K,)        population-level coefficients
    ``tau``         (K_g,)      sds of effects of each factor; effects of a new level
    ``delta``       (J_g, K_g)  effects of each factor
    ``auxiliary``               the family's parameters by name
    ==============  ==========  ======================================================
    """

    kappa: Ints
    tau: tuple[Ints, ...]
    delta: tuple[Ints, ...]
    auxiliary: dict[str, int] = field(default_factory=dict)

    @classmethod
    def all_finite(
        cls, n_coefficients: int, varying: Sequence[Ints], n_levels: Sequence[int]
    ) -> Moments:
        """Of coefficients and effects."""
        sizes = [len(columns) for columns in varying]
        return cls(
            kappa=np.full(n_coefficients, BOTH),
            tau=tuple(np.full(size, BOTH) for size in sizes),
            delta=tuple(np.full((J, K), BOTH) for J, K in zip(n_levels, sizes, strict=True)),
        )

    def without_kappa(self) -> Moments:
        """Of effects alone."""
        return replace(self, kappa=np.full_like(self.kappa, BOTH))


def count_moments(
    priors: Priors,
    rows: Rows,
    units: Units,
    varying: Sequence[Ints],
    n_levels: Sequence[int],
    family: Family,
) -> Moments:
    """What the priors and the rows of fit, in the user's units, leave finite.

    Parameters
    ----------
    priors : Priors
    rows : Rows
    units : Units
    varying : G arrays of shape (K_g,)
        Coefficients that vary by each factor.
    n_levels : sequence of int
        J_g.
    family : Family

    Returns
    -------
    Moments
    """
    found = Moments.all_finite(len(priors.kappa.df), varying, n_levels)
    found = replace(found, auxiliary=_of_family(priors, rows, family))
    if not any((prior.df <= BOTH).any() for prior in (priors.kappa, *priors.tau)):
        return found
    held, tau, delta = _held_in_cells(rows, units, family), [], []
    for g, columns in enumerate(varying):
        firm: Bools = held.in_levels(rows.codes[:, g], n_levels[g])[:, columns]
        tau.append(_moments_below(priors.tau[g].df + firm.sum(axis=0)))
        delta.append(np.where(firm, BOTH, tau[g]))
    everywhere = held.in_levels(np.zeros(len(rows.codes), dtype=np.int64), 1)[0]
    kappa = _moments_below(np.where(everywhere, np.inf, priors.kappa.df))
    return replace(found, kappa=kappa, tau=tuple(tau), delta=tuple(delta))


def mark(described: Floats, moments: Ints, *, positive: Bools | bool = False) -> None:
    """Write what is not finite into means and sds, (..., 2 + q), in place.

    The sd is infinite; the mean is infinite of what is positive, and else none, NaN.
    """
    none = np.where(positive, np.inf, np.nan)
    described[..., 0] = np.where(moments < 1, none, described[..., 0])
    described[..., 1][moments < BOTH] = np.inf


@dataclass(frozen=True)
class _Held:
    """Whether rows of a cell hold each coefficient from above and from below, (C, K) each."""

    above: Bools
    below: Bools

    def in_levels(self, level: Ints, n_levels: int) -> Bools:
        """Whether each level of cells (C,) holds each coefficient on both sides, (J, K)."""
        sides = np.zeros((2, n_levels, self.above.shape[1]), dtype=np.bool_)
        for side, of_cells in zip(sides, (self.above, self.below), strict=True):
            np.logical_or.at(side, level, of_cells)
        return np.asarray(sides.all(axis=0), dtype=np.bool_)


def _held_in_cells(rows: Rows, units: Units, family: Family) -> _Held:
    """By the rows of each cell, a coefficient at a time."""
    lowest, highest = (family.link.inverse(np.array(end)) for end in (-np.inf, np.inf))
    up, down = rows.y > lowest, rows.y < highest  # less and less likely far below, far above
    Z, starts = units.predictors(rows.X), np.searchsorted(rows.cell, np.arange(len(rows.codes)))
    above, below = np.empty((2, len(starts), Z.shape[1]), dtype=np.bool_)
    for k, z in enumerate(Z.T):
        rises, falls = z > 0, z < 0
        above[:, k] = np.logical_or.reduceat((rises & down) | (falls & up), starts)
        below[:, k] = np.logical_or.reduceat((rises & up) | (falls & down), starts)
    return _Held(above, below)


def _of_family(priors: Priors, rows: Rows, family: Family) -> dict[str, int]:
    """Of the family's parameters; a gamma prior has all moments."""
    power = family.power_of_scale(rows.y, rows.weight)
    return {
        name: int(_moments_below(prior.df + power)[0]) if isinstance(prior, LocationScale) else BOTH
        for name, prior in priors.auxiliary.items()
    }


def _moments_below(order: Floats) -> Ints:
    """How many of the moments 1 and 2 are of an order below."""
    count: Ints = (order > 1).astype(np.int64) + (order > BOTH)
    return count
