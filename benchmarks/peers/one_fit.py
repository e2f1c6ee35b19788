"""One fit by a Python package: ``python -m benchmarks.peers.one_fit gpboost FOLDER``.

The folder is what `benchmarks.peers.task` wrote. The process says when the model is fitted and when
it has all group effects; who started it holds the watch.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.task import EFFECTS, FITTED, read_task, write_effects


def main(name: str, folder: Path) -> None:
    """Fit, then find the effects, then tell what the package says of its fit."""
    program = import_module(f"benchmarks.peers.programs.{name}_fit")
    task, rows = read_task(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what went wrong is told below
        fitted = program.fit(task, rows)
        print(FITTED, flush=True)
        effects = program.effects(task, fitted)
        print(EFFECTS, flush=True)
        write_effects(effects, folder)
        told = program.tell(task, fitted, folder)
    told["versions"] = {package: version(package) for package in program.PACKAGES}
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
