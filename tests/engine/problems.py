"""Problems for the tests of the engine, from plain arrays."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skhlm.draws import Draws
from skhlm.engine.problem import Covariance, Problem
from skhlm.engine.program.binary_files import write_variables
from skhlm.engine.program.executable import PROGRAM
from skhlm.engine.target import Target
from skhlm.engine.tree_map.forward import Coordinates, to_draws
from skhlm.families import AUXILIARY, find_family
from skhlm.numerics.forest import Forest, Tree, build_trees, learn_forest
from skhlm.priors import LocationScale, Priors


@dataclass(frozen=True)
class RawProblem(Problem):
    """A problem with its rows as they were, for oracles."""

    X: Any  # (N, K)
    y: Any
    weight: Any
    cell: Any
    offset: Any


def location_scale(n: int, df: float, loc: float, scale: float) -> LocationScale:
    """The same prior n times."""
    return LocationScale(np.full(n, df), np.full(n, loc), np.full(n, scale))


def make_problem(
    X: Any,
    y: Any,
    factors: Sequence[Any],
    family: str = "normal",
    covariance: Covariance = "diagonal",
    varying: Sequence[Sequence[int]] | None = None,
    weight: Any = None,
    offset: Any = None,
    **priors: Any,
) -> RawProblem:
    """A problem with the family's priors, but for those given, and rows sorted by cell."""
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    K = X.shape[1]
    columns = range(K)
    subsets = tuple(np.array(a, dtype=np.int64) for a in (varying or [columns] * len(factors)))
    labels = [np.unique(factor, return_inverse=True)[1] for factor in factors]
    rows = np.array(labels, dtype=np.int64).reshape(len(factors), len(y)).T
    codes, cell = np.unique(rows, axis=0, return_inverse=True) if len(factors) else _one_cell(rows)
    order = np.argsort(cell.ravel(), kind="stable")
    known = find_family(family)
    default = {
        "kappa": LocationScale.of([known.priors.kappa] * K),
        "tau": tuple(LocationScale.of([known.priors.tau] * len(a)) for a in subsets),
        "lkj": 2.0,
    }
    auxiliary = {a.name: priors.pop(a.name, a.numbers(a.prior)) for a in AUXILIARY.values()}
    weight, offset = (
        np.full(len(y), neutral) if given is None else np.asarray(given, dtype=float)
        for given, neutral in ((weight, 1.0), (offset, 0.0))
    )
    rows = (X[order], y[order], weight[order], cell.ravel()[order])
    return RawProblem(
        evidence=known.evidence(*rows, len(codes), auxiliary, offset[order]),
        codes=codes,
        n_levels=tuple(int(column.max()) + 1 for column in codes.T),
        varying=subsets,
        family=known,
        covariance=covariance,
        priors=Priors(
            **{**default, **priors},
            auxiliary={a.name: auxiliary[a.name] for a in known.auxiliary},
        ),
        **dict(zip(("X", "y", "weight", "cell"), rows, strict=True)),
        offset=offset[order],
    )


def _one_cell(rows: Any) -> tuple[Any, Any]:
    return np.zeros((1, 0), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)


def trees_of(problem: Problem) -> tuple[Tree, ...]:
    """The trees of a problem's factors."""
    forest = learn_forest(problem.codes, problem.n_levels)
    return build_trees(forest, problem.codes, problem.varying)


def n_coordinates(problem: Problem, forest: Forest) -> dict[str, tuple[int, ...]]:
    """Shape of each of the sampler's coordinates, for one draw."""
    sizes = [len(a) for a in problem.varying]
    K = problem.n_coefficients
    correlations = sum(k * (k - 1) // 2 for k in sizes) * (problem.covariance == "full")
    return {
        "z_tau": (sum(sizes),),
        "z_aux": (len(problem.cuts),),
        "z_omega": (correlations,),
        "z_root": (K, max(1, len(forest.chains))),
        "z_delta": (sum(J * k for J, k in zip(problem.n_levels, sizes, strict=True)),),
    }


def normal_coordinates(
    problem: Problem, forest: Forest, n_draws: int, seed: int = 0
) -> Coordinates:
    """Standard normal coordinates, (2, n_draws, ...)."""
    rng = np.random.default_rng(seed)
    shapes = n_coordinates(problem, forest)
    z = {name: rng.normal(size=(2, n_draws, *shape)) for name, shape in shapes.items()}
    return Coordinates(**z)


def draws_at(target: Target, z: Coordinates) -> Draws:
    """Draws of the model's parameters that the target's map takes coordinates to."""
    return to_draws(z, target.problem, target.forest, target.constants)


def simulate(
    n: int,
    K: int,
    regions: int,
    countries: int,
    industries: int,
    verticals: int,
    seed: int,
    family: str = "student_t",
) -> tuple[Problem, dict[str, Any]]:
    """country/region x vertical/industry, and the truth.

    With Student-t(5) noise of scale one, or half as wide an eta and the family's own outcomes.
    """
    rng = np.random.default_rng(seed)
    tau = np.abs(rng.normal(0, 0.5, (4, K))) + 0.1
    kappa = rng.normal(size=K)
    region, industry = (
        rng.integers(regions, size=countries),
        rng.integers(industries, size=verticals),
    )
    country = rng.choice(countries, n, p=rng.dirichlet(np.ones(countries)))
    vertical = rng.choice(verticals, n, p=rng.dirichlet(np.ones(verticals)))
    factors = [region[country], country, industry[vertical], vertical]
    X = np.column_stack([np.ones(n), rng.normal(size=(n, K - 1))])
    effects = [
        rng.normal(size=(size, K)) * tau[g]
        for g, size in enumerate((regions, countries, industries, verticals))
    ]
    B = kappa + sum(effect[level] for effect, level in zip(effects, factors, strict=True))
    known, eta = find_family(family), (X * B).sum(axis=1)
    if known.scales_outcome:
        truth = {"kappa": kappa, "tau": tau, "sigma": 1.0, "nu": 5.0}
        return make_problem(X, eta + rng.standard_t(5, n), factors, family), truth
    aux = {a.name: np.full(1, 0.7) for a in known.auxiliary}
    y = known.draw(0.5 * eta[:, None], aux, rng)[:, 0]
    truth = {"kappa": 0.5 * kappa, "tau": 0.5 * tau, **dict.fromkeys(aux, 0.7)}
    return make_problem(X, y, factors, family), truth


def log_density(block: Any, points: Any, directory: Path, **environment: str) -> Any:
    """The program's log density and gradient at points (n, P), as (n, 1 + P)."""
    write_variables(block, directory / "data.json")
    write_variables({"params_r": points}, directory / "points.json")
    method = ["method=log_prob", "unconstrained_params=points.json"]
    files = ["data", "file=data.json", "output", "file=output.csv", "sig_figs=18"]
    subprocess.run(
        [PROGRAM, *method, *files],
        cwd=directory,
        check=True,
        capture_output=True,
        env={**os.environ, **environment},
    )
    lines = (directory / "output.csv").read_text().splitlines()
    return np.loadtxt([line for line in lines if line[0] != "#"][1:], delimiter=",", ndmin=2)
