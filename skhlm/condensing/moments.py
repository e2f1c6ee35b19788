"""Weighted moments of predictors and outcome in each cell, which any blocks of rows add up to.

With normal residuals the likelihood sees nothing else of the rows. So they may be replaced by few
rows that have the same moments: about a cell's mean, a pair of points along each direction in which
it has a spread, the sigma points of unscented filters (Julier and Uhlmann 1997,
doi:10.1117/12.280797).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats
from skhlm.inputs.columns import Columns, Label, kind
from skhlm.inputs.design import cells_of
from skhlm.inputs.frames import FitData
from skhlm.numerics.cell_sums import sum_by_cell

_NO_SPREAD = 1e-13  # of a direction, its variance where each variable has one: rounding


@dataclass(frozen=True, eq=False)
class CellMoments:
    """Moments of v = (predictors, outcome) of all rows seen so far, and where they were.

    =============  =========  =====================================================================
    field          shape      what it is
    =============  =========  =====================================================================
    ``keys``       C tuples   labels of each cell, one for each group column
    ``positions``             where these columns are in X
    ``columns``               the columns of X
    ``names``                 what these are called, strings or not
    ``kinds``                 of labels in each group column
    ``weight``     (C,)       sum of the weights
    ``mean``       (C, d)     mean of v
    ``scatter``    (C, d, d)  sum of w (v - mean) (v - mean)'
    ``low``        (d,)       least values
    ``high``       (d,)       largest values
    =============  =========  =====================================================================
    """

    keys: tuple[tuple[Label, ...], ...]
    positions: tuple[int, ...]
    columns: Columns
    names: tuple[Any, ...]
    kinds: tuple[str, ...]
    weight: Floats
    mean: Floats
    scatter: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, data: FitData, names: tuple[Any, ...]) -> CellMoments:
        """Those of a block of rows whose X has columns of these names."""
        positions = tuple(sorted(data.groups))
        codes = np.stack([data.groups[j].codes for j in positions], axis=1) if positions else None
        cells, cell = _one_cell(len(data.y)) if codes is None else cells_of(codes)
        values, n = np.column_stack([data.predictors, data.y]), len(cells)
        weight = sum_by_cell(data.weight, cell, n)
        mean = np.column_stack([sum_by_cell(data.weight * v, cell, n) for v in values.T])
        mean /= weight[:, None]
        scatter = np.empty((n, values.shape[1], values.shape[1]))
        away = [v - m[cell] for v, m in zip(values.T, mean.T, strict=True)]
        for j, first in enumerate(away):
            mean[:, j] += sum_by_cell(data.weight * first, cell, n) / weight
            for k, second in enumerate(away[: j + 1]):
                scatter[:, j, k] = sum_by_cell(data.weight * first * second, cell, n)
                scatter[:, k, j] = scatter[:, j, k]
        labels = [data.groups[j].values for j in positions]
        keys = tuple(
            tuple(values[code] for values, code in zip(labels, row, strict=True))
            for row in cells.tolist()
        )
        return cls(
            keys=keys,
            positions=positions,
            columns=data.columns,
            names=names,
            kinds=tuple(kind(values[0]) for values in labels),
            weight=weight,
            mean=mean,
            scatter=scatter,
            low=values.min(axis=0),
            high=values.max(axis=0),
        )

    def joined(self, other: CellMoments) -> CellMoments:
        """Those of both blocks together (Chan, Golub and LeVeque 1979, doi:10.2307/2683386)."""
        number = {key: i for i, key in enumerate(self.keys)}
        at = np.array([number.setdefault(key, len(number)) for key in other.keys])
        more = len(number) - len(self.keys)
        weight = np.concatenate([self.weight, np.zeros(more)])
        mean = np.concatenate([self.mean, np.zeros((more, *self.mean.shape[1:]))])
        scatter = np.concatenate([self.scatter, np.zeros((more, *self.scatter.shape[1:]))])
        before = weight[at]
        weight[at] += other.weight
        share, step = other.weight / weight[at], other.mean - mean[at]
        mean[at] += share[:, None] * step
        between = (before * share)[:, None, None] * step[:, :, None] * step[:, None]
        scatter[at] += other.scatter + between
        return CellMoments(
            keys=tuple(number),
            positions=self.positions,
            columns=self.columns,
            names=self.names,
            kinds=self.kinds,
            weight=weight,
            mean=mean,
            scatter=scatter,
            low=np.minimum(self.low, other.low),
            high=np.maximum(self.high, other.high),
        )

    def to_rows(self) -> tuple[pd.DataFrame, Floats, Floats]:
        """X, y (m,) and weights (m,) of few rows with the same moments."""
        cell, values, weight = _sigma_points(self.weight, self.mean, self.scatter)
        predictors = iter(values.T)
        labels = dict(zip(self.positions, zip(*self.keys, strict=True), strict=False))
        X = pd.DataFrame(
            {
                j: _objects(labels[j])[cell] if j in labels else next(predictors)
                for j in range(self.columns.n)
            }
        )
        if self.columns.names is not None:
            X.columns = pd.Index(self.columns.names)
        return X, values[:, -1], weight


def _objects(labels: Sequence[Label]) -> Any:
    """An array of labels as they are."""
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


def _one_cell(n: int) -> tuple[Any, Any]:
    """The cells of n rows without group columns."""
    return np.zeros((1, 0), dtype=np.int64), np.zeros(n, dtype=np.int64)


def _sigma_points(weight: Floats, mean: Floats, scatter: Floats) -> tuple[Any, Floats, Floats]:
    """Points (m, d) and their weights (m,) with these moments, and the cell of each, (m,).

    A cell of r directions with a spread has 2 r of them, one without any spread its mean.
    """
    variance = scatter / weight[:, None, None]
    sd = np.sqrt(np.einsum("cjj->cj", variance))
    scale = np.where(sd > 0, sd, 1.0)
    values, vectors = np.linalg.eigh(variance / (scale[:, :, None] * scale[:, None]))
    spread = values > _NO_SPREAD * np.maximum(values[:, -1:], 1.0)
    n_directions = spread.sum(axis=1)
    alone = np.flatnonzero(n_directions == 0)
    cell, direction = np.nonzero(spread)
    length = np.sqrt(n_directions[cell] * values[cell, direction])
    step = length[:, None] * vectors[cell, :, direction] * scale[cell]
    share = weight[cell] / (2 * n_directions[cell])
    return (
        np.concatenate([cell, cell, alone]),
        np.concatenate([mean[cell] + step, mean[cell] - step, mean[alone]]),
        np.concatenate([share, share, weight[alone]]),
    )
