"""What the model is and what it was fitted to: in words, in symbols, in numbers of rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any

import numpy as np
import pandas as pd

from skhlm._version import __version__
from skhlm.html_report.page import bullets, formula, paragraph
from skhlm.html_report.table import table
from skhlm.html_report.words import in_symbols, in_words, priors_in_words
from skhlm.inputs.design import Rows
from skhlm.inputs.frames import check_weight

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "cmdstanpy")


def title_of(model: Any) -> str:
    """Of which outcome, where it is not any number."""
    spec, family = model._spec, model._posterior.family
    if not family.scale:
        return (
            f"A hierarchical linear model{f' of {spec.outcome_name}' if spec.outcome_name else ''}"
        )
    what = "yes or no" if spec.classes is not None else family.noun
    return f"A hierarchical model of {spec.outcome_name or what}"


def subtitle_of(model: Any) -> str:
    """The shortest account of the run."""
    diagnostics = model.diagnostics_
    drawn = f"{diagnostics.n_draws:,} draws by {diagnostics.algorithm}"
    if model._posterior.n_chains:
        drawn = f"{diagnostics.n_chains} chains of {drawn}"
    weights = model._spec.level_weights
    n = weights[0].sum() if weights else None if model._fit.rows is None else _n_rows(model)
    rows = "" if n is None else f"{n:,.0f} {model._unit}s · "
    return f"{rows}{drawn} · skhlm {__version__} · {date.today():%-d %B %Y}"


def _n_rows(model: Any) -> float:
    return float(model._fit.rows.weight.sum())


def model_in_words(model: Any) -> Iterator[str]:
    """The model, its priors, and how it was fitted."""
    yield bullets(in_words(model))
    yield formula(in_symbols(model))
    yield bullets(priors_in_words(model))
    run = [(name, str(value)) for name, value in _run(model)]
    yield table(pd.DataFrame(run, columns=["run", "value"]), "The run", folded=True)


def _run(model: Any) -> Iterator[tuple[str, object]]:
    """Algorithm, draws, seed, seconds, versions."""
    diagnostics = model.diagnostics_
    yield "algorithm", diagnostics.algorithm
    if model._posterior.n_chains:
        yield "chains", diagnostics.n_chains
        yield "draws of each chain", diagnostics.n_draws
        yield "runs of the sampler", diagnostics.n_runs
    else:
        yield "draws", model._posterior.n_draws
    if model._fit.seed is not None:
        yield "seed of the draws", model._fit.seed
    if model._fit.seconds is not None:
        yield "seconds of fit", f"{model._fit.seconds:.3g}"
    yield "report written on", date.today().isoformat()
    yield "skhlm", __version__
    yield "Python", python_version()
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def data(model: Any, X: Any, y: Any, sample_weight: Any) -> Iterator[str]:
    """Rows of fit and those given instead, levels of factors, ranges of predictors."""
    spec, rows = model._spec, model._fit.rows
    yield paragraph(_NOT_HERE if rows is None else _rows_in_words(model, rows))
    if X is not None:
        yield paragraph(_given_in_words(model, X, y, sample_weight))
    weights = pd.DataFrame(
        {
            "factor": spec.labels.factors,
            "levels": [len(levels) for levels in spec.labels.levels],
            f"fewest {model._unit}s": [float(w.min()) for w in spec.level_weights],
            f"most {model._unit}s": [float(w.max()) for w in spec.level_weights],
        }
    )
    yield table(weights, "Grouping factors", folded=False)
    names = spec.labels.coefficients[spec.units.fit_intercept :]
    ranges, n = spec.ranges, len(names)
    predictors = {"smallest": ranges.low, "mean": ranges.mean, "largest": ranges.high}
    frame = pd.DataFrame({"predictor": names, **{k: v[:n] for k, v in predictors.items()}})
    yield table(frame, "Predictors")


_NOT_HERE = (
    "The model came from a file or was copied: the rows of fit stayed where it was fitted. How "
    "many each factor's levels had, and the ranges of predictors, are known."
)


def _given_in_words(model: Any, X: Any, y: Any, sample_weight: Any) -> str:
    """Rows that the model is compared with."""
    predictors, codes, _ = model._rows(X)
    outcome, weight = model._observed(y, len(codes)), check_weight(sample_weight, predictors)
    n = float(weight.sum())
    new = float(weight[(codes < 0).any(axis=1)].sum())
    said = f"Given to compare it with: {n:,.6g} {model._unit}s"
    if model._spec.classes is not None:
        yes = float(weight @ outcome)
        first, second = model._spec.classes.plain
        said += f", {yes:,.6g} of {second}, {n - yes:,.6g} of {first}"
    else:
        said += f"; their outcome lies between {outcome.min():.4g} and {outcome.max():.4g}"
    if model.groups_:
        said += f"; {new:,.6g} of levels that fit has not seen" if new else "; all of known levels"
    return f"{said}."


def _rows_in_words(model: Any, rows: Rows) -> str:
    """How many there are, and what was observed in them."""
    spec, n = model._spec, float(rows.weight.sum())
    distinct = f"({len(rows.y):,} distinct ones)"
    lies = f"the outcome lies between {rows.y.min():.4g} and {rows.y.max():.4g}"
    if spec.classes is not None:
        yes = float(rows.weight @ rows.y)
        first, second = spec.classes.plain
        return f"{n:,.0f} rows {distinct}: {yes:,.0f} of {second}, {n - yes:,.0f} of {first}."
    if model._posterior.family.is_binary:
        return f"{n:,.0f} trials in {len(rows.given):,} rows {distinct}; {lies}."
    if spec.exposure is not None:
        exposure = np.exp(rows.X[:, -1])
        lies += (
            f"; the exposure, {spec.columns.group_name(spec.exposure)}, between "
            f"{exposure.min():.4g} and {exposure.max():.4g}, {rows.weight @ exposure:,.4g} in all"
        )
    return f"{n:,.0f} rows {distinct}; {lies}."
