"""Simulated data and a model of them, told to the estimator by name and to the oracle by number.

What both say of every parameter is a `Table`, under the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skhlm import HLMRegressor
from skhlm.posterior import at_zero
from skhlm.priors import Cauchy, Normal, StudentT
from tests import oracle
from tests.chance import largest, mean_error, sd_error

TIGHT = 1e-4
"""Scale of a prior that fixes a parameter."""

WIDE = Cauchy(0, 2.5)
"""The default prior of sigma and tau, cut at zero."""


@dataclass(frozen=True)
class Case:
    """Simulated data and a model of them."""

    X: pd.DataFrame
    y: pd.Series
    groups: list[str]
    predictors: list[str]
    varying: Mapping[str, Sequence[str]]
    family: str = "normal"
    covariance: str = "diagonal"
    fit_intercept: bool = True
    priors: Mapping[str, Any] = field(default_factory=dict)
    sample_weight: np.ndarray | None = None

    @property
    def auxiliary(self) -> str | None:
        """The parameter that is the oracle's sigma."""
        return "sigma"

    @property
    def coefficients(self) -> list[str]:
        """Names of the K coefficients."""
        return [*(["Intercept"] if self.fit_intercept else []), *self.predictors]

    @property
    def factors(self) -> list[str]:
        """region, region/country, ...: every prefix of every hierarchy."""
        parts = [group.split("/") for group in self.groups]
        return ["/".join(p[: d + 1]) for p in parts for d in range(len(p))]

    def varying_in(self, factor: str) -> list[str]:
        """Coefficients that vary by a factor; all of them unless told otherwise."""
        return list(self.varying.get(factor, self.coefficients))

    def levels(self, factor: str) -> tuple[np.ndarray, list[tuple]]:
        """Each row's level of a factor, numbered, and the levels' paths."""
        paths = list(self.X[factor.split("/")].itertuples(index=False, name=None))
        levels = sorted(set(paths))
        number = {level: j for j, level in enumerate(levels)}
        return np.array([number[path] for path in paths]), levels

    def fit(self, **settings: Any) -> HLMRegressor:
        """Eight thousand draws, enough for the tolerances below."""
        defaults = {"autoscale": False, "iter_sampling": 2000, "random_state": 0}
        model = HLMRegressor(
            self.groups,
            varying=dict(self.varying) or "all",
            family=self.family,
            covariance=self.covariance,
            fit_intercept=self.fit_intercept,
            priors=dict(self.priors),
            **(defaults | settings),
        )
        return model.fit(self.X, self.y, sample_weight=self.sample_weight)

    def for_oracle(self, X: np.ndarray | None = None, y: np.ndarray | None = None) -> oracle.Model:
        """The same model on arrays; predictors and outcome may be given in other units."""
        X = self.X[self.predictors].to_numpy() if X is None else X
        design = np.c_[np.ones(len(self.X)), X] if self.fit_intercept else X
        kappa = self.priors.get("kappa", Normal(0, 10))
        return oracle.Model(
            design,
            self.y.to_numpy() if y is None else y,
            tuple(self._factor(name) for name in self.factors),
            weight=self.sample_weight,
            kappa_loc=kappa.loc,
            kappa_scale=kappa.scale,
            sigma_prior=numbers(self.priors.get("sigma", WIDE)),
            full=self.covariance == "full",
        )

    def _factor(self, name: str, default: Any = WIDE) -> oracle.Factor:
        codes, levels = self.levels(name)
        varying = [self.coefficients.index(k) for k in self.varying_in(name)]
        prior = self.priors.get("tau", {}).get(name, default)
        return oracle.Factor(codes, len(levels), tuple(varying), (numbers(prior),) * len(varying))


def numbers(prior: Normal | StudentT | Cauchy) -> oracle.TPrior:
    """df, location and scale."""
    df = {Normal: np.inf, Cauchy: 1.0}.get(type(prior)) or prior.df
    return df, prior.loc, prior.scale


def simulated(
    hierarchies: Mapping[str, Sequence[int]],
    n_predictors: int = 0,
    n: int = 150,
    *,
    noise: str = "normal",
    varying: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    **settings: Any,
) -> Case:
    """Rows in crossed hierarchies of the given sizes, coefficients varying by every factor."""
    rng = np.random.default_rng(seed)
    X, predictors, eta = simulated_rows(rng, hierarchies, n_predictors, n)
    residual = rng.normal(size=n) if noise == "normal" else rng.standard_t(3, size=n)
    y = pd.Series(eta + residual, name="y")
    return Case(X, y, list(hierarchies), predictors, varying or {}, **settings)


