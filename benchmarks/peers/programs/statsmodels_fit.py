"""statsmodels' MixedLM with its defaults: REML.

The coarsest factor of a single hierarchy are its groups, and finer ones variance components; where
factors are crossed all rows are one group.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

from benchmarks.peers.task import Effects, Floats, Task

PACKAGES = ("statsmodels",)
_COMPONENT = re.compile(r"(f\d+)_(\w+)\[C\(f\d+\)\[(\d+)\]")


def fit(task: Task, rows: pd.DataFrame) -> Any:
    """Effects of a level are independent."""
    crossed = len(task.hierarchies) > 1
    components = {
        f"{factor}_{name}": f"0 + C({factor})" + ("" if name == "Intercept" else f":{name}")
        for factor in task.factors[0 if crossed else 1 :]
        for name in task.varying
    }
    model = MixedLM.from_formula(
        f"y ~ {' + '.join(['1', *task.slopes])}",
        rows,
        groups=np.zeros(len(rows)) if crossed else rows["f1"],
        re_formula="0" if crossed else " + ".join(["1", *task.varying[1:]]),
        vc_formula=components or None,
    )
    K = len(task.varying)
    if crossed:
        return model.fit()
    diagonal = MixedLMParams.from_components(
        np.ones(1 + task.n_predictors), np.eye(K), vcomp=np.ones(len(components))
    )
    return model.fit(free=diagonal)


def effects(task: Task, result: Any) -> dict[str, Effects]:
    """With their conditional variances."""
    mean = {factor: np.empty(shape) for factor, shape in task.shapes.items()}
    sd = {factor: np.empty(shape) for factor, shape in task.shapes.items()}
    variances = result.random_effects_cov
    for group, values in result.random_effects.items():
        spread = np.sqrt(np.diag(np.asarray(variances[group])))
        for i, label in enumerate(values.index):
            factor, level, k = _place(task, group, str(label), i)
            mean[factor][level, k] = values.iloc[i]
            sd[factor][level, k] = spread[i]
    return {factor: Effects.normal(mean[factor], sd[factor]) for factor in task.factors}


def _place(task: Task, group: Floats, label: str, i: int) -> tuple[str, int, int]:
    """Factor, level and coefficient of a component, or of effect i of a group."""
    component = _COMPONENT.match(label)
    if component is None:
        return "f1", int(group), i
    factor, name, level = component.groups()
    return factor, int(level), task.varying.index(name)


def tell(_task: Task, result: Any, _folder: Path) -> dict[str, Any]:
    """Whether its search ended."""
    return {"said": "" if result.converged else "not converged"}
