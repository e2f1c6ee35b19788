"""Labels of two classes, of any type, as zeros and ones."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skhlm._typing import Floats, Ints
from skhlm.exceptions import Message, stacklevel_of_user
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.outcomes import check_finite, check_not_masked, where
from skhlm.inputs.spelling import told_twins

_REMEDIES = {  # of objects, by what they are
    "boolean": "y.astype(bool)",
    "integer": "y.astype(int)",
    "floating": "y.astype(float)",
}


@dataclass(frozen=True, eq=False)
class Classes:
    """Two labels in increasing order; the second is the one whose probability is modelled."""

    labels: Any

    @property
    def plain(self) -> list[Any]:
        """The labels as one reads them: of nanoseconds numpy's own list has whole numbers."""
        if self.labels.dtype.kind == "m":
            return [*self.labels]
        dates = self.labels.dtype.kind == "M"
        plain: list[Any] = (self.labels.astype("M8[us]") if dates else self.labels).tolist()
        return plain

    @classmethod
    def of(cls, labels: Any) -> Classes:
        """Those among labels (n,); raise where there are not two."""
        check_classification_targets(labels)
        found = np.unique(labels)
        if len(found) < 2:
            raise ValueError(
                f"y holds one class alone, {listed(cls(found).plain)} in all {len(labels)} rows "
                "that have a weight, and a classifier needs two classes: check which column is the "
                "outcome, and how rows were chosen."
            )
        if len(found) > 2:
            twins = told_twins(cls(found).plain)
            raise ValueError(
                Message(
                    "Only binary classification is supported. The type of the target is "
                    f"multiclass: y holds {len(found)} classes, {listed(cls(found).plain)}.",
                    python="For more than two wrap the model, "
                    f"OneVsRestClassifier(HLMClassifier(...)) of sklearn.multiclass.{twins}",
                    elsewhere=twins.strip(),
                )
            )
        if told := told_twins(cls(found).plain):
            warnings.warn(f"The two classes of y:{told}", UserWarning, stacklevel_of_user())
        return cls(found)

    def numbers(self, labels: Any) -> Floats:
        """0.0 for the first class and 1.0 for the second, (n,); raise for another label."""
        second = np.asarray(labels == self.labels[1])
        known = second | (labels == self.labels[0])
        if not np.all(known):
            row = int(np.argmin(known))
            (label,) = Classes(labels[[row]]).plain
            raise ValueError(
                f"y is {label!r} in row {row}, which is no class of the model. Its "
                f"classes are {listed(self.plain)}.{suggestion(label, self.plain)}"
            )
        return second.astype(np.float64)

    def named(self, numbers: Ints) -> Any:
        """The labels of zeros and ones of any shape."""
        return self.labels[numbers]


def check_labels(y: Any, n_rows: int) -> Any:
    """Labels (n,) of types that scores know, one for each row of X and none missing."""
    check_not_masked(y, "y")
    if np.asarray(y).dtype.kind == "c":
        raise ValueError("Complex data not supported, but y is complex.")
    labels = column_or_1d(y, warn=True)
    if labels.dtype.kind in "OmM" and (missing := pd.isna(labels)).any():
        nothing = np.full(len(labels), np.nan)
        raise ValueError(
            f"Input y contains NaN. {where(missing, nothing, y)}: leave out the rows whose class "
            "is missing."
        )
    _check_type(labels)
    if labels.dtype.kind == "f":
        check_finite(labels, y)
    if len(labels) != n_rows:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n_rows} rows and "
            f"y {len(labels)}."
        )
    return labels


def _check_type(labels: Any) -> None:
    """Raise where labels have no order, or scikit-learn's scores would not take them for classes.

    Objects that are numbers or booleans could be fitted, but not scored: `predict` would give them
    back with their own type, which its scores hold to be another kind of target.
    """
    if labels.dtype.kind not in "OSTV":
        return
    kind = infer_dtype(labels, skipna=False) if labels.dtype.kind == "O" else "other"
    if kind.startswith("mixed") and len(types := {type(label).__name__ for label in labels}) > 1:
        raise TypeError(
            f"y mixes kinds of labels: {', '.join(sorted(types))}. Classes are told apart and "
            "ordered by their values, so let them be of one type."
        )
    if kind not in ("string", "empty"):
        wide = kind == "integer" and max(map(abs, labels)) > np.iinfo(np.int64).max
        remedy = _REMEDIES.get("wide" if wide else kind, "list(map(str, y))")
        raise ValueError(
            f"Unknown label type: {type(labels[0]).__name__} in an array of type {labels.dtype}, "
            "which scikit-learn's scores do not take for classes. Convert the labels of y: "
            f"{remedy}."
        )
