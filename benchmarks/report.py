"""Results as JSON and as a page of tables, with the machine and the date."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.data_sets import DATA_SETS
from benchmarks.measures import Measures


def keep(path: Path, data_set: str, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Put the record of a data set beside the others of a file; all of them, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[data_set] = record
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return [known[data.key] for data in DATA_SETS if data.key in known]


@dataclass(frozen=True)
class Result:
    """What was measured on one data set; ``plain`` is None where the plain program was not run."""

    data_set: str
    n_rows: int
    n_coefficients: int
    n_levels: tuple[int, ...]
    tree_map: Measures
    plain: Measures | None
    default_fit_seconds: float
    machine: dict[str, str]
    default_fit_machine: dict[str, str] | None = None  # where the default fit was timed later
    plain_machine: dict[str, str] | None = None  # where the plain program was run before

    @property
    def gain(self) -> float:
        """How many times the plain program's smallest ESS per gradient the tree map has."""
        if self.plain is None:
            return float("nan")
        return self.tree_map.ess_per_1000_gradients[0] / self.plain.ess_per_1000_gradients[0]


def write_result(result: Result, directory: Path) -> str:
    """Write the result to a file of its own, and sampling.md from all such files, and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    record = json.dumps(asdict(result), indent=1) + "\n"
    _file(result.data_set, directory).write_text(record, encoding="utf-8")
    page = _page(list(_read_results(directory)))
    (directory / "sampling.md").write_text(page, encoding="utf-8")
    return page


def read_result(key: str, directory: Path) -> Result:
    """What was measured on one data set."""
    record: dict[str, Any] = json.loads(_file(key, directory).read_text(encoding="utf-8"))
    runs = {name: record[name] and Measures(**record[name]) for name in _PROGRAMS}
    return Result(**(record | runs))


def _file(key: str, directory: Path) -> Path:
    """S-student_t.json and the like."""
    return directory / f"{key.replace('/', '-')}.json"


def _read_results(directory: Path) -> Iterable[Result]:
    """What the directory holds, in the order of the table of data sets."""
    for data_set in DATA_SETS:
        if _file(data_set.key, directory).exists():
            yield read_result(data_set.key, directory)


_PROGRAMS = ("tree_map", "plain")


def _page(results: Sequence[Result]) -> str:
    """The tables, as Markdown."""
    return "\n".join(
        [
            "# The tree map against the plain program",
            "",
            "Made by `python -m benchmarks.sampling`; benchmarks/README.md says what is measured.",
            "",
            "## Sampling",
            "",
            *table(_SAMPLING, _sampling_rows(results)),
            "",
            "## How many times the plain program's",
            "",
            *table(_TIMES, _times_rows(results)),
            "",
            "## A default fit",
            "",
            *table(_FITS, _fit_rows(results)),
            "",
            "## Targets",
            "",
            *table(("target", "measured", "reached"), _targets(results)),
            "",
            "## Where and when",
            "",
            *table(("data", *results[0].machine), _machine_rows(results)),
            "",
        ]
    )


def _machine_rows(results: Sequence[Result]) -> Iterable[Sequence[str]]:
    """The machine, and when it measured each data set."""
    for result in results:
        yield (result.data_set, *result.machine.values())
        if result.plain_machine is not None:
            yield (f"{result.data_set}, plain", *result.plain_machine.values())


_SAMPLING = (
    *(
        "data",
        "program",
        "chains x (warmup + draws)",
        "leapfrogs a draw",
        "ESS per 1000 gradients",
    ),
    *("ESS a second", "divergent", "max R-hat", "runs", "seconds", "µs a gradient"),
)
_TIMES = ("data", "ESS per gradient", "ESS a second", "the plain program's max R-hat")
_FITS = (
    *("data", "distinct rows", "coefficients", "levels", "parameters"),
    *("seconds", "date", "commit"),
)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _sampling_rows(results: Sequence[Result]) -> Iterable[Sequence[str]]:
    """A row for each run: ESS as minimum / median over the parameters."""
    for result in results:
        for run in (result.tree_map, result.plain):
            if run is not None:
                yield (
                    result.data_set,
                    run.program,
                    f"{run.chains} x ({run.iter_warmup} + {run.iter_sampling})",
                    f"{run.leapfrogs_per_draw:.1f}",
                    pair(run.ess_per_1000_gradients),
                    pair(run.ess_per_second),
                    str(run.n_divergent),
                    f"{run.max_rhat:.3f}",
                    str(run.n_runs),
                    f"{run.seconds:.1f}",
                    f"{run.microseconds_per_gradient:.0f}",
                )


def _times_rows(results: Sequence[Result]) -> Iterable[Sequence[str]]:
    """Ratios of the smallest and of the median ESS, where the plain program was run."""
    for result in results:
        if result.plain is not None:
            runs = (result.tree_map, result.plain)
            a_gradient, a_second = (
                tuple(ours / plain for ours, plain in zip(*of_both, strict=True))
                for of_both in (
                    [run.ess_per_1000_gradients for run in runs],
                    [run.ess_per_second for run in runs],
                )
            )
            yield result.data_set, pair(a_gradient), pair(a_second), f"{result.plain.max_rhat:.3f}"


def _fit_rows(results: Sequence[Result]) -> Iterable[Sequence[str]]:
    """Size of each data set, and the time from the start of a process to fitted attributes."""
    for result in results:
        machine = result.default_fit_machine or result.machine
        yield (
            result.data_set,
            f"{result.n_rows:,}",
            str(result.n_coefficients),
            " / ".join(map(str, result.n_levels)),
            str(result.tree_map.n_parameters),
            f"{result.default_fit_seconds:.1f}",
            machine["date"],
            machine["commit"],
        )


def pair(values: tuple[float, float]) -> str:
    """Two numbers with two significant digits; a dash for what there is not."""
    if any(map(math.isnan, values)):
        return "–"
    return " / ".join(f"{value:.2g}" if value < 100 else f"{value:.0f}" for value in values)


def _targets(results: Sequence[Result]) -> Iterable[Sequence[str]]:
    """What each data set is held to, what was found, and whether that is enough."""
    for result in results:
        name, run = result.data_set, result.tree_map
        if result.plain is not None and name in _GAINS:
            target = f"{name}: min ESS per gradient >= {_GAINS[name]} x plain"
            yield target, f"{result.gain:.0f} x", verdict(result.gain >= _GAINS[name])
        if name in _ESS:
            least, ess = _ESS[name], run.ess_per_1000_gradients
            reached = ess[0] >= least[0] and ess[1] >= least[1]
            target = f"{name}: ESS per 1000 gradients >= {pair(least)}"
            yield target, pair(ess), verdict(reached)
        if name == "gapminder/student_t":
            state = "converged" if run.converged else "warns that it has not converged"
            yield f"{name}: converged or honestly warned", state, "yes"
        else:
            found = f"{run.max_rhat:.3f}, {run.n_divergent}"
            reached = run.converged and run.n_divergent == 0
            yield f"{name}: converged (R-hat), no divergences", found, verdict(reached)
        if name in _SECONDS:
            seconds, most = result.default_fit_seconds, _SECONDS[name]
            target = f"{name}: default fit <= {most} s"
            yield target, f"{seconds:.1f} s", verdict(seconds <= most)


_COUNTED = ("binomial", "poisson", "negative_binomial")
_GAINS = {"S/student_t": 25, "M/student_t": 100} | {f"S/{family}": 15 for family in _COUNTED}
_ESS = {f"S/{family}": (50.0, 120.0) for family in _COUNTED}
_SECONDS = {"M/student_t": 15} | {
    f"{size}/{family}": most
    for size, most in (("S", 3), ("M", 15))
    for family in (*_COUNTED, "gamma")
}


def verdict(reached: bool) -> str:
    return "yes" if reached else "no"
