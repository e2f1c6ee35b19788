"""Does the verdict on R-hat have the size and the power that it claims? A simulation.

``python -m benchmarks.agreement`` makes chains without a sampler, and judges them as fits are.
Results go to ``benchmarks/results/agreement.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy import special, stats

from benchmarks.machine import describe_machine
from benchmarks.plain import ROOT
from skhlm._typing import Bools, Floats
from skhlm.numerics.convergence import convergence

PAGE = ROOT / "benchmarks" / "results" / "agreement.md"
CHAINS = 4
COUNTS = (10, 100, 1_000, 10_000, 100_000)  # of parameters
LENGTHS = (400, 600, 1200)  # of chains: a first round, two, and the longest run
BLOCK = 4_000  # parameters at a time

_ENOUGH = 400  # effective draws, below which a fit is not done
_CHANCE = 1e-3  # of the verdict
_SUSPICIOUS = 0.4  # of the B/W that the law allows: what is below cannot be over the limit

Make = Callable[[np.random.Generator, int, int], Floats]


def autocorrelated(rng: np.random.Generator, length: int, n: int, rho: float) -> Floats:
    """AR(1) chains (chains, length, n) of unit variance."""
    x = rng.standard_normal((length, CHAINS, n), dtype=np.float32)
    for t in range(1, length):
        x[t] = rho * x[t - 1] + np.float32(np.sqrt(1 - rho**2)) * x[t]
    return x.swapaxes(0, 1)


def rotating(rng: np.random.Generator, length: int, n: int) -> Floats:
    """What NUTS makes of a normal target, x cos t + v sin t: their squares are correlated."""
    x = rng.standard_normal((length, CHAINS, n), dtype=np.float32)
    for t in range(1, length):
        angle = np.float32(0.5) + np.float32(2.5) * rng.random((CHAINS, n), dtype=np.float32)
        x[t] = np.cos(angle) * x[t - 1] + np.sin(angle) * x[t]
    return x.swapaxes(0, 1)


HEALTHY: dict[str, Make] = {
    "independent": partial(autocorrelated, rho=0.0),
    "autocorrelated (0.5)": partial(autocorrelated, rho=0.5),
    "rotating": rotating,
}


def shifted(x: Floats) -> Floats:
    """One chain half a standard deviation off."""
    return x + 0.5 * (np.arange(CHAINS) == 0)[:, None, None]


def elsewhere(x: Floats) -> Floats:
    """One chain in another mode, four standard deviations away."""
    return x + 4.0 * (np.arange(CHAINS) == 0)[:, None, None]


def narrow(x: Floats) -> Floats:
    """One chain with half the spread."""
    return x * np.where(np.arange(CHAINS) == 0, 0.5, 1.0)[:, None, None]


FAULTS = {"shifted by half an sd": shifted, "in another mode": elsewhere, "half the spread": narrow}


@dataclass(frozen=True)
class Alarms:
    """How many of ``n`` healthy parameters are above their limits, judged among ``count``."""

    kind: str
    length: int
    count: int
    n: int
    found: int

    @property
    def a_fit(self) -> float:
        """Share of fits of so many independent parameters with an alarm."""
        return float(1 - (1 - self.found / self.n) ** self.count)

    @property
    def a_fit_at_most(self) -> float:
        """The same, as far as the simulation can exclude more (95%)."""
        most = stats.beta.ppf(0.95, self.found + 1, self.n - self.found)
        return float(1 - (1 - most) ** self.count)


def count_alarms(kind: str, length: int, n_parameters: int) -> Iterator[Alarms]:
    """Of so many healthy parameters, for each count that they may be judged among."""
    n_blocks = -(-n_parameters // BLOCK)
    with ProcessPoolExecutor() as pool:
        found = sum(pool.map(partial(_alarms_of_block, kind, length), range(n_blocks)))
    for count, number in zip(COUNTS, found, strict=True):
        yield Alarms(kind, length, count, n_blocks * BLOCK, int(number))


def _alarms_of_block(kind: str, length: int, block: int) -> np.ndarray:
    """Alarms for each count; only what looks suspicious is judged in full."""
    rng = np.random.default_rng([list(HEALTHY).index(kind), length, block])
    x = HEALTHY[kind](rng, length, BLOCK)
    ratios = [_between_to_within(x), _between_to_within(np.abs(x))]
    found = []
    for count in COUNTS:
        suspects = np.zeros(BLOCK, dtype=bool)
        for ratio in ratios:
            suspects |= _is_suspicious(ratio, _CHANCE / (2 * count))
        excess = convergence(x[:, :, suspects], n_parameters=count).rhat_excess
        found.append((excess > 1).sum())
    return np.array(found)


def _is_suspicious(ratio: Floats, level: float) -> Bools:
    """Whether B/W might be over a limit, whatever the autocorrelation was taken for."""
    tau = ratio.mean()  # as F is one on average
    suspicious: Bools = ratio > _SUSPICIOUS * tau * special.chdtri(2 * CHAINS - 1, level) / (
        2 * CHAINS - 1
    )
    return suspicious


def _between_to_within(x: Floats) -> Floats:
    """B/W of half-chains (chains, length, n), the draws as they are."""
    chains, length, n = x.shape
    halves = x.reshape(chains, 2, length // 2, n)
    between = length // 2 * halves.mean(axis=2).reshape(-1, n).var(axis=0, ddof=1)
    ratio: Floats = between / halves.var(axis=2, ddof=1).reshape(-1, n).mean(axis=0)
    return ratio


@dataclass(frozen=True)
class Power:
    """Shares of faulty parameters that are found: by R-hat, and by R-hat or effective draws."""

    fault: str
    length: int
    by_rhat: tuple[float, ...]  # for each of `COUNTS`
    at_all: tuple[float, ...]


def find_power(fault: str, length: int, n: int) -> Power:
    """Of ``n`` parameters with this fault, each the only one of its fit."""
    x = FAULTS[fault](rotating(np.random.default_rng([length, 9]), length, n))
    by_rhat, at_all = [], []
    for count in COUNTS:
        judged = convergence(x, n_parameters=count)
        disagree = judged.rhat_excess > 1
        short = np.minimum(judged.ess_bulk, judged.ess_tail) < _ENOUGH
        by_rhat.append(float(disagree.mean()))
        at_all.append(float((disagree | short).mean()))
    return Power(fault, length, tuple(by_rhat), tuple(at_all))


def main() -> None:
    """Simulate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameters", type=int, default=1_000_000, help="healthy ones of a kind")
    parser.add_argument("--faulty", type=int, default=2_000)
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    alarms = [
        alarm
        for kind in HEALTHY
        for length in LENGTHS
        for alarm in count_alarms(kind, length, options.parameters)
    ]
    powers = [find_power(fault, n, options.faulty) for fault in FAULTS for n in LENGTHS]
    options.output.write_text(_page(alarms, powers), encoding="utf-8")


