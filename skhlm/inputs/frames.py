"""X, y and sample_weight as the user gives them -> checked arrays: predictors, group columns."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import (
    _check_sample_weight,
    _get_feature_names,
    _num_features,
    _num_samples,
    validate_data,
)

from skhlm._typing import Bools, Floats
from skhlm.exceptions import Message, stacklevel_of_user
from skhlm.families import FAMILIES, Family
from skhlm.families.links import LOG
from skhlm.inputs.classes import Classes, check_labels
from skhlm.inputs.columns import (
    Columns,
    GroupColumn,
    as_list,
    check_characters,
    is_arrow,
    is_frame,
    labels_of,
    listed,
    read_group_column,
)
from skhlm.inputs.hierarchy import Hierarchy, parse_groups
from skhlm.inputs.outcomes import (
    and_others,
    check_finite,
    check_not_masked,
    check_possible,
    check_tractable,
)

_LEAST_WEIGHT, _MOST_WEIGHT = 1e-9, 2.0**53  # of all rows together
_MOST_WEIGHT_RATIO = 1e12  # of any two rows
_TEMPORAL = re.compile("date|time|duration|period", re.IGNORECASE)  # how such types begin

_KNOWS_THE_ARGUMENT = re.compile(r"\by\b|sample_weight|Sample weights|^(Found|Complex|Sparse)")


@dataclass(frozen=True)
class FitData:
    """What ``fit`` was given, checked; rows of weight zero are left out, as if never given.

    ====================  ======  ==============================================================
    field                 shape   what it is
    ====================  ======  ==============================================================
    ``columns``                   the columns of X
    ``hierarchies``               what ``groups`` asks for
    ``predictor_names``   p       what the predictors are called
    ``predictors``        (n, p)  the columns of X that are in no hierarchy; behind them, where
                                  there is an exposure, its logarithm
    ``groups``                    the group columns, by their position in X
    ``y``, ``weight``     (n,)    outcome; frequency weights, > 0
    ``exposure``                  position of the exposure in X, or None
    ``classes``                   what zeros and ones of y stand for, or None
    ====================  ======  ==============================================================
    """

    columns: Columns
    hierarchies: tuple[Hierarchy, ...]
    predictor_names: tuple[str, ...]
    predictors: Floats
    groups: Mapping[int, GroupColumn]
    y: Floats
    weight: Floats
    exposure: int | None = None
    classes: Classes | None = None


def check_fit_data(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    sample_weight: Any,
    groups: object,
    *,
    family: Family | None = None,
    exposure: object = None,
    has_classes: bool = False,
) -> FitData:
    """Check the arguments of ``fit``; set ``n_features_in_`` and ``feature_names_in_``.

    These are scikit-learn's checks with its messages; those of numbers see the predictors only. A
    ``family`` says which outcomes there can be; with ``has_classes`` they are labels.
    """
    X, columns = check_fit_table(estimator, X, y, sample_weight)
    hierarchies = parse_groups(groups, columns)
    position = None if exposure is None else _find_exposure(exposure, columns, hierarchies, family)
    kept = predictor_positions(hierarchies, columns, position)
    # one row says nothing about a spread
    predictors = _read_predictors(estimator, X, columns, hierarchies, position, min_samples=2)
    outcome = (
        check_labels(y, len(predictors)) if has_classes else check_observed(y, len(predictors))
    )
    weight = check_weight(sample_weight, predictors)
    used = _check_used(weight)
    classes = Classes.of(outcome[used]) if has_classes else None
    if family is not None and classes is None:
        check_possible(family, outcome, y)
        check_tractable(family, outcome, weight, y)
    group_columns = read_group_columns(X, hierarchies, columns)
    return FitData(
        columns=columns,
        hierarchies=hierarchies,
        predictor_names=tuple(map(columns.predictor_name, kept)),
        predictors=predictors[used],
        groups={j: column.rows(used) for j, column in group_columns.items()},
        y=outcome[used] if classes is None else classes.numbers(outcome[used]),
        weight=weight[used],
        exposure=position,
        classes=classes,
    )


def check_predict_data(
    estimator: BaseEstimator,
    X: Any,
    columns: Columns,
    hierarchies: Sequence[Hierarchy],
    exposure: int | None = None,
) -> tuple[Floats, dict[int, GroupColumn]]:
    """Predictors (n, p) and group columns, by position, of an X that must look like that of fit.

    Where a column is the exposure, its logarithm is behind the predictors, (n, p + 1).
    """
    X = check_predict_table(estimator, X, hierarchies)
    predictors = _read_predictors(estimator, X, columns, hierarchies, exposure)
    return predictors, read_group_columns(X, hierarchies, columns)


def check_fit_table(
    estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any
) -> tuple[Any, Columns]:
    """X as a frame or array, and its columns, which the estimator learns; y may be None."""
    X = _check_table(estimator, X)
    _warn_misaligned(X, y=y, sample_weight=sample_weight)
    validate_data(estimator, X, y, skip_check_array=True)
    return X, Columns(estimator.n_features_in_, _names(estimator))


def check_predict_table(estimator: BaseEstimator, X: Any, hierarchies: Sequence[Hierarchy]) -> Any:
    """X as a frame or array with the columns of fit."""
    X = _check_table(estimator, X)
    _check_has_names(X, hierarchies)
    validate_data(estimator, X, reset=False, skip_check_array=True)
    return X


def check_observed(y: Any, n_rows: int) -> Floats:
    """Observed outcomes (n,) of rows to be scored: finite numbers, one for each row of X."""
    check_not_masked(y, "y")
    _check_not_wide(y, "y")
    with _naming("y"):
        _check_not_yes_no(y)
        values = check_array(
            y, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="y"
        )
        _check_no_pairs(values)
        values = column_or_1d(values, warn=True)
    if len(values) != n_rows:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n_rows} rows and "
            f"y {len(values)}."
        )
    numbers = _as_numbers(values)
    check_finite(numbers, y)
    return numbers


def columns_of(X: Any) -> Columns:
    """The columns of a table that no model need have seen."""
    names = _get_feature_names(X)
    return Columns(_num_features(X), None if names is None else tuple(names))


def predictor_positions(
    hierarchies: Sequence[Hierarchy], columns: Columns, exposure: int | None = None
) -> list[int]:
    """The columns of X that are in no hierarchy, and not the exposure."""
    taken = {position for hierarchy in hierarchies for position in hierarchy.columns} | {exposure}
    return [position for position in range(columns.n) if position not in taken]


def _read_predictors(
    estimator: BaseEstimator,
    X: Any,
    columns: Columns,
    hierarchies: Sequence[Hierarchy],
    exposure: int | None,
    min_samples: int = 1,
) -> Floats:
    """What scikit-learn makes of the predictors, (n, p), and the logarithm of the exposure.

    Groups alone are enough to fit, and so is an exposure.
    """
    kept = predictor_positions(hierarchies, columns, exposure)
    min_features = 0 if hierarchies or exposure is not None else 1
    predictors = read_numbers(
        estimator, X, kept, columns, min_samples=min_samples, min_features=min_features
    )
    if exposure is None:
        return predictors
    return np.column_stack([predictors, np.log(_read_exposure(X, exposure, columns))])


def read_numbers(
    estimator: BaseEstimator,
    X: Any,
    positions: Sequence[int],
    columns: Columns,
    *,
    min_samples: int = 1,
    min_features: int = 1,
) -> Floats:
    """What scikit-learn makes of some columns, by increasing positions: finite numbers (n, p)."""
    with _naming_predictors(X, positions, columns):
        numbers: Floats = check_array(
            _select(X, positions),
            input_name="X",
            dtype=np.float64,
            order="C",
            ensure_min_samples=min_samples,
            ensure_min_features=min_features,
            estimator=estimator,
        )
    return numbers


def _find_exposure(
    exposure: object, columns: Columns, hierarchies: Sequence[Hierarchy], family: Family | None
) -> int:
    """Position of the exposure; raise where it cannot be one."""
    if as_list(exposure) is not None or len(getattr(exposure, "shape", ())):
        raise TypeError(
            f"exposure: got a {type(exposure).__name__}; its values stay inside X, and exposure "
            "says where: add them to X as a column, such as X.assign(days=...), and give its name "
            "or position, exposure='days'."
        )
    if family is None or family.link != LOG:
        known = listed(name for name, other in FAMILIES.items() if other.link == LOG)
        trials = (
            " Trials are the sample_weight of shares, y = successes / trials."
            if family is not None and family.is_binary
            else ""
        )
        raise ValueError(
            Message(
                f"exposure: got {exposure!r}, but the expected outcome is not proportional to "
                f"anything unless its logarithm is what is modelled, as in the families {known}.",
                python="Set exposure=None, which leaves the column a predictor, or choose one of "
                f"these.{trials}",
                elsewhere="Leave `exposure` out, which makes the column a predictor, or choose one "
                f"of these.{trials}",
            )
        )
    position = columns.position(exposure, "exposure")
    if any(position in hierarchy.columns for hierarchy in hierarchies):
        raise ValueError(
            f"exposure: {exposure!r} is a group column as well. A column is one or the other: take "
            "it out of `groups`, or give a copy of it another name."
        )
    return position


def _read_exposure(X: Any, position: int, columns: Columns) -> Floats:
    """A column of positive numbers, (n,)."""
    name = columns.group_name(position)
    _check_types(X, [position], columns)
    if not _is_numeric(X, position):
        raise ValueError(
            f"exposure: column {name!r} does not hold numbers. It is what the expected outcome is "
            "proportional to, such as days observed or people asked."
        )
    values: Floats = check_array(
        _select(X, [position]), dtype=np.float64, ensure_all_finite=False, ensure_min_samples=0
    )[:, 0]
    if (bad := ~(np.isfinite(values) & (values > 0))).any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"exposure: column {name!r} is {values[row]:g} in row {row}{and_others(bad)}, and it "
            "must be a positive number in each: the expected outcome is proportional to it. Leave "
            "out rows without exposure, in which nothing could happen, and fill in those where it "
            "is missing."
        )
    return values


def _check_table(estimator: BaseEstimator, X: Any) -> Any:
    """X as a frame with distinct column names or as a numpy array with two dimensions."""
    check_not_masked(X, "X")
    if hasattr(X, "__dask_graph__"):
        raise TypeError(
            "X is Dask's, and its rows are not there yet: pass X.compute(), of a sample if there "
            "are too many. Dask frames are for fit, predict, predict_interval, predict_quantiles "
            "and predict_proba."
        )
    if is_frame(X):
        _check_names(X)
        if X.shape[1]:
            return _dense(X)
        X = np.empty(X.shape)
    if hasattr(X, "collect_schema") and not hasattr(X, "shape"):
        raise TypeError("X is a lazy frame, whose rows are not there yet: pass X.collect().")
    X = as_table(X)
    return check_array(X, dtype=None, ensure_all_finite=False, estimator=estimator, input_name="X")


def _check_names(frame: Any) -> None:
    """Raise where columns cannot be told apart, or a name is none that can be written."""
    labels = labels_of(frame)
    names = [name for name in labels if isinstance(name, str)]
    for name in names:
        check_characters(name, "X: the name of column")
    if names:
        _check_all_strings(labels)
    repeated = [name for name, count in Counter(labels).items() if count > 1]
    if repeated:
        raise ValueError(
            f"X has several columns of the same name: {listed(repeated)}. Rename them, so that "
            "each column can be told from the others."
        )


def _check_all_strings(labels: Sequence[Any]) -> None:
    """Raise where only some columns have strings as names, which scikit-learn cannot remember."""
    if others := [name for name in labels if type(name) is not str]:
        kinds = ", ".join(sorted({type(name).__name__ for name in others}))
        raise TypeError(
            "Feature names are only supported if all input features have string names, but these "
            f"columns of X have names of type {kinds}: {listed(others)}. Turn them into strings, "
            "for example with X.columns = X.columns.astype(str)."
        )


def _dense(X: Any) -> Any:
    """A frame without pandas' sparse columns."""
    if not isinstance(X, pd.DataFrame):
        return X
    sparse = {x: t.subtype for x, t in X.dtypes.items() if isinstance(t, pd.SparseDtype)}
    return X.astype(sparse) if sparse else X


