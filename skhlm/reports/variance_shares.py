"""Shares of the outcome's variance as tidy frames: R² and intraclass correlations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skhlm._typing import Floats
from skhlm.numerics.quantiles import central, describe
from skhlm.posterior.posterior import Posterior
from skhlm.posterior.variance_shares import VarianceParts, variance_by_row

_NUMBERS = ("mean", "sd", "lower", "upper")


def r2_frame(parts: VarianceParts, coverage: float) -> pd.DataFrame:
    """Marginal and conditional R², one row each, see `HLMRegressor.r2_nakagawa`."""
    shares = parts.shares()
    found = describe(np.stack([shares[0], 1 - shares[-1]]), central(coverage))
    frame = pd.DataFrame({"r2": ["marginal", "conditional"]})
    return frame.assign(**dict(zip(_NUMBERS, found.T, strict=True)))


def names_of_shares(factors: Sequence[str], *, adjusted: bool) -> dict[str, list[str]]:
    """What each row of shares is of, see `HLMRegressor.icc`."""
    parts = ["kappa", *["factor"] * len(factors), "all factors", "residual"]
    return {"part": parts[adjusted:], "factor": ["", *factors, "", ""][adjusted:]}


def describe_shares(parts: VarianceParts, coverage: float, *, adjusted: bool) -> Floats:
    """Mean, sd and interval of each share, (..., G + 3 or G + 2, 4)."""
    shares = parts.shares(adjusted=adjusted)[int(adjusted) :]
    return np.moveaxis(describe(shares, central(coverage)), 0, -2)


def describe_shares_by_row(posterior: Posterior, X: Floats, coverage: float) -> Floats:
    """The same of each row of X at its predictors, adjusted, (n, G + 2, 4)."""
    found = np.empty((len(X), len(posterior.varying) + 2, len(_NUMBERS)))
    for rows, parts in variance_by_row(posterior, X):
        found[rows] = describe_shares(parts, coverage, adjusted=True)
    return found


def numbers_of(described: Floats) -> dict[str, Floats]:
    """Columns of the last axis, whatever the others, in a row."""
    return dict(zip(_NUMBERS, described.reshape(-1, len(_NUMBERS)).T, strict=True))
