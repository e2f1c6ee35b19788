"""bambi with the sampler nutpie and their defaults: priors, 4 x (1000 + 1000) draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bambi
import numpy as np
import pandas as pd

from benchmarks.peers.task import COVERAGE, Effects, Floats, Task

PACKAGES = ("bambi", "nutpie", "pymc")
FAMILIES = {"normal": "gaussian", "student_t": "t"}


def fit(task: Task, rows: pd.DataFrame) -> Any:
    """Draws; effects of a level are independent in bambi, whatever the bar."""
    levels = {factor: rows[factor].astype(str) for factor in task.factors}
    model = bambi.Model(task.formula("|"), rows.assign(**levels), family=FAMILIES[task.family])
    return model.fit(inference_method="nutpie", chains=4, random_seed=1, progressbar=False)


def effects(task: Task, found: Any) -> dict[str, Effects]:
    """Means and quantiles of the draws."""
    by_coefficient = {factor: _of_factor(task, found, factor) for factor in task.factors}
    return {
        factor: Effects(*map(np.column_stack, zip(*parts, strict=True)))
        for factor, parts in by_coefficient.items()
    }


def _of_factor(task: Task, found: Any, factor: str) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Mean, lower and upper end of each coefficient's effects, by level."""
    tail = (1 - COVERAGE) / 2
    for name in task.varying:
        term = f"{'1' if name == 'Intercept' else name}|{factor}"
        draws = found.posterior[term].transpose("chain", "draw", ...)
        order = np.argsort(draws[draws.dims[-1]].to_numpy().astype(int))
        flat = draws.to_numpy().reshape(-1, len(order))[:, order]
        yield flat.mean(axis=0), *np.quantile(flat, (tail, 1 - tail), axis=0)


def tell(_task: Task, found: Any, folder: Path) -> dict[str, Any]:
    """Divergences; draws of all parameters are written, (chains, draws, P), for their ESS."""
    shape = (found.posterior.sizes["chain"], found.posterior.sizes["draw"], -1)
    draws = [
        values.transpose("chain", "draw", ...).to_numpy().reshape(shape)
        for values in found.posterior.data_vars.values()
    ]
    np.save(folder / "draws.npy", np.concatenate(draws, axis=-1))
    return {"said": f"{int(found.sample_stats['diverging'].sum())} divergent"}