def _has_names(X: Any) -> bool:
    """Whether columns of X can be found by name."""
    return is_frame(X) and all(isinstance(label, str) for label in labels_of(X))


def as_table(X: Any) -> Any:
    """X as a frame or an array; rows of a list in one where strings and numbers stay apart."""
    if not isinstance(X, (list, tuple)):
        return X
    array = np.asarray(X)
    return np.asarray(X, dtype=object) if array.dtype.kind in "US" else array


def as_pandas(X: Any) -> Any:
    """A frame of any package as one of pandas; what is none stays as it is."""
    if not is_frame(X) or isinstance(X, pd.DataFrame):
        return X
    return pd.DataFrame({label: column_at(X, i) for i, label in enumerate(labels_of(X))})


def _names(estimator: BaseEstimator) -> tuple[str, ...] | None:
    """Column names as scikit-learn learned them."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(names)


def _check_has_names(X: Any, hierarchies: Sequence[Hierarchy]) -> None:
    """Raise where groups were given by name and X has none."""
    named = [hierarchy.factors[-1] for hierarchy in hierarchies if hierarchy.by_name]
    if named and not _has_names(X):
        raise ValueError(
            f"X has no column names, but `groups` names columns of X: {listed(named)}. Pass a data "
            "frame with the columns of fit, or fit with groups given by position. A transformer "
            "before the model keeps names with .set_output(transform='pandas')."
        )


def _select(X: Any, positions: Sequence[int]) -> Any:
    """Some columns of a frame or array, as the same kind of object."""
    if len(positions) == X.shape[1]:
        return X
    if not positions:
        return np.empty((_num_samples(X), 0))
    if hasattr(X, "iloc"):
        return X.iloc[:, list(positions)]
    if is_arrow(X):
        return X.select(list(positions))
    return X[:, list(positions)]


def column_at(X: Any, position: int) -> Any:
    """One column of a frame or array, as pandas can factorise it."""
    if hasattr(X, "iloc"):
        return X.iloc[:, position]
    if is_arrow(X):
        return _from_arrow(X.column(position))
    column = X[:, position]
    return _from_polars(column) if hasattr(column, "to_numpy") else column


def _from_arrow(column: Any) -> Any:
    """A column of pyarrow: whole numbers beside missing ones stay whole, dates keep their zone."""
    if hasattr(column.type, "index_type") and hasattr(column.type.value_type, "tz"):
        column = column.cast(column.type.value_type)  # a dictionary would come without
    return column.to_pandas(integer_object_nulls=True)


def _from_polars(column: Any) -> Any:
    """A column of polars, as for pyarrow; numpy has neither zones nor integers of 128 bits."""
    if zone := getattr(column.dtype, "time_zone", None):
        return pd.Series(column.to_numpy()).dt.tz_localize("UTC").dt.tz_convert(zone)
    if column.dtype.is_integer() and (column.null_count() or _is_wide(column.dtype)):
        return np.array(column.to_list(), dtype=object)
    return column.to_numpy()


def _is_wide(dtype: object) -> bool:
    """Whether a type, or its name, is that of integers of 128 bits, which numpy lacks."""
    return str(dtype).endswith("nt128")


def read_group_columns(
    X: Any, hierarchies: Sequence[Hierarchy], columns: Columns
) -> dict[int, GroupColumn]:
    """The columns of all hierarchies, by position."""
    positions = sorted({position for h in hierarchies for position in h.columns})
    return {j: read_group_column(columns.group_name(j), column_at(X, j)) for j in positions}


@contextmanager
def _naming_predictors(X: Any, positions: Sequence[int], columns: Columns) -> Iterator[None]:
    """Where scikit-learn cannot use predictors, say which they are."""
    _check_types(X, positions, columns)
    try:
        yield
    except (TypeError, ValueError, ArithmeticError) as error:
        first = str(error).partition("\n")[0]  # the rest is about other estimators
        if first.startswith("Found array"):  # too small, whatever it holds
            raise
        if first.startswith("Input X contains"):
            raise ValueError(
                Message(
                    f"{first} Columns: {_count_not_finite(X, positions, columns)}. Drop these "
                    "rows, or fill them in",
                    python=", for example with SimpleImputer.",
                    elsewhere=".",
                )
            ) from error
        if not (wrong := [j for j in positions if not _is_numeric(X, j)]):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        groups = "name them in `groups` if they hold the levels of grouping factors."
        raise kind(
            Message(
                f"Predictors must be numbers, but these columns are not: "
                f"{_quoted(wrong, columns)} ({first}).",
                python="Encode them, for example with OneHotEncoder in a ColumnTransformer, or "
                f"{groups}",
                elsewhere=f"Leave them out of `predictors`, or {groups}",
            )
        ) from error


def _check_types(X: Any, positions: Sequence[int], columns: Columns) -> None:
    """Raise for types of which numpy would make numbers that mean something else."""
    dtypes = _dtypes(X)
    if wrong := [j for j in positions if _TEMPORAL.match(dtypes[j])]:
        raise TypeError(
            f"Predictors must be numbers, but these columns hold dates or times: "
            f"{_quoted(wrong, columns)}. Turn them into numbers, for example days since the first."
        )
    if wrong := [j for j in positions if _is_wide(dtypes[j])]:
        raise TypeError(
            f"Predictors must be numbers of at most 64 bits, but these columns are of 128: "
            f"{_quoted(wrong, columns)}. Cast them to Float64 or Int64."
        )
    if wrong := [j for j in positions if dtypes[j].startswith("complex")]:
        raise ValueError(
            f"Complex data not supported, but these columns are complex: "
            f"{_quoted(wrong, columns)}. Give real and imaginary parts as columns of their own."
        )


def _count_not_finite(X: Any, positions: Sequence[int], columns: Columns) -> str:
    """How many rows of each column are NaN or infinite; columns without any are left out."""
    numbers = check_array(_select(X, positions), dtype=np.float64, ensure_all_finite=False)
    counts = zip(positions, (~np.isfinite(numbers)).sum(axis=0).tolist(), strict=True)
    return ", ".join(f"{_quoted([j], columns)}: {n} row{'s' * (n > 1)}" for j, n in counts if n > 0)


def _quoted(positions: Sequence[int], columns: Columns) -> str:
    names = columns.names
    return ", ".join(str(j) if names is None else repr(names[j]) for j in positions)


def _dtypes(X: Any) -> list[str]:
    """Types of the columns, as text; one entry serves all columns of an array."""
    dtypes = getattr(X, "dtypes", None)
    if dtypes is None:
        dtypes = X.schema.types if hasattr(X, "schema") else [X.dtype] * X.shape[1]
    return [str(dtype) for dtype in dtypes]


def _is_numeric(X: Any, position: int) -> bool:
    """Whether scikit-learn can make numbers of one column."""
    try:
        check_array(
            _select(X, [position]),
            dtype=np.float64,
            accept_sparse=True,
            ensure_all_finite=False,
            ensure_min_samples=0,
        )
    except (TypeError, ValueError, ArithmeticError):
        return False
    return True


def _as_numbers(y: Any) -> Floats:
    """Outcome (n,) as floats; what is missing among objects is NaN."""
    if y.dtype.kind in "mM":
        raise TypeError(f"y must hold numbers, but its type is {y.dtype}.")
    with _naming("y"):
        values = np.where(pd.isna(y), np.nan, y) if y.dtype.kind == "O" else y
        numbers: Floats = values.astype(np.float64)
    return numbers


def _check_no_pairs(y: Any) -> None:
    """Raise for two columns, as other packages take successes and failures."""
    if y.ndim == 2 and y.shape[1] == 2:
        raise ValueError(
            f"y should be a 1d array, got an array of shape {y.shape} instead. Of successes and "
            "failures family='binomial' takes the shares, y = successes / trials, with the trials "
            "as sample_weight."
        )


def _check_not_yes_no(y: Any) -> None:
    """Raise where the outcome is yes or no, of which scikit-learn would make 1 and 0."""
    values = np.asarray(y)
    if values.dtype.kind in "bO" and infer_dtype(values.ravel(), skipna=True) == "boolean":
        raise TypeError(
            Message(
                "y holds yes/no values (bool), and this is a regression of numbers: its intervals "
                "and densities would be wrong for them.",
                python="Use a classifier, HLMClassifier; if the share is really to be modelled as "
                "a number, pass y.astype(float).",
                elsewhere="Leave `family` out, so that the probability of each is fitted.",
            )
        )


def _check_used(weight: Floats) -> Bools:
    """Which rows have a weight, (n,); raise where they are a single one."""
    used: Bools = weight > 0
    if used.sum() == 1 and weight.max() < 2:
        raise ValueError(
            "Only 1 sample has a sample_weight above zero, and 2 are needed: one row says nothing "
            "about a spread."
        )
    return used


def check_weight(sample_weight: Any, predictors: Floats) -> Floats:
    """Frequency weights (n,): finite, not negative, not all zero, of sizes that add up."""
    check_not_masked(sample_weight, "sample_weight")
    _check_not_wide(sample_weight, "sample_weight")
    with _naming("sample_weight"):
        weight: Floats = _check_sample_weight(
            sample_weight, predictors, dtype=np.float64, ensure_non_negative=True
        )
    with np.errstate(over="ignore"):
        total = weight.sum()
    if total == 0:
        raise ValueError("Sample weights must contain at least one non-zero number.")
    if not np.isfinite(total):
        raise ValueError("The sum of sample_weight is too large for a float.")
    largest, smallest = weight.max(), weight[weight > 0].min()
    if not _LEAST_WEIGHT <= total <= _MOST_WEIGHT or largest > _MOST_WEIGHT_RATIO * smallest:
        raise ValueError(
            f"sample_weight counts how often each row was seen, and goes from {smallest:.3g} to "
            f"{largest:.3g}, with a sum of {total:.3g}: sums of these would lose all digits of "
            f"some. Rescale them to a sum between {_LEAST_WEIGHT:g} and {_MOST_WEIGHT:.3g}, and "
            "give rows that count for nothing weight 0."
        )
    return weight


def _check_not_wide(given: Any, argument: str) -> None:
    """Raise for integers that numpy cannot hold."""
    dtypes = _dtypes(given) if is_frame(given) else [getattr(given, "dtype", None)]
    if any(map(_is_wide, dtypes)):
        raise TypeError(
            f"{argument} holds integers of 128 bits, which numpy does not have: cast it to Int64."
        )


@contextmanager
def _naming(argument: str) -> Iterator[None]:
    """Where numbers cannot be made of an argument, say which it is."""
    try:
        yield
    except (TypeError, ValueError, ArithmeticError) as error:
        if str(error).startswith("Complex"):  # and goes on with all the values
            raise ValueError(f"Complex data not supported, but {argument} is complex.") from error
        if _KNOWS_THE_ARGUMENT.search(str(error)):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        labels = (
            "Labels of two classes are for HLMClassifier, in compare model=HLMClassifier(...)."
            if argument == "y"
            else ""
        )
        raise kind(Message(f"{argument} must hold numbers ({error}).", python=labels)) from error


def _warn_misaligned(X: Any, **others: Any) -> None:
    """Warn where pandas indexes of X and of y or weights hold the same labels in another order."""
    ours = getattr(X, "index", None)
    for name, other in others.items():
        if _same_labels_reordered(ours, getattr(other, "index", None)):
            warnings.warn(
                f"X and {name} have the same index labels in different orders. Rows are paired by "
                f"position, as everywhere in scikit-learn; reindex {name} ({name}.loc[X.index]) if "
                "labels should decide.",
                UserWarning,
                stacklevel=stacklevel_of_user(),
            )


def _same_labels_reordered(ours: Any, theirs: Any) -> bool:
    if not (isinstance(ours, pd.Index) and isinstance(theirs, pd.Index)) or ours.equals(theirs):
        return False
    if len(ours) != len(theirs) or ours.nlevels != theirs.nlevels:
        return False
    return bool(ours.isin(theirs).all())
