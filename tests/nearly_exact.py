"""Outcomes that groups and predictors give nearly exactly, predictors that whole levels share.

What rows tell of some directions is then up to 1e18 times what is known of the others. Whatever is
drawn, the constants of the map are numbers and so are the draws, without an exception or a
RuntimeWarning. Beyond noise of 1e-6 the posterior need not be near a normal distribution, and
chains need not converge: what warns of that is ours.

    python -m tests.nearly_exact 2000        # so many cases, algorithm by algorithm in turn
    python -m tests.nearly_exact 100 7000    # those from number 7000 on
"""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skhlm import HLMRegressor
from skhlm.draws import Draws
from skhlm.engine.inference import Algorithm
from skhlm.engine.quick_fit.recalibration import recalibrate
from skhlm.engine.target import build_target
from skhlm.engine.tree_map.backward import to_coordinates
from skhlm.preparation import prepare
from tests.chance import SHIFT
from tests.engine.problems import draws_at, normal_coordinates

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
PATHS = ("region/country/city", "industry/vertical/product")


@dataclass(frozen=True)
class Case:
    """What is fitted, and with which parameters."""

    X: pd.DataFrame
    y: NDArray[Any]
    sample_weight: NDArray[Any] | None
    parameters: dict[str, Any]

    def regressor(self, **settings: Any) -> HLMRegressor:
        """The model, not fitted."""
        return HLMRegressor(**self.parameters, random_state=0, **settings)


def nearly_exact(seed: int) -> Case:
    """A random case: one or two hierarchies of depth one to three, noise from 0 to 1e-3 of y."""
    rng = np.random.default_rng(seed + 100_000 * SHIFT)
    factors, groups = _factors(rng)
    y, predictors = _outcome(rng, factors)
    noise = float(rng.choice([0.0, *np.logspace(-15, -3, 7)]))
    y = 10.0 ** rng.integers(-2, 4) * (y + noise * (y.std() or 1.0) * rng.normal(size=len(y)))
    weighted = rng.random() < 0.3
    return Case(
        X=pd.DataFrame(predictors | factors),
        y=y,
        sample_weight=rng.choice([1.0, 2.0, 0.1, 50.0], len(y)) if weighted else None,
        parameters={
            "groups": groups,
            "varying": str(rng.choice(["intercept", "all"])),
            "family": str(rng.choice(["student_t", "normal"])),
            "covariance": str(rng.choice(["diagonal", "full"])),
        },
    )


def _factors(rng: np.random.Generator) -> tuple[dict[str, Any], list[str]]:
    """Group columns, and the hierarchies they make: leaves of 1 to 100 rows."""
    factors, groups = {}, []
    leaf = np.repeat(np.arange(rng.integers(3, 9)), rng.choice([1, 2, 3, 5, 10, 30, 100]))
    for path in PATHS[: rng.integers(1, 3)]:
        names = path.split("/")[: rng.integers(1, 4)]
        factors |= {name: leaf // 2**up for up, name in enumerate(reversed(names))}
        groups.append("/".join(names))
        leaf = rng.permutation(leaf)
    return factors, groups


def _outcome(rng: np.random.Generator, factors: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """y without noise; one to three predictors that levels share, and at times one of the rows."""
    n = len(next(iter(factors.values())))
    predictors = {}
    for k in range(rng.integers(1, 4)):
        level = factors[str(rng.choice(list(factors)))]
        predictors[f"x{k}"] = rng.normal(size=level.max() + 1)[level]
    if rng.random() < 0.3:
        predictors["x"] = rng.normal(size=n)
    effects = [rng.normal(size=level.max() + 1)[level] for level in factors.values()]
    y = 1.0 + sum(rng.integers(0, 2) * values for values in [*predictors.values(), *effects])
    return y, predictors


def check_map(case: Case) -> None:
    """Its constants, its draws, what is learned from these, and the way back: all are numbers."""
    problem, _, _ = prepare(case.regressor(), case.X, case.y, case.sample_weight)
    target = build_target(problem)
    z = normal_coordinates(problem, target.forest, 15)
    draws = draws_at(target, z)
    constants = recalibrate(problem, target.forest, target.constants, z, draws)
    again = replace(target, constants=constants)
    assert target.constants.is_finite
    assert again.constants.is_finite
    assert _all_numbers(draws)
    assert _all_numbers(draws_at(again, z))
    back = to_coordinates(draws, problem, target.forest, target.constants)
    assert all(np.isfinite(z).all() for z in vars(back).values())


def check_fit(case: Case, algorithm: Algorithm) -> None:
    """Few and short chains end in numbers, and so do predictions."""
    model = case.regressor(
        algorithm=algorithm,
        chains=2,
        iter_warmup=20,
        iter_sampling=20,
        max_treedepth=4,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)  # a RuntimeWarning is none
        model.fit(case.X, case.y, case.sample_weight)
        mean, sd = model.predict(case.X, return_std=True)
    posterior = model._posterior
    effects, auxiliary = posterior.draws.delta, posterior.auxiliary.values()
    for x in (posterior.draws.kappa, *effects, *posterior.tau, *auxiliary):
        assert np.isfinite(x).all()
    assert np.isfinite([*mean, *model.coef_, model.sigma_]).all()
    assert not np.isnan(sd).any()  # infinite it may be, with a nu of 2 or less


def _all_numbers(draws: Draws) -> bool:
    """Whether every parameter of every draw is finite."""
    found = []
    draws.map(lambda x: found.append(np.isfinite(x).all()) or x)
    return all(found)


def sweep(n_cases: int, first: int) -> dict[str, list[int]]:
    """The cases that fail, by what fails."""
    failures = defaultdict(list)
    for seed in range(first, first + n_cases):
        case, algorithm = nearly_exact(seed), ALGORITHMS[seed % len(ALGORITHMS)]
        try:
            check_map(case)
            check_fit(case, algorithm)
        except Exception as error:  # whatever it is, the other cases are to be seen
            failures[f"{algorithm}: {type(error).__name__}: {str(error)[:100]}"].append(seed)
    return failures


def main(arguments: list[str]) -> int:
    """Report on a sweep; the exit code says whether anything failed."""
    n_cases, first = int(arguments[0]), int((arguments[1:] or ["0"])[0])
    failures = sweep(n_cases, first)
    for what, seeds in failures.items():
        print(f"{what}: {seeds}")
    n_failed = sum(map(len, failures.values()))
    print(f"{n_cases} cases from number {first}, {n_failed} failed", flush=True)
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
