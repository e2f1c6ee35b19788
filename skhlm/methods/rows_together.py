"""Rows that are looked at together: as the model sees them, and in groups by columns of X."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats, Ints
from skhlm.inputs.columns import GroupColumn, as_list
from skhlm.inputs.frames import as_table, column_at, columns_of
from skhlm.methods.arguments import check_has_eta
from skhlm.methods.fitted import Fitted, find_hierarchical
from skhlm.methods.original_scale import on_scale_of_y
from skhlm.methods.paths import check_no_name, values_of
from skhlm.posterior import prediction
from skhlm.posterior.posterior import from_zero
from skhlm.reports.frames import free_names
from skhlm.wrappers import Route


@dataclass(frozen=True)
class Rows:
    """Rows of which joint draws are wanted.

    ==============  ======  ======================================================
    ``model``               what predicts in the end
    ``X``                   the rows as they were given
    ``predictors``  (n, p)  what the model sees
    ``codes``       (n, G)  levels
    ``new_levels``  (n, G)  which of the new ones, as in `prediction.joint_draws`
    ``columns``             what the model's group columns hold, as they were given
    ==============  ======  ======================================================
    """

    model: Fitted
    X: Any
    predictors: Floats
    codes: Ints
    new_levels: Ints
    columns: Mapping[int, GroupColumn]

    @classmethod
    def read(cls, model: Fitted, X: Any, seen: Any) -> Rows:
        """Rows of X, which reach the model as ``seen``."""
        predictors, codes, columns = model._rows(seen)
        new_levels = model._spec.groups.new_levels(columns, codes)
        return cls(model, X, predictors, codes, new_levels, columns)

    @property
    def values(self) -> dict[str, list[object]]:
        """Of the model's group columns, (n,) each."""
        return values_of(self.columns)

    def some(self, rows: Ints) -> Rows:
        """Some of them, as if there were no others; X stays, and so do columns."""
        return replace(
            self,
            predictors=self.predictors[rows],
            codes=self.codes[rows],
            new_levels=from_zero(self.new_levels[rows]),
        )

    def warn_of_few_draws(self, kind: str) -> None:
        """Warn where expected values of their new levels rest on few draws."""
        if kind == "mean":
            prediction.warn_of_few_draws(self.model._posterior, self.predictors, self.codes)

    def moved(self, predictors: Floats) -> Rows:
        """With other predictors."""
        return replace(self, predictors=predictors)


def route_of(estimator: Any, X: Any, kind: str = "mean") -> Route:
    """The way to the model, whose expected values are those of y, of its logarithm, too."""
    check_no_name(X)
    route = find_hierarchical(estimator)
    check_has_eta(kind, has_targets=bool(route.targets))
    return on_scale_of_y(route)


def group_rows(X: Any, by: Any, used: Ints) -> tuple[pd.DataFrame, Ints]:
    """The values of columns of X in some rows, each combination once, and which each row has."""
    if by is None:
        return pd.DataFrame(index=[0]), np.zeros(len(used), dtype=np.int64)
    X = as_table(X)
    columns = columns_of(X)
    wanted = [by] if (several := as_list(by)) is None else several
    positions = list(dict.fromkeys(columns.position(one, "by") for one in wanted))
    if not positions:
        raise ValueError("by: name a column of X, or leave it out for all rows together.")
    names = [columns.group_name(position) for position in positions]
    values = [pd.Series(column_at(X, position)).iloc[used] for position in positions]
    frame = pd.concat([value.reset_index(drop=True) for value in values], axis=1)
    grouped = frame.set_axis(range(len(names)), axis=1)
    numbers = grouped.groupby(list(grouped), dropna=False, observed=True, sort=True).ngroup()
    first = np.unique(numbers, return_index=True)[1]
    return frame.iloc[first].set_axis(names, axis=1).reset_index(drop=True), np.asarray(
        numbers, np.int64
    )


def frame_of_groups(groups: pd.DataFrame, numbers: Mapping[str, Any]) -> pd.DataFrame:
    """The values of columns of X beside numbers, whose names they give way to."""
    names = free_names(map(str, groups.columns), numbers)
    return pd.concat([groups.set_axis(names, axis=1), pd.DataFrame(dict(numbers))], axis=1)
