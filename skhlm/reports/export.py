"""A fitted model in the form that ArviZ works with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhlm._typing import Floats, Ints
from skhlm.draws import SamplerStatistics
from skhlm.families import AUXILIARY
from skhlm.inputs.columns import Label
from skhlm.inputs.labels import Labels, pairs, paths
from skhlm.posterior import Posterior

_Array = NDArray[Any]

_ROW, _COEFFICIENT, _NOT_SEEN = "row", "coefficient", "(not seen at fit)"
_TAKEN = {"chain", "draw", _ROW, _COEFFICIENT, "predictor", "kappa", *AUXILIARY, "y", "X"}
_OF_FACTOR = ("", "delta_", "tau_", "omega_", "pair_", "level_", f"{_COEFFICIENT}_")


@dataclass
class Groups:
    """Arrays by group and variable, and what their axes after chain and draw are called.

    ``coords`` has the values along each named axis.
    """

    arrays: dict[str, dict[str, _Array]] = field(default_factory=dict)
    dims: dict[str, list[str]] = field(default_factory=dict)
    coords: dict[str, Any] = field(default_factory=dict)

    def add(self, group: str, name: str, values: _Array, *dims: str) -> None:
        """One variable of a group."""
        self.arrays.setdefault(group, {})[name] = values
        if dims:
            self.dims[name] = list(dims)


@dataclass(frozen=True)
class Observed:
    """Rows to export: predictors (n, p), levels and new levels (n, G), outcomes (n,)."""

    X: Floats
    codes: Ints
    new_levels: Ints
    y: Floats


def add_parameters(groups: Groups, posterior: Posterior, labels: Labels) -> None:
    """The group "posterior": what `summary` and `group_effects` report, draw by draw."""
    groups.coords[_COEFFICIENT] = list(labels.coefficients)
    groups.add("posterior", "kappa", _by_chain(posterior.kappa_at_zero(), posterior), _COEFFICIENT)
    for g, name in enumerate(_free_names(labels.factors)):
        _add_factor(groups, posterior, labels, g, name)
    for name, draws in posterior.auxiliary.items():
        groups.add("posterior", name, _by_chain(draws, posterior))


def add_statistics(
    groups: Groups, posterior: Posterior, statistics: SamplerStatistics | None
) -> None:
    """The group "sample_stats", under the names of ArviZ, if they are of the posterior's draws."""
    if statistics is None or statistics.energy.size != posterior.n_draws:
        return
    for name, values in {
        "diverging": statistics.divergent,
        "tree_depth": statistics.treedepth,
        "reached_max_treedepth": statistics.treedepth >= statistics.max_treedepth,
        "n_steps": statistics.n_leapfrog,
        "energy": statistics.energy,
        "acceptance_rate": statistics.accept,
        "step_size": np.repeat(statistics.step_size[:, None], statistics.energy.shape[1], axis=1),
    }.items():
        groups.add("sample_stats", name, values)


def add_observed(
    groups: Groups, observed: Observed, labels: Labels, predictors: Sequence[str]
) -> None:
    """The groups "observed_data" and "constant_data": y; predictors X, and levels by factor."""
    groups.coords[_ROW] = range(len(observed.y))
    groups.coords["predictor"] = list(predictors)
    groups.add("observed_data", "y", observed.y, _ROW)
    groups.add("constant_data", "X", observed.X, _ROW, "predictor")
    for g, factor in enumerate(_free_names(labels.factors)):
        names = np.array([*_coordinate(labels.levels[g]).astype(str), _NOT_SEEN])
        level = names[np.where(observed.codes[:, g] < 0, -1, observed.codes[:, g])]
        groups.add("constant_data", f"level_{factor}", level, _ROW)


def add_log_likelihood(groups: Groups, posterior: Posterior, observed: Observed) -> None:
    """The group "log_likelihood": log p(y_i | draw)."""
    values = np.empty((len(observed.y), posterior.n_draws))
    for rows, expected in posterior.blocks(observed.X, observed.codes, width=4):
        y = observed.y[rows, None]
        values[rows] = posterior.family.log_density(y, expected, posterior.auxiliary)
    groups.add("log_likelihood", "y", _by_chain(values, posterior), _ROW)


def add_predictive(
    groups: Groups, posterior: Posterior, observed: Observed, rng: np.random.Generator
) -> None:
    """The group "posterior_predictive": an outcome of each row for each draw of the parameters."""
    shape = (len(observed.y), posterior.n_draws)
    values = posterior.family.draw_errors(posterior.auxiliary, shape, rng)
    for rows, expected in posterior.blocks(observed.X, observed.codes):
        values[rows] += expected
    groups.add("posterior_predictive", "y", _by_chain(values, posterior), _ROW)


def to_arviz(groups: Groups) -> Any:
    """What the ArviZ that is installed works with: a DataTree, or before 1.0 an InferenceData."""
    arviz = _arviz()
    named: dict[str, Any] = {"coords": groups.coords, "dims": groups.dims}
    if arviz.__name__ == "arviz" and arviz.__version__.startswith("0."):
        return arviz.from_dict(**groups.arrays, **named)
    return arviz.from_dict(groups.arrays, **named)


def _arviz() -> ModuleType:
    """ArviZ, or the part of it that makes a DataTree."""
    for name in ("arviz", "arviz_base"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # ArviZ 0.2x announces 1.0
                return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise ImportError(
        "to_arviz needs ArviZ, which is not installed: pip install 'skhlm[arviz]', or arviz-base."
    )


def _add_factor(groups: Groups, posterior: Posterior, labels: Labels, g: int, factor: str) -> None:
    """delta, tau and omega of factor g, which is called so."""
    names = labels.varying_names(g)
    coefficient = _COEFFICIENT
    if len(names) < len(labels.coefficients):
        coefficient = f"{_COEFFICIENT}_{factor}"
        groups.coords[coefficient] = names
    groups.coords[factor] = _coordinate(labels.levels[g])
    delta = _by_chain(posterior.delta_at_zero(g), posterior)
    groups.add("posterior", f"delta_{factor}", delta, factor, coefficient)
    groups.add(
        "posterior", f"tau_{factor}", _by_chain(posterior.tau_at_zero(g), posterior), coefficient
    )
    if posterior.omega and len(names) > 1:
        groups.coords[f"pair_{factor}"] = labels.pair_names(g)
        omega = posterior.omega_at_zero(g)[pairs(len(names))]
        groups.add("posterior", f"omega_{factor}", _by_chain(omega, posterior), f"pair_{factor}")


def _by_chain(values: Floats, posterior: Posterior) -> Floats:
    """(..., S) -> (chains, draws, ...); independent draws are one chain."""
    n_chains = max(posterior.n_chains, 1)
    return np.moveaxis(values.reshape(*values.shape[:-1], n_chains, -1), (-2, -1), (0, 1))


def _free_names(factors: Sequence[str]) -> list[str]:
    """What factors are called: without slashes, which are paths in a DataTree, and not taken.

    Nor is the name of a variable or axis taken that begins with it.
    """
    taken, names = set(_TAKEN), []
    for factor in factors:
        name = factor.replace("/", ":")
        while taken & {prefix + name for prefix in _OF_FACTOR}:
            name = f"{name}_"
        taken |= {prefix + name for prefix in _OF_FACTOR}
        names.append(name)
    return names


def _coordinate(levels: Sequence[tuple[Label, ...]]) -> _Array:
    """Levels along an axis: integers as they are, everything else as text."""
    if all(len(level) == 1 and type(level[0]) is int for level in levels):
        return np.array([level[0] for level in levels])
    return np.array(paths(levels), dtype=np.str_)