def simulated_rows(
    rng: np.random.Generator, hierarchies: Mapping[str, Sequence[int]], n_predictors: int, n: int
) -> tuple[pd.DataFrame, list[str], np.ndarray]:
    """Predictors and groups, the predictors' names, and eta."""
    predictors = [f"x{k + 1}" for k in range(n_predictors)]
    design = np.c_[np.ones(n), rng.normal(size=(n, n_predictors))]
    X = pd.DataFrame(design[:, 1:], columns=predictors)
    beta = np.tile(rng.normal(size=n_predictors + 1), (n, 1))
    for group, sizes in hierarchies.items():
        code = rng.choice(sizes[-1], n, p=rng.dirichlet(5 * np.ones(sizes[-1])))
        for name, size in reversed(list(zip(group.split("/"), sizes, strict=True))):
            code = code % size
            X[name] = [f"{name}{j:02d}" for j in code]
            beta += rng.normal(scale=0.5, size=(size, n_predictors + 1))[code]
    return X, predictors, (design * beta).sum(axis=1)


DERIVED = {"phi"}
"""Functions of other parameters in a summary; this one may have no mean."""

Table = dict[tuple, oracle.Estimate]
"""Mean and sd by parameter, factor, level and coefficient, with their Monte Carlo errors."""


def reported(fitted: HLMRegressor) -> Table:
    """What the estimator says."""
    table: Table = {}
    chains = dict(_chains(fitted))
    for row in fitted.summary().itertuples():
        factor = row.factor if row.parameter in ("tau", "omega") else ""
        coefficient = row.coefficient if row.parameter in ("kappa", "tau", "omega") else ""
        key = row.parameter, factor, (), coefficient
        if row.parameter not in DERIVED:
            table[key] = estimate(row, chains[key])
    if fitted.groups is not None:
        for row in fitted.group_effects().itertuples():
            key = "delta", row.factor, row.level, row.coefficient
            table[key] = estimate(row, chains[key])
    return table


def _chains(fitted: HLMRegressor) -> Iterator[tuple[tuple, np.ndarray]]:
    """The draws of every parameter (chains, draws) under the names of a table, for their errors."""
    posterior, labels = fitted._posterior, fitted._spec.labels

    def key(parameter: str, coefficient: str, g: int | None = None, level: tuple = ()) -> tuple:
        return parameter, "" if g is None else labels.factors[g], level, coefficient

    draws = {key(name, ""): values for name, values in posterior.auxiliary.items()}
    draws |= {
        key("kappa", name): kappa
        for name, kappa in zip(labels.coefficients, at_zero.kappa(posterior), strict=True)
    }
    for g, levels in enumerate(labels.levels):
        names, delta = labels.varying_names(g), at_zero.delta(posterior, g)
        omega = at_zero.omega(posterior, g) if posterior.omega else None
        for k, name in enumerate(names):
            draws[key("tau", name, g)] = at_zero.tau(posterior, g)[k]
            for j, level in enumerate(levels):
                draws[key("delta", name, g, level)] = delta[j, k]
            for i in range(k) if omega is not None else ():
                draws[key("omega", f"{names[i]}, {name}", g)] = omega[i, k]
    for name, chain_by_chain in draws.items():
        yield name, chain_by_chain.reshape(posterior.n_chains, -1)


def estimate(row: Any, chains: np.ndarray) -> oracle.Estimate:
    """The mean and sd of a reported row, and the errors of its draws."""
    return oracle.Estimate(row.mean, row.sd, mean_error(chains), sd_error(chains))


def expected(case: Case, posterior: oracle.Posterior) -> Table:
    """What the oracle says, under the same names."""
    table: Table = {}
    if case.auxiliary:
        table[case.auxiliary, "", (), ""] = _at(posterior.sigma, ())
    if posterior.nu is not None:
        table["nu", "", (), ""] = _at(posterior.nu, ())
    for k, name in enumerate(case.coefficients):
        table["kappa", "", (), name] = _at(posterior.kappa, k)
    for g, factor in enumerate(case.factors):
        names = case.varying_in(factor)
        for k, name in enumerate(names):
            table["tau", factor, (), name] = _at(posterior.tau[g], k)
            for j, level in enumerate(case.levels(factor)[1]):
                table["delta", factor, level, name] = _at(posterior.delta[g], (j, k))
            for i in range(k) if posterior.omega else ():
                pair = f"{names[i]}, {name}"
                table["omega", factor, (), pair] = _at(posterior.omega[g], (k, i))
    return table


def _at(values: oracle.Estimate, index: Any) -> oracle.Estimate:
    return oracle.Estimate(*(array[index] for array in vars(values).values()))


def assert_same_posterior(found: Table, truth: Table) -> None:
    """Means and sds that differ by Monte Carlo error, of the draws and of the oracle, alone."""
    assert set(found) == set(truth)
    bound = largest(2 * len(truth))
    wrong = [
        f"{key}: {what} {getattr(ours, what):.4g}, oracle {getattr(theirs, what):.4g}"
        for key, theirs in truth.items()
        for ours in [found[key]]
        for what in ("mean", "sd")
        if abs(getattr(ours, what) - getattr(theirs, what))
        > bound * np.hypot(getattr(ours, f"{what}_error"), getattr(theirs, f"{what}_error"))
    ]
    assert not wrong, "\n".join(wrong)
