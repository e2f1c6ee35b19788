"""The outcome as the user gives it: what it is called, which family, and what in it cannot be."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from skhlm._typing import Bools, Floats
from skhlm.families import FAMILIES, Family, Flaw, find_family
from skhlm.inputs.columns import is_frame, labels_of, listed, suggestion


def named_family(name: str, known: Collection[str]) -> Family:
    """The family of this name; raise where it is none of those that an estimator has."""
    if name in known:
        return find_family(name)
    if name.lower().replace("_", "").replace("-", "") == "lognormal":
        raise ValueError(
            f"family: there is no {name!r}. Fit family='normal' or 'student_t' to the logarithm of "
            "y, or family='gamma' to y, whose coefficients are of the log of the mean."
        )
    called = (f.name for f in FAMILIES.values() if name.lower() in f.elsewhere)
    meant = next(called, name)
    raise ValueError(
        f"family: there is no {name!r}. The families are {listed(known)}.{suggestion(meant, known)}"
    )


def name_of_outcome(y: Any) -> str | None:
    """What a series, or the column of a frame, is called; None without a name that is a string."""
    name = labels_of(y)[0] if is_frame(y) and y.shape[1] == 1 else getattr(y, "name", None)
    return str.__str__(name) if isinstance(name, str) and name else None


def check_not_masked(given: Any, argument: str) -> None:
    """Raise where numpy would look through the mask of an array at what it hides."""
    if np.ma.is_masked(given):
        raise ValueError(
            f"{argument} is a masked array with {int(np.ma.getmaskarray(given).sum())} masked "
            "entries, which are missing values. Fill them in, or leave their rows out."
        )


def check_finite(numbers: Floats, given: Any) -> None:
    """Raise where outcomes (n,) are missing or infinite; ``given`` is what they were read from."""
    if np.isnan(numbers).any():
        raise ValueError(
            f"Input y contains NaN. {where(np.isnan(numbers), numbers, given)}: leave out the rows "
            "whose outcome is missing."
        )
    if np.isinf(numbers).any():
        raise ValueError(
            "Input y contains infinity or a value too large for dtype('float64'). "
            f"{where(np.isinf(numbers), numbers, given)}: look for a division by zero or the "
            "logarithm of zero, or leave such rows out."
        )


def check_possible(family: Family, numbers: Floats, given: Any) -> None:
    """Raise where outcomes (n,), finite numbers, are none of the family's."""
    _check_no(family.find_flaw(numbers), numbers, given)


def check_tractable(family: Family, numbers: Floats, weight: Floats, given: Any) -> None:
    """Raise where outcomes (n,) with these weights (n,) are too extreme to be fitted."""
    _check_no(family.find_extreme(numbers, weight), numbers, given)


def _check_no(flaw: Flaw | None, numbers: Floats, given: Any) -> None:
    """Raise where there is a flaw."""
    if flaw is not None:
        raise ValueError(f"{where(flaw.wrong, numbers, given)}: {flaw.remedy}")


def where(wrong: Bools, numbers: Floats, given: Any) -> str:
    """The first of the outcomes (n,) that are wrong, its row, and how many there are."""
    row = int(np.argmax(wrong))
    name = name_of_outcome(given)
    subject = "y" if name is None else f"y: column {name!r}"
    number = float(numbers[row])
    shown = f"{number:g}" if float(f"{number:g}") == number else repr(number).removesuffix(".0")
    return f"{subject} is {shown} in row {row}{and_others(wrong)}"


def and_others(wrong: Bools) -> str:
    """How many rows (n,) are wrong, to follow the first; empty where it is the only one."""
    many = int(wrong.sum())
    return f" ({many} such rows in all)" if many > 1 else ""


def check_of_one_trial(family: Family, y: Floats) -> None:
    """Raise where outcomes (n,) are shares, and what they are held against is a single trial."""
    if family.is_binary and (y % 1).any():
        raise ValueError(
            "y holds shares of several trials, and intervals are of one: give each trial a row of "
            "0 or 1."
        )
