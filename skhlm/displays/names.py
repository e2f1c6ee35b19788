"""Names as pictures show them: letter by letter, short, and told apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache

LONGEST = 28  # characters of a name among others
LONGEST_ALONE = 60
_CONTEXT = 4  # characters shown before those that differ


def shown(name: object, longest: int = LONGEST_ALONE) -> str:
    """A name in visible characters, shortened in the middle where it is longer."""
    return _shortened(_visible(str(name)), longest)


def shown_apart(names: Iterable[object], longest: int = LONGEST) -> list[str]:
    """Names as in `shown` that stay distinct.

    Names that would be shortened to the same are shown where they differ; what is the same even
    then has a number.
    """
    visible = [_visible(str(name)) for name in names]
    short = [_shortened(text, longest) for text in visible]
    same = defaultdict(list)
    for i, text in enumerate(short):
        same[text].append(i)
    for rows in same.values():
        if len(rows) > 1:
            windows = _where_they_differ([visible[i] for i in rows], longest)
            for i, text in zip(rows, windows, strict=True):
                short[i] = text
    return _numbered(short)


def literal(text: str) -> str:
    """Text for matplotlib that is no formula, which $ begins, and is not left out of a legend.

    matplotlib leaves out what begins with an underscore.
    """
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _visible(name: str) -> str:
    """A name whose characters all have a glyph: others are written as Python writes them."""
    if not name.strip():
        return repr(name)
    if name.isascii() and name.isprintable():
        return name
    known = _characters(_fonts())
    return "".join(
        letter
        if letter.isprintable() and ord(letter) in known
        else letter.encode("unicode_escape").decode("ascii")
        for letter in name
    )


def _fonts() -> tuple[str, ...]:
    """Files of the fonts that matplotlib is set to."""
    from matplotlib.font_manager import FontProperties, findfont

    families = FontProperties().get_family()
    return tuple(findfont(FontProperties(family=[family])) for family in families)


@cache
def _characters(fonts: tuple[str, ...]) -> frozenset[int]:
    """Code points of which at least one font has a glyph."""
    from matplotlib.font_manager import get_font

    return frozenset(code for font in fonts for code in get_font(font).get_charmap())


def _shortened(text: str, longest: int) -> str:
    """The beginning and the end of a text."""
    if len(text) <= longest:
        return text
    beginning = 4 * longest // 7
    return f"{text[:beginning]}…{text[beginning + 1 - longest :]}"


def _where_they_differ(texts: Sequence[str], longest: int) -> list[str]:
    """The beginning of each text, and what follows where they begin to differ."""
    beginning = longest // 4
    letters = enumerate(zip(*texts, strict=False))
    differ = next((i for i, letter in letters if len(set(letter)) > 1), min(map(len, texts)))
    start = max(differ - _CONTEXT, beginning)
    return [_shortened(f"{text[:beginning]}…{text[start:]}", longest) for text in texts]


def _numbered(texts: list[str]) -> list[str]:
    """Texts that are all different: those that are not have numbers added until they are."""
    while len(counts := Counter(texts)) < len(texts):
        seen: Counter[str] = Counter()
        for i, text in enumerate(texts):
            if counts[text] > 1:
                seen[text] += 1
                texts[i] = f"{text} ({seen[text]})"
    return texts
