"""skhlm with its defaults: NUTS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers.task import COVERAGE, Effects, Task
from skhlm import HLMRegressor

PACKAGES = ("skhlm",)


def fit(task: Task, rows: pd.DataFrame, algorithm: str = "nuts") -> HLMRegressor:
    """To all fitted attributes."""
    model = HLMRegressor(
        list(task.hierarchies),
        family=task.family,
        varying="all" if task.all_vary else "intercept",
        algorithm=algorithm,
    ).fit(rows[[*task.factors, *task.slopes]], rows["y"])
    _ = model.coef_, model.intercept_, model.tau_, model.diagnostics_
    return model


def effects(task: Task, model: HLMRegressor) -> dict[str, Effects]:
    """Posterior means and quantiles."""
    frame = model.group_effects(coverage=COVERAGE)
    paths = [path.split("/") for path in task.hierarchies]
    names = ["/".join(path[: i + 1]) for path in paths for i in range(len(path))]
    return {
        factor: _of_factor(frame[frame["factor"] == name], shape)
        for (factor, shape), name in zip(task.shapes.items(), names, strict=True)
    }


def _of_factor(frame: pd.DataFrame, shape: tuple[int, int]) -> Effects:
    """Rows come by level, and within it by coefficient."""
    level = frame["level"].str[-1].to_numpy(int).reshape(shape)[:, 0]
    ordered = np.argsort(level)
    columns = (frame[name].to_numpy() for name in Effects._fields)
    return Effects(*(column.reshape(shape)[ordered] for column in columns))


def tell(_task: Task, model: HLMRegressor, _folder: Path) -> dict[str, Any]:
    """The smallest ESS of all parameters, and the verdict."""
    found = model.diagnostics_
    if np.isfinite(found.pareto_k):
        return {"said": f"{found.verdict}, Pareto k {found.pareto_k:.2f}"}
    return {
        "ess_bulk": found.min_ess_bulk,
        "ess_tail": found.min_ess_tail,
        "said": f"{found.verdict}, {found.n_divergent} divergent",
    }
