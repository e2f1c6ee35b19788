"""From a fitted model's tidy frames to the arrays of a display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats
from skhlm.displays.names import shown
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.frames import check_observed
from skhlm.inputs.labels import AT_THE_MEANS, INTERCEPT
from skhlm.methods.fitted import Fitted
from skhlm.wrappers import Route

_LONG_UNIT = 24  # characters


def choose_factor(model: Fitted, factor: str | None) -> str:
    """A grouping factor of a fitted model; by default the one with most levels that vary."""
    labels = model._spec.labels
    varying = [g for g, columns in enumerate(labels.varying) if len(columns)]
    names = [labels.factors[g] for g in varying]
    if not names:
        raise ValueError(
            "The model has no group effects to show: it was fitted without grouping factors."
        )
    if factor is None:
        return labels.factors[max(varying, key=lambda g: len(labels.levels[g]))]
    if factor not in names:
        raise ValueError(
            f"factor={factor!r} is not a grouping factor by which coefficients vary. These are "
            f"{listed(names)}.{suggestion(str(factor), names)}"
        )
    return factor


def choose_coefficients(
    wanted: Sequence[str] | str | None, names: Sequence[str], factor: str | None = None
) -> list[str]:
    """Some of the coefficients of a model, or that vary by a factor, in the order asked for."""
    if wanted is None:
        return list(names)
    chosen = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in chosen:
        if name not in names:
            what = f"there is no coefficient {name!r}. There are"
            if factor is not None:
                what = f"{name!r} does not vary by {factor!r}. Those that do are"
            raise ValueError(f"coefficients: {what} {listed(names)}.{suggestion(str(name), names)}")
    if not chosen:
        raise ValueError(f"coefficients is empty; give some of {listed(names)}, or None for all.")
    return chosen


def by_level(frame: pd.DataFrame, column: str, coefficients: Sequence[str]) -> Floats:
    """A column of a frame of one factor, levels in their order by coefficients: (J, K)."""
    of_coefficient = dict(tuple(frame.groupby("coefficient", sort=False)[column]))
    arrays = [of_coefficient[name].to_numpy(dtype="float64") for name in coefficients]
    result: Floats = np.column_stack(arrays)
    return result


def in_units(coefficient: str, outcome: str | None) -> str:
    """Label of an axis along which a coefficient is drawn: its unit; a long name is the title's."""
    name, unit = shown(outcome or "outcome"), shown(coefficient)
    if coefficient in (INTERCEPT, AT_THE_MEANS):
        return name
    return f"{name}\nper unit of {unit}" if len(unit) <= _LONG_UNIT else f"{name}\nper unit"


def outcome_name(model: Fitted, outcome: str | None) -> str | None:
    """What a fitted model's outcome is called, by a given name or that of fit: "bought = yes"."""
    spec = model._spec
    name = outcome or spec.outcome_name
    if spec.classes is None:
        return name
    label = str(spec.classes.plain[1])
    return f"{name} = {label}" if name else label


def name_inside(route: Route, outcome: str | None) -> str | None:
    """What the outcome of the model inside an estimator is called: of a transformed y "log of y".

    Functions have their own names where they have any; a mere "transformed" is said of all others.
    """
    if not route.targets:
        return outcome
    name = outcome or route.model._spec.outcome_name or "y"
    for target in route.targets:
        function = getattr(getattr(target, "func", None), "__name__", "")
        name = f"{function} of {name}" if function.isidentifier() else f"transformed {name}"
    return name


def outcome_title(model: Fitted, outcome: str | None, *, link: bool = False) -> str | None:
    """What is along an axis: a classifier's probability, or "log odds of" on the link's scale.

    None if the outcome has no name, and needs none.
    """
    name = outcome_name(model, outcome)
    if link and model._posterior.family.scale:
        return f"{model._posterior.family.scale} of {name or 'outcome'}"
    return name if model._spec.classes is None else f"probability of {name}"


def observed_outcome(route: Route, y: Any, n_rows: int) -> Floats:
    """Outcomes that were observed, (n,), as the model inside an estimator sees them.

    Classes are zeros and ones; where y is transformed before the model, they are as given.
    """
    if isinstance(route.model, Fitted) and not route.targets:
        return route.model._observed(y, n_rows)
    return check_observed(y, n_rows)
