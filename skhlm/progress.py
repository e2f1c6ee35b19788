"""How far a long task is: one bar, from nothing to all, on the standard error.

A task is made of parts, and a part of parts. Each takes a share of what is left of the bar, whose
end stays where it is, however many parts there turn out to be: a sampler that goes on until every
parameter has enough draws does not know their number before. A part says how far it is, or, where
it cannot know, creeps towards its end and does not arrive.
"""

from __future__ import annotations

import math
import sys
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

_OFTEN = 0.1  # seconds between two pictures of the bar
_FIRST_LINE, _RAREST_LINE = 2.0, 60.0  # seconds: where there is no terminal
_HALFWAY = 3.0  # seconds after which a part that cannot tell is said to be halfway
_ENOUGH = 0.02  # of the bar, to take a rate from
_ROUNDING = 1e-9
_MINUTE, _HOUR = 60, 3600

Clock = Callable[[], float]


@dataclass(frozen=True)
class Stand:
    """How things stand: the share that is done, what is being done, seconds so far and to come."""

    done: float
    doing: str
    elapsed: float
    left: float | None  # None while nobody knows

    @property
    def percent(self) -> int:
        """Whole percents that are done, 100 only of all."""
        return math.floor(100 * self.done + _ROUNDING)

    def __str__(self) -> str:
        """What is written after the bar."""
        told = [self.doing, in_words(self.elapsed)]
        if self.left is not None and self.done < 1:
            told.append(f"about {in_words(max(self.left, 1))} left")
        return ", ".join(filter(None, told))


@dataclass
class _Part:
    """A piece of the bar; ``clear`` says whether it tells how far it is."""

    start: float
    end: float
    doing: str
    is_clear: bool
    since: float


