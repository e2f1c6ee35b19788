"""hlm.stan against hlm_plain.stan and Python, and its gradient against differences of its values.

The two programs have one posterior: at any z, with theta the parameters it stands for,

    log p_hlm(z) = log p_plain(theta) + log|d theta / dz| + log p(auxiliary roots | theta) + const.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from skhlm.families import FAMILIES, Evidence, find_family
from skhlm.priors import Cauchy, Gamma, LocationScale
from tests.stan.reference_map import (
    Coordinates,
    Model,
    Parameters,
    log_auxiliary,
    log_jacobian,
    push,
)

Array = NDArray[Any]
INFINITE = float("inf")
NUMERICAL_FAILURE = 70  # exit code of the programs


@dataclass(frozen=True)
class Factor:
    """Factors come tree by tree, coarse to fine; varying columns count from 1."""

    tree: int
    n_levels: int
    varying: tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A model, and the kind of data and priors it meets."""

    name: str
    K: int
    factors: tuple[Factor, ...] = ()
    family: str = "student_t"
    full: bool = False
    weighted: bool = False
    kappa_prior: tuple[float, float, float] = (INFINITE, 0.3, 2.0)
    tau_df: float = 1.0
    log_aux: float = 0.4  # where the map of the first auxiliary parameter is centred
    offset: float = 0.0  # mean of the rows' offsets, which vary where the family has them
    n_rows: int = 40
    in_order: bool = False  # levels of one parent follow each other

    def __str__(self) -> str:
        """The test's name."""
        return self.name

    @property
    def n_trees(self) -> int:
        """T."""
        return self.factors[-1].tree if self.factors else 0

    def is_leaf(self, g: int) -> bool:
        """Whether a factor is the finest of its tree."""
        return g + 1 == len(self.factors) or self.factors[g + 1].tree != self.factors[g].tree


ALL2, ALL3 = (1, 2), (1, 2, 3)
CROSSED = (Factor(1, 4, ALL2), Factor(2, 5, ALL2), Factor(3, 3, ALL2))
NESTED = (Factor(1, 3, ALL2), Factor(1, 7, ALL2), Factor(2, 2, ALL2), Factor(2, 5, ALL2))


def many_levels(K: int, m: int) -> Case:
    """Factors whose levels go by in blocks of eight, of parents as they come."""
    few, all_of_them = tuple(range(K - m + 1, K + 1)), tuple(range(1, K + 1))
    factors = (
        Factor(1, 9, few),
        Factor(1, 13, all_of_them),
        Factor(1, 22, few),
        Factor(2, 17, few),
    )
    return Case(f"many_levels_where_{m}_of_{K}_vary", K, factors)


