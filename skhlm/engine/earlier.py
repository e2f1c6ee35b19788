"""What an earlier fit of a similar problem found, in the units and levels of the present one."""

from __future__ import annotations

from dataclasses import dataclass

from skhlm._typing import Floats
from skhlm.draws import Draws


@dataclass(frozen=True)
class Earlier:
    """Where an earlier fit ended.

    ===============  ==============  ==============================================================
    field            shape           what it is
    ===============  ==============  ==============================================================
    ``last``         (chains, 1)     where each chain begins
    ``kappa``        (K,)            posterior means of the population-level coefficients
    ``delta``        G x (J_g, K_g)  those of the effects; zeros for a level it has not seen
    ``log_tau``      G x (3, K_g)    5/50/95% points
    ``step_size``                    of the sampler, if there was one
    ===============  ==============  ==============================================================
    """

    last: Draws
    kappa: Floats
    delta: tuple[Floats, ...]
    log_tau: tuple[Floats, ...]
    step_size: float | None
