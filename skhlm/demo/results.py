"""What `skhlm.compare` returns, for the stops of the tour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from skhlm import HLMClassifier, HLMRegressor

COVERAGE = 0.9
_TITLES = {
    "r2": "R²",
    "rmse": "RMSE",
    "coverage": "coverage",
    "width": "width",
    "crps": "CRPS",
    "log_loss": "log loss",
    "brier": "Brier score",
    "accuracy": "accuracy",
}


class Results(NamedTuple):
    """Scores of held-out rows, and the models that made them.

    Attributes
    ----------
    scores : pandas.DataFrame
        By model, fold and kind of row.
    fitted : dict of str to list
        Each model as fitted on each fold.
    """

    scores: pd.DataFrame
    fitted: dict[str, list[Any]]

    def means(self) -> pd.DataFrame:
        """One row for each model: means over the folds, of all rows."""
        scores = self.scores[self.scores["rows"] == "all"]
        means = scores.groupby("model", sort=False).mean(numeric_only=True).reset_index()
        known = [name for name in _TITLES if name in means]
        return means[["model", *known]].rename(columns=_TITLES)


def convergence(models: Iterable[HLMClassifier | HLMRegressor]) -> str:
    """What the fits' diagnostics say, in a line; then their complaints, if any."""
    found = [model.diagnostics_ for model in models]
    passed = sum(diagnostics.verdict == "pass" for diagnostics in found)
    ess = min(min(diagnostics.min_ess_bulk, diagnostics.min_ess_tail) for diagnostics in found)
    line = (
        f"Convergence (diagnostics_): {passed} of {len(found)} fits pass; every parameter has "
        f"{ess:.0f} effective draws or more."
    )
    return "\n".join([line, *(text for diagnostics in found for text in diagnostics.messages)])
