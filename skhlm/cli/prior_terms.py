"""Priors as words of the command line, ``tau[days]=Normal(0, 1)``, read by a closed grammar."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Any

import skhlm.priors as priors
from skhlm.inputs.columns import listed, suggestion
from skhlm.priors import PriorSet

_PRIORS = {name: getattr(priors, name) for name in priors.__all__}
_TERM = re.compile(r"\s*(\w+)\s*((?:\[[^\[\]]+\])*)\s*=\s*(\w+)\s*\(([^()]*)\)\s*")
_FORM = "such as tau=Normal(0, 1), kappa[days]=StudentT(4, 0, 2) or tau[region][days]=Cauchy(0, 1)"


@dataclass(frozen=True)
class PriorTerm:
    """A prior and what it is of: a parameter, then perhaps a factor, a coefficient."""

    keys: tuple[str, ...]
    prior: Any

    def __str__(self) -> str:
        """What it is of, as the command line has it."""
        first, *others = self.keys
        return first + "".join(f"[{key}]" for key in others)


def read_prior(text: str) -> PriorTerm:
    """One prior from its words.

    Raises
    ------
    ArgumentTypeError
        When the text is none, with what is wrong.

    Examples
    --------
    >>> from skhlm.cli.prior_terms import read_prior
    >>> read_prior("tau[days]=Normal(0, 0.5)")
    PriorTerm(keys=('tau', 'days'), prior=Normal(loc=0.0, scale=0.5))
    """
    found = _TERM.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no prior {_FORM}")
    parameter, places, name, numbers = found.groups()
    if name not in _PRIORS:
        raise ArgumentTypeError(
            f"there is no prior {name!r}, but {listed(_PRIORS)}.{suggestion(name, _PRIORS)}"
        )
    try:
        prior = _PRIORS[name](*_numbers(name, numbers))
    except ValueError as error:
        told = str(error).removeprefix(f"{name}: ").rstrip(".")
        raise ArgumentTypeError(f"in {text!r} {told}") from error
    return PriorTerm((parameter, *re.findall(r"\[([^\[\]]+)\]", places)), prior)


def _numbers(name: str, text: str) -> list[float]:
    """The numbers of a prior, as many as it may have."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    of = fields(_PRIORS[name])
    least = sum(field.default is MISSING for field in of)
    if not least <= len(parts) <= len(of):
        many = f"{least} to {len(of)}" if least < len(of) else str(least)
        names = ", ".join(field.name for field in of)
        raise ValueError(f"{name}({names}) has {many} numbers, and {len(parts)} are given")
    for part in parts:
        try:
            float(part)
        except ValueError:
            raise ValueError(f"{part!r} is no number") from None
    return list(map(float, parts))


def combine_priors(terms: Iterable[PriorTerm], rest: PriorSet | None = None) -> dict[str, Any]:
    """The estimator's ``priors``: mappings by factor and coefficient where terms have such keys.

    What is left out is that of the set of priors ``rest``, if there is one.
    """
    combined: dict[str, Any] = {} if rest is None else {"rest": rest}
    for term in terms:
        *outer, last = term.keys
        place = combined
        for key in outer:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise ValueError(f"--prior: {term} has a prior already, that of all {key}.")
        if last in place:
            raise ValueError(f"--prior: {term} is given twice, or for all and for some.")
        place[last] = term.prior
    return combined
