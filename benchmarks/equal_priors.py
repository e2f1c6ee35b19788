"""Against bambi with nutpie, with the same priors: ``python -m benchmarks.equal_priors -h``.

The peer lives in an environment of its own, which ``make build/peers/installed`` makes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.data_sets import DataSet, find_data_sets
from benchmarks.equal_priors_fit import BAMBI_FAMILIES
from benchmarks.machine import describe_machine
from benchmarks.plain import ROOT
from benchmarks.programs import prepare
from benchmarks.report import keep, pair, table, verdict
from skhlm._typing import Floats
from skhlm.numerics.convergence import convergence, ess_mean

RESULTS = ROOT / "benchmarks" / "results"
PEER = ROOT / "build" / "peers" / "bin" / "python"
DEFAULT = "S/binomial,S/poisson,S/negative_binomial,grouse,epilepsy"
GAIN = 20  # how many times the peer's smallest ESS per CPU second is to be reached
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


@dataclass(frozen=True)
class Run:
    """One fit; CPU seconds are those of its process, threads and children, draws written.

    ``cpu_seconds_before`` were spent before it began to sample: on imports, and by bambi on
    building and compiling the model.
    """

    program: str
    chains: int
    iter_warmup: int
    iter_sampling: int
    n_parameters: int
    min_ess: float
    median_ess: float
    max_rhat: float
    n_divergent: int
    cpu_seconds: float
    cpu_seconds_before: float

    def ess_per_cpu_second(self, compiled: bool) -> tuple[float, float]:
        """Minimum and median over the parameters; if ``compiled``, without what was before."""
        seconds = self.cpu_seconds - (self.cpu_seconds_before if compiled else 0)
        return self.min_ess / seconds, self.median_ess / seconds


@dataclass(frozen=True)
class Record:
    """Both programs on one data set.

    ``z`` is (root mean square, largest) over all parameters of the difference of their posterior
    means in Monte Carlo standard errors: near (1, 4) where both drew from the same posterior.
    """

    data_set: str
    n_rows: int
    ours: Run
    peer: Run
    z: tuple[float, float]
    versions: dict[str, str]
    machine: dict[str, str]

    def gains(self, compiled: bool) -> tuple[float, float]:
        """How many times the peer's minimum and median ESS per CPU second."""
        ours, peer = (run.ess_per_cpu_second(compiled) for run in (self.ours, self.peer))
        return ours[0] / peer[0], ours[1] / peer[1]


def main() -> None:
    """Measure the data sets asked for, and write what was found after each of them."""
    options = parse_options()
    chosen = find_data_sets(options.only)
    if others := [data_set.key for data_set in chosen if data_set.family not in BAMBI_FAMILIES]:
        raise SystemExit(f"{', '.join(others)}: families are {', '.join(BAMBI_FAMILIES)} here")
    for data_set in chosen:
        print(f"{data_set.key} ...", flush=True)
        page = write(compare(data_set, options), options.output)
    print(page)


def parse_options() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.equal_priors",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--peer", type=Path, default=PEER, help="Python that has bambi and nutpie")
    parser.add_argument("--only", default=DEFAULT, help=f"data sets (default: {DEFAULT})")
    parser.add_argument("--tune", type=int, default=1000, help="the peer's warmup of a chain")
    parser.add_argument("--draws", type=int, default=1000, help="the peer's draws of a chain")
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory of the results")
    return parser.parse_args()


def compare(data_set: DataSet, options: argparse.Namespace) -> Record:
    """One fit by each program, one after the other."""
    with TemporaryDirectory() as scratch:
        directory = Path(scratch)
        warmup = write_task(data_set, options, directory)
        ours, our_draws, our_versions = fit("skhlm", sys.executable, directory, warmup)
        peer, draws, versions = fit("bambi", options.peer, directory, options.tune)
    return Record(
        data_set=data_set.key,
        n_rows=len(data_set.load()[1]),
        ours=ours,
        peer=peer,
        z=distance(our_draws, draws),
        versions={**our_versions, **versions},
        machine=describe_machine(),
    )


def write_task(data_set: DataSet, options: argparse.Namespace, directory: Path) -> int:
    """Rows and model for both; our warmup. Predictors are scaled, so that priors are the same."""
    task, (X, y) = prepare(data_set), data_set.load()
    group_columns = {name for path in data_set.groups for name in path.split("/")}
    slopes = [name for name in X if name not in group_columns]
    X[slopes] = (X[slopes] - task.units.x_center) / task.units.x_scale
    X.assign(y=y).to_parquet(directory / "rows.parquet")
    priors = task.problem.priors
    model = {
        "family": data_set.family,
        "groups": list(data_set.groups),
        "varying": data_set.varying,
        "factors": [
            factor
            for path in data_set.groups
            for factor in accumulate(path.split("/"), "{}/{}".format)  # coarse to fine
        ],
        "slopes": slopes,
        "location": task.units.y_center,
        "kappa_scale": priors.kappa.scale[0],
        "tau_scale": priors.tau[0].scale[0],
        "chains": task.settings.chains,
        "tune": options.tune,
        "draws": options.draws,
        "seed": 1,
    }
    (directory / "task.json").write_text(json.dumps(model), encoding="utf-8")
    return task.settings.iter_warmup


