"""The programs: what each is, which families it has, and how it is started."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.cases import FAMILIES
from benchmarks.peers.task import Task
from benchmarks.plain import ROOT

PEERS = ROOT / "build" / "peers" / "bin" / "python"
_R = Path(__file__).parent / "programs" / "lme4_fit.R"


@dataclass(frozen=True)
class Program:
    """A way to fit; ``command`` starts it on a folder."""

    name: str
    gives: str
    command: Callable[[Task, Path], list[str]]
    python: str | None  # None: R
    start: tuple[str, ...]  # imports what it needs, and ends
    families: tuple[str, ...] = FAMILIES

    @property
    def missing(self) -> str:
        """What is not there, in a word or two; nothing if all is."""
        if self.python is None:
            return "" if shutil.which("Rscript") else "no R"
        return "" if Path(self.python).exists() else "not installed"

    def warm_up(self) -> None:
        """So that the first fit does not read its libraries from disk while others do not."""
        if not self.missing:
            subprocess.run(self.start, cwd=ROOT, capture_output=True, check=False)


def _by_python(name: str, gives: str, file: str, python: str, *families: str) -> Program:
    """A file of ``programs``."""
    return Program(
        name,
        gives,
        lambda _, folder: [python, "-m", "benchmarks.peers.one_fit", file, str(folder)],
        python,
        (python, "-c", f"import benchmarks.peers.programs.{file}_fit"),
        families or FAMILIES,
    )


def _by_r(task: Task, folder: Path) -> list[str]:
    """Behind "||" effects of a level are independent."""
    columns = (",".join(names) for names in (task.slopes, task.factors))
    return ["Rscript", "--vanilla", str(_R), str(folder), task.formula("||"), *columns]


PROGRAMS = (
    _by_python("skhlm", "posterior draws, NUTS", "skhlm", sys.executable),
    _by_python("skhlm, laplace", "posterior draws, Laplace", "laplace", sys.executable),
    _by_python("bambi, nutpie", "posterior draws, NUTS", "bambi", str(PEERS)),
    _by_python("gpboost", "maximum likelihood", "gpboost", str(PEERS)),
    _by_python("statsmodels", "REML", "statsmodels", str(PEERS), "normal"),
    Program("lme4", "REML", _by_r, None, ("Rscript", "-e", "library(lme4)"), ("normal",)),
)


def find_programs(selection: str | None) -> list[Program]:
    """Those that a list selects, by the first word of their names, or all."""
    if selection is None:
        return list(PROGRAMS)
    known = {program.name.replace(", ", "-"): program for program in PROGRAMS}
    wanted = selection.split(",")
    if unknown := set(wanted) - set(known):
        raise ValueError(f"no program {sorted(unknown)}; there are {sorted(known)}")
    return [program for name, program in known.items() if name in wanted]
