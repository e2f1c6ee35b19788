"""Make the wheel that is handed out, one file for every Linux with glibc 2.17 or later.

    python -m release.wheel                      # for this machine's processor
    python -m release.wheel --machine aarch64    # for another one, which cannot be tried here

It is built from the source distribution, by the compiler in the package ziglang, which links its
own C++ runtime and takes glibc's version as a part of its target; oneTBB is compiled into the
program. The wheel is looked into, and installed in a fresh environment where it fits a model
(docs/decisions/0030-one-wheel-for-old-systems.md).
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

from release.contents import complaints

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "release"
GLIBC = (2, 17)  # what manylinux2014 is: any system from 2014 on
MACHINES = ("x86_64", "aarch64")


class ReleaseError(Exception):
    """The wheel cannot be made, or may not be handed out."""


def platform_tag(machine: str) -> str:
    """The platform in the wheel's name: manylinux_2_17_x86_64."""
    return "_".join(["manylinux", *map(str, GLIBC), machine])


def build_environment(machine: str, tbb: Path) -> dict[str, str]:
    """What makes stan/build.py compile for a machine: see there."""
    target = f"{machine}-linux-gnu.{'.'.join(map(str, GLIBC))}"
    return {
        "CXX": f"{shlex.quote(sys.executable)} -m ziglang c++ -target {target}",
        "SKHLM_TBB_SOURCE": str(tbb),
        "SKHLM_WHEEL_PLATFORM": platform_tag(machine),
        "SKHLM_BUILD_CACHE": os.environ.get("SKHLM_BUILD_CACHE", str(ROOT / "build" / "stan")),
    }


def run(*words: str | Path, environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Output of a command, which is also shown; its failure is ours."""
    print("$", *words, flush=True)
    result = subprocess.run(
        [os.fspath(word) for word in words],
        check=False,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode:
        raise ReleaseError(f"{result.stdout}\n{words[0]} ended with {result.returncode}.")
    return result.stdout


def only(directory: Path, pattern: str) -> Path:
    """The one file of a directory that is named so."""
    (path,) = directory.glob(pattern)
    return path


def make_sdist(dist: Path) -> Path:
    """The source distribution, into an empty directory first."""
    with tempfile.TemporaryDirectory(dir=WORK) as scratch:
        run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", scratch, ROOT)
        return Path(shutil.copy(only(Path(scratch), "*.tar.gz"), dist))


def unpack(archive: Path, directory: Path) -> Path:
    """The one directory that is in a source distribution."""
    shutil.unpack_archive(archive, directory, filter="data")
    return only(directory, "*")


def fetch_tbb() -> Path:
    """The directory of oneTBB's sources, fetched once."""
    directory = WORK / "tbb"
    if not directory.is_dir():
        with tempfile.TemporaryDirectory(dir=WORK) as scratch:
            run(
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--no-binary", ":all:", "--require-hashes"),
                *("--dest", scratch, "--requirement", ROOT / "release" / "tbb.txt"),
            )
            unpack(only(Path(scratch), "*.tar.gz"), Path(scratch) / "x").replace(directory)
    return directory / "oneTBB"


def make_wheel(sdist: Path, machine: str, dist: Path) -> Path:
    """The wheel for a machine, from the source distribution in a directory of its own."""
    environment = build_environment(machine, fetch_tbb())
    with tempfile.TemporaryDirectory(dir=WORK) as scratch:
        source, made = unpack(sdist, Path(scratch) / "source"), Path(scratch) / "wheel"
        command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", made)
        run(*command, source, environment=environment)
        return Path(shutil.copy(only(made, "*.whl"), dist))


def look_into(wheel: Path, sdist: Path, machine: str) -> None:
    """Raise unless PyPI would take the files and old systems run the program."""
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    found = complaints(wheel, machine, GLIBC)
    tag, said = platform_tag(machine), run(sys.executable, "-m", "auditwheel", "show", wheel)
    if f'platform tag:\n"{tag}"' not in said and f'platform tag: "{tag}"' not in said:
        found.append(f"auditwheel finds that it is no {tag}:\n{said}")
    if found:
        raise ReleaseError("\n".join([f"{wheel.name} may not be handed out:", *found]))


def try_out(wheel: Path) -> None:
    """Install the wheel into a fresh environment, and use it far from the source."""
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(Path(scratch) / "venv", with_pip=True)
        python = Path(scratch) / "venv" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", wheel, cwd=Path(scratch))
        trial = shutil.copy(ROOT / "release" / "trial.py", scratch)
        nothing_of_ours = {"PYTHONPATH": ""}
        print(run(python, trial, environment=nothing_of_ours, cwd=Path(scratch)))


def main() -> None:
    """Make the files in `dist` from the command line."""
    parser = argparse.ArgumentParser(description="Make the wheel that is handed out.")
    here = platform.machine()
    parser.add_argument("--machine", choices=MACHINES, default=here, help="processor it is for")
    machine = parser.parse_args().machine
    dist = ROOT / "dist"
    for directory in (dist, WORK):
        directory.mkdir(parents=True, exist_ok=True)
    try:
        sdist = make_sdist(dist)
        wheel = make_wheel(sdist, machine, dist)
        look_into(wheel, sdist, machine)
        if machine == here:
            try_out(wheel)
    except ReleaseError as error:
        sys.exit(f"Error: {error}")
    print(f"{sdist}\n{wheel}")


if __name__ == "__main__":
    main()
