"""The rows of fit as the user gave them, from what the model remembers of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats
from skhlm.inputs.frames import predictor_positions
from skhlm.methods.fitted import Fitted


def rows_of_fit(model: Fitted) -> tuple[Any, Floats] | None:
    """The distinct rows X and their outcome (N,); None where the model came from a file."""
    rows, spec = model._fit.rows, model._spec
    if rows is None:
        return None
    X = np.empty((len(rows.y), spec.columns.n), dtype=object)
    X[:, predictor_positions(spec.groups.hierarchies, spec.columns)] = rows.X
    values = spec.labels.values(rows.codes[rows.cell])
    for hierarchy in spec.groups.hierarchies:
        for position, name in zip(hierarchy.columns, hierarchy.names, strict=True):
            X[:, position] = values[name]
    if spec.columns.names is None:
        return X, rows.y
    return pd.DataFrame(X, columns=list(spec.columns.names)).infer_objects(), rows.y
