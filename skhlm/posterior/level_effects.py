"""Effects of a factor's levels that nobody keeps: normal given all else, made when asked for.

Where the sampler leaves the effects of one factor out, those of a level follow from what its rows
say and from each draw of everything else, exactly:

    d | rest ~ N(V A (s - F B), V),   V = (A F A' + Sigma^-1)^-1,   F = c F0,   s = c s0,

A the selection of the coefficients that vary, B the sum of kappa and of the effects above the
level, c = 1 / sigma^2. Means and covariances are those of a mixture of normal distributions (Rao
and Blackwell: Gelfand and Smith 1990, doi:10.1080/01621459.1990.10476213). Random numbers depend on
seed, level and draw alone: whoever asks, for whichever levels, in whatever order, is told the same
to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.draws import LeftOut
from skhlm.numerics.blocks import BLOCK_BYTES, blocks
from skhlm.numerics.numbered_normals import numbered_normals
from skhlm.numerics.shrunk import Shrunk
from skhlm.numerics.threads import in_blocks
from skhlm.posterior.on_demand import OnDemand, some_of


class Moments(NamedTuple):
    """Posterior means (J, K_g) and covariances (J, K_g, K_g) of the effects of each level."""

    mean: Floats
    covariance: Floats


@dataclass(frozen=True, eq=False)
class Rest:
    """Draws of all that the effects of a factor are conditioned on, in the units of the fit.

    =============  ==============  ===============================================================
    field          shape           what it is
    =============  ==============  ===============================================================
    ``kappa``      (K, S)          population-level coefficients
    ``above``      (J_h + 2, K_h, S) each  effects of the coarser factors
    ``root``       (K_g, K_g, S)   lower T with T T' = Sigma
    ``precision``  (S,)            c = 1 / sigma^2
    =============  ==============  ===============================================================
    """

    kappa: Floats
    above: tuple[Floats, ...]
    root: Floats
    precision: Floats

    def some(self, picks: Ints | slice) -> Rest:
        """Some of the draws."""
        above = tuple(some_of(effects, picks) for effects in self.above)
        kappa, root, precision = (
            some_of(draws, picks) for draws in (self.kappa, self.root, self.precision)
        )
        return Rest(kappa, above, root, precision)


@dataclass(frozen=True, eq=False)
class LevelEffects(OnDemand):
    """Draws of the effects of J levels, (J + 2, K_g, S), which are made where levels are picked.

    Behind the levels stand zeros and the effects of a level that was not seen, as in
    `Coefficients`.

    ===========  ===========  ====================================================================
    field        shape        what it is
    ===========  ===========  ====================================================================
    ``rows``                  what the rows of each level say
    ``varying``  G x (K_h,)   the coefficients that vary by each factor
    ``rest``                  draws of everything else
    ``scale``    (K_g,)       of effects against those in the units of the fit
    ``unseen``   (K_g, S)     effects of a level that was not seen
    ``stream``   (S,)         number of each draw among those that a level has
    ===========  ===========  ====================================================================
    """

    rows: LeftOut
    varying: tuple[Ints, ...]
    rest: Rest
    scale: Floats
    unseen: Floats
    stream: Ints

    @property
    def n_levels(self) -> int:
        """J."""
        return len(self.rows.score)

    def __getstate__(self) -> dict[str, Any]:
        """State without what is worked out from it again."""
        return {name: value for name, value in vars(self).items() if name != "moments"}

    def times(self, rate: float) -> LevelEffects:
        """So many times the effects."""
        return replace(self, scale=rate * self.scale, unseen=rate * self.unseen)

    def some(self, picks: Ints | slice) -> LevelEffects:
        """Those of some draws."""
        return replace(
            self,
            rest=self.rest.some(picks),
            unseen=some_of(self.unseen, picks),
            stream=self.stream[picks],
        )

    def renumbered(self) -> LevelEffects:
        """As many draws from the first of each level's random numbers: other ones, sooner made."""
        return replace(self, stream=np.arange(len(self.stream)))

    def of(self, levels: Ints) -> Floats:
        """Draws of some levels (n,), and of what stands behind them: (n, K_g, S)."""
        effects = np.zeros((len(levels), *self.unseen.shape))
        seen = np.flatnonzero(levels < self.n_levels)
        for block in blocks(len(seen), self.block_size):
            which = seen[block]
            given = self._given(levels[which])
            effects[which] = self.scale[:, None] * given.effects(self._normals(levels[which]))
        effects[levels == len(self) - 1] = self.unseen
        return effects

    def with_moments(self, levels: Ints) -> tuple[Floats, Moments]:
        """Draws of a block of levels, (n, K_g, S), and their moments: sooner than one by one."""
        given = self._given(levels)
        if "moments" in vars(self):
            moments = Moments(*(values[levels] for values in self.moments))
        else:
            moments = self._scaled(*given.moments())
        return self.scale[:, None] * given.effects(self._normals(levels)), moments

    @property
    def means(self) -> Floats:
        """Posterior means with S = 1, zero for a level that was not seen: (J + 2, K_g, 1)."""
        mean = np.zeros((len(self), len(self.scale), 1))
        mean[:-2, :, 0] = self.moments.mean
        return mean

    @cached_property
    def moments(self) -> Moments:
        """Posterior means and covariances, of the mixture of the conditional distributions."""
        found = in_blocks(
            lambda block: self._given(np.arange(block.start, block.stop)).moments(),
            len(self.rows.score),
            self.block_size,
        )
        return self._scaled(*map(np.concatenate, zip(*found, strict=True)))

    def _scaled(self, mean: Floats, covariance: Floats) -> Moments:
        """Moments in the units of the effects."""
        return Moments(self.scale * mean, np.outer(self.scale, self.scale) * covariance)

    @property
    def block_size(self) -> int:
        """Levels of a block, with so many numbers in a matrix of each level and draw."""
        return BLOCK_BYTES // (8 * max(len(self.scale) * self.unseen.size, 1))

    def _normals(self, levels: Ints) -> Floats:
        """Standard normal numbers (K_g, n, S); zeros where the mode alone is known."""
        if self.rows.seed is None:
            return np.zeros((len(self.scale), len(levels), len(self.stream)))
        return numbered_normals(self.rows.seed, levels, self.stream, len(self.scale))

    def _given(self, levels: Ints) -> _Given:
        """The conditional distributions of some levels' effects."""
        information, score = self.rows.information[levels], self.rows.score[levels]
        above = zip(self.rows.above, self.rows.lies_in, self.rest.above, strict=True)
        others = [(self.varying[h], effects[codes[levels]]) for h, codes, effects in above]
        told = np.repeat(score.T[:, :, None], self.rest.kappa.shape[1], axis=2)
        for k, kappa in enumerate(self.rest.kappa):
            total = np.broadcast_to(kappa, told.shape[1:])
            for varying, effects in others:
                for j in np.flatnonzero(varying == k):
                    total = total + effects[:, j]
            for of_own, weight in zip(told, information[:, :, k].T, strict=True):
                of_own -= weight[:, None] * total
        own = self.varying[self.rows.factor]
        varying_part = np.moveaxis(information[:, :, own], 0, -1)[..., None]
        return _Given(varying_part, told, self.rest.root, self.rest.precision)


