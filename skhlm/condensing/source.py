"""Whether rows are too many to be one frame in memory, and then what stands for them."""

from __future__ import annotations

from typing import Any

from skhlm.condensing.condensed import Condensed
from skhlm.condensing.dask_frames import condense_dask, is_dask


def condensed(model: Any, X: Any, y: Any, sample_weight: Any) -> Condensed | None:
    """Few rows with the likelihood of Dask's, or those that were made already; else None."""
    if isinstance(X, Condensed):
        return X
    return condense_dask(model, X, y, sample_weight) if is_dask(X) else None