def _page(alarms: list[Alarms], powers: list[Power]) -> str:
    """What was found, as Markdown."""
    machine = describe_machine()
    head = "| | draws | " + " | ".join(f"{count:,}" for count in COUNTS) + " |\n"
    head += "|---|---|" + "---|" * len(COUNTS) + "\n"
    lines = [
        "# Chains that agree, and chains that do not\n",
        "Why R-hat is judged this way: decision 0023 in docs/decisions. Made by "
        f"`python -m benchmarks.agreement`, {machine['date']}, commit {machine['commit']}.\n",
        "## False alarms\n",
        f"Percent of fits of so many parameters with an alarm, from {alarms[0].n:,} simulated "
        "parameters of a kind, 4 chains; in brackets what the simulation cannot exclude (95%).\n",
        head
        + "".join(
            f"| {kind} | 4 x {length} | "
            + " | ".join(
                f"{100 * a.a_fit:.2g} ({100 * a.a_fit_at_most:.2g})"
                for a in alarms
                if (a.kind, a.length) == (kind, length)
            )
            + " |\n"
            for kind in HEALTHY
            for length in LENGTHS
        ),
        "## Power\n",
        "Percent of fits found out in which one parameter of so many has one chain with a fault, "
        "by R-hat / by R-hat or too few effective draws, which make a fit go on; rotating draws.\n",
        head
        + "".join(
            f"| {p.fault} | 4 x {p.length} | "
            + " | ".join(
                f"{100 * a:.3g} / {100 * b:.3g}" for a, b in zip(p.by_rhat, p.at_all, strict=True)
            )
            + " |\n"
            for p in powers
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