CASES = (
    Case("no_factor", 3),
    Case("no_factor_many_predictors", 12, family="normal", kappa_prior=(4.0, 0.1, 1.0)),
    Case("one_coefficient", 1, (Factor(1, 4, (1,)), Factor(2, 3, (1,)))),
    Case("varying_intercept", 3, (Factor(1, 5, (1,)),)),
    Case("crossed", 2, CROSSED),
    Case("nested", 2, NESTED),
    Case("nested_three_deep", 2, (Factor(1, 2, ALL2), Factor(1, 4, ALL2), Factor(1, 9, ALL2))),
    Case("coarser_subset", 3, (Factor(1, 3, (2,)), Factor(1, 6, ALL3), Factor(2, 4, (1, 3)))),
    Case("finer_subset", 3, (Factor(1, 3, ALL3), Factor(1, 6, (1, 3)), Factor(2, 5, (2,)))),
    Case("disjoint_subsets", 4, (Factor(1, 3, (1, 2)), Factor(1, 5, (3, 4)), Factor(2, 4, (4,)))),
    *(
        Case(f"one_of_{K}_varies", K, (Factor(1, 3, (K,)), Factor(1, 6, (1,)), Factor(2, 4, (2,))))
        for K in range(2, 7)
    ),
    Case("three_of_four_vary", 4, (Factor(1, 5, (1, 3, 4)), Factor(2, 4, (2,)))),
    *(many_levels(K, m) for K in range(1, 5) for m in sorted({1, 2, K}) if m <= K),
    Case("blocks_exactly", 2, (Factor(1, 8, ALL2), Factor(2, 16, ALL2)), full=True),
    Case("blocks_of_one_parent", 2, (Factor(1, 3, ALL2), Factor(1, 48, ALL2)), in_order=True),
    Case("blocks_across_parents", 2, (Factor(1, 3, (2,)), Factor(1, 50, ALL2)), in_order=True),
    Case("blocks_above_a_larger_subset", 4, (Factor(1, 9, (3,)), Factor(1, 12, (1, 2, 3)))),
    Case("blocks_below_a_larger_subset", 4, (Factor(1, 9, (1, 2, 4)), Factor(1, 12, (2,)))),
    Case("nothing_varies", 2, (Factor(1, 3, ()), Factor(2, 4, ALL2))),
    Case("full_covariance", 3, (Factor(1, 4, ALL3), Factor(2, 3, (1, 3))), full=True),
    Case("full_covariance_of_four", 4, (Factor(1, 6, (1, 2, 3, 4)),), full=True, tau_df=INFINITE),
    Case("full_where_one_varies", 3, (Factor(1, 4, ALL3), Factor(2, 3, (2,))), full=True),
    Case("full_where_one_varies_by_each", 2, (Factor(1, 4, (1,)), Factor(2, 3, (2,))), full=True),
    *(Case(f"{name}_family", 2, NESTED, family=name) for name in FAMILIES),
    *(
        Case(f"{name}_family_weighted", 2, CROSSED, family=name, weighted=True, full=True)
        for name in FAMILIES
    ),
    *(
        Case(f"huge_{name}_counts", 2, NESTED, family=name, offset=14.0)
        for name in ("poisson", "negative_binomial")
    ),
    *(
        Case(f"{name}_far_{side}", 2, NESTED, family=name, offset=offset)
        for name, side, offset in (
            ("binomial", "below", -305.0),
            ("binomial", "below_any_probability", -800.0),
            ("binomial", "above", 800.0),
            ("poisson", "below", -800.0),
        )
    ),
    Case("nearly_poisson", 2, NESTED, family="negative_binomial", log_aux=-9.0),
    Case("hardly_spread", 2, NESTED, family="gamma", log_aux=-4.0),
    Case("weighted", 2, NESTED, weighted=True, tau_df=3.0),
    Case("several_blocks", 2, NESTED, n_rows=700),
    Case("cells_longer_than_a_block", 2, (Factor(1, 2, ALL2),), family="gamma", n_rows=1100),
    Case("a_block_exactly", 3, weighted=True, n_rows=512),
    Case("student_prior", 2, CROSSED, kappa_prior=(3.0, 0.5, 1.5)),
    Case("flat_prior", 2, CROSSED, kappa_prior=(INFINITE, 0.0, 1e8)),
    Case("nine_coefficients", 9, (Factor(1, 3, tuple(range(1, 10))), Factor(2, 2, (9,)))),
)


@dataclass(frozen=True)
class Forest:
    """Levels of a case: parents as level numbers from 1, ancestors of each tree's leaves."""

    first: Array  # (G + 1,) level number of each factor's first level, from 0
    parent: Array

    @classmethod
    def draw(cls, case: Case, rng: np.random.Generator) -> Forest:
        """Nested levels get a parent at random."""
        first = np.cumsum([0, *(factor.n_levels for factor in case.factors)])
        parent = np.zeros(first[-1], dtype=int)
        for g, factor in enumerate(case.factors):
            if g and case.factors[g - 1].tree == factor.tree:
                above, n = case.factors[g - 1].n_levels, factor.n_levels
                chosen = np.arange(n) * above // n if case.in_order else rng.integers(above, size=n)
                parent[first[g] : first[g + 1]] = first[g - 1] + chosen + 1
        return cls(first, parent)

    def levels(self, leaf: Array, case: Case) -> Array:
        """Level within each factor, from 1 (N, G), of rows with these leaves (N, T) from 1."""
        level = np.zeros((len(leaf), len(case.factors)), dtype=int)
        for g in reversed(range(len(case.factors))):
            if case.is_leaf(g):
                number = leaf[:, case.factors[g].tree - 1]
            else:
                number = self.parent[level[:, g + 1] + self.first[g + 1] - 1]
            level[:, g] = number - self.first[g]
        return level


