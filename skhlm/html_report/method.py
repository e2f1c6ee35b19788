"""The method of `HLMRegressor` that writes its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.utils.validation import _num_samples, check_is_fitted

from skhlm.html_report.write import write_report
from skhlm.inputs.frames import check_observed, name_of_outcome
from skhlm.methods.fitted import Fitted


class ReportMixin(Fitted):
    """Everything about the model on one page."""

    def report(self, path: str | Path, X: Any = None, y: Any = None) -> None:
        """Write a report as one HTML file that needs neither network nor script.

        The model in words and symbols, its data, every check, the parameters, shrinkage, group
        effects and response curves, as tables and pictures.

        Parameters
        ----------
        path : str or Path
            The file to write.
        X : frame or array-like of shape (n_samples, n_features), default=None
            Rows to compare the model with; by default those of fit, which the model remembers
            until it is pickled or saved. Without any rows that comparison is left out.
        y : array-like of shape (n_samples,), default=None
            Their outcome.

        Raises
        ------
        ImportError
            Without matplotlib: ``pip install 'skhlm[plot]'``.
        ValueError
            If only one of X and y is given.
        """
        check_is_fitted(self)
        if (X is None) != (y is None):
            raise ValueError("report: give both X and y, or neither.")
        if y is not None:
            y = pd.Series(check_observed(y, _num_samples(X)), name=name_of_outcome(y))
        write_report(self, path, X, y)