class _Given:
    """Conditional distributions of the effects of n levels in each of S draws."""

    def __init__(self, information: Floats, told: Floats, root: Floats, precision: Floats) -> None:
        """From F0 (K_g, K_g, n, 1), r = s0 - F0 B (K_g, n, S), T (K_g, K_g, S) and c (S,)."""
        self._shrunk = Shrunk(information, root, precision)
        self._mean = self._shrunk.white(told)

    def effects(self, z: Floats) -> Floats:
        """Effects at standard normal z (K_g, n, S): (n, K_g, S)."""
        return self._shrunk.from_white([u + e for u, e in zip(self._mean, z, strict=True)])

    def moments(self) -> tuple[Floats, Floats]:
        """Means (n, K_g) and covariances (n, K_g, K_g) of the mixtures over draws."""
        means = self._shrunk.from_white(self._mean)
        mean = means.mean(axis=-1)
        means -= mean[..., None]
        halves = self._shrunk.halves()
        covariance = np.empty((*mean.shape, mean.shape[1]))
        for a, first in enumerate(halves):
            for b, second in enumerate(halves[: a + 1]):
                both = means[:, a] * means[:, b]
                for x, y in zip(first, second, strict=True):
                    if x is not None and y is not None:
                        both += x * y
                covariance[:, a, b] = covariance[:, b, a] = both.mean(axis=-1)
        return mean, covariance