def fit(
    program: str, python: str | Path, directory: Path, iter_warmup: int
) -> tuple[Run, dict[str, Floats], dict[str, str]]:
    """A fit in a process of its own, what it cost, and its draws; nothing was compiled before."""
    command = [python, "-m", "benchmarks.equal_priors_fit", program, directory]
    compiled = {"PYTENSOR_FLAGS": f"base_compiledir={directory}"}
    before = _cpu_seconds_of_children()
    subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD | compiled, check=True)
    seconds = _cpu_seconds_of_children() - before
    found = json.loads((directory / f"{program}.json").read_text(encoding="utf-8"))
    draws = dict(np.load(directory / f"{program}.npz"))
    all_draws = np.stack(list(draws.values()), axis=-1)
    judged = convergence(all_draws)
    run = Run(
        program={"bambi": "bambi, nutpie"}.get(program, program),
        chains=all_draws.shape[0],
        iter_warmup=iter_warmup,
        iter_sampling=all_draws.shape[1],
        n_parameters=len(draws),
        min_ess=float(judged.ess_bulk.min()),
        median_ess=float(np.median(judged.ess_bulk)),
        max_rhat=float(judged.rhat.max()),
        n_divergent=found["n_divergent"],
        cpu_seconds=seconds,
        cpu_seconds_before=found["cpu_seconds_before"],
    )
    return run, draws, found["versions"]


def _cpu_seconds_of_children() -> float:
    """User and system time of all that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def distance(ours: dict[str, Floats], peer: dict[str, Floats]) -> tuple[float, float]:
    """Differences of all means in Monte Carlo standard errors: root mean square, largest."""
    if set(ours) != set(peer):
        raise ValueError(f"parameters of one program alone: {sorted(set(ours) ^ set(peer))}")
    means, variances = zip(
        *(_mean_and_its_variance(np.stack([of[name] for name in ours], -1)) for of in (ours, peer)),
        strict=True,
    )
    z = (means[0] - means[1]) / np.sqrt(variances[0] + variances[1])
    return float(np.sqrt(np.mean(z**2))), float(np.abs(z).max())


def _mean_and_its_variance(draws: Floats) -> tuple[Floats, Floats]:
    """(chains, draws, P) -> posterior means and their Monte Carlo variances, (P,)."""
    return draws.mean(axis=(0, 1)), draws.var(axis=(0, 1)) / ess_mean(draws)


def write(record: Record, directory: Path) -> str:
    """Put the record into equal_priors.json, and make a page of all, and return that."""
    page = make_page(
        [
            read(kept)
            for kept in keep(directory / "equal_priors.json", record.data_set, asdict(record))
        ]
    )
    (directory / "equal_priors.md").write_text(page, encoding="utf-8")
    return page


def read(record: dict[str, Any]) -> Record:
    """A record as it was."""
    runs = {name: Run(**record[name]) for name in ("ours", "peer")}
    return Record(**(record | runs))


def make_page(records: Sequence[Record]) -> str:
    """The tables, as Markdown."""
    where = ("data", *records[0].versions, *records[0].machine)
    return "\n".join(
        [
            "# skhlm against bambi with nutpie, with the same priors",
            "",
            "Made by `python -m benchmarks.equal_priors`; benchmarks/README.md says what is "
            "measured.",
            "",
            "## Effective draws a CPU second",
            "",
            *table(_RUNS, _run_rows(records)),
            "",
            "## How many times the peer's",
            "",
            *table(_GAINS, _gain_rows(records)),
            "",
            "## Where and when",
            "",
            *table(
                where, ((r.data_set, *r.versions.values(), *r.machine.values()) for r in records)
            ),
            "",
        ]
    )


_RUNS = (
    *("data", "program", "chains x (warmup + draws)", "CPU seconds", "of these before sampling"),
    *("ESS", "ESS a CPU second", "from sampling on", "divergent", "max R-hat"),
)
_GAINS = (
    *("data", "ESS a CPU second", "from sampling on", f"minimum >= {GAIN}"),
    "difference of means in standard errors",
)


def _run_rows(records: Sequence[Record]) -> Iterable[Sequence[str]]:
    """A row for each run: ESS as minimum / median over the parameters."""
    for record in records:
        for run in (record.ours, record.peer):
            yield (
                record.data_set,
                run.program,
                f"{run.chains} x ({run.iter_warmup} + {run.iter_sampling})",
                f"{run.cpu_seconds:.1f}",
                f"{run.cpu_seconds_before:.1f}",
                f"{run.min_ess:.0f} / {run.median_ess:.0f}",
                pair(run.ess_per_cpu_second(compiled=False)),
                pair(run.ess_per_cpu_second(compiled=True)),
                str(run.n_divergent),
                f"{run.max_rhat:.3f}",
            )


def _gain_rows(records: Sequence[Record]) -> Iterable[Sequence[str]]:
    """A row for each data set: gains as minimum / median, z as root mean square / largest."""
    for record in records:
        gains = [record.gains(compiled) for compiled in (False, True)]
        reached = gains[0][0] >= GAIN
        yield record.data_set, *map(pair, gains), verdict(reached), pair(record.z)


if __name__ == "__main__":
    main()
