"""Priors as a tidy frame: which each parameter had, in the user's units, and who chose it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats
from skhlm.families import AUXILIARY
from skhlm.inputs.design import Units
from skhlm.inputs.labels import Labels
from skhlm.inputs.priors import Chosen, ChosenPriors
from skhlm.priors import Gamma, Prior, StudentT

COLUMNS = (
    *("parameter", "factor", "coefficient", "distribution", "df", "loc", "scale"),
    *("shape", "rate", "lower", "source", "given", "unit"),
)


def prior_summary(
    priors: ChosenPriors, labels: Labels, units: Units, structure: str
) -> pd.DataFrame:
    """One row for each parameter's prior, see `HLMRegressor.prior_summary`.

    Parameters
    ----------
    priors : ChosenPriors
    labels : Labels
    units : Units
    structure : {"diagonal", "full"}
        Covariance of effects; correlations have a prior in the latter alone.
    """
    labels = labels.where_fitted
    rows = [
        *_of_kappa(priors, labels, units),
        *_of_tau(priors, labels, units),
        *(_of_omega(priors, labels) if structure == "full" else []),
        *_of_family(priors, units),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_kappa(priors: ChosenPriors, labels: Labels, units: Units) -> Iterator[dict[str, Any]]:
    """Of the population-level coefficients, the intercept about the outcome's centre."""
    centre = np.zeros(len(priors.kappa))
    centre[:1] = units.y_center * units.fit_intercept
    of = zip(labels.coefficients, priors.kappa, centre, units.coefficient_scale, strict=True)
    for name, chosen, at, unit in of:
        place = {"parameter": "kappa", "factor": "", "coefficient": name, "lower": -inf}
        yield place | _described(chosen, unit, at)


def _of_tau(priors: ChosenPriors, labels: Labels, units: Units) -> Iterator[dict[str, Any]]:
    """Of the standard deviations of effects."""
    for g, (factor, of_factor) in enumerate(zip(labels.factors, priors.tau, strict=True)):
        scale: Floats = units.coefficient_scale[labels.varying[g]]
        for name, chosen, unit in zip(labels.varying_names(g), of_factor, scale, strict=True):
            place = {"parameter": "tau", "factor": factor, "coefficient": name, "lower": 0.0}
            yield place | _described(chosen, unit)


def _of_omega(priors: ChosenPriors, labels: Labels) -> Iterator[dict[str, Any]]:
    """Of the correlations of effects, a row for each factor that has some."""
    for g, factor in enumerate(labels.factors):
        if len(labels.varying[g]) > 1:
            place = {"parameter": "omega", "factor": factor, "coefficient": "", "lower": -1.0}
            numbers = {"distribution": "LKJ", "shape": priors.lkj, "unit": 1.0}
            yield place | numbers | {"source": "default", "given": f"LKJ({priors.lkj:g})"}


def _of_family(priors: ChosenPriors, units: Units) -> Iterator[dict[str, Any]]:
    """Of the family's own parameters."""
    for name, chosen in priors.auxiliary.items():
        parameter = AUXILIARY[name]
        place = {"parameter": name, "factor": "", "coefficient": "", "lower": parameter.lower}
        yield place | _described(chosen, units.y_scale if parameter.units_of_outcome else 1.0)


def _described(chosen: Chosen, unit: float, centre: float = 0.0) -> dict[str, Any]:
    """A prior of a parameter that is ``unit`` times the model's, and ``centre`` more."""
    prior = chosen.prior
    found: dict[str, Any] = {"distribution": type(prior).__name__, "given": _in_short(prior)}
    found |= {"source": chosen.source, "unit": float(unit)}
    if isinstance(prior, Gamma):
        return found | {"shape": float(prior.shape), "rate": prior.rate / unit}
    own = {"df": float(prior.df)} if isinstance(prior, StudentT) else {}
    return found | {"loc": centre + unit * prior.loc, "scale": unit * prior.scale, **own}


def _in_short(prior: Prior) -> str:
    """Its class and numbers, as in "Normal(0, 2.5)"."""
    return f"{type(prior).__name__}({', '.join(f'{value:g}' for value in astuple(prior))})"
