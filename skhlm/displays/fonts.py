"""Fonts for what the chosen one has no glyph for, where there are such on the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = 400  # weight
_OF_BOXES = "Last Resort"  # a font that has a box for everything
_Plot = TypeVar("_Plot", bound=Callable[..., Any])


def with_glyphs(plot: _Plot) -> _Plot:
    """Draw with more fonts where the display's names ask for them."""

    @wraps(plot)
    def drawn(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _fonts_for(_letters_of(vars(self).values())):
            return plot(self, *args, **kwargs)

    return cast(_Plot, drawn)


def known_letters() -> frozenset[int]:
    """Code points of which a font that matplotlib is set to has a glyph."""
    from matplotlib.font_manager import FontProperties, findfont

    families = FontProperties().get_family()
    return _letters_in(tuple(findfont(FontProperties(family=[family])) for family in families))


@contextmanager
def _fonts_for(letters: frozenset[int]) -> Iterator[None]:
    """Set matplotlib to further fonts, behind its own, until all letters are known or none is."""
    if not letters:
        yield
        return
    try:
        from matplotlib import rc_context, rcParams
    except ImportError:  # who draws says so
        yield
        return
    missing, added = letters - known_letters(), []
    while missing:
        family, found = _best(missing)
        if not found:
            break
        added.append(family)
        missing -= found
    with rc_context({"font.family": [*rcParams["font.family"], *added]} if added else {}):
        yield


def _letters_of(values: Iterable[Any]) -> frozenset[int]:
    """Code points beyond ASCII of all names among some values."""
    texts = [
        "".join(value.ravel().tolist()) if isinstance(value, np.ndarray) else value
        for value in values
        if isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype.kind == "U")
    ]
    return frozenset(
        ord(letter)
        for text in texts
        if not text.isascii()
        for letter in set(text)
        if not letter.isascii() and letter.isprintable()
    )


def _best(missing: frozenset[int]) -> tuple[str, frozenset[int]]:
    """The family that has most of some code points, sans before serif, and those."""
    chosen: tuple[str, frozenset[int]] = ("", frozenset())
    for family, path in _upright_fonts():
        found = missing & _letters_in((path,))
        if len(found) > len(chosen[1]):
            chosen = family, found
    return chosen


@cache
def _upright_fonts() -> tuple[tuple[str, str], ...]:
    """Families and files of all fonts in their plain weight, those without serifs first."""
    from matplotlib.font_manager import fontManager, weight_dict

    plain = {
        font.name: font.fname
        for font in fontManager.ttflist
        if font.style not in ("italic", "oblique")
        and weight_dict.get(str(font.weight), font.weight) == _PLAIN
        and not font.name.startswith(_OF_BOXES)
    }
    return tuple(sorted(plain.items(), key=lambda font: ("Sans" not in font[0], font[0])))


@cache
def _letters_in(files: tuple[str, ...]) -> frozenset[int]:
    """Code points of which at least one font has a glyph."""
    from matplotlib.font_manager import get_font

    return frozenset(code for file in files for code in get_font(file).get_charmap())