@dataclass(frozen=True)
class Rows:
    """Rows sorted by cell, with the level number of each tree's leaf (N, T) from 1."""

    X: Array
    y: Array
    weight: Array
    offset: Array
    leaf: Array

    @classmethod
    def draw(cls, case: Case, forest: Forest, rng: np.random.Generator) -> Rows:
        """Random rows; some cells have one, some have many."""
        n = case.n_rows
        leaves = [
            rng.integers(forest.first[g], forest.first[g + 1], n) + 1
            for g in range(len(case.factors))
            if case.is_leaf(g)
        ]
        leaf = np.array(leaves, dtype=int).reshape(case.n_trees, n).T
        leaf = leaf[np.lexsort(leaf.T[::-1])] if case.n_trees else leaf
        X = np.column_stack([np.ones(n), rng.normal(size=(n, case.K - 1))])
        weight = rng.uniform(0.5, 3, n) if case.weighted else np.ones(n)
        y, offset = 2 * rng.standard_t(3, n), np.zeros(n)
        family = find_family(case.family)
        if not family.scales_outcome:
            X[: n // 2] = X[n // 2 : 2 * (n // 2)].round()  # so that some rows are alike
            offset = case.offset + rng.integers(-1, 2, n) / 2
            aux = {a.name: np.full(n, np.exp(case.log_aux)) for a in family.auxiliary}
            y = family.draw(offset, aux, rng)
        return cls(X, y, weight, offset, leaf)

    @property
    def start(self) -> Array:
        """First row of each cell from 0, and the number of rows."""
        new = (self.leaf[1:] != self.leaf[:-1]).any(axis=1)
        return np.concatenate([[0], np.flatnonzero(new) + 1, [len(self.y)]])

    def evidence(self, case: Case) -> Evidence:
        """What the likelihood sees of them."""
        cell = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        family = find_family(case.family)
        unit = {a.name: LocationScale.of([Cauchy()]) for a in family.auxiliary}
        n_cells = len(self.start) - 1
        return family.evidence(self.X, self.y, self.weight, cell, n_cells, unit, self.offset)


def shared_data(case: Case) -> dict[str, Any]:
    """What both programs are told alike: sizes, family, priors."""
    n_scales = sum(len(factor.varying) for factor in case.factors)
    df, loc, scale = case.kappa_prior
    return {
        "K": case.K,
        "G": len(case.factors),
        "J": [factor.n_levels for factor in case.factors],
        "n_varying": [len(factor.varying) for factor in case.factors],
        "varying": [column for factor in case.factors for column in factor.varying],
        "family": find_family(case.family).code,
        "full": int(case.full),
        "kappa_df": np.full(case.K, df),
        "kappa_loc": np.full(case.K, loc),
        "kappa_scale": np.full(case.K, scale),
        "tau_df": np.full(n_scales, case.tau_df),
        "tau_loc": np.full(n_scales, 0.2),
        "tau_scale": np.linspace(0.5, 2.5, n_scales),
        "lkj_shape": 1.5,
        **auxiliary_data(case),
    }


def auxiliary_data(case: Case) -> dict[str, Any]:
    """Bounds and priors of the family's auxiliary parameters: gamma, or student_t."""
    parameters = find_family(case.family).auxiliary
    gamma = np.array([isinstance(parameter.prior, Gamma) for parameter in parameters], dtype=bool)
    return {
        "n_aux": len(parameters),
        "aux_min": [parameter.lower + 0.3 * (parameter.cut > 0) for parameter in parameters],
        "aux_df": 4.0 * ~gamma,
        "aux_loc": 0.1 * ~gamma,
        "aux_scale": 2.0 * ~gamma,
        "aux_shape": 2.0 * gamma,
        "aux_rate": 0.1 * gamma,
    }


def spd(rng: np.random.Generator, n: int, size: int) -> Array:
    """Symmetric positive definite matrices side by side, (n, n size)."""
    A = rng.normal(size=(size, n, n + 2))
    blocks = A @ A.transpose(0, 2, 1) / n + 0.2 * np.eye(n)
    return blocks.transpose(1, 0, 2).reshape(n, n * size)


def constants(case: Case, forest: Forest, rng: np.random.Generator) -> dict[str, Any]:
    """Constants of the map, at random: the posterior must not depend on them."""
    K, R, n_levels = case.K, max(case.n_trees, 1), len(forest.parent)
    n_scales = sum(len(factor.varying) for factor in case.factors)
    leaf, later = np.zeros(n_levels), np.zeros(n_levels)
    for g, factor in enumerate(case.factors):
        leaf[forest.first[g] : forest.first[g + 1]] = case.is_leaf(g)
        later[forest.first[g] : forest.first[g + 1]] = (
            case.is_leaf(g) * (factor.tree > 1) / factor.n_levels
        )
    b = rng.uniform(0.3, 0.6, n_scales)
    c = rng.uniform(-0.2, 0.2, n_scales)
    parameters = find_family(case.family).auxiliary
    return {
        "leaf_information": spd(rng, K, n_levels) * np.repeat(leaf, K),
        "leaf_score": rng.normal(size=(K, n_levels)) * leaf,
        "contrast_weight": spd(rng, K, n_levels) * np.repeat(later, K),
        "auxiliary_information": 5 * spd(rng, K, R),
        "auxiliary_mean": rng.normal(size=(K, R)),
        "root_information": 2 * spd(rng, K, 1),
        "root_score": rng.normal(size=K),
        "prior_precision": rng.uniform(0.1, 1, K),
        "prior_score": rng.normal(size=K),
        "log_tau": np.array([rng.normal(-0.5, 0.5, n_scales), b, c]),
        "log_aux": np.array(
            [
                (case.log_aux + 0.8 * i, 0.3 + 0.2 * i, 0.2 * a.skewed)
                for i, a in enumerate(parameters)
            ]
        )
        .reshape(-1, 3)
        .T,
        "aux_lean": -0.1 * np.triu(np.ones((len(parameters), len(parameters))), 1),
        "log_c": -0.7,
    }


@dataclass(frozen=True)
class Programs:
    """The two compiled programs and a case's data for each."""

    hlm: Path
    plain: Path
    directory: Path
    model: Model
    plain_data: dict[str, Any]
    rows: Rows
    instructions: str = "all"

    def log_density(self, program: Path, data: dict[str, Any], points: Array) -> Array:
        """Log density and gradient of a program at unconstrained points: (points, 1 + size)."""
        inputs, output = self.directory / "points.json", self.directory / "output.csv"
        write_json(inputs, {"params_r": points})
        write_json(self.directory / "data.json", data)
        files = [f"file={self.directory / 'data.json'}", "output", f"file={output}", "sig_figs=18"]
        method = ["method=log_prob", f"unconstrained_params={inputs}"]
        environment = {**os.environ, "SKHLM_INSTRUCTIONS": self.instructions}
        command = [program, *method, "data", *files]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        lines = [line for line in output.read_text().splitlines() if not line.startswith("#")]
        return np.array([[float(number) for number in line.split(",")] for line in lines[1:]])

    @property
    def rounding(self) -> float:
        """Of sums over rows of y eta, which are large where counts are, though they cancel."""
        eta = 1 + np.abs(self.rows.offset)
        return float(2e-15 * (self.rows.weight * np.abs(self.rows.y)) @ eta)

    def hlm_density(self, points: Array) -> Array:
        """Log density and gradient of hlm.stan, a point a row."""
        return self.log_density(self.hlm, self.model.data, points)

    def points(self, n: int) -> Array:
        """Random z, the first one 0."""
        size = sum(Coordinates.sizes(self.model))
        points = np.random.default_rng(3).normal(size=(n, size))
        points[0] = 0
        return points


def write_json(path: Path, data: dict[str, Any]) -> None:
    """JSON with infinity spelt Infinity."""
    path.write_text(json.dumps(data, default=lambda array: array.tolist()))


def prepare(case: Case, build_program: Callable[[str], Path], directory: Path) -> Programs:
    """Both programs with one case's data."""
    rng = np.random.default_rng(20)
    forest = Forest.draw(case, rng)
    rows = Rows.draw(case, forest, rng)
    shared = shared_data(case)
    plain_data = {
        "N": len(rows.y),
        "level": forest.levels(rows.leaf, case),
        "X": rows.X,
        "y": rows.y,
        "row_offset": rows.offset,
        "weight": rows.weight,
        **shared,
    }
    kept = rows.evidence(case)
    hlm_data = {
        "N": len(kept.y),
        "C": kept.n_cells,
        "T": case.n_trees,
        "tree": [factor.tree for factor in case.factors],
        "is_leaf": [int(case.is_leaf(g)) for g in range(len(case.factors))],
        "parent": forest.parent,
        "leaf": rows.leaf[rows.start[:-1]].ravel(),
        "start": 1 + np.searchsorted(kept.cell, np.arange(kept.n_cells + 1)),
        "X": kept.X,
        "y": kept.y,
        "row_offset": kept.offset,
        "weight": kept.weight,
        "n_obs": kept.n_obs,
        "rss": kept.rss,
        "n_outcomes": len(kept.outcome),
        "outcome": kept.outcome,
        "outcome_weight": kept.count,
        "collapsed": 0,
        **shared,
        **constants(case, forest, rng),
    }
    hlm, plain = build_program("hlm"), build_program("hlm_plain")
    return Programs(hlm, plain, directory, Model(hlm_data), plain_data, rows)


@pytest.fixture(params=CASES, ids=str)
def programs(request, build_program, tmp_path) -> Programs:
    """Both programs with the data of each case in turn."""
    return prepare(request.param, build_program, tmp_path)


def test_both_programs_have_one_posterior(programs):
    z = programs.points(4)
    theta = [push(point, programs.model) for point in z]
    plain = programs.log_density(
        programs.plain, programs.plain_data, np.array([t.plain() for t in theta])
    )
    expected = plain[:, 0] + [
        log_jacobian(point, programs.model) + log_auxiliary(t, programs.model)
        for point, t in zip(z, theta, strict=True)
    ]
    constant = programs.hlm_density(z)[:, 0] - expected
    assert_equal_but_for_rounding(constant, constant[0], plain[:, 0], programs)


@pytest.mark.parametrize("instructions", ["baseline", "avx2"])
def test_instructions_change_the_last_digits_alone(programs, instructions):
    z = programs.points(2)
    expected = programs.hlm_density(z)
    found = replace(programs, instructions=instructions).hlm_density(z)
    atol = 1e-13 * np.abs(expected).max() + programs.rounding
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=atol)


