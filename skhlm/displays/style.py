"""Colours, markers and lines that colour-blind readers tell apart, and black and white printers."""

from __future__ import annotations

from typing import NamedTuple

# Okabe and Ito's colours without yellow, which is too pale for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BLUE, VERMILION = COLOURS[:2]
BLACK, GREY, PALE = "#000000", "#767676", "#C8C8C8"

_MARKERS = "os^DvP"
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MAX_LOOKS = 2 * len(COLOURS)


class Look(NamedTuple):
    """How one of several things is drawn: each differs in colour or marker from all others."""

    color: str
    marker: str
    fill: str
    line: str | tuple[int, tuple[int, ...]]


OTHER = Look(GREY, ".", GREY, "-")


def look(i: int) -> Look:
    """The look of thing i; the first `MAX_LOOKS` are all different, then they begin again."""
    again, k = divmod(i % MAX_LOOKS, len(COLOURS))
    shape = (k + 3 * again) % len(COLOURS)
    return Look(COLOURS[k], _MARKERS[shape], "white" if again else COLOURS[k], _LINES[shape])
