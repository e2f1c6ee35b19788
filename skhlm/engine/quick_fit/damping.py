"""Newton's steps of kappa and effects, shortened where the whole step overshoots.

Where a log density is concave in eta, a step with any positive information goes up: what is too
long is only long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem
from skhlm.engine.quick_fit.estimate import Estimate, find_eta, log_posterior
from skhlm.numerics.forest import Tree

_HALVINGS = 30  # after which a step is none
_ROUNDING = 1e-12  # of the log posterior


def damped(problem: Problem, trees: Sequence[Tree], before: Estimate, after: Estimate) -> Estimate:
    """The estimate after a step, halved until the log posterior at the new scales does not fall."""
    start = replace(before, log_tau=after.log_tau, sd=after.sd)
    old, new = (find_eta(problem.evidence, trees, e) for e in (before, after))
    least = log_posterior(problem, old, start)
    least -= _ROUNDING * abs(least)
    for share in 0.5 ** np.arange(_HALVINGS):
        part = _between(start, after, share)
        with np.errstate(
            over="ignore", invalid="ignore", divide="ignore"
        ):  # far out, where it is not accepted
            value = log_posterior(problem, old + share * (new - old), part)
        if value >= least:
            return part
    return start


def _between(start: Estimate, end: Estimate, share: float) -> Estimate:
    """The estimate a share of the way from the start to the end."""

    def move(a: Floats, b: Floats) -> Floats:
        return b if share == 1 else a + share * (b - a)

    return replace(
        end,
        kappa=move(start.kappa, end.kappa),
        delta=tuple(move(a, b) for a, b in zip(start.delta, end.delta, strict=True)),
    )
