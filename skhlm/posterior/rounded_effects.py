"""Draws of the effects of many levels, kept as whole numbers of a 65,534th of their range.

Each number is m + s c, with a middle m and a step s of its effect and a code c of 16 bits. It is
off by half a step at most, some 5e-5 posterior standard deviations, where draws tell no mean better
than to a hundredth. Means over draws are taken before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skhlm._typing import Floats, Ints
from skhlm.numerics.blocks import BLOCK_BYTES
from skhlm.numerics.threads import in_blocks
from skhlm.posterior.on_demand import OnDemand, some_of

LARGEST_CODE = np.iinfo(np.int16).max  # and of minus a code
_COARSEST = 1e-3  # a step, of the mean distance of an effect's draws from their mean


@dataclass(frozen=True, eq=False)
class RoundedEffects(OnDemand):
    """Draws of the effects of J levels, (J + 2, K_g, S), which become floats where they are picked.

    Behind the levels stand zeros and the effects of a level that was not seen, as in
    `Coefficients`.

    ===========  ===========  ====================================================================
    field        shape        what it is
    ===========  ===========  ====================================================================
    ``codes``    (J, K_g, S)  steps from the middle of an effect's range, -32767 to 32767
    ``middle``   (J, K_g)     of the range
    ``step``     (J, K_g)     its 65,534th part; zero where all draws are equal
    ``unseen``   (K_g, S)     effects of a level that was not seen
    ===========  ===========  ====================================================================
    """

    codes: NDArray[np.int16]
    middle: Floats
    step: Floats
    unseen: Floats

    @property
    def n_levels(self) -> int:
        """J."""
        return len(self.codes)

    def of(self, levels: Ints) -> Floats:
        """Draws of some levels (n,), and of what stands behind them: (n, K_g, S)."""
        effects = np.zeros((len(levels), *self.unseen.shape))
        seen = np.flatnonzero(levels < self.n_levels)
        own = levels[seen]
        effects[seen] = self.codes[own] * self.step[own, :, None] + self.middle[own, :, None]
        effects[levels == len(self) - 1] = self.unseen
        return effects

    def times(self, rate: float) -> RoundedEffects:
        """So many times the effects."""
        return replace(
            self, middle=rate * self.middle, step=rate * self.step, unseen=rate * self.unseen
        )

    def some(self, picks: Ints | slice) -> RoundedEffects:
        """Those of some draws."""
        return replace(self, codes=some_of(self.codes, picks), unseen=some_of(self.unseen, picks))


def round_effects(
    read: Callable[[slice], Floats], n_levels: int, unseen: Floats
) -> tuple[RoundedEffects | None, Floats]:
    """Draws of effects, rounded a block of levels at a time, and their means before, (J, K_g).

    ``read`` has those of some levels, (n, K_g, S). None where rounding would lose something: some
    are not finite, or one lies so far from the others that these would become equal.
    """
    n_varying, n_draws = unseen.shape
    codes = np.empty((n_levels, n_varying, n_draws), dtype=np.int16)
    middle, step, mean = (np.empty((n_levels, n_varying)) for _ in range(3))

    def fill(levels: slice) -> bool:
        draws = read(levels)
        with np.errstate(all="ignore"):
            mean[levels] = draws.mean(axis=-1)
            middle[levels], step[levels] = _middle_and_step(draws)
            spread = np.abs(draws - mean[levels, :, None]).mean(axis=-1)
            if not (np.isfinite(spread) & (step[levels] <= _COARSEST * spread)).all():
                return False
            codes[levels] = _codes(draws, middle[levels], step[levels])
        return True

    size = BLOCK_BYTES // (8 * n_varying * n_draws + 1)
    all_well = all(in_blocks(fill, n_levels, size))
    return RoundedEffects(codes, middle, step, unseen) if all_well else None, mean


def _middle_and_step(draws: Floats) -> tuple[Floats, Floats]:
    """Of the range of draws (n, K_g, S), (n, K_g) each; not numbers where draws are not."""
    half = draws.max(axis=-1) / 2, draws.min(axis=-1) / 2
    return half[0] + half[1], (half[0] - half[1]) / LARGEST_CODE


def _codes(draws: Floats, middle: Floats, step: Floats) -> Floats:
    """The nearest whole numbers of steps from the middle."""
    inverse = np.divide(1, step, out=np.zeros_like(step), where=step > 0)
    codes = (draws - middle[..., None]) * inverse[..., None]
    return np.clip(np.rint(codes, out=codes), -LARGEST_CODE, LARGEST_CODE, out=codes)
