"""Names of a model's parameters: coefficients, grouping factors, levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skhlm._typing import Ints
from skhlm.inputs.columns import Label

INTERCEPT = "Intercept"  # the one at x = 0
AT_THE_MEANS = f"{INTERCEPT} at the means"


@dataclass(frozen=True)
class Labels:
    """What the parameters of a fitted model are called.

    =================  =============  ==============================================================
    ``coefficients``   K              "Intercept" and predictors
    ``factors``        G              grouping factors, such as "region/country"
    ``group_columns``  G tuples       the columns that identify a factor's levels, coarse to fine
    ``levels``         G times J_g    levels: tuples of the values of these columns
    ``varying``        G x (K_g,)     which coefficients vary by the factor, increasing
    ``centred``        bool           whether the model is fitted elsewhere than at x = 0
    =================  =============  ==============================================================
    """

    coefficients: tuple[str, ...]
    factors: tuple[str, ...]
    group_columns: tuple[tuple[str, ...], ...]
    levels: tuple[tuple[tuple[Label, ...], ...], ...]
    varying: tuple[Ints, ...]
    centred: bool = False

    @property
    def where_fitted(self) -> Labels:
        """Names of the parameters that the model is fitted in, at the predictors' means."""
        return self._with_intercept(AT_THE_MEANS)

    @property
    def titles(self) -> Labels:
        """Names that say of the reported intercept where it is."""
        return self._with_intercept(f"{INTERCEPT} at x = 0")

    def varying_names(self, g: int) -> list[str]:
        """Names of the coefficients that vary by factor g."""
        return [self.coefficients[k] for k in self.varying[g]]

    def pair_names(self, g: int) -> list[str]:
        """Names of the correlations of factor g, in the order of `pairs`."""
        names = self.varying_names(g)
        return [f"{names[j]}, {names[i]}" for i, j in zip(*pairs(len(names)), strict=True)]

    def effects(self, g: int, levels: Ints) -> dict[str, Any]:
        """Columns that name the effects of some levels of factor g, (levels x K_g) rows."""
        names = self.varying_names(g)
        titles = np.empty(len(levels), dtype=object)
        titles[:] = [self.levels[g][level] for level in levels]
        return {
            "factor": self.factors[g],
            "level": titles.repeat(len(names)),
            "coefficient": names * len(levels),
        }

    def values(self, codes: Ints) -> dict[str, list[Label]]:
        """Values of the group columns for combinations of levels seen at fit, codes (n, G)."""
        values: dict[str, list[Label]] = {}
        for g, columns in enumerate(self.group_columns):
            levels = self.levels[g]
            for depth, column in enumerate(columns):
                values[column] = [levels[code][depth] for code in codes[:, g]]
        return values

    def _with_intercept(self, name: str) -> Labels:
        """The same with another name of the intercept, if it matters where that is."""
        if not self.centred:
            return self
        return replace(self, coefficients=(name, *self.coefficients[1:]))


def pairs(n: int) -> tuple[Ints, Ints]:
    """Rows and columns of the strict lower triangle: the correlations of n coefficients."""
    rows, columns = np.tril_indices(n, -1)
    return rows.astype(np.int64), columns.astype(np.int64)


def paths(levels: Sequence[tuple[Label, ...]]) -> list[str]:
    """Levels in words, coarse to fine; as tuples where they read alike, ("a/b",) and ("a", "b")."""
    joined = ["/".join(map(str, level)) for level in levels]
    owners: dict[str, set[tuple[Label, ...]]] = {}
    for name, level in zip(joined, levels, strict=True):
        owners.setdefault(name, set()).add(level)
    return [
        name if len(owners[name]) == 1 else repr(level)
        for name, level in zip(joined, levels, strict=True)
    ]
