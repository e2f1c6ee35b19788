"""Quantiles of draws, which lie along the last axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skhlm._typing import Floats

TAILS = (0.05, 0.5, 0.95)  # what a distribution is summed up by
_FEW = 2  # quantiles, which are selected faster than all is sorted


def central(coverage: float) -> tuple[float, float]:
    """Probabilities below the two ends of a central interval."""
    return (1 - coverage) / 2, (1 + coverage) / 2


def quantiles_of(values: Floats, probabilities: Sequence[float]) -> Floats:
    """Quantiles along the last axis, linear between order statistics: (..., S) -> (..., q)."""
    position = np.asarray(probabilities, dtype=np.float64) * (values.shape[-1] - 1)
    below = np.floor(position).astype(np.int64)
    weight = position - below
    result = np.empty((*values.shape[:-1], len(position)))
    if len(position) > _FEW:
        x = np.sort(values, axis=-1)
    else:
        x = np.partition(values, np.union1d(below, np.ceil(position).astype(np.int64)), axis=-1)
    for q, (rank, share) in enumerate(zip(below.tolist(), weight.tolist(), strict=True)):
        result[..., q] = x[..., rank]
        if share:
            result[..., q] = x[..., rank] * (1 - share) + x[..., rank + 1] * share
    return result


def describe(values: Floats, probabilities: Sequence[float]) -> Floats:
    """Mean, sd and quantiles along the last axis: (..., S) -> (..., 2 + q)."""
    moments = np.stack([values.mean(axis=-1), values.std(axis=-1)], axis=-1)
    return np.concatenate([moments, quantiles_of(values, probabilities)], axis=-1)
