"""Does the verdict on R-hat have the size and the power that it claims? A simulation.

``python -m benchmarks.agreement`` makes chains without a sampler, and judges them as fits are.
Results go to ``benchmarks/results/agreement.md``.

False alarms are to be one in a thousand fits, so one in 2e8 statistics where a fit has 100,000
parameters: too rare to be counted. Half-chains are drawn whose means are farther apart than they
would be, and each draw weighs what its means are more seldom: importance sampling. For AR(1) chains
this is exact, a normal series being its mean times what it tells of the series, and an independent
rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from scipy import linalg, stats

from benchmarks.machine import describe_machine
from benchmarks.plain import ROOT
from skhlm._typing import Floats
from skhlm.numerics.convergence import convergence

PAGE = ROOT / "benchmarks" / "results" / "agreement.md"
CHAINS = 4
COUNTS = (10, 100, 1_000, 10_000, 100_000)  # of parameters
RHO = (0.0, 0.5, 0.6, -0.3)
LENGTHS = (500, 600, 1200)  # of chains: a first round, two, and the longest run
BLOCK = 4_000  # parameters at a time

_ENOUGH = 100  # effective draws a chain, below which a fit goes on
_CHANCE = 1e-3  # of the verdict
_DF = 2 * CHAINS - 1


@dataclass(frozen=True)
class Rate:
    """Share of fits with a false alarm, and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{100 * self.value:.2g} ± {100 * self.error:.1g}"


def autoregression(rng: np.random.Generator, rho: float, length: int, *shape: int) -> Floats:
    """Stationary AR(1) series (length, ...) of unit variance."""
    x = rng.standard_normal((length, *shape))
    for t in range(1, length):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * x[t]
    return x


