"""Has the check of slopes between levels the size that it claims, and which power? A simulation.

``python -m benchmarks.slopes`` fits models to data that are as they say, and to such whose slope
between levels is another one than that within. Results go to ``benchmarks/results/slopes.md``.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.machine import describe_machine
from benchmarks.plain import ROOT
from skhlm import HLMClassifier, HLMRegressor
from skhlm._typing import Floats
from skhlm.diagnostics.slopes import SLOPE_NOTE, probability_of

PAGE = ROOT / "benchmarks" / "results" / "slopes.md"
THRESHOLDS = (0.05, SLOPE_NOTE, 0.001)
CHAINS, DRAWS = 4, 2000


@dataclass(frozen=True)
class Case:
    """Levels with ``rows`` each, whose effects have sd ``tau``, and ``more`` slope between them.

    x has sd 1 within levels and 1 between, residuals have sd 1 and counts a mean of 2.
    """

    family: str
    levels: int
    rows: int
    tau: float
    more: float = 0.0
    slopes_vary: bool = False
    predictors: int = 1

    def draw(self, rng: np.random.Generator) -> tuple[pd.DataFrame, Floats]:
        """Rows and outcomes."""
        level = np.repeat(np.arange(self.levels), self.rows)
        means = rng.normal(size=(self.levels, self.predictors))
        x = means[level] + rng.normal(size=(len(level), self.predictors))
        slope = 0.5 + self.slopes_vary * rng.normal(0, 0.3, self.levels)
        eta = slope[level] * x[:, 0] + rng.normal(0, self.tau, self.levels)[level]
        eta += self.more * means[level, 0]
        X = pd.DataFrame({"g": level.astype(str)})
        return X.assign(**{f"x{k}": column for k, column in enumerate(x.T)}), self._y(eta, rng)

    def _y(self, eta: Floats, rng: np.random.Generator) -> Floats:
        if self.family == "binomial":
            return (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)
        if self.family == "poisson":
            return rng.poisson(2 * np.exp(eta / 2)).astype(float)
        if self.family == "gamma":
            return rng.gamma(2, np.exp(eta) / 2)
        if self.family == "negative_binomial":
            return rng.poisson(rng.gamma(2, np.exp(eta / 2))).astype(float)
        error = (
            rng.standard_t(4, len(eta)) if self.family == "student_t" else rng.normal(size=len(eta))
        )
        return eta + error

    def value(self, seed: int) -> float:
        """What the check finds in one data set."""
        X, y = self.draw(np.random.default_rng([seed, self.levels, self.rows]))
        settings = {
            "varying": "all" if self.slopes_vary else "intercept",
            "random_state": seed,
        }
        if self.family == "binomial":
            model = HLMClassifier("g", **settings)
        else:
            model = HLMRegressor("g", family=self.family, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = model.fit(X, y).diagnose().set_index("check")
        return float(found.loc["slopes between levels", "value"])


def exact_values(case: Case, n: int, seed: int = 0) -> Floats:
    """What the check finds in n data sets of normal outcomes, (n,), without a sampler.

    Sums of squares within and between levels are drawn; given tau and sigma, which are drawn from a
    grid under half-Cauchy priors, the slope and sum m delta are normal.
    """
    rng = np.random.default_rng([seed, case.levels, case.rows])
    found = []
    for _ in range(n):
        sums = _sums(case, rng)
        tau2, sigma2 = _variances(sums, case, rng)
        v = tau2 + sigma2 / case.rows
        precision = sums.xx_within / sigma2 + sums.xx_between / v
        centre = (sums.xy_within / sigma2 + sums.xy_between / v) / precision
        slope = rng.normal(centre, 1 / np.sqrt(precision))
        size, shrunk = np.sqrt(sums.xx_between), tau2 / v
        mean = shrunk * (sums.xy_between - slope * sums.xx_between) / size
        u = rng.normal(mean, np.sqrt(shrunk * sigma2 / case.rows))
        known = tau2.mean() / (tau2.mean() + sigma2.mean() / case.rows)
        given, tau = -known * size * slope, np.sqrt(tau2)
        information = float(known * tau2.mean())
        found.append(probability_of(u, given, tau, information, CHAINS, case.levels - 2))
    return np.array(found)


@dataclass(frozen=True)
class _Sums:
    """Sums of products about the means, within levels and of level means, and sd(y)."""

    xx_within: float
    xy_within: float
    yy_within: float
    xx_between: float
    xy_between: float
    yy_between: float
    scale: float


def _sums(case: Case, rng: np.random.Generator) -> _Sums:
    """Of one data set."""
    J, n = case.levels, case.rows
    size = rng.normal(size=J)
    x = size[:, None] + rng.normal(size=(J, n))
    y = 0.5 * x + (case.more * size + rng.normal(0, case.tau, J))[:, None]
    y = y + rng.normal(size=(J, n))
    x_mean, y_mean = x.mean(axis=1), y.mean(axis=1)
    x_in, y_in = x - x_mean[:, None], y - y_mean[:, None]
    x_mean, y_mean = x_mean - x_mean.mean(), y_mean - y_mean.mean()
    products = (x_in**2, x_in * y_in, y_in**2, x_mean**2, x_mean * y_mean, y_mean**2)
    return _Sums(*(float(product.sum()) for product in products), float(y.std()))


def _variances(sums: _Sums, case: Case, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draws of tau^2 and sigma^2, (DRAWS,) each."""
    J, n = case.levels, case.rows
    log_tau = np.log(sums.scale) + np.linspace(-7, 4, 221)[:, None]
    centre = 0.5 * np.log(sums.yy_within / (J * (n - 1)))
    log_sigma = centre + np.linspace(-1, 1, 41) * min(5 / np.sqrt(2 * J * (n - 1)), 3)
    tau2, sigma2 = np.exp(2 * log_tau), np.exp(2 * log_sigma)
    v = tau2 + sigma2 / n
    precision = sums.xx_within / sigma2 + sums.xx_between / v
    score = sums.xy_within / sigma2 + sums.xy_between / v
    rest = sums.yy_within / sigma2 + sums.yy_between / v - score**2 / precision
    log_p = -0.5 * (J * (n - 1) * np.log(sigma2) + (J - 1) * np.log(v) + np.log(precision) + rest)
    for variance, log in ((tau2, log_tau), (sigma2, log_sigma)):
        log_p = log_p + log - np.log1p(variance / (2.5 * sums.scale) ** 2)
    p = np.exp(log_p - log_p.max()).ravel()
    i, k = np.divmod(rng.choice(p.size, DRAWS, p=p / p.sum()), sigma2.size)
    return tau2[i, 0], sigma2[k]


