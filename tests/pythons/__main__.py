"""Every Python at hand with the newest and the lowest dependencies: `make test-pythons`.

    python -m tests.pythons [PYTHON ...]

For each an environment in a temporary directory, with a wheel in it, where `smoke.py` writes models
and what they predict; then each reads those of all. A wheel is for any Python, and its Stan is that
of the Python that built it: the newest dependencies come with the wheel that this Python builds,
the lowest with the other. All are tried, and the exit code is 1 if one has failed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMOKE = Path(__file__).with_name("smoke.py")
BIN = ROOT / "skhlm" / "engine" / "program" / "bin"
MINORS = range(10, 20)  # those that pyproject.toml admits
LOWEST = ["--resolution", "lowest-direct", "--only-binary", ":all:"]
SHOWN = ["numpy", "pandas", "scipy", "scikit-learn", "joblib", "tqdm", "cmdstanpy", "matplotlib"]


@dataclass
class Environment:
    """A Python with dependencies and a wheel."""

    directory: Path
    python: Path
    label: str
    versions: str = ""

    def smoke(self, *words: str | Path) -> bool:
        """Run the script here; whether that went well. Warnings of old dependencies are theirs."""
        strict = [] if "lowest" in self.label else ["-W", "error"]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        command = [self.python, *strict, SMOKE, *words]
        answer = subprocess.run(command, cwd=self.directory, env=environment, check=False)
        return answer.returncode == 0


def main() -> int:
    """Build, write, read, and say how it went."""
    pythons = [Path(word) for word in sys.argv[1:]] or list(find_pythons())
    with tempfile.TemporaryDirectory(prefix="skhlm-pythons-") as scratch:
        environments = list(make_environments(Path(scratch), pythons))
        written = [e.smoke("write", e.directory) for e in environments]
        read = [e.smoke("read", scratch) for e in environments]
    for environment, wrote, reads in zip(environments, written, read, strict=True):
        outcome = "passes" if wrote and reads else "FAILS"
        print(f"{outcome}  {environment.label:50}{environment.versions}")
    return 0 if all(written + read) else 1


def find_pythons() -> Iterator[Path]:
    """One of each minor version, those of pyenv first: its own commands run only what is chosen."""
    roots = {Path(folder).parent for folder in os.get_exec_path() if Path(folder).name == "shims"}
    of_pyenv = [
        folder
        for root in {*roots, Path.home() / ".pyenv"}
        for folder in root.glob("versions/*/bin")
    ]
    path = os.pathsep.join([*map(str, sorted(of_pyenv)), os.environ["PATH"]])
    found = (shutil.which(f"python3.{minor}", path=path) for minor in MINORS)
    return (Path(python) for python in found if python)


def make_environments(scratch: Path, pythons: list[Path]) -> Iterator[Environment]:
    """Two for each Python."""
    with program_kept(scratch):
        builders = {stan_of(python): python for python in pythons}
        wheels = {s: build_wheel(p, scratch / f"stan-{s}") for s, p in builders.items()}
    for python in pythons:
        own = stan_of(python)
        other = next((stan for stan in wheels if stan != own), own)
        yield make_environment(scratch, python, "newest", own, wheels[own])
        yield make_environment(scratch, python, "lowest", other, wheels[other])


def make_environment(
    scratch: Path, python: Path, dependencies: str, stan: str, wheel: Path
) -> Environment:
    """A virtual environment with the wheel in it."""
    label = f"{python.name}, {dependencies} dependencies, Stan {stan}"
    directory = scratch / f"{python.name}-{dependencies}"
    own = directory / "bin" / "python"
    uv("venv", "--python", python, directory)
    install = ["pip", "install", "--python", own]
    lowest = LOWEST if dependencies == "lowest" else []
    uv(*install, *lowest, "-r", ROOT / "pyproject.toml", "--extra", "plot")
    uv(*install, "--no-deps", wheel)
    frozen = uv("pip", "freeze", "--python", own).replace("==", " ").splitlines()
    shown = [line for line in frozen if line.split()[0] in SHOWN]
    return Environment(directory, own, label, ", ".join(shown))


def stan_of(python: Path) -> str:
    """Version of Stan in a wheel that this Python builds."""
    answer = subprocess.run(
        [python, "-c", "import sys; print(sys.version_info >= (3, 12))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return "2.39" if answer.stdout.strip() == "True" else "2.35"


def build_wheel(python: Path, directory: Path) -> Path:
    """A wheel of this source tree, where nothing is compiled twice."""
    uv("build", "--wheel", "--python", python, "--out-dir", directory, ROOT)
    (wheel,) = directory.glob("*.whl")
    return wheel


@contextmanager
def program_kept(scratch: Path) -> Iterator[None]:
    """Put back the program of the source tree, which is built into each wheel from there."""
    kept = shutil.copytree(BIN, scratch / "bin")
    try:
        yield
    finally:
        shutil.copytree(kept, BIN, dirs_exist_ok=True)


def uv(*words: str | Path) -> str:
    """Run uv, which downloads no Python; what it printed."""
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    command = [sys.executable, "-m", "uv", "--quiet", *map(str, words)]
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return answer.stdout


if __name__ == "__main__":
    sys.exit(main())
