"""Build Stan programs with our command line, from packages alone.

A program is three translation units, compiled side by side: `main.cpp`, the same for every program,
what stanc makes of a .stan file, and the sampler that a program may bring along, the .cpp file of
the same name. Headers, stanc and the TBB library come from the package httpstan (a build
requirement only) or from the CmdStan installation that the environment variable CMDSTAN names.
The compiler is CXX, else g++ or clang++. Where SKHLM_TBB_SOURCE names a directory of oneTBB's
sources, TBB is compiled into the program; `release/wheel.py` does so.

hatchling calls `ProgramBuildHook` for `pip install`; by hand:

    python stan/build.py                                  # skhlm/engine/program/bin/hlm
    python stan/build.py --stan model.stan --output exe   # any other Stan program

Objects and programs are kept in `build/stan` (or SKHLM_BUILD_CACHE) under a hash of all that goes
into them: nothing is compiled twice, and no change of a source, the compiler or Stan is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run by hand, where hatchling is not needed
    BuildHookInterface = object  # type: ignore[assignment, misc, unused-ignore]

STAN = Path(__file__).resolve().parent
ROOT = STAN.parent
PROGRAM = ROOT / "skhlm" / "engine" / "program" / "bin" / "hlm"

MACOS = sys.platform == "darwin"
COMPILE_FLAGS = (
    *("-std=c++17", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd"),
    *("-ffunction-sections", "-fdata-sections"),
    *("-DNDEBUG", "-DSTAN_THREADS", "-D_REENTRANT", "-DTBB_INTERFACE_NEW"),
    *("-DBOOST_DISABLE_ASSERTS", "-DBOOST_PHOENIX_NO_VARIADIC_EXPRESSION"),
)
LINK_FLAGS = (
    ("-Wl,-dead_strip",)
    if MACOS
    else ("-static-libstdc++", "-static-libgcc", "-pthread", "-Wl,--gc-sections")
)
BESIDE_THE_PROGRAM = "-Wl,-rpath,@loader_path" if MACOS else "-Wl,-rpath,$ORIGIN"
# The sampler's own arithmetic is light beside the model's gradient.
MAIN_OPTIMISATION, MODEL_OPTIMISATION = "-O2", "-O3"
# As oneTBB's own build files have it for a static library.
TBB_FLAGS = (
    *("-D__TBB_BUILD", "-D__TBB_DYNAMIC_LOAD_ENABLED=0", "-D__TBB_SOURCE_DIRECTLY_INCLUDED=1"),
    *("-O2", "-std=c++17", "-fPIC", "-DNDEBUG", "-ffunction-sections", "-fdata-sections"),
)
TBB_FLAGS_OF_X86 = ("-mrtm", "-mwaitpkg")  # instructions that it asks the processor for


class BuildError(Exception):
    """The program cannot be built; the message says what to do about it."""


class Toolchain(NamedTuple):
    """What turns a .stan file into a program."""

    compiler: tuple[str, ...]
    include: tuple[Path, ...]
    stanc: Path
    tbb: Path
    """The library, or the directory of its sources."""
    identity: str
    """Versions of the compiler and of Stan, and what the compiler compiles for."""


def find_toolchain() -> Toolchain:
    """Compiler from CXX or the path; Stan from CMDSTAN or the httpstan wheel."""
    compiler = find_compiler()
    cmdstan = os.environ.get("CMDSTAN")
    include, stanc, libraries = find_cmdstan(Path(cmdstan)) if cmdstan else find_httpstan()
    given = os.environ.get("SKHLM_TBB_SOURCE")
    tbb = find_tbb_source(Path(given)) if given else find_tbb(libraries)
    if given:
        include = (tbb / "include", *include)
    identity = "".join(
        [
            run([*compiler, "--version"], "The C++ compiler does not run"),
            *compiler[1:],  # such as the target
            run([stanc, "--version"], "stanc does not run"),
        ]
    )
    return Toolchain(compiler, include, stanc, tbb, identity)


def find_compiler() -> tuple[str, ...]:
    """CXX as given, or the first compiler on the path."""
    given = os.environ.get("CXX")
    for candidate in [given] if given else ["g++", "clang++", "c++"]:
        words = tuple(shlex.split(candidate))
        if words and shutil.which(words[0]):
            return words
    raise BuildError(
        f"skhlm compiles a C++ program when it is installed, and there is no compiler "
        f"{given or 'g++'!r}: install one (Debian, Ubuntu: apt install g++; Fedora: dnf install "
        "gcc-c++; macOS: xcode-select --install) or name one in the environment variable CXX."
    )


def find_httpstan() -> tuple[tuple[Path, ...], Path, Path]:
    """Include directories, stanc and library directory of the httpstan wheel."""
    package = importlib.util.find_spec("httpstan")
    if package is None or package.origin is None:
        raise BuildError(
            "skhlm needs the Stan library to build, from the package httpstan, which is not "
            f"installed or has no wheel for Python {sys.version_info[0]}.{sys.version_info[1]} on "
            f"{sysconfig.get_platform()}: use Linux x86-64 or macOS arm64, or install CmdStan and "
            "name its directory in the environment variable CMDSTAN."
        )
    root = Path(package.origin).parent
    return (root / "include",), root / "stanc", root / "lib"


def find_cmdstan(root: Path) -> tuple[tuple[Path, ...], Path, Path]:
    """Include directories, stanc and library directory of a CmdStan installation."""
    root = root.resolve()
    math = root / "stan" / "lib" / "stan_math"
    patterns = ("eigen_*", "boost_*", "sundials_*/include", "tbb_*/include")
    include = [root / "stan" / "src", math]
    include += sorted(path for pattern in patterns for path in (math / "lib").glob(pattern))
    include += sorted((root / "stan" / "lib").glob("rapidjson_*"))
    include += sorted((root / "lib").glob("rapidjson_*"))
    stanc = root / "bin" / ("stanc.exe" if os.name == "nt" else "stanc")
    if not math.is_dir() or not stanc.is_file():
        raise BuildError(
            f"CMDSTAN names {root}, which is no built CmdStan: run `make build` in it, or unset "
            "CMDSTAN to build with the httpstan wheel."
        )
    return tuple(include), stanc, math / "lib" / "tbb"


def find_tbb(libraries: Path) -> Path:
    """The TBB library as the program will load it: libtbb.so.2, libtbb.dylib."""
    for pattern in ("libtbb.so.*", "libtbb.dylib", "libtbb*.dylib", "tbb*.dll"):
        for path in sorted(libraries.glob(pattern)):
            return path
    raise BuildError(f"There is no TBB library in {libraries}: reinstall httpstan or CmdStan.")


def find_tbb_source(root: Path) -> Path:
    """The directory itself, where it holds oneTBB's sources and headers."""
    if not (root / "src" / "tbb").is_dir() or not (root / "include").is_dir():
        raise BuildError(
            f"SKHLM_TBB_SOURCE names {root}, where there is no src/tbb or no include of oneTBB: "
            "name its source tree, or unset the variable to use the library that comes with Stan."
        )
    return root.resolve()


