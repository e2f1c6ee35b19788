"""Inverses of informations that may lack some."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Bools, Floats

_RANK_TOLERANCE = 1e-12  # of an information, scaled to unit diagonal


def pseudo_inverse(information: Floats) -> tuple[Floats, Bools]:
    """Pseudo-inverse (J, K, K) of informations, and which coefficients each identifies, (J, K).

    A coefficient is identified if it has no part in any direction without information.
    """
    scale = np.sqrt(np.einsum("jkk->jk", information))
    scale[scale == 0] = 1.0
    outer = scale[:, :, None] * scale[:, None, :]
    values, vectors = np.linalg.eigh(information / outer)
    known = values > _RANK_TOLERANCE
    reciprocal = known / np.where(known, values, 1.0)
    inverse = np.einsum("jik,jk,jlk->jil", vectors, reciprocal, vectors) / outer
    unknown = np.einsum("jik,jk->ji", vectors**2, ~known)
    return inverse, unknown < _RANK_TOLERANCE**0.5