class Progress:
    """The share of a task that is done: it grows from 0 to 1 and never falls.

    Seconds left are what the rest of the bar takes at the rate of the present part, from where that
    began to tell how far it is; in a series of like parts at the rate since its beginning.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._began = clock()
        self._parts = [_Part(0.0, 1.0, "", True, self._began)]
        self.on_part: Callable[[], None] = _nothing  # called where a part with a name has begun
        self._done, self._told = 0.0, self._began  # how far it was when that was last known
        self._from: tuple[float, float] | None = None  # since when, and where, the rate is taken
        self._in_series = False

    @contextmanager
    def part(self, share: float, doing: str = "", *, clear: bool = False) -> Iterator[None]:
        """A part of the present part: so much of what is left of it, all done when it ends well.

        ``clear`` parts say how far they are by `reach`.
        """
        with self._lock:
            now, end = self._clock(), self._parts[-1].end
            self._arrive(self._seen(now), now)
            self._parts.append(
                _Part(self._done, self._done + share * (end - self._done), doing, clear, now)
            )
            if clear and not self._in_series:
                self._from = (now, self._done)
            depth = len(self._parts)
        try:
            if doing:
                self.on_part()
            yield
            with self._lock:
                self._arrive(self._parts[depth - 1].end, self._clock())
        finally:
            with self._lock:
                del self._parts[depth - 1 :]

    @contextmanager
    def series(self) -> Iterator[None]:
        """Many parts of a kind, whose common rate says best how long the rest takes."""
        self._from, self._in_series = (self._clock(), self._done), True
        try:
            yield
        finally:
            self._in_series = False

    def reach(self, fraction: float) -> None:
        """So much of the present part is done."""
        with self._lock:
            part = self._parts[-1]
            self._arrive(part.start + min(fraction, 1.0) * (part.end - part.start), self._clock())

    def stand(self) -> Stand:
        """How things stand now."""
        with self._lock:
            now = self._clock()
            doing = ", ".join(part.doing for part in self._parts if part.doing)
            return Stand(self._seen(now), doing, now - self._began, self._left(now))

    def _arrive(self, done: float, now: float) -> None:
        """Be as far as this, or stay where that is less."""
        if done > self._done:
            self._done, self._told = done, now

    def _seen(self, now: float) -> float:
        """The share that is done, or may be in a part that cannot tell."""
        part = self._parts[-1]
        if part.is_clear:
            return self._done
        waited = now - part.since
        return max(self._done, part.start + (part.end - part.start) * waited / (waited + _HALFWAY))

    def _left(self, now: float) -> float | None:
        """Seconds to come, counted down from when that was last known."""
        if self._from is None or self._done < self._from[1] + _ENOUGH:
            return None
        began, start = self._from
        left = (1 - self._done) * (self._told - began) / (self._done - start)
        return max(left - (now - self._told), 0.0)


class View(ABC):
    """Where progress is shown."""

    @abstractmethod
    def draw(self, stand: Stand) -> None:
        """Show how things stand."""

    def hidden(self) -> AbstractContextManager[Any]:
        """A context in which something else may be printed."""
        return nullcontext()

    @abstractmethod
    def close(self, stand: Stand) -> None:
        """Show how it ended."""


class Bar(View):
    """A bar in one line of a terminal, or in a notebook."""

    def __init__(self, title: str, bar: Any) -> None:
        self._title, self._bar, self._width = title, bar, 0
        self._before = warnings.showwarning
        self._ours = self._show_warning
        warnings.showwarning = self._ours

    def draw(self, stand: Stand) -> None:
        """Draw it anew; the text stays as wide as it was, so that the bar does not jump."""
        text = str(stand)
        self._width = max(self._width, len(text))
        text = f"{text:<{self._width}}"
        self._bar.bar_format = f"{self._title}: {stand.percent:3}%|{{bar}}| {text}"
        self._bar.n = stand.done
        self._bar.refresh()

    def hidden(self) -> AbstractContextManager[Any]:
        """The line is free within."""
        hidden: AbstractContextManager[Any] = self._bar.external_write_mode(file=sys.stderr)
        return hidden

    def close(self, stand: Stand) -> None:
        """Leave it as it ended."""
        if warnings.showwarning is self._ours:
            warnings.showwarning = self._before
        self.draw(stand)
        self._bar.close()

    def _show_warning(self, *args: Any, **kwargs: Any) -> None:
        with self.hidden():
            self._before(*args, **kwargs)


class Lines(View):
    """A line every so often, where lines cannot be drawn anew: a file, a pipe."""

    def __init__(self, title: str) -> None:
        self._title, self._next = title, _FIRST_LINE

    def draw(self, stand: Stand) -> None:
        """A line if it is time for one: after 2, 4, 8, ... seconds, later once a minute."""
        if stand.elapsed >= self._next:
            self._next = stand.elapsed + min(stand.elapsed, _RAREST_LINE)
            self._write(stand)

    def close(self, stand: Stand) -> None:
        """The last line."""
        self._write(stand)

    def _write(self, stand: Stand) -> None:
        print(f"{self._title}: {stand.percent}%, {stand}", file=sys.stderr, flush=True)


_shown: ContextVar[tuple[Progress, View] | None] = ContextVar("shown", default=None)


@contextmanager
def progress_of(title: str, verbose: int) -> Iterator[Progress]:
    """Progress of a task, shown if asked for; of a task within another one the other's.

    Where the standard error is no terminal, lines take the place of the bar.
    """
    outer = _shown.get()
    if outer is not None or not verbose or sys.stderr is None:
        yield Progress() if outer is None else outer[0]
        return
    progress, view = Progress(), _view(title)
    token = _shown.set((progress, view))
    try:
        with _ticking(progress, view), progress.part(1.0):
            yield progress
    finally:
        _shown.reset(token)


def _nothing() -> None:
    """Nobody looks."""


def aside() -> AbstractContextManager[Any]:
    """A context in which something else may be printed to the terminal, if progress is shown."""
    shown = _shown.get()
    return nullcontext() if shown is None else shown[1].hidden()


def in_words(seconds: float) -> str:
    """A time as people say it.

    Examples
    --------
    >>> from skhlm.progress import in_words
    >>> in_words(41.3), in_words(150), in_words(5000)
    ('41 s', '2 min 30 s', '1 h 23 min')
    """
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


@contextmanager
def _ticking(progress: Progress, view: View) -> Iterator[None]:
    """Draw the progress from now on, whatever this thread is at, and how it ended."""
    ended, one_at_a_time = threading.Event(), threading.Lock()

    def draw() -> None:
        with one_at_a_time:
            view.draw(progress.stand())

    def tick() -> None:
        draw()
        while not ended.wait(_OFTEN):
            draw()

    thread = threading.Thread(target=tick, name="skhlm-progress", daemon=True)
    thread.start()
    progress.on_part = draw  # however short a part is, it is seen
    try:
        yield
    finally:
        progress.on_part = _nothing
        ended.set()
        thread.join()
        view.close(progress.stand())


def _view(title: str) -> View:
    """A bar where one can be drawn."""
    from tqdm.auto import tqdm

    in_notebook = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)
    if not in_notebook and not sys.stderr.isatty():
        return Lines(title)
    return Bar(title, tqdm(total=1.0, dynamic_ncols=True, bar_format="{l_bar}{bar}|", leave=True))
