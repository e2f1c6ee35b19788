"""Distinct rows and how often they were seen: all that a likelihood needs that has no moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats

MOST_ROWS = 20_000_000
_OUTCOME, _WEIGHT = "__outcome__", "__weight__"


@dataclass(frozen=True, eq=False)
class EqualRows:
    """Distinct rows of X and y, in the order in which they were first seen, and their weights."""

    rows: pd.DataFrame  # columns of X by their number, the outcome, the weight
    names: tuple[Any, ...]
    kinds: tuple[str, ...]  # of the values in these columns and of the outcome, see `_kind`

    @classmethod
    def of(cls, X: pd.DataFrame, y: Any, weight: Floats) -> EqualRows:
        """Those of a block of rows."""
        rows = X.set_axis(range(X.shape[1]), axis=1).reset_index(drop=True)
        rows = rows.assign(**{_OUTCOME: np.asarray(y), _WEIGHT: weight})
        kinds = tuple(_kind(rows[name]) for name in rows.columns[:-1])
        return cls(_merged(rows), tuple(X.columns), kinds)

    def joined(self, other: EqualRows) -> EqualRows:
        """Those of both blocks together."""
        rows = _merged(pd.concat([self.rows, other.rows], ignore_index=True))
        if len(rows) > MOST_ROWS:
            raise ValueError(
                f"There are more than {MOST_ROWS:,} rows that differ in a predictor, a level or "
                "the outcome. Rows of this family can be put together only where they are equal: "
                "round predictors to the digits that matter, or fit a sample of the rows."
            )
        return EqualRows(rows, self.names, self.kinds)

    def to_rows(self) -> tuple[pd.DataFrame, Any, Floats]:
        """X, y (m,) and weights (m,)."""
        X = self.rows.drop(columns=[_OUTCOME, _WEIGHT]).set_axis(list(self.names), axis=1)
        return X, self.rows[_OUTCOME].to_numpy(), self.rows[_WEIGHT].to_numpy(dtype=np.float64)


def _kind(column: pd.Series[Any]) -> str:
    """Of its values: whether they are yes and no."""
    found = pd.api.types.infer_dtype(column, skipna=True)
    return "yes/no" if found == "boolean" else "others"


def _merged(rows: pd.DataFrame) -> pd.DataFrame:
    """Equal rows as one that has their weight."""
    same = [name for name in rows.columns if name != _WEIGHT]
    merged = rows.groupby(same, sort=False, dropna=False, observed=True)[_WEIGHT].sum()
    found: pd.DataFrame = merged.reset_index()
    return found
