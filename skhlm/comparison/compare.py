"""Cross-validates the pooled, the unpooled and the hierarchical model side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from numbers import Integral
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skhlm._typing import Ints
from skhlm.baselines import (
    PooledClassifier,
    PooledRegressor,
    UnpooledClassifier,
    UnpooledRegressor,
    knows_levels,
    share_fallen_back,
)
from skhlm.baselines.regressors import HAVE_YARDSTICKS
from skhlm.comparison.group_means import with_group_means
from skhlm.comparison.metrics import Metrics, metrics_of
from skhlm.comparison.scores import by_kind_of_row
from skhlm.estimator import HierarchicalModel
from skhlm.families import find_family
from skhlm.inputs.columns import listed
from skhlm.inputs.frames import check_weight, columns_of
from skhlm.progress import progress_of
from skhlm.regressor import HLMRegressor
from skhlm.wrappers import asking, find_model, fit_weights, model_to_fit, wrapped_as

_MOST = 0.5  # share of rows
_BASELINE = 0.02  # of the time that a hierarchical model takes
BASELINES = ("pooled", "unpooled")
WITH_MEANS = "with group means"


@overload
def compare(
    X: Any,
    y: Any,
    groups: Any = None,
    cv: Any = 5,
    *,
    model: Any = None,
    split_by: Any = None,
    sample_weight: Any = None,
    coverage: float = 0.9,
    random_state: Any = None,
    group_means: Any = None,
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
    sample_weight: Any = None,
    coverage: float = 0.9,
    random_state: Any = None,
    group_means: Any = None,
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
    sample_weight: Any = None,
    coverage: float = 0.9,
    random_state: Any = None,
    group_means: Any = None,
    return_estimator: bool = False,
) -> pd.DataFrame | tuple[pd.DataFrame, dict[str, list[Any]]]:
    """Cross-validate pooled, unpooled and hierarchical models on the same folds.

    Parameters
    ----------
    X : frame or array-like of shape (n_samples, n_features)
        Predictors and group columns.
    y : array-like of shape (n_samples,)
        Outcome, labels if ``model`` is a classifier.
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors, as `HLMRegressor` takes them; None is those of ``model``.
    cv : int, splitter or iterable of (train, test), default=5
        An int shuffles rows into as many folds, or groups if ``split_by`` is given; those of a
        classifier have all classes in like shares.
    model : estimator or dict of str to estimator, default=None
        The hierarchical model; None is ``HLMRegressor(groups, random_state=random_state)``. A
        mapping gives several, by name. The first of them says which baselines there are:
        classifiers for a classifier, else regressors of its family ("normal" for "student_t") with
        its exposure. Pipelines, searches and transformed targets around one are welcome: where the
        model, the first of several, is one, the baselines stand behind the same steps, their y
        transformed alike, and take the groups of the model inside, as they see what it sees.
    split_by : str or int, default=None
        Column of X, by name or position, whose values the splitter keeps together: it is what
        scikit-learn's `GroupKFold` and the like take as ``groups``.
    sample_weight : array-like of shape (n_samples,), default=None
        How often each row counts, in every fit and every score; of shares the number of trials.
        Where metadata are routed, a pipeline or search asks for it by ``set_fit_request``.
    coverage : float in (0, 1), default=0.9
        Of the prediction intervals.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, when ``cv`` is an int, and of the default model.
    group_means : str, int, list or dict, default=None
        Predictors, as `GroupMeans` takes them, whose means over its groups the model, the first of
        several, is given in one model more, "with group means". Of a search it is the model that is
        searched, as it is given. Worth a look with ``split_by``: on new groups means can decide.
    return_estimator : bool, default=False
        Whether to return the fitted models as well.

    Returns
    -------
    scores : DataFrame
        Three rows for each fold and model, with columns ``model`` ("pooled", "unpooled",
        "hierarchical" or the names of ``model``, "with group means"), ``fold``, ``rows`` ("all";
        "known": all levels of the row were seen in training; "unseen": some were not), ``n`` (how
        many these are), and a column for each metric. NaN where there are no rows, ``r2`` below
        two, ``crps`` where the model's y is transformed, and ``deviance`` where a mean is not
        positive.

        - Of numbers ``r2``, ``rmse``, ``coverage`` (share inside their intervals), ``width`` (mean,
          of the intervals) and ``crps`` (mean).
        - Of counts and positive outcomes ``deviance``, too, the mean Poisson or gamma deviance.
          Coverage of counts is at least that of the intervals, which end at whole numbers.
        - Of labels ``log_loss``, ``brier`` and ``accuracy``; of shares ``r2``, ``log_loss`` and
          ``brier``, as of one trial. A yes or no has no interval to be inside of.
    estimators : dict of str to list
        Only with ``return_estimator``: the models of each fold, by name.

    Warns
    -----
    UserWarning
        Where the unpooled model is the pooled one for most rows of a training set, because their
        combinations of levels have too few rows, or one class alone: the two hardly differ then.

    See Also
    --------
    skhlm.scorers : The same scores for `sklearn.model_selection.cross_validate`.

    Notes
    -----
    R² of known or unseen rows is about the mean of those rows. With a model of ``verbose=1`` one
    progress bar is shown for all fits.

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
    models, metrics = _models(groups, model, random_state)
    if group_means is not None:
        models |= _with_means(models, group_means, X)
    observed = metrics.check(y, _num_samples(X))
    weight = check_weight(sample_weight, observed)
    y = y if np.ndim(y) == 1 else observed  # one that is one-dimensional keeps its name
    stratified = is_classifier(models["pooled"])
    records: list[dict[str, Any]] = []
    fallen = 0.0
    fitted: dict[str, list[Any]] = {name: [] for name in models}
    folds = list(_folds(X, y, cv, split_by, random_state, stratified))
    with _parts_of(models, len(folds)) as begin:
        for fold, (train, test) in enumerate(folds):
            X_train, X_test = _safe_indexing(X, train), _safe_indexing(X, test)
            y_train = _safe_indexing(y, train)
            weight_train = None if sample_weight is None else weight[train]
            for name, estimator in models.items():
                weighed = fit_weights(estimator, weight_train)
                with begin(fold, name):
                    fitted[name].append(clone(estimator).fit(X_train, y_train, **weighed))
            pooled = find_model(fitted["pooled"][fold])
            known = knows_levels(pooled.model, pooled.features(X_test))
            fallen = max(fallen, share_fallen_back(find_model(fitted["unpooled"][fold]).model))
            for name, fits in fitted.items():
                told = metrics.predictions(fits[fold], X_test, observed[test], coverage)
                found = by_kind_of_row(metrics, {**told, "weight": weight[test]}, known)
                records += [{"model": name, "fold": fold, **record} for record in found]
    _warn_of_fallback(fallen)
    scores = pd.DataFrame(records)
    return (scores, fitted) if return_estimator else scores


