"""What a target is, numbers or one of two classes, and what is written of its predictions."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pandas as pd

from skhlm.classifier import HLMClassifier
from skhlm.cli.console import note
from skhlm.cli.fields import first_word, holds_numbers
from skhlm.estimator import HierarchicalModel
from skhlm.inputs.columns import listed
from skhlm.inputs.spelling import told_twins
from skhlm.methods.coverages import named_ends
from skhlm.methods.predicting import Predicting
from skhlm.posterior import Kind
from skhlm.regressor import HLMRegressor

_NUMBERS_ONLY = ("family", "exposure")  # options of a regression


def choose_estimator(y: pd.Series[Any], options: Namespace) -> type[HierarchicalModel]:
    """A classifier where that is asked for, or the target is two labels, or zeros and ones.

    No family that is meant for any number, as the default is, suits zeros and ones: who wants it
    has to name it. Says on the standard error what was chosen, where the target alone decided, and
    what a target of two other numbers could be.

    Raises
    ------
    ValueError
        When the target is neither numbers nor one of two classes, or options contradict it.
    """
    values = y.dropna().unique().tolist()
    numbers = holds_numbers(y)
    asked = [name for name in _NUMBERS_ONLY if hasattr(options, name)]
    flags = numbers and not asked and sorted(pd.to_numeric(pd.Series(values))) == [0, 1]
    if options.classify or flags or (len(values) <= 2 and not numbers):
        _check_classes(y, values, options)
        if not options.classify and len(values) == 2:
            otherwise = " --family normal fits a number." if flags else ""
            note(
                f"{_target(options)} is one of two classes, {_some(values)}: this is a classifier."
                f"{otherwise}"
            )
        return HLMClassifier
    if not numbers:
        raise ValueError(
            f"--target: {_target(options)} {first_word(y)}. What is fitted are numbers, or one of "
            f"two classes, and there are {len(values)} different values, {_some(values)}."
            f"{told_twins(_sorted(values))}"
        )
    if len(values) == 2 and not asked:
        note(
            f"{_target(options)} is {_some(values)} in all rows, fitted as a number: --classify "
            "fits the probability of each."
        )
    return HLMRegressor


def outcome_columns(
    model: HierarchicalModel, X: pd.DataFrame, coverage: float | list[float], kind: Kind | None
) -> dict[str, Any]:
    """What ``predict`` writes of rows, by column.

    Of a classifier the class, the probability of each, and ends of the interval of the second's. Of
    several coverages ends have these in their names.
    """
    found = Predicting.predict_interval(model, X, coverage, kind_of_interval(model, kind))
    ends = named_ends(coverage, found)
    if not isinstance(model, HLMClassifier):
        return {"prediction": model.predict(X), **ends}
    of_each = zip(model._classes.plain, model.predict_proba(X).T, strict=True)
    return {
        "prediction": model.predict(X),
        **{f"probability_{label}": probability for label, probability in of_each},
        **ends,
    }


def kind_of_interval(model: HierarchicalModel, kind: Kind | None) -> Kind:
    """What intervals are of, where the options are silent too.

    Raises
    ------
    ValueError
        When intervals are asked for of a single yes or no.
    """
    if not model._posterior.family.is_binary:
        return kind or "outcome"
    if kind == "outcome":
        raise ValueError(
            "--kind outcome: a single yes or no has no interval. --kind mean has that of its "
            "probability."
        )
    return "mean"


def _check_classes(y: pd.Series[Any], values: list[Any], options: Namespace) -> None:
    """Raise for more than two classes, rows without one, and options of a regression.

    Of one class alone the classifier says more.
    """
    if len(values) > 2:
        raise ValueError(
            f"--classify: {_target(options)} holds {len(values)} different values, "
            f"{_some(values)}, and it must be one of two in each row."
            f"{told_twins(_sorted(values))}"
        )
    if missing := int(y.isna().sum()):
        raise ValueError(
            f"--target: {_target(options)} is missing in {missing} of {len(y)} rows: leave these "
            "rows out."
        )
    if given := [f"--{name}" for name in _NUMBERS_ONLY if hasattr(options, name)]:
        because = (
            "--classify asks for two classes" if options.classify else f"{_some(values)} are none"
        )
        raise ValueError(
            f"{' and '.join(given)}: for a target of numbers, and {because}. Leave it out, "
            f"or let {_target(options)} hold numbers."
        )


def _target(options: Namespace) -> str:
    return f"column {options.target!r}"


def _some(values: list[Any]) -> str:
    """The first few values, in their order."""
    return listed(_sorted(values))


def _sorted(values: list[Any]) -> list[Any]:
    """Values in their order, where they have one, or else in that of their names."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)
