"""Texts that are one but for how they are spelt: case, white space, Unicode form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from unicodedata import normalize


def spelling(text: str) -> str:
    """A text without case, outer and repeated white space, its accents in one form."""
    return normalize("NFC", " ".join(text.split()).casefold())


def twins(values: Iterable[object]) -> Iterator[tuple[str, str]]:
    """Texts among values, each with the first one that is spelt alike."""
    first: dict[str, str] = {}
    for text in values:
        if isinstance(text, str) and (known := first.setdefault(spelling(text), text)) is not text:
            yield known, text


def told_twins(values: Iterable[object]) -> str:
    """A sentence on the first two that are spelt alike, to follow a message; empty without."""
    found = next(twins(values), None)
    if found is None:
        return ""
    return (
        f" {found[0]!r} and {found[1]!r} differ by case, white space or Unicode form alone: spell "
        "them alike if they are the same."
    )
