"""Fits to frames that come one after another, and to data sets of Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from skhlm.condensing.condensed import blocks_of, condense

_Model = TypeVar("_Model")
_BATCH = 2**18  # rows of a Parquet file in memory at once


def fit_frames(
    model: _Model,
    frames: Iterable[pd.DataFrame],
    target: str,
    *,
    sample_weight: str | None = None,
) -> _Model:
    """Fit a model to more rows than memory holds, which come as one frame after another.

    Parameters
    ----------
    model : HLMRegressor or HLMClassifier
        Of a family whose rows add up: ``family="normal"`` (moments of each combination of levels
        say all), or "binomial", "poisson" and a classifier (equal rows are one row with a weight).
    frames : iterable of pandas.DataFrame
        Each with the columns of X and the outcome. They are gone through once, and no more than
        one is held.
    target : str
        The column that is the outcome.
    sample_weight : str or None, default=None
        The column of weights, as in ``fit``.

    Returns
    -------
    model : HLMRegressor or HLMClassifier
        The same one, fitted. Its posterior is that of ``fit`` on all rows at once, to the rounding
        of sums, however these are divided into frames. It does not remember rows, as one that was
        loaded from a file does not.

    Raises
    ------
    ValueError, TypeError
        As in ``fit``, with rows counted from the beginning of their frame; and when the family
        needs every row by itself, a frame has other columns than the first, or there are none.

    See Also
    --------
    fit_parquet : To a data set of Parquet files.

    Examples
    --------
    >>> import skhlm
    >>> from skhlm.datasets import load_sleepstudy
    >>> rows = load_sleepstudy().frame
    >>> frames = (rows[start : start + 50] for start in range(0, len(rows), 50))
    >>> model = skhlm.HLMRegressor("subject", family="normal", random_state=0)
    >>> skhlm.fit_frames(model, frames, "reaction").n_features_in_
    2
    """
    if not (hasattr(model, "_outcome_request") and hasattr(model, "fit")):
        raise TypeError(
            f"model: got a {type(model).__name__}. Frames one after another are for HLMRegressor "
            "and HLMClassifier; steps before them must be applied to each frame."
        )
    if isinstance(frames, pd.DataFrame):
        raise TypeError("frames: got one frame. Give an iterable of frames, or use model.fit.")
    fitted: _Model = model.fit(condense(model, blocks_of(frames, target, sample_weight)), None)
    return fitted


def fit_parquet(
    model: _Model,
    path: str | os.PathLike[str],
    target: str,
    *,
    sample_weight: str | None = None,
    columns: Sequence[str] | None = None,
) -> _Model:
    """Fit a model to a Parquet file, or to a directory of them, of any length.

    Parameters
    ----------
    model : HLMRegressor or HLMClassifier
        As for `fit_frames`.
    path : str or path-like
        A file, or a directory of nothing but such files, which may be partitioned by columns
        ("country=DE/..."). Columns and their types are those of the first one.
    target : str
        The column that is the outcome.
    sample_weight : str or None, default=None
        The column of weights, as in ``fit``.
    columns : sequence of str or None, default=None
        Predictors and group columns; None is all but these two.

    Returns
    -------
    model : HLMRegressor or HLMClassifier
        The same one, fitted; see `fit_frames`.

    Raises
    ------
    ImportError
        Without pyarrow: ``pip install 'skhlm[parquet]'``.
    FileNotFoundError
        When there is no such file or directory.
    ValueError, TypeError
        As `fit_frames`.

    Examples
    --------
    >>> import skhlm
    >>> model = skhlm.HLMRegressor("store", family="normal")
    >>> skhlm.fit_parquet(model, "sales/", "revenue")  # doctest: +SKIP
    """
    wanted = None
    if columns is not None:
        apart = [target, *([] if sample_weight is None else [sample_weight])]
        wanted = list(dict.fromkeys([*columns, *apart]))
    return fit_frames(model, parquet_frames(path, wanted), target, sample_weight=sample_weight)


def parquet_frames(
    path: str | os.PathLike[str], columns: Sequence[str] | None = None
) -> Iterator[pd.DataFrame]:
    """The rows of a Parquet data set, some hundred thousand at a time."""
    try:
        import pyarrow.dataset
    except ImportError as error:
        raise ImportError(
            "Parquet files are read by pyarrow, which is missing: pip install 'skhlm[parquet]'."
        ) from error
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no file or directory {os.fspath(path)!r}.")
    try:
        rows = pyarrow.dataset.dataset(os.fspath(path), format="parquet", partitioning="hive")
        if columns is not None and (missing := [c for c in columns if c not in rows.schema.names]):
            raise ValueError(f"columns: {os.fspath(path)!r} has no column {missing[0]!r}.")
        for batch in rows.to_batches(columns=columns, batch_size=_BATCH):
            if batch.num_rows:
                yield batch.to_pandas()
    except pyarrow.ArrowException as error:
        raise ValueError(
            f"{os.fspath(path)!r} cannot be read as Parquet files of the same columns and types: "
            f"{error}"
        ) from error
