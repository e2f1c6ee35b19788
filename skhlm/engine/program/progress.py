"""One progress bar over all chains, read from what the program prints; silent unless asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ITERATION = re.compile(r"(?:Chain \[(\d+)\] )?Iteration:\s*(\d+) /")


class Progress:
    """A context that shows how many iterations of all chains, in all runs, are done."""

    def __init__(self, verbose: int) -> None:
        self._shown = bool(verbose)
        self._bar: Any = None
        self._before = 0  # iterations of earlier runs

    def __enter__(self) -> Progress:
        if self._shown:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=0, desc="skhlm", unit="it")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    @contextmanager
    def run(self, iterations: int) -> Iterator[None]:
        """One more run of so many iterations, all done when the context ends well."""
        if self._bar is None:
            yield
            return
        self._before = self._bar.total
        self._bar.total += iterations
        yield
        self._move_to(iterations)

    def update(self, directory: Path) -> None:
        """Move the bar to the iterations that the present run has reported."""
        if self._bar is not None:
            self._move_to(_iterations_done(directory))

    def _move_to(self, iterations: int) -> None:
        self._bar.update(self._before + iterations - self._bar.n)


def _iterations_done(directory: Path) -> int:
    """Sum over chains of the last iteration reported in the console files."""
    done: dict[str, int] = {}
    for console in directory.glob("*stdout*.txt"):
        for chain, iteration in _ITERATION.findall(console.read_text(errors="replace")):
            done[chain] = max(done.get(chain, 0), int(iteration))
    return sum(done.values())
