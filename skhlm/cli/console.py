"""What is said on the screen: one place, through which nothing reaches a terminal raw."""

from __future__ import annotations

import re
import sys
from typing import TextIO

from skhlm.progress import aside

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""The text without what commands a terminal: control characters, and those that turn lines.

    Names in a table or a model file are anybody's, and may hold sequences that clear the screen or
    set its title. They are told by their codes; lines and tabs stay.

    Examples
    --------
    >>> from skhlm.cli.console import printable
    >>> print(printable("North\x1b[2J"))
    North\x1b[2J
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say(text: str) -> None:
    """Print to the standard output."""
    _print(text, sys.stdout)


def complain(text: str) -> None:
    """Print to the standard error, in one line."""
    _print(" ".join(text.split()), sys.stderr)


def note(text: str) -> None:
    """What is good to know, on the standard error."""
    complain(f"skhlm: note: {text}")


def warn(text: str) -> None:
    """What may be wrong, on the standard error."""
    complain(f"skhlm: warning: {text}")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it."""
    return stream is not None and stream.isatty()


def _print(text: str, file: TextIO) -> None:
    """Print; characters that the terminal lacks are told by their codes."""
    encoding = file.encoding or "utf-8"
    with aside():
        print(printable(text).encode(encoding, "backslashreplace").decode(encoding), file=file)
