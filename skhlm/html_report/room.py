"""How a page keeps to its size: what can be had shorter is, the longest parts first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_NO_MORE = '<p class="left-out">There is no room for what follows in a file of this size.</p>'


class Flexible(str):
    """HTML that can be had shorter.

    Parameters
    ----------
    text : str
        All of it.
    shorter : callable
        From a number of bytes to the HTML that fits into so many, or to the shortest that there is.
    """

    shorter: Callable[[int], str]

    def __new__(cls, text: str, shorter: Callable[[int], str]) -> Flexible:
        """The whole text, which also knows how to be shorter."""
        made = super().__new__(cls, text)
        made.shorter = shorter
        return made


def size_of(text: str) -> int:
    """Bytes of a text in the file."""
    return len(text.encode("utf-8", "backslashreplace"))


def fitted(parts: Sequence[str], most: int) -> list[str]:
    """The parts, of which those that can be shorter are where all are more than so many bytes.

    One bound holds for all of these: the shorter ones stay as they are. Where not even that is
    enough, the page ends early, and says so.
    """
    sizes = [size_of(part) for part in parts]
    if sum(sizes) <= most:
        return list(parts)
    pairs = list(zip(parts, sizes, strict=True))
    flexible = [size for part, size in pairs if isinstance(part, Flexible)]
    bound = _bound(flexible, most - (sum(sizes) - sum(flexible)))
    made = [
        part.shorter(bound) if isinstance(part, Flexible) and size > bound else part
        for part, size in pairs
    ]
    return made if sum(map(size_of, made)) <= most else _up_to(made, most)


def largest(most: int, at_most: int, sized: Callable[[int], str]) -> str:
    """The text of the largest number, at most `at_most`, whose size is at most `most` bytes.

    That of 0 if there is none. Sizes are about in proportion to the numbers, which saves trials.
    """
    text, n = sized(at_most), at_most
    while n and size_of(text) > most:
        n = min(n - 1, int(0.97 * n * most / size_of(text)))
        text = sized(n)
    return text


def _bound(sizes: Sequence[int], room: int) -> int:
    """The largest bound such that sizes, each at most that, add up to `room` at most."""
    for n_left, size in zip(range(len(sizes), 0, -1), sorted(sizes), strict=True):
        if size * n_left > room:
            return max(room // n_left, 0)
        room -= size
    return max(sizes, default=0)


def _up_to(parts: Sequence[str], most: int) -> list[str]:
    """As many of the parts, from the first on, as there is room for."""
    room = most - size_of(_NO_MORE)
    kept: list[str] = []
    for part in parts:
        room -= size_of(part)
        if room < 0:
            return [*kept, _NO_MORE]
        kept.append(part)
    return kept
