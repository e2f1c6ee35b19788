"""`GroupMeans`: a step before the model that adds the mean of a predictor in each row's group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Hidden, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skhlm._typing import Bools, Floats, Ints
from skhlm.inputs.columns import Columns, GroupColumn, as_list, is_arrow, listed
from skhlm.inputs.design import canonical_rows
from skhlm.inputs.frames import (
    check_fit_table,
    check_predict_table,
    check_weight,
    read_group_columns,
    read_numbers,
)
from skhlm.inputs.hierarchy import Groups, Hierarchy, by_factor, learn_groups, parse_groups
from skhlm.inputs.moved import widened
from skhlm.numerics.cell_sums import sum_by_cell

_Self = TypeVar("_Self", bound="GroupMeans")


class _Mean(NamedTuple):
    """One of the columns that are added: of which column, by which factor."""

    position: int
    factor: int


@dataclass(frozen=True, eq=False)
class _Learned:
    """What `fit` leaves.

    =============  =========  ==============================================
    ``columns``               the columns of X
    ``groups``                grouping factors and their levels
    ``added``      m          the columns to add
    ``positions``  p          the columns whose means they are, increasing
    ``means``      (J_g, p)   of each level, for each factor
    ``overall``    (1, p)     of all rows
    =============  =========  ==============================================
    """

    columns: Columns
    groups: Groups
    added: tuple[_Mean, ...]
    positions: tuple[int, ...]
    means: tuple[Floats, ...]
    overall: Floats

    def names(self, columns: Sequence[str]) -> list[str]:
        """What the columns to add are called, by the names of the columns of X."""
        factors = ["/".join(columns[j] for j in factor.columns) for factor in self.groups.factors]
        return [f"{columns[mean.position]} (mean of {factors[mean.factor]})" for mean in self.added]


@dataclass
class _Moved:
    """Rows on their way through steps that have other values in a column than were given.

    ==============  ====  ===================================================================
    ``origin``      (N,)  which of the rows given each is
    ``has_new``           whether a mean was of the rows passed, so that it moved
    ``are_given``         whether the rows passed are those given
    ``given``             their means (n, m), by step
    ==============  ====  ===================================================================
    """

    origin: Ints
    has_new: bool = False
    are_given: bool = False
    given: dict[int, Floats] = field(default_factory=dict)

    def hold(self, step: int, means: Floats, own: Bools) -> Floats:
        """Means (N, m) of a step; those of the rows passed, where known as of the rows given."""
        if self.are_given:
            self.given[step] = means
        elif step in self.given:
            return np.where(own, self.given[step][self.origin], means)
        self.has_new |= bool(own.any())
        return means


_MOVED: ContextVar[_Moved | None] = ContextVar("_MOVED", default=None)


class GroupMeans(TransformerMixin, BaseEstimator):
    """Add the means of predictors over each row's group, for slopes within and between groups.

    A model whose intercept varies by group takes the slope of x within groups for that between
    them. Where groups with larger x are others for another reason, too, its group effects go with
    the means of x, and predictions for new groups, whose effects are unknown, miss that. With the
    group's mean as a predictor of its own, ::

        eta_i = ... + b x_i + c m_i,   m_i = mean of x over the group of row i,

    b is the slope within groups, c what the slope between groups has more, and b + c the slope
    between groups [1]_.

    Parameters
    ----------
    groups : str, int, tuple or list
        Hierarchies of grouping factors, as for `HLMRegressor`. There are means by each factor:
        ``"region/country"`` has means of regions, and of countries.
    columns : str, int, list or dict
        Predictors, by name or position, whose means to add; as a list also a tuple, set, index or
        array. A mapping gives one of these for each hierarchy or factor: a key that names a
        hierarchy speaks for all its factors, one that names a coarser factor for that alone, and
        for factors that it does not reach, or with an empty list, there are no means.
    unseen : {"rows", "parent"}, default="rows"
        What the mean is of a level that `fit` has not seen: the mean over the rows given together
        with it, which should be those that describe the group; or the training mean of the level
        above, all rows being above the coarsest. A missing group value is a level of its own. May
        be set after fit.

    Attributes
    ----------
    means_ : DataFrame
        The training means of all levels.
    groups_ : tuple of str
        Names of the grouping factors, coarse to fine within each hierarchy.
    n_features_in_ : int
        Number of columns of X, group columns included.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it is a frame whose columns all have names.

    See Also
    --------
    HLMRegressor : The model that this is a step before.

    Notes
    -----
    X comes back as the frame or array that it was, with all its columns and behind them, factor by
    factor, the means: "spend (mean of country)". Of an array of numbers the result is float64 (or
    object, where it has integers beyond 2^53). Columns of which there are no means may hold
    anything.

    Rows of known levels have the training means, in whatever company they come. With
    ``unseen="rows"`` what is said of a new level depends on its rows in X: pass them together, as
    a mean over one row is that row. Curves of `response_curve` move x within the group and hold
    its mean, for new levels that of the rows as they were given.

    In the group the mean cannot be told from the group's effect: name the slopes that vary,
    ``varying=["Intercept", "spend"]`` or "intercept". A column that is constant within levels is
    its own mean, and the model warns that the two are collinear: leave it out of ``columns``.

    References
    ----------
    .. [1] Mundlak, Y. (1978). On the pooling of time series and cross section data. Econometrica,
       46(1), 69-85. doi:10.2307/1913646

    Examples
    --------
    >>> import pandas as pd
    >>> from skhlm import GroupMeans
    >>> X = pd.DataFrame({"country": ["A", "A", "B"], "spend": [1.0, 3.0, 5.0]})
    >>> step = GroupMeans("country", "spend").fit(X)
    >>> step.transform(X)
      country  spend  spend (mean of country)
    0       A    1.0                      2.0
    1       A    3.0                      2.0
    2       B    5.0                      5.0
    >>> new = pd.DataFrame({"country": ["A", "C", "C"], "spend": [9.0, 6.0, 8.0]})
    >>> step.transform(new)["spend (mean of country)"].tolist()
    [2.0, 7.0, 7.0]
    >>> step.set_params(unseen="parent").transform(new)["spend (mean of country)"].tolist()
    [2.0, 3.0, 3.0]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "groups": [str, Integral, tuple, list, Hidden("array-like")],  # fit says more
        "columns": [str, Integral, list, Mapping, Hidden("array-like")],
        "unseen": [StrOptions({"rows", "parent"})],
    }

    groups: Any
    columns: Any
    unseen: str
    _learned: _Learned

    def __init__(self, groups: Any, columns: Any, *, unseen: str = "rows") -> None:
        self.groups = groups
        self.columns = columns
        self.unseen = unseen

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self: _Self, X: Any, y: Any = None, sample_weight: Any = None) -> _Self:
        """Learn the mean of every level.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Predictors and group columns, as for `HLMRegressor`.
        y : ignored
            Means are of predictors alone.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequency weights, >= 0, as for `HLMRegressor`: weight 2 is the same as the row given
            twice. In a pipeline the step is given them as the model is, for example
            ``fit(X, y, groupmeans__sample_weight=w, hlmregressor__sample_weight=w)``.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            When X, the weights or a parameter cannot be used: a column that is not there, is no
            number, has missing values or is a group column; a missing group value; a name that X
            has already. Names the column and the remedy.
        """
        learner = copy(self)  # a fit that fails leaves the last one as it was
        learned = _learn(learner, X, y, sample_weight)
        self.__dict__ = {**vars(learner), "_learned": learned, "groups_": learned.groups.names}
        return self

    def transform(self, X: Any) -> Any:
        """X with the means of each row's groups.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit; with ``unseen="rows"`` the rows of a new level together.

        Returns
        -------
        X_out : frame or array of shape (n_samples, n_features_out)
            Of the kind that X is, unless ``set_output`` asks for another.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError, TypeError
            When X has not the columns of fit, values are missing or no numbers in one whose means
            are added, or labels have changed their type.
        """
        check_is_fitted(self)
        self._validate_params()
        learned = self._learned
        hierarchies = learned.groups.hierarchies
        table = check_predict_table(self, X, hierarchies)
        numbers = read_numbers(self, table, learned.positions, learned.columns)
        means, own = self._means(numbers, read_group_columns(table, hierarchies, learned.columns))
        moved = _MOVED.get()
        if moved is not None:
            means = moved.hold(id(self), means, own)
        if is_arrow(table) and _get_output_config("transform", self)["dense"] == "pandas":
            table = table.to_pandas(integer_object_nulls=True)  # scikit-learn cannot
        return widened(table, self.get_feature_names_out().tolist(), means)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names of the columns of X and of those added.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X; None is those of fit, or "x0", "x1", ...

        Returns
        -------
        names : ndarray of str objects
            Such as "spend" and, behind the columns of X, "spend (mean of region/country)".
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return np.array([*names, *self._learned.names(list(names))], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_learned")

    @property
    def means_(self) -> pd.DataFrame:
        """The training means: ``factor``, ``level`` (its path, a tuple), ``column``, ``mean``."""
        check_is_fitted(self)
        learned = self._learned
        parts = [
            pd.DataFrame(
                {
                    "factor": learned.groups.names[g],
                    "level": pd.Series(learned.groups.levels(g), dtype=object),
                    "column": learned.columns.predictor_name(position),
                    "mean": learned.means[g][:, learned.positions.index(position)],
                }
            )
            for position, g in learned.added
        ]
        return pd.concat(parts, ignore_index=True)

    def _means(self, numbers: Floats, columns: Mapping[int, GroupColumn]) -> tuple[Floats, Bools]:
        """The means (n, m) to add to rows (n, p), and which of them are of these rows."""
        learned = self._learned
        groups = learned.groups
        codes = groups.codes(columns, len(numbers))
        new = groups.new_levels(columns, codes)
        found: list[Floats] = []
        for g, factor in enumerate(groups.factors):
            above = found[-1] if len(factor.columns) > 1 else learned.overall
            means = np.where(codes[:, [g]] >= 0, learned.means[g][codes[:, g]], above)
            rows = np.flatnonzero(new[:, g] >= 0)
            if self.unseen == "rows" and len(rows):
                level = new[rows, g]
                means[rows] = level_means(numbers[rows], np.ones(len(rows)), level)[level]
            found.append(means)
        at = [(g, learned.positions.index(position)) for position, g in learned.added]
        own = codes[:, [g for g, _ in at]] < 0
        return (
            np.column_stack([found[g][:, k] for g, k in at]),
            own if self.unseen == "rows" else np.zeros_like(own),
        )


def _learn(step: GroupMeans, X: Any, y: Any, sample_weight: Any) -> _Learned:
    """Check the data against the step's parameters and learn the means; it learns the columns."""
    table, columns = check_fit_table(step, X, y, sample_weight)
    if columns.n < 2:
        raise ValueError(
            f"X has {columns.n} feature(s), and 2 are needed: a group column and a predictor."
        )
    hierarchies = parse_groups(step.groups, columns)
    if not hierarchies:
        raise ValueError("groups: the list is empty. Name the group column, or a path of them.")
    added = _choose(step.columns, columns, hierarchies)
    positions = tuple(sorted({mean.position for mean in added}))
    numbers = read_numbers(step, table, positions, columns)
    weight = check_weight(sample_weight, numbers)
    used = weight > 0
    given = read_group_columns(table, hierarchies, columns)
    group_columns = {j: column.rows(used) for j, column in given.items()}
    groups = learn_groups(hierarchies, group_columns)
    numbers, weight = numbers[used], weight[used]
    codes = groups.codes(group_columns, len(weight))
    learned = _Learned(
        columns=columns,
        groups=groups,
        added=added,
        positions=positions,
        means=tuple(level_means(numbers, weight, level) for level in codes.T),
        overall=level_means(numbers, weight, np.zeros_like(codes[:, 0])),
    )
    names = _check_feature_names_in(step, None).tolist()
    _check_free(names, learned.names(names))
    return learned


def level_means(X: Floats, weight: Floats, level: Ints) -> Floats:
    """Weighted means (J, p) of rows (n, p) by level, 0, ..., J - 1, each of which has a row.

    They depend neither on the order of the rows nor on whether one is given twice or with weight
    2, and are exact where a column is constant: sums are about the first row of each level, of
    numbers below 1 as in `learn_units`.
    """
    rows = canonical_rows(X, np.zeros(len(X)), weight, level[:, None])
    exponent = np.frexp(np.abs(rows.X).max(axis=0))[1]
    scaled = np.ldexp(rows.X, -exponent)
    n_levels = len(rows.codes)
    first = scaled[np.searchsorted(rows.cell, np.arange(n_levels))]
    total = sum_by_cell(rows.weight, rows.cell, n_levels)
    weighted = rows.weight[:, None] * (scaled - first[rows.cell])
    sums = [sum_by_cell(np.ascontiguousarray(x), rows.cell, n_levels) for x in weighted.T]
    means: Floats = np.ldexp(first + np.column_stack(sums) / total[:, None], exponent)
    return means


def transform_moved(transform: Callable[[Any], Any], X: Any, moved: Any, origin: Ints) -> Any:
    """Rows after some steps, group means of new levels as before they were moved.

    Parameters
    ----------
    transform : callable
        The steps.
    X, moved : frame or array of n and N rows
        Rows as they were given, and the same with other values in a column.
    origin : ndarray of shape (N,)
        Which row of X each moved one is.
    """
    holder = _Moved(origin)
    token = _MOVED.set(holder)
    try:
        with parallel_config(backend="sequential"):  # elsewhere steps would not see the variable
            after = transform(moved)
            if holder.has_new:
                holder.are_given = True
                transform(X)
                holder.are_given = False
                after = transform(moved)
    finally:
        _MOVED.reset(token)
    return after


def _choose(choices: Any, columns: Columns, hierarchies: Sequence[Hierarchy]) -> tuple[_Mean, ...]:
    """The columns to add, factor by factor, each once."""
    factors = [name for hierarchy in hierarchies for name in hierarchy.factors]
    if isinstance(choices, Mapping):
        chosen = by_factor(choices, columns, hierarchies, "columns")
    else:
        chosen = dict.fromkeys(factors, choices)
    taken = {position for hierarchy in hierarchies for position in hierarchy.columns}
    added = tuple(
        _Mean(position, g)
        for g, name in enumerate(factors)
        for position in _positions(chosen.get(name, []), columns, taken)
    )
    if not added:
        raise ValueError("columns: there is none of which to add means. Name a predictor.")
    return added


def _positions(choice: Any, columns: Columns, taken: Set[int]) -> list[int]:
    """Positions of one column or a list of them, each once; raise for group columns."""
    given = as_list(choice)
    found = [columns.position(one, "columns") for one in ([choice] if given is None else given)]
    if wrong := [columns.group_name(position) for position in found if position in taken]:
        raise ValueError(
            f"columns: {listed(wrong)} is a group column, of whose labels there is no mean. Name "
            "predictors, or add a copy of it to X under another name if it is one as well."
        )
    return list(dict.fromkeys(found))


def _check_free(names: Sequence[str], added: Sequence[str]) -> None:
    """Raise where X has a column that is called as one to be added."""
    if taken := [name for name in added if name in names]:
        raise ValueError(
            f"X has columns {listed(taken)} already, as the means to be added are called. Drop or "
            "rename them; a step that was applied once need not be in the pipeline as well."
        )
