"""Cross-validates the pooled, the unpooled and the hierarchical model side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import GroupKFold, KFold, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skhlm._typing import Bools, Floats, Ints
from skhlm.baselines import PooledRegressor, UnpooledRegressor, knows_levels, share_fallen_back
from skhlm.inputs.frames import check_observed, columns_of
from skhlm.posterior.scoring import inside
from skhlm.regressor import HLMRegressor
from skhlm.scorers import crps, predict_interval
from skhlm.wrappers import find_model, model_to_fit, wrapped_as

_MOST = 0.5  # share of rows
_SCORES = ("r2", "rmse", "coverage", "width", "crps")


@overload
def compare(
    X: Any,
    y: Any,
    groups: Any = None,
    cv: Any = 5,
    *,
    model: Any = None,
    split_by: Any = None,
    coverage: float = 0.9,
    random_state: Any = None,
    return_estimator: Literal[False] = False,
) -> pd.DataFrame: ...


@overload
def compare(
    X: Any,
    y: Any,
    groups: Any = None,
    cv: Any = 5,
    *,
    model: Any = None,
    split_by: Any = None,
    coverage: float = 0.9,
    random_state: Any = None,
    return_estimator: Literal[True],
) -> tuple[pd.DataFrame, dict[str, list[Any]]]: ...


def compare(
    X: Any,
    y: Any,
    groups: Any = None,
    cv: Any = 5,
    *,
    model: Any = None,
    split_by: Any = None,
    coverage: float = 0.9,
    random_state: Any = None,
    return_estimator: bool = False,
) -> pd.DataFrame | tuple[pd.DataFrame, dict[str, list[Any]]]:
    """Cross-validate pooled, unpooled and hierarchical models on the same folds.

    Parameters
    ----------
    X : frame or array-like of shape (n_samples, n_features)
        Predictors and group columns.
    y : array-like of shape (n_samples,)
        Outcome.
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors, as `HLMRegressor` takes them; None is those of ``model``.
    cv : int, splitter or iterable of (train, test), default=5
        An int shuffles rows into as many folds, or groups if ``split_by`` is given.
    model : estimator or dict of str to estimator, default=None
        The hierarchical model; None is ``HLMRegressor(groups, random_state=random_state)``. A
        mapping gives several, by name. Pipelines, searches and transformed targets around one are
        welcome: where the model, the first of several, is one, the baselines stand behind the same
        steps, their y transformed alike, and take the groups of the model inside, as they see what
        it sees.
    split_by : str or int, default=None
        Column of X, by name or position, whose values the splitter keeps together: it is what
        scikit-learn's `GroupKFold` and the like take as ``groups``.
    coverage : float in (0, 1), default=0.9
        Of the prediction intervals.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, when ``cv`` is an int, and of the default model.
    return_estimator : bool, default=False
        Whether to return the fitted models as well.

    Returns
    -------
    scores : DataFrame
        Three rows for each fold and model, with columns ``model`` ("pooled", "unpooled",
        "hierarchical" or the names of ``model``), ``fold``, ``rows`` ("all"; "known": all levels
        of the row were seen in training; "unseen": some were not), ``n`` (how many these are),
        ``r2``, ``rmse``, ``coverage`` (share inside their intervals), ``width`` (mean, of the
        intervals) and ``crps`` (mean). NaN where there are no rows, ``r2`` below two, and ``crps``
        where the model's y is transformed.
    estimators : dict of str to list
        Only with ``return_estimator``: the models of each fold, by name.

    Warns
    -----
    UserWarning
        Where the unpooled model is the pooled one for most rows of a training set, because their
        combinations of levels have too few rows: the two lines do not differ then.

    See Also
    --------
    skhlm.scorers : The same scores for `sklearn.model_selection.cross_validate`.

    Notes
    -----
    R² of known or unseen rows is about the mean of those rows.

    Examples
    --------
    >>> import skhlm
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = skhlm.HLMRegressor("subject", family="normal", random_state=0)
    >>> scores = skhlm.compare(X, y, "subject", cv=2, model=model, random_state=0)
    >>> scores[["model", "fold", "rows", "n"]].head(3)
        model  fold    rows   n
    0  pooled     0     all  90
    1  pooled     0   known  90
    2  pooled     0  unseen   0
    >>> rmse = scores[scores["rows"] == "all"].groupby("model")["rmse"].mean()
    >>> rmse.idxmin()
    'hierarchical'
    """
    models = _models(groups, model, random_state)
    observed = check_observed(y, _num_samples(X))
    y = y if np.ndim(y) == 1 else observed  # one that is one-dimensional keeps its name
    records: list[dict[str, Any]] = []
    fallen = 0.0
    fitted: dict[str, list[Any]] = {name: [] for name in models}
    for fold, (train, test) in enumerate(_folds(X, y, cv, split_by, random_state)):
        X_train, X_test = _safe_indexing(X, train), _safe_indexing(X, test)
        y_train = _safe_indexing(y, train)
        for name, estimator in models.items():
            fitted[name].append(clone(estimator).fit(X_train, y_train))
        pooled = find_model(fitted["pooled"][fold])
        known = knows_levels(pooled.model, pooled.features(X_test))
        fallen = max(fallen, share_fallen_back(find_model(fitted["unpooled"][fold]).model))
        for name, fits in fitted.items():
            records += _scores(name, fold, fits[fold], X_test, observed[test], known, coverage)
    _warn_of_fallback(fallen)
    scores = pd.DataFrame(records)
    return (scores, fitted) if return_estimator else scores


def _models(groups: Any, model: Any, random_state: Any) -> dict[str, Any]:
    """The models by name: the two baselines and what is compared with them."""
    if model is None:
        model = HLMRegressor(groups, random_state=random_state)
    others = dict(model) if isinstance(model, Mapping) else {"hierarchical": model}
    baselines = _baselines(groups, next(iter(others.values()), None))
    if taken := sorted(baselines.keys() & others.keys()):
        raise ValueError(f"model: {taken} are names of the baselines. Choose others.")
    return baselines | others


def _baselines(groups: Any, model: Any) -> dict[str, Any]:
    """Pooled and unpooled, behind the steps of the model, and on the scale of y that it sees."""
    inner = model_to_fit(model)
    own = getattr(inner, "groups", None)
    if groups is None or (inner is not model and own is not None):
        groups = own
    baselines = {"pooled": PooledRegressor(groups), "unpooled": UnpooledRegressor(groups)}
    return {name: wrapped_as(model, baseline) for name, baseline in baselines.items()}


def _folds(
    X: Any, y: Any, cv: Any, split_by: Any, random_state: Any
) -> Iterable[tuple[Ints, Ints]]:
    """Training and test rows of each fold."""
    together = None if split_by is None else _values_of(X, split_by)
    if isinstance(cv, Integral):
        kind = KFold if split_by is None else GroupKFold
        cv = kind(cv, shuffle=True, random_state=random_state)
    folds: Iterable[tuple[Ints, Ints]] = check_cv(cv).split(X, y, together)
    return folds


def _warn_of_fallback(share: float) -> None:
    """Warn where the unpooled model is the pooled one for most rows of a fold."""
    if share > _MOST:
        warnings.warn(
            f"The unpooled model is the pooled one for up to {share:.0%} of the rows of a training "
            "set, whose combinations of levels have too few rows for a regression of their own, so "
            "that the lines of the two hardly differ. Compare with fewer or coarser groups, or "
            "without the unpooled model.",
            UserWarning,
            stacklevel=3,  # the caller of compare
        )


def _values_of(X: Any, column: Any) -> Any:
    """One column of X by name or position, (n,)."""
    columns_of(X).position(column, "split_by")
    return np.asarray(_safe_indexing(X, column, axis=1))


def _scores(
    name: str, fold: int, fit: Any, X: Any, y: Floats, known: Bools, coverage: float
) -> list[dict[str, Any]]:
    """Three records: all test rows, those of known levels and the others."""
    predicted = np.asarray(fit.predict(X))
    interval = predict_interval(fit, X, coverage)
    score = np.full(len(y), np.nan) if find_model(fit).targets else crps(fit, X, y)
    records = []
    for label, rows in {"all": np.ones_like(known), "known": known, "unseen": ~known}.items():
        found = _summary(y[rows], predicted[rows], interval[rows], score[rows])
        n = int(rows.sum())
        records.append({"model": name, "fold": fold, "rows": label, "n": n, **found})
    return records


def _summary(y: Floats, predicted: Floats, interval: Floats, score: Floats) -> dict[str, float]:
    """Scores of some rows."""
    if not len(y):
        return dict.fromkeys(_SCORES, np.nan)
    values = (
        r2_score(y, predicted) if len(y) > 1 else np.nan,
        root_mean_squared_error(y, predicted),
        inside(y, interval).mean(),
        (interval[:, 1] - interval[:, 0]).mean(),
        score.mean(),
    )
    return dict(zip(_SCORES, map(float, values), strict=True))