def run(command: Iterable[str | Path], complaint: str, cwd: Path | None = None) -> str:
    """Output of a command; its failure is one sentence and the first lines of what it said."""
    words = [os.fspath(word) for word in command]
    try:
        result = subprocess.run(
            words, check=False, capture_output=True, text=True, errors="replace", cwd=cwd
        )
    except OSError as error:
        raise BuildError(f"{complaint}: {error}.") from error
    if result.returncode:
        said = "\n".join((result.stderr or result.stdout).strip().splitlines()[:20])
        raise BuildError(f"{complaint} ({words[0]}, exit code {result.returncode}):\n{said}")
    return result.stdout


def fingerprint(*parts: str | Path | Iterable[str]) -> str:
    """Hash of texts, lists of texts and contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            content = part.read_bytes()
        else:
            content = (part if isinstance(part, str) else "\0".join(part)).encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:16]


@contextmanager
def cache_directory() -> Iterator[Path]:
    """Where objects and programs are kept between builds; where nothing can be, until the end."""
    directory = Path(os.environ.get("SKHLM_BUILD_CACHE", ROOT / "build" / "stan"))
    with suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
    if os.access(directory, os.W_OK):
        yield directory
    else:
        with tempfile.TemporaryDirectory(prefix="skhlm-build-") as scratch:
            yield Path(scratch)


def make(target: Path, command: Iterable[str | Path], complaint: str) -> Path:
    """Run a command that writes to its last argument, unless the target is there already."""
    if not target.exists():
        unfinished = target.with_name(f"{target.name}.{os.getpid()}")
        try:
            run([*command, unfinished], complaint)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    return target


def compile_main(tools: Toolchain, cache: Path) -> Path:
    """Object of the command line, shared by all programs."""
    sources = [STAN / "main.cpp", *sorted((STAN / "command_line").rglob("*.hpp"))]
    flags = [MAIN_OPTIMISATION, *COMPILE_FLAGS]
    name = f"main-{fingerprint(tools.identity, flags, *sources)}.o"
    return make(
        cache / name, compile_command(tools, flags, sources[0]), "The command line does not compile"
    )


def compile_model(tools: Toolchain, cache: Path, source: Path, user_header: Path | None) -> Path:
    """Object of a translated Stan program; the header defines its external functions."""
    flags = [MODEL_OPTIMISATION, *COMPILE_FLAGS]
    headers: list[Path] = []
    included: list[str] = []
    if user_header is not None:
        apart = {"command_line", "mixture"}  # of main.cpp and of samplers
        near = user_header.parent.rglob("*.hpp")
        headers = sorted(h for h in near if not apart & {*h.relative_to(user_header.parent).parts})
        included = ["-include", str(user_header)]
    name = f"{source.stem}-{fingerprint(tools.identity, flags, *headers)}.o"
    return make(
        cache / name,
        compile_command(tools, [*flags, *included], source),
        "The C++ code of the Stan program does not compile",
    )


def compile_sampler(tools: Toolchain, cache: Path, stan_file: Path) -> Path:
    """Object of the sampler that a program brings along, or of none."""
    own = stan_file.with_suffix(".cpp")
    source = own if own.is_file() else STAN / "command_line" / "none.cpp"
    headers = {*STAN.rglob("*.hpp"), *source.parent.rglob("*.hpp")}
    flags = [MODEL_OPTIMISATION, *COMPILE_FLAGS]
    name = f"sampler-{fingerprint(tools.identity, flags, source, *sorted(headers))}.o"
    return make(
        cache / name, compile_command(tools, flags, source), f"{source.name} does not compile"
    )


def translate(tools: Toolchain, cache: Path, stan_file: Path) -> Path:
    """C++ code that stanc makes of a .stan file, under a name that tells its content."""
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        code = Path(scratch) / "model.cpp"
        # The program tells its options: no directory of ours among them.
        options = ["--allow-undefined", "--include-paths=.", f"--filename-in-msg={stan_file.name}"]
        command = [tools.stanc, *options, f"--o={code}", stan_file.name]
        run(command, f"stanc rejects {stan_file}", cwd=stan_file.parent)
        return code.replace(cache / f"{stan_file.stem}-{fingerprint(code)}.cpp")


def compile_tbb(tools: Toolchain, cache: Path, source: Path) -> Path:
    """Object of one source of TBB."""
    headers = sorted(tools.tbb.rglob("*.h"))
    flags = [*TBB_FLAGS, *(TBB_FLAGS_OF_X86 if wheel_platform().endswith("x86_64") else ())]
    name = f"tbb-{source.stem}-{fingerprint(tools.identity, flags, source, *headers)}.o"
    return make(cache / name, compile_command(tools, flags, source), "TBB does not compile")


def compile_command(tools: Toolchain, flags: Iterable[str], source: Path) -> list[str | Path]:
    """Compile one source; Stan's own warnings are not ours to mend, our directories nobody's."""
    include = [word for path in tools.include for word in ("-isystem", str(path))]
    nameless = [f"-ffile-prefix-map={path}/=" for path in (source.parent, STAN, *tools.include)]
    return [*tools.compiler, *flags, *include, *nameless, "-w", "-c", source, "-o"]


def link(tools: Toolchain, cache: Path, objects: list[Path]) -> Path:
    """The program, stripped, kept beside its objects."""
    # Zig's runtime is compiled when it is linked, and as well as this says.
    flags = [MODEL_OPTIMISATION, *LINK_FLAGS, "-Wl,-x" if MACOS else "-s"]
    library: list[str | Path] = []
    if tools.tbb.is_file():
        library, flags = [tools.tbb], [*flags, BESIDE_THE_PROGRAM]
    name = f"{objects[-1].stem}-{fingerprint([path.name for path in objects], flags)}"
    return make(
        cache / name,
        [*tools.compiler, *objects, *library, *flags, "-o"],
        "The program does not link",
    )


def strip_tbb(tools: Toolchain, cache: Path) -> Path:
    """The TBB library without its symbols, a ninth of its size; as it is where nothing strips."""
    if not shutil.which("strip"):
        return tools.tbb
    name = f"tbb-{fingerprint(tools.tbb)}"
    return make(cache / name, ["strip", "-x", tools.tbb, "-o"], "The TBB library is not stripped")


def install(source: Path, target: Path) -> None:
    """Copy a program or library unless it is there; one that is in use stays as it was."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copyfile(source, unfinished)
    unfinished.chmod(0o755)
    unfinished.replace(target)


