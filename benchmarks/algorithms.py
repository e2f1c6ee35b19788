"""Every algorithm against a long run of NUTS: ``python -m benchmarks.algorithms --help``."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from benchmarks.data_sets import DATA_SETS, XY, DataSet, find_data_sets
from benchmarks.machine import describe_machine
from benchmarks.plain import ROOT
from benchmarks.report import keep, table
from skhlm import HLMRegressor
from skhlm._typing import Floats
from skhlm.engine import Algorithm
from skhlm.exceptions import SamplingError
from skhlm.families import find_family
from skhlm.posterior.parameters import list_parameters

RESULTS = ROOT / "benchmarks" / "results"
DOCS = ROOT / "docs" / "algorithms.md"
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
HELD_OUT = 0.2  # of the rows, whose intervals are judged
NOMINAL = 0.9


@dataclass(frozen=True)
class Accuracy:
    """One algorithm on one data set, against the long run; NaN where it failed.

    Errors are over all parameters in the model's own terms: kappa, every effect, tau, sigma, nu.
    Those of means are in posterior sds, those of sds relative; each is (largest, root mean square).
    """

    algorithm: str
    seconds: float
    pareto_k: float
    mean_error: tuple[float, float]
    sd_error: tuple[float, float]
    coverage: float


@dataclass(frozen=True)
class Record:
    """All algorithms on one data set; ``coverage`` is that of the long run."""

    data_set: str
    n_rows: int
    n_parameters: int
    reference_draws: int
    coverage: float
    results: tuple[Accuracy, ...]
    machine: dict[str, str]


def main() -> None:
    """Measure the data sets asked for, and write what was found after each of them."""
    options = parse_options()
    for data_set in find_data_sets(options.only) if options.only else residual_data_sets():
        print(f"{data_set.key} ...", flush=True)
        page = write(compare(data_set, options), options.output)
    print(page)


def residual_data_sets() -> list[DataSet]:
    """Those that are measured unless others are asked for: an hour is enough."""
    return [data_set for data_set in DATA_SETS if find_family(data_set.family).scales_outcome]


def parse_options() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.algorithms",
        description="Compare every algorithm with a long run of NUTS on the same data.",
    )
    parser.add_argument("--only", help="data sets, as in S,gapminder or radon/normal")
    parser.add_argument("--draws", type=int, default=4000, help="draws a chain of the long run")
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory of the results")
    return parser.parse_args()


def compare(data_set: DataSet, options: argparse.Namespace) -> Record:
    """The long run on most rows, and every algorithm against it."""
    X, y = data_set.load()
    train, test = train_test_split(np.arange(len(y)), test_size=HELD_OUT, random_state=0)
    rows = (X.iloc[train], y.iloc[train]), (X.iloc[test], y.iloc[test])
    long = fit(data_set, "nuts", rows[0], seed=1, iter_sampling=options.draws)
    reference = moments(long)
    return Record(
        data_set=data_set.key,
        n_rows=len(train),
        n_parameters=len(reference),
        reference_draws=long._posterior.n_draws,
        coverage=coverage(long, *rows[1]),
        results=tuple(judge(data_set, name, *rows, reference) for name in ALGORITHMS),
        machine=describe_machine(),
    )


def fit(
    data_set: DataSet, algorithm: Algorithm, rows: XY, seed: int = 0, **settings: Any
) -> HLMRegressor:
    """A fit whose warnings are reported elsewhere."""
    model = HLMRegressor(
        list(data_set.groups),
        varying=data_set.varying,
        family=data_set.family,
        algorithm=algorithm,
        random_state=seed,
        **settings,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(*rows)
    return model


def judge(
    data_set: DataSet, algorithm: Algorithm, train: XY, test: XY, reference: Floats
) -> Accuracy:
    """One algorithm with the estimator's defaults."""
    start = time.perf_counter()
    try:
        model = fit(data_set, algorithm, train)
    except SamplingError:
        nan = float("nan")
        return Accuracy(algorithm, time.perf_counter() - start, nan, (nan, nan), (nan, nan), nan)
    seconds = time.perf_counter() - start
    found = moments(model)
    return Accuracy(
        algorithm=algorithm,
        seconds=seconds,
        pareto_k=model.diagnostics_.pareto_k,
        mean_error=size((found[:, 0] - reference[:, 0]) / reference[:, 1]),
        sd_error=size(found[:, 1] / reference[:, 1] - 1),
        coverage=coverage(model, *test),
    )


def moments(model: HLMRegressor) -> Floats:
    """Means (of "map" the mode, for kappa and effects) and sds of all parameters, (P, 2).

    Those of correlations are left out.
    """
    draws = model._posterior.where_fitted
    means = replace(draws, draws=draws.mean)
    listed = [block for block in list_parameters(draws) if block.kind != "omega"]
    return np.concatenate(
        [
            np.column_stack(
                [
                    block.reported(means).mean(axis=-1).ravel(),
                    block.reported(draws).std(axis=-1).ravel(),
                ]
            )
            for block in listed
        ]
    )


def size(error: Floats) -> tuple[float, float]:
    """Largest and root mean square."""
    return float(np.abs(error).max()), float(np.sqrt(np.mean(np.square(error))))


def coverage(model: HLMRegressor, X: pd.DataFrame, y: pd.Series[float]) -> float:
    """Share of the rows inside their intervals."""
    low, high = model.predict_interval(X, NOMINAL).T
    return float(np.mean((low <= y) & (y <= high)))


def write(record: Record, directory: Path) -> str:
    """Put the record into algorithms.json, and make algorithms.md of it, and return that."""
    found = keep(directory / "algorithms.json", record.data_set, asdict(record))
    page = make_page(found)
    (directory / "algorithms.md").write_text(page, encoding="utf-8")
    if directory == RESULTS:
        show(table(_HEADER, make_rows(found)))
    return page


def show(lines: Sequence[str]) -> None:
    """Put the table where the documentation shows it."""
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    text = "\n".join([before + _BEGIN, "", *lines, "", _END + after])
    DOCS.write_text(text, encoding="utf-8")


_BEGIN, _END = "<!-- measured -->", "<!-- end of what was measured -->"


def make_page(found: Sequence[dict[str, Any]]) -> str:
    """The tables, as Markdown."""
    machines = [(record["data_set"], *record["machine"].values()) for record in found]
    return "\n".join(
        [
            "# Every algorithm against a long run of NUTS",
            "",
            "Made by `python -m benchmarks.algorithms`; see benchmarks/README.md.",
            "",
            *table(_HEADER, make_rows(found)),
            "",
            "## Where and when",
            "",
            *table(("data", *found[0]["machine"]), machines),
            "",
        ]
    )


_HEADER = (
    *("data", "algorithm", "seconds", "Pareto k", "error of means", "error of sds"),
    "coverage of 90% intervals",
)


def make_rows(found: Sequence[dict[str, Any]]) -> Iterable[Sequence[str]]:
    """A row for each algorithm: errors as largest / root mean square."""
    for record in found:
        for result in record["results"]:
            k = result["pareto_k"]
            yield (
                record["data_set"],
                result["algorithm"],
                f"{result['seconds']:.1f}",
                "" if np.isnan(k) else f"{k:.2f}",
                *(
                    f"{most:.2f} / {rms:.2f}"
                    for most, rms in (result["mean_error"], result["sd_error"])
                ),
                f"{result['coverage']:.3f}",
            )
        yield record["data_set"], "long run", "", "", "", "", f"{record['coverage']:.3f}"


if __name__ == "__main__":
    main()
