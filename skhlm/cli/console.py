"""What is said on the screen: one place, through which nothing reaches a terminal raw."""

from __future__ import annotations

import sys
from typing import TextIO

from skhlm.printable import printable
from skhlm.progress import aside


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