FAMILIES = ("student_t", "binomial", "poisson", "negative_binomial", "gamma")


def exact_cases() -> Iterator[Case]:
    """Normal outcomes, as the model says."""
    for levels, rows, tau in product((6, 12, 25, 60, 300), (2, 5, 20), (0.0, 0.3, 1.0)):
        yield Case("normal", levels, rows, tau)


def exact_others() -> Iterator[Case]:
    """Normal outcomes whose slope between levels is another one."""
    for levels, rows, more in product((8, 12, 25, 40, 140), (3, 8), (0.3, 0.6, 1.2)):
        yield Case("normal", levels, rows, 0.5, more)


def fitted_cases() -> Iterator[Case]:
    """Outcomes of all families, as the model says."""
    for family in ("normal", *FAMILIES):
        yield Case(family, 12, 8, 0.5)
        yield Case(family, 60, 5, 0.5)
    yield Case("normal", 30, 8, 1.0, slopes_vary=True)
    yield Case("normal", 30, 8, 1.0, predictors=5)


def fitted_others() -> Iterator[Case]:
    """The same with another slope between levels."""
    for family in ("normal", *FAMILIES):
        yield Case(family, 60, 8, 0.5, 0.6)


def main() -> None:
    """Simulate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exact", type=int, default=4000, help="data sets without a sampler")
    parser.add_argument("--fits", type=int, default=100, help="data sets that are fitted")
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    with ProcessPoolExecutor(2) as pool:
        exact = partial(_exactly, n=options.exact)
        fitted = partial(_fitted, n=options.fits, pool=pool)
        tables = [
            _table(list(pool.map(exact, exact_cases()))),
            _table(list(pool.map(exact, exact_others()))),
            _table([fitted(case) for case in fitted_cases()]),
            _table([fitted(case) for case in fitted_others()]),
        ]
    options.output.write_text(_page(tables, options.exact, options.fits), encoding="utf-8")


def _page(tables: list[str], n_exact: int, n_fits: int) -> str:
    """All of it, as Markdown."""
    machine = describe_machine()
    return "\n".join(
        [
            "# Slopes between levels\n",
            "How the check works: decision 0033 in docs/decisions. Made by `python -m "
            f"benchmarks.slopes`, {machine['date']}, commit {machine['commit']}. Percent of "
            "data sets whose value is below the number on top; the check notes what is below "
            f"{SLOPE_NOTE:g}. x has sd 1 within levels and 1 between, residuals have sd 1, the "
            "slope within levels is 0.5.\n",
            f"## Data as the model says\n\nNormal outcomes, {n_exact:,} data sets each, draws "
            "without a sampler.\n",
            tables[0],
            f"Default fits of {n_fits} data sets each.\n",
            tables[2],
            f"## Slopes between levels that are others\n\n{n_exact:,} data sets each, without a "
            "sampler.\n",
            tables[1],
            f"Default fits of {n_fits} data sets each.\n",
            tables[3],
        ]
    )


_Found = tuple[Case, list[float]]


def _exactly(case: Case, n: int) -> _Found:
    return case, _shares(exact_values(case, n))


def _fitted(case: Case, n: int, pool: ProcessPoolExecutor) -> _Found:
    return case, _shares(np.array(list(pool.map(case.value, range(n), chunksize=5))))


def _shares(values: Floats) -> list[float]:
    return [float((values < threshold).mean()) for threshold in THRESHOLDS]


def _table(found: list[_Found]) -> str:
    """A row a case, and the mean and the largest of all."""
    thresholds = " | ".join(f"{threshold:g}" for threshold in THRESHOLDS)
    lines = [
        f"| family | levels | rows each | tau | more slope between | {thresholds} |",
        "|---" * (5 + len(THRESHOLDS)) + "|",
    ]
    for case, shares in found:
        name = case.family + ", slopes vary" * case.slopes_vary
        name += f", {case.predictors} predictors" * (case.predictors > 1)
        numbers = f"{name} | {case.levels} | {case.rows} | {case.tau:g} | {case.more:g}"
        lines.append(_row(numbers, shares))
    shares_of_all = np.array([shares for _, shares in found])
    lines.append(_row("mean | | | |", shares_of_all.mean(axis=0).tolist()))
    lines.append(_row("largest | | | |", shares_of_all.max(axis=0).tolist()))
    print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def _row(numbers: str, shares: list[float]) -> str:
    return f"| {numbers} | " + " | ".join(f"{100 * share:.3g}" for share in shares) + " |"


if __name__ == "__main__":
    main()
