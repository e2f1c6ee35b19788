"""What was measured of a program on a data set, and the file of all such records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.peers.task import Effects
from skhlm._typing import Floats

Records = dict[str, dict[str, "Record"]]  # by case, then by program


@dataclass(frozen=True)
class Record:
    """Of one fit, from the start of its process; None is what there is not.

    ``effects_seconds`` are from the fitted model to all group effects with what intervals there
    are. ``rmse`` and ``coverage`` are of all group effects, against what they were drawn from.
    """

    failure: str = ""  # why there is no fit
    seconds: float | None = None
    cpu_seconds: float | None = None
    mebibytes: float | None = None
    effects_seconds: float | None = None
    ess_bulk: float | None = None
    ess_tail: float | None = None
    rmse: float | None = None
    coverage: float | None = None
    said: str = ""  # by the program, of its fit
    n_rows: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)


def read_records(path: Path) -> Records:
    """All of the file, if there."""
    if not path.exists():
        return {}
    told = json.loads(path.read_text(encoding="utf-8"))
    return {
        case: {program: Record(**record) for program, record in of_case.items()}
        for case, of_case in told.items()
    }


def write_records(records: Records, path: Path) -> None:
    """All of them."""
    told = {
        case: {program: asdict(record) for program, record in of_case.items()}
        for case, of_case in records.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def accuracy(
    truth: Sequence[Floats] | None, found: Mapping[str, Effects]
) -> tuple[float | None, float | None]:
    """Root mean square error of all effects, and share of them in their intervals."""
    if truth is None:
        return None, None
    pairs = list(zip(truth, found.values(), strict=True))
    errors = np.concatenate([(of.mean - true).ravel() for true, of in pairs])
    rmse = float(np.sqrt(np.mean(errors**2)))
    if any(of.lower is None or of.upper is None for _, of in pairs):
        return rmse, None
    inside = [((of.lower <= true) & (true <= of.upper)).ravel() for true, of in pairs]
    return rmse, float(np.concatenate(inside).mean())
