"""One progress bar over all chains, read from what the program prints; silent unless asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from skhlm.engine.settings import SamplerSettings

_ITERATION = re.compile(r"(?:Chain \[(\d+)\] )?Iteration:\s*(\d+) /")


class Progress:
    """A context that shows how many iterations of all chains are done."""

    def __init__(self, directory: Path, settings: SamplerSettings) -> None:
        self._directory = directory
        self._total = settings.chains * (settings.iter_warmup + settings.iter_sampling)
        self._shown = bool(settings.verbose)
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if self._shown:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self._total, desc="skhlm", unit="it")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._move_to(self._total if exception[0] is None else self._bar.n)
            self._bar.close()

    def update(self) -> None:
        """Move the bar to the iterations that the program has reported."""
        if self._bar is not None:
            self._move_to(_iterations_done(self._directory))

    def _move_to(self, iterations: int) -> None:
        self._bar.update(iterations - self._bar.n)


def _iterations_done(directory: Path) -> int:
    """Sum over chains of the last iteration reported in the console files."""
    done: dict[str, int] = {}
    for console in directory.glob("*stdout*.txt"):
        for chain, iteration in _ITERATION.findall(console.read_text(errors="replace")):
            done[chain] = max(done.get(chain, 0), int(iteration))
    return sum(done.values())
