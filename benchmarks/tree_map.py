"""What a level of a factor costs a gradient: the tree map alone, compiled without Stan.

``python -m benchmarks.tree_map`` writes ``benchmarks/results/tree_map.md``. ``--before DIRECTORY``
names the ``stan`` of another checkout, whose times are given beside; ``CXX`` the compiler.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.plain import ROOT
from stan import build

SOURCE = ROOT / "benchmarks" / "tree_map.cpp"
PAGE = ROOT / "benchmarks" / "results" / "tree_map.md"
VARYING = ((1, 1), (2, 2), (3, 3), (4, 4), (2, 1), (3, 1), (4, 1), (3, 2), (4, 2), (5, 5))
LEVELS = ((10_000, 0), (100_000, 0), (100, 0), (8, 0), (4, 0), (10_000, 2_000))
"""Of the factor, and of one above it."""
INSTRUCTIONS = ("baseline", "avx2", "all")


def compile_against(headers: Path, output: Path) -> Path:
    """The benchmark with these headers, compiled as the model is."""
    tools = build.find_toolchain()
    include = [word for path in tools.include for word in ("-isystem", str(path))]
    flags = [build.MODEL_OPTIMISATION, *build.COMPILE_FLAGS, f"-I{headers}", *include, "-w"]
    build.run([*tools.compiler, *flags, SOURCE, "-o", output], "The benchmark does not compile")
    return output


def measure(program: Path, sizes: tuple[int, ...], instructions: str = "all") -> float:
    """Nanoseconds a level: K, columns that vary, levels, levels above."""
    environment = {**os.environ, "SKHLM_INSTRUCTIONS": instructions}
    command = [str(program), *map(str, sizes)]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)


def table(program: Path, before: Path | None) -> str:
    """Every size, with all instructions at first and then with fewer, in Markdown."""
    names = [*(["before"] if before else []), "now", "with AVX2", "with neither"]
    lines = [
        f"| K | vary | levels | above | {' | '.join(names)} |",
        "|---" * (4 + len(names)) + "|",
    ]
    for varying in VARYING:
        for levels in LEVELS if varying == (2, 2) else LEVELS[:1]:
            sizes = (*varying, *levels)
            times = [measure(before, sizes)] if before else []
            times += [measure(program, sizes, which) for which in reversed(INSTRUCTIONS)]
            shown = [*(f"{size:,}" for size in sizes), *(f"{time:.0f}" for time in times)]
            lines.append(f"| {' | '.join(shown)} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Compile, measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="the directory stan of another checkout")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        before = options.before and compile_against(options.before, Path(scratch) / "before")
        text = table(compile_against(build.STAN, Path(scratch) / "now"), before)
    machine = "; ".join(f"{name} {value}" for name, value in describe_machine().items())
    PAGE.write_text(
        "# A level of the tree map\n\n"
        "`python -m benchmarks.tree_map`: nanoseconds of CPU time a level, forward and reverse,\n"
        "the best of 20 passes, on one core. K coefficients, of which so many vary; a factor of\n"
        "so many levels, and where there is one, another above it.\n\n"
        f"{text}\n\n{machine}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
