"""What of every prediction comes from which input and which factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import validate_params

from skhlm._typing import Floats
from skhlm.inputs.frames import check_weight
from skhlm.methods.arguments import COVERAGE, SCALE
from skhlm.methods.coverages import Coverage, several_coverages
from skhlm.methods.made_of import find_inputs
from skhlm.methods.references import read_reference
from skhlm.methods.rows_together import frame_of_groups, group_rows, route_of
from skhlm.reports.averages import Sets
from skhlm.reports.contributions import Contrast, parts_of_means
from skhlm.reports.curves import Derive, Scale
from skhlm.reports.frames import repeated_frame

_SOURCES = ("reference", "input", "factor")
_NUMBERS = ("mean", "lower", "upper")


@several_coverages
@validate_params(
    {"coverage": COVERAGE, "kind": SCALE, "derive": [Mapping, None]},
    prefer_skip_nested_validation=True,
)
def contributions(
    estimator: Any,
    X: Any,
    reference: Any = None,
    *,
    by: Any = None,
    sample_weight: Any = None,
    coverage: Coverage = 0.9,
    kind: Scale = "mean",
    derive: Mapping[str, Derive] | None = None,
) -> pd.DataFrame:
    """Each input's and each factor's part of every prediction, which add up to it.

    A prediction is that of a reference and what the row has beyond it. With z and r the predictors
    of a row and of its reference, beta the row's coefficients, and delta_g and rho_g the effects of
    their levels of factor g, ::

        eta - eta_r = sum_k (z_k - r_k) beta_k + sum_g r' (delta_g - rho_g)

    so that a predictor's part is what it brings by the slope that the row's groups have, and a
    factor's part what the row's level is beyond that of the reference, where the reference is.

    Parameters
    ----------
    estimator : estimator
        A fitted `HLMRegressor` or `HLMClassifier`, alone or inside pipelines and searches.
    X : frame or array-like of shape (n_samples, n_features)
        Rows as the estimator takes them.
    reference : mapping, Series, frame or array-like, default=None
        What rows are held against. None is predictors at their training means, the mean exposure,
        and all group effects zero: a typical level. A mapping has values of some columns of X, such
        as ``{"spend": 0}``, the rest as before; of a nested group column also of those above it. A
        table has one row, or one for each row of X, such as the same rows a year before; a series
        is a row. Levels that fit has not seen have no effect in a reference.
    by : str, int or list of these, default=None
        Columns of X: parts of the mean of each combination of their values. None is row by row.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in their means; rows of weight 0 are left out.
    coverage : float in (0, 1) or list of these, default=0.9
        Posterior probability of the central intervals. Several give columns such as ``lower_50``
        and ``upper_50`` for each.
    kind : {"mean", "link"}, default="mean"
        Parts of the expected value, of a classifier of the probability of the second class; or of
        eta = x' beta, log odds or a logarithm.
    derive : mapping of str to callable, default=None
        Without a pipeline: inputs that the model sees only through predictors derived from them,
        each with a function as in `average_slope`. X has columns of the inputs.

    Returns
    -------
    parts : DataFrame
        For each row, or each group, a row for each part: ``row`` (position in X) and the group
        columns, or the columns of ``by`` and ``n_rows``; ``part``, the name of an input or a
        factor; ``source``, "reference", "input" or "factor"; ``mean``, ``lower`` and ``upper``. The
        means of a row add up to what `predict` says, of a classifier `predict_proba`; those of
        draws to the draw.

    Raises
    ------
    NotFittedError
        When the estimator is not fitted.
    TypeError
        When there is no `HLMRegressor` in it.
    ValueError
        When X has no such column; when the reference lacks a value that it needs, or has one that
        cannot be; when y is transformed inside the estimator, as for `average_prediction`.

    Warns
    -----
    UserWarning
        As `HLMRegressor.predict`, if expected values of new levels rest on few draws of tau.

    See Also
    --------
    average_difference : What a change of one input brings.

    Notes
    -----
    Behind a link parts of eta do not add up to an expected value. Those of the expected value are,
    in each draw, the parts of eta times the mean slope of the inverse link g on the way,

        (g(eta) - g(eta_r)) / (eta - eta_r),

    the cost shares of Aumann and Shapley (1974), see Friedman (2004): they do not depend on the
    order in which inputs come, and the part of two inputs together is the sum of theirs.

    In a pipeline the parts of all predictors that are made of one column are that column's: its
    logarithm and square, its categories' indicators. Which these are is found by moving one column
    at a time. What is made of several columns, as a product is, is a part of its own, "price ×
    spend"; means by `GroupMeans`, and what moves with no column that is known, have the name of the
    predictor.

    Intervals are of the joint posterior, effects of new levels included, as those of
    `average_prediction`. Parts of a prediction are correlated: an interval of a sum is not the sum
    of intervals.

    References
    ----------
    Aumann and Shapley (1974). Values of Non-Atomic Games. Princeton University Press.
    doi:10.1515/9781400867080

    Friedman (2004). Paths and consistency in additive cost sharing. International Journal of Game
    Theory 32(4), 501-518. doi:10.1007/s001820400173

    Examples
    --------
    >>> from skhlm import HLMRegressor, contributions
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = HLMRegressor("subject", random_state=0).fit(X, y)
    >>> parts = contributions(model, X.tail(1), {"days": 0})
    >>> parts["part"].tolist()
    ['reference', 'days', 'subject']
    >>> bool(abs(parts["mean"].sum() - model.predict(X.tail(1))[0]) < 1e-9)
    True
    """
    inputs = find_inputs(route_of(estimator, X, kind), X, derive)
    rows, model = inputs.rows, inputs.route.model
    base = read_reference(inputs, reference, len(rows.predictors))
    names, owners = inputs.parts()
    rows.warn_of_few_draws(kind)
    weight = check_weight(sample_weight, rows.predictors)
    used = np.flatnonzero(weight > 0)
    groups, numbers = (None, np.arange(len(used))) if by is None else group_rows(rows.X, by, used)
    found = parts_of_means(
        model._posterior,
        Contrast(rows.predictors, rows.codes, *base, owners),
        rows.new_levels,
        Sets.of(used, numbers, weight[used]),
        coverage,
        kind,
    )
    parts = _named_parts(names, model._spec.labels.factors, found)
    if groups is None:
        own = {name: [values[row] for row in used] for name, values in rows.values.items()}
        frame = repeated_frame(own, len(used), found.shape[1], parts)
        return frame.assign(row=used[frame["row"]])
    parts = {"n_rows": np.bincount(numbers).repeat(found.shape[1]), **parts}
    repeated = groups.loc[groups.index.repeat(found.shape[1])].reset_index(drop=True)
    return frame_of_groups(repeated, parts)


def _named_parts(names: Sequence[str], factors: Sequence[str], found: Floats) -> dict[str, Any]:
    """Columns of parts (m, 1 + P + G, 3), with what each is called."""
    kinds = np.repeat(_SOURCES, [1, len(names), len(factors)]).astype(object)
    parts = np.array([_SOURCES[0], *names, *factors], dtype=object)
    words = {"part": np.tile(parts, len(found)), "source": np.tile(kinds, len(found))}
    return {
        **words,
        **{name: x.ravel() for name, x in zip(_NUMBERS, np.moveaxis(found, -1, 0), strict=True)},
    }
