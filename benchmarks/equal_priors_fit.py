"""One fit in a process of its own, by skhlm or by bambi; the peers' interpreter needs no skhlm.

``python -m benchmarks.equal_priors_fit skhlm DIRECTORY`` reads the rows and the model that
`benchmarks.equal_priors` wrote there, fits, and writes draws of all parameters under names that
both programs share.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Parameters = dict[str, Any]  # (chains, draws) of each, by name
BAMBI_FAMILIES = {
    "binomial": "bernoulli",
    "poisson": "poisson",
    "negative_binomial": "negativebinomial",
}


def main(program: str, directory: Path) -> None:
    """Fit, and write draws and CPU seconds."""
    task = json.loads((directory / "task.json").read_text(encoding="utf-8"))
    rows = pd.read_parquet(directory / "rows.parquet")
    fit = {"skhlm": fit_skhlm, "bambi": fit_bambi}[program]
    draws, found = fit(task, rows)
    np.savez(directory / f"{program}.npz", **draws)
    (directory / f"{program}.json").write_text(json.dumps(found), encoding="utf-8")


def cpu_seconds() -> float:
    """User and system time of this process, its threads, and its children that have ended."""
    of = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in of)


def fit_skhlm(task: dict[str, Any], rows: pd.DataFrame) -> tuple[Parameters, dict[str, Any]]:
    """The estimator with nothing but the model given."""
    from skhlm import HLMRegressor, __version__
    from skhlm.posterior.parameters import list_parameters

    model = HLMRegressor(
        task["groups"], varying=task["varying"], family=task["family"], random_state=task["seed"]
    )
    before = cpu_seconds()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is reported by the caller
        model.fit(rows.drop(columns="y"), rows["y"])
    posterior, labels = model._posterior, model._spec.labels
    draws = {
        str(name): values.reshape(posterior.n_chains, -1)
        for block in list_parameters(posterior)
        for name, values in zip(
            block.names(labels),
            block.kept(posterior).reshape(-1, posterior.n_draws),
            strict=True,
        )
    }
    return draws, {
        "cpu_seconds_before": before,
        "n_divergent": model.diagnostics_.n_divergent,
        "versions": {"skhlm": __version__},
    }


def fit_bambi(task: dict[str, Any], rows: pd.DataFrame) -> tuple[Parameters, dict[str, Any]]:
    """The same model with the same priors; effects of a factor are independent there as well."""
    import bambi
    import nutpie

    begun, sample = [], nutpie.sample

    def sample_and_note(*arguments: Any, **options: Any) -> Any:
        """Bambi calls it when the model is compiled."""
        begun.append(cpu_seconds())
        return sample(*arguments, **options)

    nutpie.sample = sample_and_note
    rows = rows.assign(**{_factor(path): _paths(rows, path) for path in task["factors"]})
    model = bambi.Model(
        bambi_formula(task),
        rows,
        family=BAMBI_FAMILIES[task["family"]],
        priors=bambi_priors(task),
    )
    found = model.fit(
        inference_method="nutpie",
        chains=task["chains"],
        cores=os.cpu_count(),
        tune=task["tune"],
        draws=task["draws"],
        random_seed=task["seed"],
        progressbar=False,
    )
    return dict(bambi_draws(task, found.posterior)), {
        "cpu_seconds_before": begun[0],
        "n_divergent": int(found.sample_stats["diverging"].sum()),
        "versions": {"bambi": bambi.__version__, "nutpie": nutpie.__version__},
    }


def bambi_formula(task: dict[str, Any]) -> str:
    """Every factor with the coefficients that vary by it."""
    varying = " + ".join(["1", *task["slopes"]] if task["varying"] == "all" else ["1"])
    terms = ["1", *task["slopes"], *(f"({varying} | {_factor(path)})" for path in task["factors"])]
    return f"y ~ {' + '.join(terms)}"


def bambi_priors(task: dict[str, Any]) -> dict[str, Any]:
    """Those of the estimator; its overdispersion, half-normal(0, 1), is 1 / sqrt(alpha) there."""
    from bambi import Prior

    kappa, tau = task["kappa_scale"], task["tau_scale"]
    effect = Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=tau))
    priors = {
        "Intercept": Prior("Normal", mu=task["location"], sigma=kappa),
        **{slope: Prior("Normal", mu=0, sigma=kappa) for slope in task["slopes"]},
        **{f"{term}|{_factor(path)}": effect for term, _, path in _varying(task)},
    }
    if task["family"] == "negative_binomial":
        priors["alpha"] = Prior("InverseGamma", alpha=0.5, beta=0.5)
    return priors


def bambi_draws(task: dict[str, Any], posterior: Any) -> Iterator[tuple[str, Any]]:
    """Draws by the names of skhlm."""
    for coefficient in ("Intercept", *task["slopes"]):
        yield f"kappa[{coefficient}]", posterior[coefficient].to_numpy()
    for term, coefficient, path in _varying(task):
        name = f"{term}|{_factor(path)}"
        yield f"tau[{path}, {coefficient}]", posterior[f"{name}_sigma"].to_numpy()
        levels = posterior[f"{_factor(path)}__factor_dim"].to_numpy()
        effects = posterior[name].transpose("chain", "draw", ...).to_numpy()
        for level, effect in zip(levels, np.moveaxis(effects, 2, 0), strict=True):
            yield f"delta[{path}, {level}, {coefficient}]", effect
    if task["family"] == "negative_binomial":
        yield "overdispersion", posterior["alpha"].to_numpy() ** -0.5


def _varying(task: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Bambi's term, the coefficient and the factor of each tau."""
    slopes = task["slopes"] if task["varying"] == "all" else []
    for path in task["factors"]:
        yield "1", "Intercept", path
        yield from ((slope, slope, path) for slope in slopes)


def _factor(path: str) -> str:
    """A factor's column in formulas."""
    return path.replace("/", "_in_")


def _paths(rows: pd.DataFrame, path: str) -> pd.Series[str]:
    """Levels by their whole paths."""
    return rows[path.split("/")].agg("/".join, axis=1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
