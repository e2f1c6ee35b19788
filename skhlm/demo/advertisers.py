"""Simulated advertisers: two crossed hierarchies, heavy tails, and the truth to compare with."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from skhlm import HLMRegressor, compare
from skhlm.datasets import CampaignTruth
from skhlm.demo.results import Results

SPEND = ["spend_1", "spend_2"]


def compare_advertisers(X: pd.DataFrame, y: pd.Series[float]) -> Results:
    """Three-fold cross-validation; the hierarchical model is the default one."""
    groups = ["region/country", "industry/vertical"]
    return Results(*compare(X, y, groups, cv=3, random_state=0, return_estimator=True))


def best_possible(X: pd.DataFrame, y: pd.Series[float], truth: CampaignTruth) -> float:
    """R² of the expected value that the simulation added its noise to."""
    expected = truth.beta["Intercept"] + np.sum(truth.beta[SPEND] * X[SPEND], axis=1)
    return float(r2_score(y, expected))


def true_effects_covered(model: HLMRegressor, truth: CampaignTruth) -> tuple[int, int]:
    """How many of the true group effects are in the model's 90% intervals, and of how many."""
    effects = model.group_effects().merge(truth.effects, on=["factor", "level", "coefficient"])
    return int(effects["effect"].between(effects["lower"], effects["upper"]).sum()), len(effects)