def build_program(
    stan_file: str | Path, output: str | Path, *, user_header: str | Path | None = None
) -> Path:
    """Build a Stan program with our command line.

    Parameters
    ----------
    stan_file : path
        The Stan program. Files that it includes lie beside it.
    output : path
        The program. The TBB library, where it is none of its parts, is put beside it and must stay.
    user_header : path, optional
        C++ header with the program's external functions; the other ``*.hpp`` beside it may be
        included. Default: the .hpp file of the same name as the Stan program, where there is one.

    Returns
    -------
    pathlib.Path
        The program's absolute path.

    Raises
    ------
    BuildError
        No compiler, no Stan library, or a source that does not compile.
    """
    stan_file, output = Path(stan_file).resolve(), Path(output).resolve()
    header = Path(user_header).resolve() if user_header else stan_file.with_suffix(".hpp")
    tools = find_toolchain()
    with cache_directory() as cache:
        source = translate(tools, cache, stan_file)
        with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
            model = pool.submit(
                compile_model, tools, cache, source, header if header.is_file() else None
            )
            main = pool.submit(compile_main, tools, cache)
            sampler = pool.submit(compile_sampler, tools, cache, stan_file)
            sources = sorted((tools.tbb / "src" / "tbb").glob("*.cpp"))  # none of a library
            tbb = list(pool.map(partial(compile_tbb, tools, cache), sources))
            objects = [main.result(), sampler.result(), *tbb, model.result()]
        install(link(tools, cache, objects), output)
        if tools.tbb.is_file():
            install(strip_tbb(tools, cache), output.with_name(tools.tbb.name))
    return output


