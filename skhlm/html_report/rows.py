"""The rows of fit as the user gave them, from what the model remembers of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skhlm.methods.fitted import Fitted


def rows_of_fit(model: Fitted) -> tuple[Any, Any] | None:
    """The distinct rows X and their outcome (N,); None where the model came from a file."""
    rows, spec = model._fit.rows, model._spec
    if rows is None:
        return None
    y = rows.y if spec.classes is None else spec.classes.named(rows.y.astype(np.int64))
    return spec.as_given(rows.X, rows.codes[rows.cell]), y
