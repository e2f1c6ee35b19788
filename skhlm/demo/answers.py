"""Would 316 people curse, scold or shout? Six answers of each say little about the other 18.

A person is known by an intercept, in log odds of yes; what a question asks is known by its columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from skhlm import HLMClassifier, compare
from skhlm._typing import Ints
from skhlm.datasets import load_aggression
from skhlm.demo.results import Results

FIFTHS = ["0-20%", "20-40%", "40-60%", "60-80%", "80-100%"]


def load_answers() -> tuple[pd.DataFrame, pd.Series[Any]]:
    """X: the person, trait anger and sex, and what a question asks. y: "yes" or "no"."""
    X, y = load_aggression(return_X_y=True)
    return X.drop(columns="item"), y


def six_answers_each(X: pd.DataFrame) -> tuple[Ints, Ints]:
    """Six random rows of each person, and the other 18."""
    folds = StratifiedKFold(n_splits=4, shuffle=True, random_state=0)
    most, few = next(folds.split(X, X["person"]))
    return few, most


def compare_answers(X: pd.DataFrame, y: pd.Series[Any]) -> Results:
    """Pooled, unpooled and hierarchical log odds."""
    model = HLMClassifier("person", varying="intercept", random_state=0)
    return Results(*compare(X, y, cv=[six_answers_each(X)], model=model, return_estimator=True))


def what_came_true(results: Results, X: pd.DataFrame, y: pd.Series[Any]) -> pd.DataFrame:
    """What each model's probabilities are worth: how many held-out answers, and the share of yes.

    Returns
    -------
    pandas.DataFrame
        One row for each fifth of probabilities, ``predicted``, and two columns for each model, as
        in "pooled: n" and "pooled: yes".
    """
    _, test = six_answers_each(X)
    yes = y.iloc[test].to_numpy() == "yes"
    table = pd.DataFrame({"predicted": FIFTHS})
    for name, (model,) in results.fitted.items():
        p = model.predict_proba(X.iloc[test])[:, 1]
        fifth = np.minimum((5 * p).astype(int), 4)
        table[f"{name}: n"] = np.bincount(fifth, minlength=5)
        table[f"{name}: yes"] = pd.Series(yes).groupby(fifth).mean()
    return table
