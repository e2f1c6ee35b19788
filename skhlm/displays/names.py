"""Names as pictures show them: letter by letter, short, and told apart."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from skhlm.displays.fonts import known_letters

LONGEST = 28  # characters of a name among others
LONGEST_ALONE = 60
_CONTEXT = 4  # characters shown before those that differ
_WORDS = re.compile(r"[^\W_]+")


def shown(name: object, longest: int = LONGEST_ALONE) -> str:
    """A name in visible characters, shortened in the middle where it is longer."""
    return _shortened(_visible(str(name)), longest)


def shown_apart(names: Iterable[object], longest: int = LONGEST) -> list[str]:
    """Names as in `shown` that stay distinct.

    Where names would be shortened to the same, the long ones are shown by the words that they do
    not share, or else where they begin to differ; what is the same even then has a number.
    """
    visible = [_visible(str(name)) for name in names]
    short = [_shortened(text, longest) for text in visible]
    if len(set(short)) == len(short):
        return short
    long = [i for i, text in enumerate(visible) if len(text) > longest]
    for i, text in zip(long, _by_own_words([visible[i] for i in long], longest), strict=True):
        short[i] = text
    same = defaultdict(list)
    for i, text in enumerate(short):
        same[text].append(i)
    for rows in same.values():
        if len({visible[i] for i in rows}) > 1:
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
    known = known_letters()
    return "".join(
        letter
        if letter.isprintable() and ord(letter) in known
        else letter.encode("unicode_escape").decode("ascii")
        for letter in name
    )


def _shortened(text: str, longest: int) -> str:
    """The beginning and the end of a text."""
    if len(text) <= longest:
        return text
    beginning = 4 * longest // 7
    return f"{text[:beginning]}…{text[beginning + 1 - longest :]}"


def _by_own_words(texts: Sequence[str], longest: int) -> list[str]:
    """Texts by the words that not all of them have, each cut alike until all texts fit.

    As they would be shortened where these do not tell more of them apart.
    """
    plain = [_shortened(text, longest) for text in texts]
    words = [_WORDS.findall(text) for text in texts]
    shared = set.intersection(*map(set, words)) if words else set()
    own = [[word for word in of_text if word not in shared] for of_text in words]
    for length in range(longest, 0, -1):
        cut = ["".join(f"…{word[:length]}" for word in of_text) for of_text in own]
        if max(map(len, cut), default=0) <= longest:
            return cut if len(set(cut)) > len(set(plain)) else plain
    return plain


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
