"""Text that is printed does what it says, and nothing to the terminal."""

from __future__ import annotations

import re

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""The text without what commands a terminal: control characters, and those that turn lines.

    Names in a table or a model file are anybody's, and may hold sequences that clear the screen or
    set its title. They are told by their codes; lines and tabs stay.

    Examples
    --------
    >>> from skhlm.printable import printable
    >>> print(printable("North\x1b[2J"))
    North\x1b[2J
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