@contextmanager
def _parts_of(
    models: Mapping[str, Any], n_folds: int
) -> Iterator[Callable[[int, str], AbstractContextManager[None]]]:
    """Progress of the fits, shown where a model's is: from a fold and a name to the fit's part.

    A baseline takes next to nothing beside a hierarchical model.
    """
    fitted = map(model_to_fit, models.values())
    verbose = max((m.verbose for m in fitted if isinstance(m, HierarchicalModel)), default=0)
    takes = {name: _BASELINE if name in BASELINES else 1.0 for name in models}
    left = n_folds * sum(takes.values())

    with progress_of("skhlm.compare", verbose) as progress, progress.series():

        def begin(fold: int, name: str) -> AbstractContextManager[None]:
            nonlocal left
            share, left = takes[name] / left, left - takes[name]
            return progress.part(share, f"fold {fold + 1} of {n_folds}")

        yield begin


def _models(groups: Any, model: Any, random_state: Any) -> tuple[dict[str, Any], Metrics]:
    """The models by name, the two baselines and what is compared with them; what is told of all."""
    if model is None:
        model = HLMRegressor(groups, random_state=random_state)
    others = dict(model) if isinstance(model, Mapping) else {"hierarchical": model}
    baselines = _baselines(groups, next(iter(others.values()), None))
    if taken := sorted(baselines.keys() & others.keys()):
        raise ValueError(f"model: {taken} are names of the baselines. Choose others.")
    classes = is_classifier(baselines["pooled"])
    if strange := [name for name, other in others.items() if is_classifier(other) != classes]:
        raise ValueError(
            f"model: classifiers and regressors cannot be compared, and {listed(strange)} "
            f"{'is no classifier' if classes else 'is a classifier'}, as the first model is"
            f"{'' if classes else ' not'}. Compare them apart."
        )
    pooled = model_to_fit(baselines["pooled"])
    return baselines | others, metrics_of(None if classes else find_family(pooled.family))


