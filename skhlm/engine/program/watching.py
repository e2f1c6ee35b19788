"""How far the sampler is, from the lines that its program prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_ITERATION = re.compile(r"(?:Chain \[(\d+)\] )?Iteration:\s*(\d+) /")

Hook = Callable[[str, int], None]  # what cmdstanpy calls with each line and a process's number


def count_iterations(total: int, reach: Callable[[float], None]) -> Hook:
    """A hook that tells the share of so many iterations, of all chains, that lines report."""
    done: dict[str, int] = {}

    def hook(line: str, _process: int) -> None:
        if (found := _ITERATION.match(line)) is not None:
            done[found[1]] = int(found[2])
            reach(sum(done.values()) / total)

    return hook


def watch(model: Any, hook: Hook) -> None:
    """Let a hook see each line as the program of a model of cmdstanpy prints it.

    The files in which the lines are kept are written in large blocks; and cmdstanpy's own bars
    leave blank lines on the standard output, so that they are not asked for.
    """
    run = model._run_cmdstan

    def watched(*args: Any, **kwargs: Any) -> None:
        run(*args, **{**kwargs, "progress_hook": hook})

    model._run_cmdstan = watched
