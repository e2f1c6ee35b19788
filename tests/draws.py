"""Draws and posteriors of either family of residuals, from plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.families import LocationFamily, Normal, StudentT
from skhlm.inputs.design import Units
from skhlm.posterior import Posterior


def auxiliary(sigma: ArrayLike, nu: ArrayLike | None = None) -> dict[str, Floats]:
    """Parameters of normal residuals, or with degrees of freedom of Student-t ones."""
    sigma = np.array(sigma, dtype=np.float64)
    if nu is None:
        return {"sigma": sigma}
    return {"sigma": sigma, "nu": np.broadcast_to(nu, sigma.shape).astype(np.float64)}


def family_of(auxiliary: Mapping[str, Floats]) -> LocationFamily:
    """The family that has these parameters."""
    return StudentT() if "nu" in auxiliary else Normal()


def posterior_of(draws: Draws, varying: Sequence[Ints], units: Units) -> Posterior:
    """The posterior in the user's units of draws of either family."""
    return Posterior.from_draws(draws, varying, units, family_of(draws.auxiliary))


def with_auxiliary(posterior: Posterior, **values: Floats) -> Posterior:
    """The posterior with other parameters of the residuals, and of the family that has them."""
    changed = {**posterior.auxiliary, **values}
    return replace(posterior, auxiliary=changed, family=family_of(changed))