def assert_equal_but_for_rounding(found, expected, sizes, programs):
    """Of log densities as large as ``sizes``."""
    atol = 1e-9 + 1e-13 * np.abs(sizes).max() + programs.rounding
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def log_likelihood(theta: Parameters, programs: Programs) -> float:
    """That of the rows by Python's families, with its constants."""
    rows, data, family = programs.rows, programs.plain_data, programs.model.family
    eta, column = rows.offset + rows.X @ theta.kappa, 0
    for g, delta in enumerate(theta.delta):
        varying = np.array(data["varying"][column : column + len(delta)], dtype=int) - 1
        eta += (rows.X[:, varying] * delta.T[data["level"][:, g] - 1]).sum(axis=1)
        column += len(delta)
    values = np.array(data["aux_min"]) + np.exp(theta.log_excess)
    aux = dict(zip(programs.model.auxiliary, values, strict=True))
    return float(rows.weight @ family.log_density(rows.y, eta, aux))


def without_rows(data: dict[str, Any]) -> dict[str, Any]:
    """The same data, but nothing weighs anything."""
    weights = {
        name: 0 * np.asarray(data[name]) for name in ("weight", "outcome_weight") if name in data
    }
    sums = {name: 0.0 for name in ("n_obs", "rss") if name in data}
    return {**data, **weights, **sums}


