"""The rows of fit as the user gave them, from what the model remembers of them."""

from __future__ import annotations

from typing import Any

from skhlm._typing import Floats
from skhlm.methods.fitted import Fitted


def rows_of_fit(model: Fitted) -> tuple[Any, Floats] | None:
    """The distinct rows X and their outcome (N,); None where the model came from a file."""
    rows = model._fit.rows
    return None if rows is None else (model._spec.as_given(rows.X, rows.codes[rows.cell]), rows.y)