def false_alarms(rho: float, length: int, count: int, n: int) -> Rate:
    """Of fits with so many parameters whose chains agree, by importance sampling of ``n`` of them.

    Widened are the means that R-hat of the draws compares; an alarm of the folded draws is taken to
    be as probable.
    """
    blocks = range(-(-n // BLOCK))
    with ProcessPoolExecutor() as pool:
        weights = np.concatenate(list(pool.map(partial(_alarms, rho, length, count), blocks)))
    of_one = 2 * weights.mean()
    error = 2 * weights.std() / np.sqrt(len(weights))
    return Rate(float(-np.expm1(-count * of_one)), float(count * error))


def _alarms(rho: float, length: int, count: int, block: int) -> Floats:
    """The weight of each simulated parameter (BLOCK,) if it gave an alarm, else zero."""
    rng = np.random.default_rng([abs(round(100 * rho)), rho < 0, length, count, block])
    half = length // 2
    x = autoregression(rng, rho, half, 2 * CHAINS, BLOCK)
    with_mean = linalg.toeplitz(rho ** np.arange(half)).mean(axis=1)  # Cov(x_t, mean)
    variance = with_mean.mean()
    apart = x.mean(axis=0) - x.mean(axis=(0, 1))
    widening = np.sqrt(stats.f.isf(_CHANCE / (2 * count), _DF, 100))
    x += (widening - 1) * (with_mean / variance)[:, None, None] * apart
    chains = x.reshape(half, CHAINS, 2, BLOCK).transpose(1, 2, 0, 3).reshape(CHAINS, length, BLOCK)
    squares = np.square(apart).sum(axis=0) / variance
    weight = widening**_DF * np.exp(-0.5 * (widening**2 - 1) * squares)
    alarm = convergence(chains, n_parameters=count).rhat_excess > 1
    alarms: Floats = np.where(alarm, weight, 0.0)
    return alarms


def rotation(rng: np.random.Generator, chains: int, length: int, n: int) -> Floats:
    """What NUTS makes of a normal target, x cos t + v sin t: their squares are correlated."""
    x = rng.standard_normal((length, chains, n))
    for t in range(1, length):
        angle = 0.5 + 2.5 * rng.random((chains, n))
        x[t] = np.cos(angle) * x[t - 1] + np.sin(angle) * x[t]
    return x.swapaxes(0, 1)


def counted_alarms(length: int, count: int, n: int) -> Rate:
    """Of fits with so many parameters of rotating draws, where alarms are frequent enough."""
    blocks = range(-(-n // BLOCK))
    with ProcessPoolExecutor() as pool:
        found = sum(pool.map(partial(_count_of_block, length, count), blocks))
    n = len(blocks) * BLOCK
    return Rate(1 - (1 - found / n) ** count, count * np.sqrt(max(found, 1)) / n)


def _count_of_block(length: int, count: int, block: int) -> int:
    x = rotation(np.random.default_rng([length, count, block]), CHAINS, length, BLOCK)
    return int((convergence(x, n_parameters=count).rhat_excess > 1).sum())


def shifted(x: Floats) -> Floats:
    """One chain half a standard deviation off."""
    return x + 0.5 * (np.arange(len(x)) == 0)[:, None, None]


def elsewhere(x: Floats) -> Floats:
    """One chain in another mode, four standard deviations away."""
    return x + 4.0 * (np.arange(len(x)) == 0)[:, None, None]


def narrow(x: Floats) -> Floats:
    """One chain with half the spread."""
    return x * np.where(np.arange(len(x)) == 0, 0.5, 1.0)[:, None, None]


FAULTS: dict[str, Callable[[Floats], Floats]] = {
    "shifted by half an sd": shifted,
    "in another mode": elsewhere,
    "half the spread": narrow,
}


def power(x: Floats, count: int) -> tuple[float, float]:
    """Shares of faulty parameters, each among ``count``, that are found: by R-hat, and at all.

    At all is also by too few effective draws, for which a fit goes on.
    """
    found = convergence(x, n_parameters=count)
    disagree = found.rhat_excess > 1
    short = np.minimum(found.ess_bulk, found.ess_tail) < _ENOUGH * len(x)
    return float(disagree.mean()), float((disagree | short).mean())


def main() -> None:
    """Simulate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameters", type=int, default=20_000, help="healthy ones for a number")
    parser.add_argument("--faulty", type=int, default=2_000)
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    options.output.write_text(_page(options.parameters, options.faulty), encoding="utf-8")


def _page(n: int, n_faulty: int) -> str:
    """Simulate all, as Markdown."""
    machine = describe_machine()
    head = "| | draws | " + " | ".join(f"{count:,}" for count in COUNTS) + " |\n"
    head += "|---|---|" + "---|" * len(COUNTS) + "\n"

    def row(kind: str, draws: str, cells: list[str]) -> str:
        return f"| {kind} | {draws} | " + " | ".join(cells) + " |\n"

    autoregressive = [
        row(
            f"AR({rho:g})",
            f"{CHAINS} x {length}",
            [str(false_alarms(rho, length, count, n)) for count in COUNTS],
        )
        for rho in RHO
        for length in LENGTHS
    ]
    rotating = [
        row(
            "rotating",
            f"{CHAINS} x {length}",
            [str(counted_alarms(length, count, 10 * n)) for count in COUNTS[:2]] + [""] * 3,
        )
        for length in LENGTHS[:2]
    ]
    faulty = []
    for chains, length in product((CHAINS, 2), LENGTHS):
        x = rotation(np.random.default_rng([length, chains]), chains, length, n_faulty)
        for name, fault in FAULTS.items():
            shares = [power(fault(x), count) for count in COUNTS]
            cells = [f"{100 * by_rhat:.3g} / {100 * at_all:.3g}" for by_rhat, at_all in shares]
            faulty.append(row(name, f"{chains} x {length}", cells))
    return "\n".join(
        [
            "# Chains that agree, and chains that do not\n",
            "Why R-hat is judged this way: decision 0023 in docs/decisions. Made by "
            f"`python -m benchmarks.agreement`, {machine['date']}, commit {machine['commit']}.\n",
            "## False alarms\n",
            "Percent of fits of so many parameters in which chains that agree exceed a limit, and "
            "its standard error; 0.1 is what the verdict claims. AR(1) chains by importance "
            f"sampling from {n:,} parameters for each number, rotating draws, as of NUTS, counted "
            f"in {10 * n:,}.\n",
            head + "".join(autoregressive + rotating),
            "## Power\n",
            "Percent of fits found out in which one parameter of so many has one chain with a "
            "fault: by R-hat / by R-hat or too few effective draws, for which a fit goes on; "
            "rotating draws.\n",
            head + "".join(faulty),
        ]
    )


if __name__ == "__main__":
    main()
