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
from skhlm.inputs.labels import Labels, paths
from skhlm.posterior import Posterior, prediction
from skhlm.posterior.parameters import Block, list_parameters
from skhlm.posterior.scoring import log_likelihood

_Array = NDArray[Any]

_ROW, _COEFFICIENT, _NOT_SEEN = "row", "coefficient", "(not seen at fit)"
_TAKEN = {"chain", "draw", _ROW, _COEFFICIENT, "predictor", "kappa", *AUXILIARY, "y", "X"}
_OF_FACTOR = ("", "delta_", "tau_", "omega_", "pair_", "level_", f"{_COEFFICIENT}_")


@dataclass
class Contents:
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

    def add_beside(self, name: str, values: _Array, *dims: str) -> None:
        """What is known of rows or outcomes, under a name that no axis or variable has."""
        self.add("constant_data", self.free(name), values, *dims)

    def free(self, name: str) -> str:
        """The name, with underscores until nothing else is called so."""
        while name in self.coords or name in self.dims:
            name = f"{name}_"
        return name


@dataclass(frozen=True)
class Observed:
    """Rows to export, one by one.

    Predictors (n, p), with an offset (n, p + 1); levels (n, G); outcomes (n,), and of how many
    trials each is: 1, but of shares, which are given as successes.
    """

    X: Floats
    codes: Ints
    y: Floats
    trials: Floats

    @property
    def has_trials(self) -> bool:
        """Whether outcomes are successes."""
        return bool((self.trials != 1).any())


def add_parameters(contents: Contents, posterior: Posterior, labels: Labels) -> None:
    """The group "posterior": what `summary` and `group_effects` report, draw by draw."""
    contents.coords[_COEFFICIENT] = list(labels.coefficients)
    factors = _free_names(labels.factors)
    for g, factor in enumerate(factors):
        _add_coordinates(contents, labels, g, factor, paired=bool(posterior.omega))
    for block in sorted(list_parameters(posterior), key=_place):
        values = _by_chain(block.reported(posterior), posterior)
        if block.g >= 0:
            _add_of_factor(contents, block, values, factors[block.g])
        else:
            dims = [] if block.is_auxiliary else [_COEFFICIENT]
            contents.add("posterior", block.kind, values, *dims)


def add_statistics(
    contents: Contents, posterior: Posterior, statistics: SamplerStatistics | None
) -> None:
    """The group "sample_stats", under the names of ArviZ, if they are of the posterior's draws.

    Gibbs sampling has none.
    """
    if statistics is None or not statistics.has_steps_of(posterior.n_draws):
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
        contents.add("sample_stats", name, values)


def add_observed(
    contents: Contents, observed: Observed, labels: Labels, predictors: Sequence[str]
) -> None:
    """The groups "observed_data" and "constant_data": y; predictors X, and levels by factor."""
    contents.coords[_ROW] = range(len(observed.y))
    contents.coords["predictor"] = list(predictors)
    contents.add("observed_data", "y", observed.y, _ROW)
    contents.add("constant_data", "X", observed.X[:, : len(predictors)], _ROW, "predictor")
    if observed.X.shape[1] > len(predictors):
        contents.add_beside("exposure", np.exp(observed.X[:, -1]), _ROW)
    if observed.has_trials:
        contents.add_beside("trials", observed.trials, _ROW)
    for g, factor in enumerate(_free_names(labels.factors)):
        names = np.array([*_coordinate(labels.levels[g]).astype(str), _NOT_SEEN])
        level = names[np.where(observed.codes[:, g] < 0, -1, observed.codes[:, g])]
        contents.add("constant_data", f"level_{factor}", level, _ROW)


def add_classes(contents: Contents, labels: _Array) -> None:
    """What 0 and 1 stand for, as text."""
    contents.coords[axis := contents.free("outcome")] = [0, 1]
    contents.add_beside("classes", labels.astype(str), axis)


def add_log_likelihood(contents: Contents, posterior: Posterior, observed: Observed) -> None:
    """The group "log_likelihood": log p(y_i | draw)."""
    y, trials = observed.y / observed.trials, observed.trials
    constant = posterior.outcome.log_constant(y, trials)
    values = np.empty((len(y), posterior.n_draws))
    for rows, log_p in log_likelihood(posterior, observed.X, observed.codes, y):
        values[rows] = trials[rows, None] * log_p + constant[rows, None]
    contents.add("log_likelihood", "y", _by_chain(values, posterior), _ROW)


def add_predictive(
    contents: Contents, posterior: Posterior, observed: Observed, rng: np.random.Generator
) -> None:
    """The group "posterior_predictive": an outcome of each row for each draw of the parameters."""
    values = np.empty((len(observed.y), posterior.n_draws))
    for rows, eta in prediction.draws_of_eta(posterior, observed.X, observed.codes):
        values[rows] = _drawn(posterior, eta, observed.trials[rows, None], rng)
    contents.add("posterior_predictive", "y", _by_chain(values, posterior), _ROW)


def _drawn(posterior: Posterior, eta: Floats, trials: Floats, rng: np.random.Generator) -> Floats:
    """An outcome for each eta (b, S), successes of so many trials (b, 1)."""
    family, aux = posterior.family, posterior.auxiliary
    if (trials == 1).all():
        return family.draw(eta, aux, rng)
    return rng.binomial(trials.astype(np.int64), family.mean(eta, aux)).astype(np.float64)


def to_arviz(contents: Contents) -> Any:
    """What the ArviZ that is installed works with: a DataTree, or before 1.0 an InferenceData."""
    arviz = _arviz()
    named: dict[str, Any] = {"coords": contents.coords, "dims": contents.dims}
    if arviz.__name__ == "arviz" and arviz.__version__.startswith("0."):
        return arviz.from_dict(**contents.arrays, **named)
    return arviz.from_dict(contents.arrays, **named)


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


def _place(block: Block) -> tuple[bool, int, bool]:
    """Order of variables: kappa, factor by factor effects and their scales, the family's."""
    return block.is_auxiliary, block.g, block.kind != "delta"


def _add_coordinates(
    contents: Contents, labels: Labels, g: int, factor: str, *, paired: bool
) -> None:
    """What factor g, which is called so, has along its axes; pairs if there are correlations."""
    names = labels.varying_names(g)
    if len(names) < len(labels.coefficients):
        contents.coords[f"{_COEFFICIENT}_{factor}"] = names
    contents.coords[factor] = _coordinate(labels.levels[g])
    if paired and len(names) > 1:
        contents.coords[f"pair_{factor}"] = labels.pair_names(g)


def _add_of_factor(contents: Contents, block: Block, values: Floats, factor: str) -> None:
    """Effects, scales or correlations of a factor that is called so; there may be none."""
    own = f"{_COEFFICIENT}_{factor}"
    coefficient = own if own in contents.coords else _COEFFICIENT
    dims = {"delta": (factor, coefficient), "tau": (coefficient,), "omega": (f"pair_{factor}",)}
    if values.size:
        contents.add("posterior", f"{block.kind}_{factor}", values, *dims[block.kind])


def _by_chain(values: Floats, posterior: Posterior) -> Floats:
    """(..., S) -> (chains, draws, ...); independent draws are one chain."""
    n_chains = max(posterior.n_chains, 1)
    chains = values.reshape(*values.shape[:-1], n_chains, posterior.n_draws // n_chains)
    return np.moveaxis(chains, (-2, -1), (0, 1))


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
