"""Whether this checkout gives the numbers of another commit, bit for bit: draws and all reports.

    python -m benchmarks.same_numbers COMMIT

A change of the source that is meant to change no number is checked so. The other commit is checked
out into a temporary directory and its program built there; twelve models are fitted on both sides
with the same seeds, each side in a process of its own, by what the public interface offers; then
every array is compared, and each side reads the model files that the other commit wrote.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
SHORT = {"chains": 2, "iter_warmup": 100, "iter_sampling": 100, "random_state": 3}
HIERARCHIES = ["region/country", "industry/vertical"]


def models() -> Iterator[tuple[str, Callable[[], tuple[Any, Any]]]]:
    """A name, and a function that fits and returns the model and rows to predict."""
    for family in ("student_t", "normal"):
        yield f"sleepstudy {family}", lambda family=family: _sleepstudy(family=family)
        yield f"campaigns {family}", lambda family=family: _campaigns(family=family)
    yield "full covariance", lambda: _sleepstudy(covariance="full", family="normal")
    yield "varying intercepts, weights", lambda: _campaigns(varying="intercept", weighted=True)
    yield "no groups", lambda: _campaigns(groups=None)
    yield "warm start", _warm
    for algorithm in ("pathfinder", "laplace", "advi", "map"):
        yield algorithm, lambda algorithm=algorithm: _sleepstudy(algorithm=algorithm)


def _sleepstudy(**parameters: Any) -> tuple[Any, Any]:
    from skhlm import HLMRegressor
    from skhlm.datasets import load_sleepstudy

    X, y = load_sleepstudy(return_X_y=True)
    model = HLMRegressor("subject", **{**SHORT, **parameters}).fit(X, y)
    return model, pd.concat([X[:25], X[:2].assign(subject=["new", "another"])])


def _campaigns(weighted: bool = False, **parameters: Any) -> tuple[Any, Any]:
    from skhlm import HLMRegressor
    from skhlm.datasets import make_campaigns

    X, y, _ = make_campaigns(300, random_state=1)
    groups = parameters.pop("groups", HIERARCHIES)
    if groups is None:
        X = X.drop(columns=[name for path in HIERARCHIES for name in path.split("/")])
    weight = np.random.default_rng(0).uniform(0.5, 3, len(X)) if weighted else None
    model = HLMRegressor(groups, **{**SHORT, **parameters}).fit(X, y, weight)
    rows = X[:20].copy()
    if groups is not None:
        rows = pd.concat([rows, X[:2].assign(country="elsewhere")])
    return model, rows


def _warm() -> tuple[Any, Any]:
    from skhlm import HLMRegressor
    from skhlm.datasets import load_sleepstudy

    X, y = load_sleepstudy(return_X_y=True)
    model = HLMRegressor("subject", warm_start=True, **SHORT).fit(X, y)
    return model.fit(X[:150], y[:150]), X[:20]


def record(directory: Path, files: Path | None) -> None:
    """Fit every model of the checkout that is imported; write its numbers and its file.

    ``files`` are another checkout's: what they predict when they are loaded here is written too.
    """
    warnings.simplefilter("ignore")
    from skhlm import load, save

    for i, (_, fit) in enumerate(models()):
        model, rows = fit()
        np.savez(directory / f"{i}.npz", **numbers(model, rows))
        save(model, directory / f"{i}.skhlm")
        if files is not None:
            loaded = load(files / f"{i}.skhlm")
            np.savez(directory / f"{i}.loaded.npz", **predictions(loaded, rows))


def predictions(model: Any, rows: Any) -> dict[str, Any]:
    """What a model says of rows."""
    return {
        "predict": model.predict(rows),
        "std": model.predict(rows, return_std=True)[1],
        "interval": model.predict_interval(rows),
        "interval of mean": model.predict_interval(rows, kind="mean"),
        "quantiles": model.predict_quantiles(rows, [0.1, 0.5, 0.99]),
        "sample_y": model.sample_y(rows, 20),
        "density": model.log_predictive_density(rows, np.linspace(-1, 1, len(rows))),
        "crps": model.crps(rows, np.linspace(-1, 1, len(rows))),
    }


def numbers(model: Any, rows: Any) -> dict[str, Any]:
    """Draws, predictions and tables, by name."""
    parameters = model.compact(10**9)  # with all draws, but without the rows
    posterior = parameters.to_arviz()["posterior"]
    tables = {"summary": model.summary(), "coefficients": model.coefficients()}
    if model.groups is not None:
        tables["effects"] = model.group_effects()
        tables["shrinkage"] = model.shrinkage_factors()
    return {
        **{f"draws of {name}": posterior[name].to_numpy() for name in posterior},
        **predictions(model, rows),
        **{name: table.select_dtypes("number").to_numpy() for name, table in tables.items()},
    }


def compare(here: Path, there: Path) -> int:
    """Print two lines a model, of its fit and of the file; how many of them differ."""
    differ = 0
    for i, (name, _) in enumerate(models()):
        theirs = np.load(there / f"{i}.npz")
        for words, file in (("", f"{i}.npz"), (", from its file", f"{i}.loaded.npz")):
            ours = np.load(here / file)
            keys = [key for key in theirs.files if not words or key in ours.files]
            wrong = [f"{key}: {_distance(ours, theirs, key)}" for key in keys]
            wrong = [text for text in wrong if not text.endswith(": 0")]
            differ += bool(wrong)
            print(f"{name + words:<44} {len(keys):>3} arrays  {', '.join(wrong) or 'bit-equal'}")
    return differ


def _distance(ours: Any, theirs: Any, key: str) -> str:
    """How far two arrays of a name are from each other; 0 where they are bit-equal."""
    if key not in ours.files:
        return "missing"
    mine, other = ours[key], theirs[key]
    if mine.shape != other.shape:
        return f"shapes {mine.shape} and {other.shape}"
    if np.array_equal(mine, other, equal_nan=True):
        return "0"
    return f"{np.nanmax(np.abs(mine - other)):.1e}"


def main() -> int:
    """Compare with a commit; the exit code says whether anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commit")
    parser.add_argument("--record", type=Path, help="only record this checkout's numbers there")
    parser.add_argument("--files", type=Path, help="the other checkout's record")
    options = parser.parse_args()
    if options.record:
        record(options.record, options.files)
        return 0
    with TemporaryDirectory() as scratch:
        checkout, here, there = (Path(scratch) / name for name in ("checkout", "here", "there"))
        subprocess.run(["git", "worktree", "add", "-q", checkout, options.commit], check=True)
        try:
            subprocess.run([sys.executable, "stan/build.py"], cwd=checkout, check=True)
            _record_in(checkout, there, options.commit)
            _record_in(ROOT, here, options.commit, "--files", there)
            return min(compare(here, there), 1)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", checkout], check=True)


def _record_in(root: Path, directory: Path, *arguments: str | Path) -> None:
    """Record the numbers of the package in a checkout, by this script."""
    directory.mkdir()
    command = [sys.executable, __file__, *arguments, "--record", directory]
    environment = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run(command, cwd=root, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
