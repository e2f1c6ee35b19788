"""Diagnosis: every check, the sampler by chain, the parameters whose draws are worth least."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from skhlm.displays import TraceDisplay
from skhlm.draws import SamplerStatistics
from skhlm.html_report.page import heading, paragraph, picture
from skhlm.html_report.table import table
from skhlm.numerics.convergence import convergence
from skhlm.numerics.threads import n_workers
from skhlm.posterior.parameters import list_parameters

_WORST = 10  # parameters
_MOST_JUDGED = 5_000  # by name; of more the worst is named


def diagnosis(model: Any) -> Iterator[str]:
    """Every check, and what the chains did."""
    checks = model.diagnose()
    advice, last = checks.pop("advice"), len(checks.columns) - 1  # before the sources
    if advice.any():
        checks.insert(last, "advice", advice)
    yield table(checks, "Checks", folded=False)
    if not model._posterior.n_chains:
        return
    if model._posterior.n_chains > 1:
        display = TraceDisplay.from_estimator(model)
        caption = "Ranks of each chain's draws among those of all chains: level where they agree."
        yield picture(display.figure_, caption)
    yield from _worst(model)
    yield from _chains(model)


def _worst(model: Any) -> Iterator[str]:
    """The parameters with the largest R-hat or the fewest effective draws, as they were fitted."""
    posterior, labels = model._posterior.where_fitted, model._spec.labels.where_fitted
    blocks = list_parameters(posterior)
    n = sum(1 for block in blocks for _ in block.names(labels))
    if n > _MOST_JUDGED:
        found = model.diagnostics_
        yield paragraph(
            f"Of {n:,} parameters the draws of {found.worst_parameter} agree least; the largest "
            f"R-hat is {found.max_rhat:.4f}, the smallest effective sample sizes are "
            f"{found.min_ess_bulk:.0f} (bulk) and {found.min_ess_tail:.0f} (tail). The tables of "
            "parameters and effects below have these numbers of all that they list."
        )
        return
    draws = [b.reported(posterior).reshape(-1, posterior.n_draws) for b in blocks]
    names = [str(name) for block in blocks for name in block.names(labels)]
    chains = np.concatenate(draws).reshape(n, posterior.n_chains, -1)
    found = convergence(np.moveaxis(chains, 0, -1), n_workers())
    frame = pd.DataFrame({"parameter": names, **found._asdict()}).drop(columns="rhat_excess")
    ranks = [(-frame["rhat"]).rank(), frame["ess_bulk"].rank(), frame["ess_tail"].rank()]
    worst = np.fmin.reduce(ranks).argsort(kind="stable")[:_WORST]
    yield table(
        frame.iloc[worst],
        f"The {min(_WORST, n)} of {n:,} parameters whose draws tell least",
        "By R-hat, bulk or tail effective sample size, where the model is fitted; tables of "
        "parameters and effects below have these numbers of all.",
        folded=False,
    )


def statistics_of(model: Any) -> SamplerStatistics | None:
    """What NUTS said, if that is known and of the posterior's draws."""
    statistics: SamplerStatistics | None = model._fit.statistics
    if statistics is None or not statistics.has_steps_of(model._posterior.n_draws):
        return None
    return statistics


def _chains(model: Any) -> Iterator[str]:
    """The sampler by chain, and the place of the picture of energies."""
    statistics, diagnostics = statistics_of(model), model.diagnostics_
    yield heading("The sampler, chain by chain")
    if not diagnostics.n_leapfrog:
        yield paragraph(
            f"{diagnostics.n_chains} chains of Gibbs sampling, which takes no steps: it has no "
            "acceptance, no energy and no step size."
        )
        return
    if statistics is None:
        yield paragraph(
            "What the sampler said of each draw is not known: the model has fewer draws than it "
            "was fitted with, or the file is of an earlier version.",
            "left-out",
        )
    frame = pd.DataFrame({"chain": np.arange(1, diagnostics.n_chains + 1)})
    if statistics is not None:
        frame["divergent"] = statistics.divergent.sum(axis=1)
        frame["acceptance"] = statistics.accept.mean(axis=1)
        frame["treedepth, mean"] = statistics.treedepth.mean(axis=1)
        frame["treedepth, most"] = statistics.treedepth.max(axis=1)
        frame["gradients"] = statistics.n_leapfrog.sum(axis=1)
    frame["step size"] = diagnostics.step_size
    frame["E-BFMI"] = diagnostics.e_bfmi
    yield table(frame, "Chains", folded=False)
    if statistics is not None:
        yield '<div id="energy" class="charts"></div>'