def test_the_likelihood_is_that_of_python(programs):
    z = programs.points(4)
    theta = [push(point, programs.model) for point in z]
    expected = np.array([log_likelihood(t, programs) for t in theta])
    plain_points = np.array([t.plain() for t in theta])
    for program, data, points in (
        (programs.hlm, programs.model.data, z),
        (programs.plain, programs.plain_data, plain_points),
    ):
        found, nothing = (
            programs.log_density(program, some, points)[:, 0] for some in (data, without_rows(data))
        )
        difference = found - nothing - expected  # the plain program has all constants
        constant = difference[0] if program == programs.hlm else 0.0
        assert_equal_but_for_rounding(difference, constant, found, programs)


def test_gradient_is_that_of_the_value(programs):
    # eighth-order central differences: truncation and rounding near 1e-10 at this step
    step, weights = 0.02, np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280])
    for z in programs.points(2):
        shifts = step * np.arange(1, 5)[:, None, None] * np.eye(len(z))
        points = np.concatenate([[z], *(z + shifts), *(z - shifts)])
        result = programs.hlm_density(points)
        values = result[1:, 0].reshape(2, 4, len(z))
        differences = weights @ (values[0] - values[1]) / step
        gradient = result[0, 1:]
        atol = 1e-8 * abs(gradient).max() + programs.rounding / step
        np.testing.assert_allclose(gradient, differences, rtol=0, atol=atol)


@pytest.mark.parametrize("parameter", ["tau", "aux", "omega", "root", "delta"])
@pytest.mark.parametrize("value", [-1e5, 1e200])
@pytest.mark.parametrize("factors", [NESTED, (Factor(1, 12, ALL2),)], ids=["few", "in_blocks"])
def test_numerical_failure_is_an_error_not_a_number(
    factors, parameter, value, build_program, tmp_path
):
    case = Case("overflow", 2, factors, full=True)
    programs = prepare(case, build_program, tmp_path)
    names = [field.name for field in fields(Coordinates)]
    ends = np.cumsum(Coordinates.sizes(programs.model))
    z = np.zeros(ends[-1])
    z[ends[names.index(parameter)] - 1] = value
    try:
        density = programs.hlm_density(z[None])
    except subprocess.CalledProcessError as error:
        assert error.returncode == NUMERICAL_FAILURE
    else:
        assert np.isfinite(density).all()