def wheel_platform() -> str:
    """Platform in the wheel's tag; the program is for one processor, whatever Python is for."""
    given = os.environ.get("SKHLM_WHEEL_PLATFORM")  # what CXX compiles for
    if given:
        return given
    name = sysconfig.get_platform()
    if name.endswith("-universal2"):
        name = f"macosx-11.0-{platform.machine()}"  # the first macOS on both processors
    return name.replace("-", "_").replace(".", "_")


class ProgramBuildHook(BuildHookInterface):  # type: ignore[misc, type-arg, unused-ignore]
    """Puts the compiled program into the wheel, and into the source tree of an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, then tag the wheel for this platform and any Python 3."""
        del version
        try:
            build_program(STAN / "hlm.stan", PROGRAM)
        except BuildError as error:
            self.app.abort(str(error))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{wheel_platform()}"
        directory = PROGRAM.parent.relative_to(ROOT).as_posix()
        build_data["artifacts"] += [f"/{directory}/{name}" for name in (PROGRAM.name, "*tbb*")]


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description="Build a Stan program with our command line.")
    parser.add_argument("--stan", type=Path, default=STAN / "hlm.stan", help="Stan program")
    parser.add_argument("--output", type=Path, default=PROGRAM, help="where to put the program")
    parser.add_argument("--user-header", type=Path, help="C++ header of its external functions")
    options = parser.parse_args()
    try:
        build_program(options.stan, options.output, user_header=options.user_header)
    except BuildError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
