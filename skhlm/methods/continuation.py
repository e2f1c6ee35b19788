"""From a fitted model to where its next fit begins: levels matched by value, units changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.engine import Earlier, Problem
from skhlm.families import AUXILIARY
from skhlm.inputs.design import Units
from skhlm.inputs.labels import Labels
from skhlm.methods.fitted import Fit
from skhlm.posterior import Posterior
from skhlm.preparation import ModelSpec


def continue_from(fit: Fit, problem: Problem, new_spec: ModelSpec, chains: int) -> Earlier | None:
    """What a fit knows of a new problem; None where it is another model.

    A level that it has not seen begins without an effect.
    """
    spec, posterior = fit.spec, fit.posterior
    if not _is_same_model(posterior, spec, problem, new_spec):
        return None
    picks = (np.arange(chains) + 1) * posterior.n_draws // chains - 1
    last = _in_units(posterior.picked(picks), spec.units, new_spec.units)
    levels = [_matched(spec.labels, new_spec.labels, g) for g in range(len(last.delta))]
    delta = tuple(d[level] for d, level in zip(last.delta, levels, strict=True))
    step_size = fit.diagnostics.step_size
    return Earlier(
        last=replace(last, delta=delta).map(lambda x: np.moveaxis(x, -1, 0)[:, None]),
        step_size=float(np.exp(np.log(step_size).mean())) if len(step_size) else None,
    )


def _is_same_model(
    posterior: Posterior, spec: ModelSpec, problem: Problem, new_spec: ModelSpec
) -> bool:
    """Whether the parameters are the same, but for the levels, and what they multiply."""
    labels, new_labels = spec.labels, new_spec.labels
    varying = zip(posterior.varying, problem.varying, strict=False)
    return (
        labels.coefficients == new_labels.coefficients
        and labels.factors == new_labels.factors
        and all(np.array_equal(old, new) for old, new in varying)
        and posterior.family == problem.family
        and spec.units.has_offset == new_spec.units.has_offset
        and bool(posterior.omega) == (problem.covariance == "full" and bool(labels.factors))
    )


def _matched(labels: Labels, new_labels: Labels, g: int) -> Ints:
    """Old number of each new level of factor g, (J_g,); for one not seen, that after the last.

    There a posterior keeps the effects of a level that has none.
    """
    number = {level: n for n, level in enumerate(labels.levels[g])}
    return np.array([number.get(level, len(number)) for level in new_labels.levels[g]])


def _in_units(posterior: Posterior, old: Units, new: Units) -> Draws:
    """Draws (..., S) in the units of another model, its intercepts where its predictors centre."""
    scale, shift = new.coefficient_scale, new.x_center - old.x_center
    kappa = _recentred(posterior.draws.kappa, np.arange(len(scale)), shift, new.fit_intercept)
    if new.fit_intercept:
        kappa[0] -= new.y_center
    delta = tuple(
        _recentred(d[:-1], columns, shift, new.fit_intercept) / scale[columns, None]
        for d, columns in zip(posterior.draws.delta, posterior.varying, strict=True)
    )
    tau = zip(posterior.tau, posterior.varying, strict=True)
    return Draws(
        kappa=kappa / scale[:, None],
        delta=delta,
        tau=tuple(t / scale[columns, None] for t, columns in tau),
        omega=posterior.omega,
        auxiliary={
            name: draws / new.y_scale if AUXILIARY[name].units_of_outcome else draws
            for name, draws in posterior.auxiliary.items()
        },
    )


def _recentred(coefficients: Floats, columns: Ints, shift: Floats, intercept: bool) -> Floats:
    """Coefficients (..., K_g, S) with the intercept, if it is there, moved by shift (p,)."""
    result = coefficients.copy()
    if intercept and 0 in columns:
        for j, column in enumerate(columns[1:], start=1):
            result[..., 0, :] += shift[column - 1] * coefficients[..., j, :]
    return result