def _with_means(models: Mapping[str, Any], columns: Any, X: Any) -> dict[str, Any]:
    """The first of the hierarchical models with means of these columns, by its name."""
    if WITH_MEANS in models:
        raise ValueError(f"model: {WITH_MEANS!r} is what group_means adds. Choose another name.")
    first = next(model for name, model in models.items() if name not in BASELINES)
    return {WITH_MEANS: with_group_means(first, columns, X)}


def _baselines(groups: Any, model: Any) -> dict[str, Any]:
    """Pooled and unpooled, behind the steps of the model, and on the scale of y that it sees."""
    inner = model_to_fit(model)
    own = getattr(inner, "groups", None)
    if groups is None or (inner is not model and own is not None):
        groups = own
    if model is not None and is_classifier(model):
        baselines = {"pooled": PooledClassifier(groups), "unpooled": UnpooledClassifier(groups)}
    else:
        family, exposure = _baselines_family(inner), getattr(inner, "exposure", None)
        baselines = {
            "pooled": PooledRegressor(groups, family=family, exposure=exposure),
            "unpooled": UnpooledRegressor(groups, family=family, exposure=exposure),
        }
    return {name: wrapped_as(model, asking(baseline)) for name, baseline in baselines.items()}


def _baselines_family(model: Any) -> str:
    """That of the model, if there are baselines of it, or least squares."""
    family = getattr(model, "family", None)
    known = isinstance(family, str) and family in HAVE_YARDSTICKS
    return str(family) if known else PooledRegressor().family


def _folds(
    X: Any, y: Any, cv: Any, split_by: Any, random_state: Any, stratified: bool
) -> Iterable[tuple[Ints, Ints]]:
    """Training and test rows of each fold."""
    together = None if split_by is None else _values_of(X, split_by)
    if isinstance(cv, Integral):
        rows, grouped = (
            (StratifiedKFold, StratifiedGroupKFold) if stratified else (KFold, GroupKFold)
        )
        kind = rows if split_by is None else grouped
        cv = kind(cv, shuffle=True, random_state=random_state)
    folds: Iterable[tuple[Ints, Ints]] = check_cv(cv).split(X, y, together)
    return folds


def _warn_of_fallback(share: float) -> None:
    """Warn where the unpooled model is the pooled one for most rows of a fold."""
    if share > _MOST:
        warnings.warn(
            f"The unpooled model is the pooled one for up to {share:.0%} of the rows of a training "
            "set, whose combinations of levels have too few rows for a regression of their own, or "
            "one class or no event alone, so that the two hardly differ. Compare with fewer or "
            "coarser groups, or without the unpooled model.",
            UserWarning,
            stacklevel=3,  # the caller of compare
        )


def _values_of(X: Any, column: Any) -> Any:
    """One column of X by name or position, (n,)."""
    columns_of(X).position(column, "split_by")
    return np.asarray(_safe_indexing(X, column, axis=1))
