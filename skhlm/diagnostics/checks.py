"""One check of a fitted model: its verdict, the number, the threshold, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal

from skhlm.numerics.digits import told_apart

Verdict = Literal["pass", "warn", "fail"]
Finding = Verdict | Literal["note"]

_WORST_FIRST: tuple[Verdict, ...] = ("fail", "warn")


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name : str
        What was checked, as docs/diagnostics.md calls it.
    verdict : {"pass", "note", "warn", "fail"}
        "fail": the draws are not the posterior's, or may not be; "warn": to be known before they
        are used; "note": the posterior is right and tells all, this only says why.
    value : float
        The number that was found; NaN where there is none.
    threshold : float
        The bound of the numbers that pass; others may follow beyond it.
    source : str
        Where the threshold is from.
    advice : str
        What was found and what to do about it; empty if there is nothing to say.

    Examples
    --------
    >>> from skhlm.diagnostics.checks import Check
    >>> print(Check("R-hat", "pass", 1.003, 1.01, "Vehtari et al. 2021"))
    pass  R-hat: 1.003 (threshold 1.01)
    """

    name: str
    verdict: Finding
    value: float
    threshold: float
    source: str
    advice: str = ""

    def __str__(self) -> str:
        """One line, and the advice below it."""
        missing = isnan(self.value) and not self.advice
        found = "not applicable" if missing else told_apart(self.value, self.threshold, 4, "g")
        line = f"{self.verdict}  {self.name}: {found} (threshold {self.threshold:.4g})"
        return f"{line}\n      {self.advice}" if self.advice else line


def judge(
    name: str,
    value: float,
    threshold: float,
    source: str,
    advice: str,
    *,
    notes: bool = False,
    warns: bool = False,
    fails: bool = False,
) -> Check:
    """A check of the worst verdict whose case it is; without advice where it is none."""
    verdict: Finding = "fail" if fails else "warn" if warns else "note" if notes else "pass"
    said = "" if verdict == "pass" else advice
    return Check(name, verdict, float(value), float(threshold), source, said)


def worst_verdict(checks: Sequence[Check]) -> Verdict:
    """The worst of all; "pass" where nothing was found, or notes alone."""
    found = {check.verdict for check in checks}
    return next((verdict for verdict in _WORST_FIRST if verdict in found), "pass")
