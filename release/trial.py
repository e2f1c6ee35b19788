"""Use an installed skhlm, far from its source: data, two fits, a saved model, the command."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

import skhlm
from skhlm import datasets
from skhlm.engine.program.executable import PROGRAM

FEW = {"chains": 2, "iter_warmup": 200, "iter_sampling": 200, "random_state": 0}


def fit_and_predict(X: pd.DataFrame, y: pd.Series) -> None:
    """The slope of sleepstudy is 10.5 ms a day, and draws of it have an sd of 1.7."""
    model = skhlm.HLMRegressor("subject", family="normal", **FEW).fit(X, y)
    assert abs(model.coef_[0] - 10.5) < 1, model.coef_
    lower, upper = model.predict_interval(X, coverage=0.9).T
    inside = np.mean((lower < y) & (y < upper))
    assert 0.8 < inside < 1, inside
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "sleep.skhlm"
        skhlm.save(model, file)
        np.testing.assert_array_equal(skhlm.load(file).predict(X), model.predict(X))


def classify(X: pd.DataFrame, slow: pd.Series) -> None:
    """Yes or no, behind a link, where half of the rows are yes."""
    model = skhlm.HLMClassifier("subject", **FEW).fit(X, slow)
    assert model.score(X, slow) > 0.75


def main() -> None:
    """All of it, and what it ran on."""
    assert not (Path(skhlm.__file__).parents[1] / "stan" / "build.py").exists(), (
        "this is a checkout"
    )
    assert skhlm.__version__ == version("skhlm")
    for load in sorted(name for name in datasets.__all__ if name.startswith("load_")):
        X, y = getattr(datasets, load)(return_X_y=True)
        assert len(X) == len(y) > 50, load
    X, y = datasets.load_sleepstudy(return_X_y=True)
    fit_and_predict(X, y)
    classify(X, y > y.median())
    command = [sys.executable, "-m", "skhlm.cli", "--version"]
    said = subprocess.check_output(command, text=True).strip()
    program = subprocess.check_output([PROGRAM, "info"], text=True).split()
    libc = " ".join(platform.libc_ver())
    print(f"{said}: {platform.machine()}, {libc}, Python {platform.python_version()}; {program}")


if __name__ == "__main__":
    main()
