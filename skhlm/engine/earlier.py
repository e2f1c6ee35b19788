"""What an earlier fit of a similar problem found, in the units and levels of the present one."""

from __future__ import annotations

from dataclasses import dataclass

from skhlm.draws import Draws


@dataclass(frozen=True)
class Earlier:
    """Where an earlier fit ended.

    =============  ===========  =========================================================
    field          shape        what it is
    =============  ===========  =========================================================
    ``last``       (chains, 1)  where each chain ended; no effect for a level not seen
    ``step_size``               of the sampler, if there was one
    =============  ===========  =========================================================
    """

    last: Draws
    step_size: float | None
