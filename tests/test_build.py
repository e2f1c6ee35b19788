"""The build of Stan programs: what is rebuilt when, and what is said when something is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

import skhlm
from release import contents
from stan import build

ROOT = Path(build.__file__).resolve().parents[1]
PROGRAM = """
parameters { real x; }
model { x ~ normal(0, 1); }
"""


# Stand-ins that note their arguments: stanc copies its input to --o=FILE, the compiler its
# arguments to the last of them.
STANC = """#!/bin/sh
echo "stanc" >> {log}
for word in "$@"; do case "$word" in --o=*) output="${{word#--o=}}";; esac; done
cp "$word" "$output"
"""
COMPILER = """#!/bin/sh
case "$*" in
*main.cpp*) echo main >> {log} ;;
*none.cpp*) echo sampler >> {log} ;;
*" -c "*) echo model >> {log} ;;
*) echo link >> {log} ;;
esac
for output in "$@"; do :; done
echo "$@" > "$output"
"""


@pytest.fixture
def log(tmp_path, monkeypatch) -> Path:
    """Where the stand-ins for stanc and compiler note what they do; they work in an empty cache."""
    log = tmp_path / "log"
    for name, script in (("stanc", STANC), ("compiler", COMPILER)):
        (tmp_path / name).write_text(script.format(log=log))
        (tmp_path / name).chmod(0o755)
    (tmp_path / "libtbb.so.2").touch()
    (tmp_path / "model.stan").write_text(PROGRAM)
    monkeypatch.setenv("SKHLM_BUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build.shutil, "which", nothing)  # not to strip the library
    use(monkeypatch, tmp_path)
    return log


def nothing(_name: str) -> None:
    """What looking for something that is not there returns."""


def use(
    monkeypatch,
    directory: Path,
    compiler: str = "compiler",
    identity: str = "1.0",
    tbb: str = "libtbb.so.2",
) -> None:
    """Build with the stand-ins in this directory."""
    words = (str(directory / compiler),)
    tools = build.Toolchain(words, (), directory / "stanc", directory / tbb, identity)
    monkeypatch.setattr(build, "find_toolchain", lambda: tools)


def steps(log: Path) -> list[str]:
    """List what was run since the last look."""
    lines = log.read_text().splitlines()
    log.unlink()
    return sorted(lines)


def make(directory: Path, output: str = "out/program") -> Path:
    return build.build_program(directory / "model.stan", directory / output)


class TestRebuild:
    def test_everything_at_first(self, log, tmp_path):
        program = make(tmp_path)
        assert steps(log) == ["link", "main", "model", "sampler", "stanc"]
        assert os.access(program, os.X_OK)
        assert (program.parent / "libtbb.so.2").exists()

    def test_nothing_when_nothing_changed(self, log, tmp_path):
        program = make(tmp_path)
        stamp = program.stat().st_mtime_ns
        steps(log)
        make(tmp_path)
        assert steps(log) == ["stanc"]
        assert program.stat().st_mtime_ns == stamp

    def test_a_program_elsewhere_is_a_copy(self, log, tmp_path):
        make(tmp_path)
        steps(log)
        assert make(tmp_path, "elsewhere/program").exists()
        assert steps(log) == ["stanc"]

    def test_the_model_when_its_source_changed(self, log, tmp_path):
        make(tmp_path)
        steps(log)
        (tmp_path / "model.stan").write_text(PROGRAM.replace("0, 1", "0, 2"))
        make(tmp_path)
        assert steps(log) == ["link", "model", "stanc"]

    def test_the_model_when_a_header_changed(self, log, tmp_path):
        header = tmp_path / "model.hpp"
        header.write_text("// one")
        make(tmp_path)
        steps(log)
        header.write_text("// two")
        make(tmp_path)
        assert steps(log) == ["link", "model", "stanc"]

    def test_everything_when_the_compiler_changed(self, log, tmp_path, monkeypatch):
        make(tmp_path)
        steps(log)
        use(monkeypatch, tmp_path, identity="2.0")
        make(tmp_path)
        assert steps(log) == ["link", "main", "model", "sampler", "stanc"]

    def test_nothing_where_another_checkout_has_built_the_same(self, log, tmp_path):
        (tmp_path / "model.hpp").touch()
        make(tmp_path)
        steps(log)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        for name in ("model.stan", "model.hpp"):
            shutil.copy(tmp_path / name, elsewhere)
        build.build_program(elsewhere / "model.stan", elsewhere / "program")
        assert steps(log) == ["stanc"]

    def test_a_failed_compilation_leaves_nothing_behind(self, log, tmp_path, monkeypatch):
        (tmp_path / "broken").write_text(COMPILER.format(log=log) + "exit 1\n")
        (tmp_path / "broken").chmod(0o755)
        use(monkeypatch, tmp_path, compiler="broken")
        with pytest.raises(build.BuildError, match="does not compile"):
            make(tmp_path)
        assert not list((tmp_path / "cache").glob("*.o*"))
        assert not (tmp_path / "out").exists()


class TestTbbInTheProgram:
    @pytest.fixture
    def sources(self, log, tmp_path, monkeypatch) -> Path:
        """Of oneTBB, two files and a header, in the place of the library of ``log``."""
        assert not log.exists()
        sources = tmp_path / "oneTBB" / "src" / "tbb"
        sources.mkdir(parents=True)
        for name in ("arena.cpp", "task.cpp", "arena.h"):
            (sources / name).touch()
        use(monkeypatch, tmp_path, tbb="oneTBB")
        return sources

    @pytest.mark.usefixtures("sources")
    def test_is_compiled_and_no_library_lies_beside(self, log, tmp_path):
        program = make(tmp_path)
        assert steps(log) == ["link", "main", "model", "model", "model", "sampler", "stanc"]
        assert [path.name for path in program.parent.iterdir()] == ["program"]
        linked = program.read_text()
        assert linked.count("/tbb-arena-") == linked.count("/tbb-task-") == 1
        assert "rpath" not in linked

    def test_all_of_it_when_a_header_changed(self, log, tmp_path, sources):
        make(tmp_path)
        steps(log)
        (sources / "arena.h").write_text("// other")
        make(tmp_path)
        assert steps(log) == ["link", "model", "model", "stanc"]

    @pytest.mark.usefixtures("sources")
    def test_its_headers_come_before_those_of_stan(self, tmp_path, monkeypatch):
        monkeypatch.undo()  # the real tools
        monkeypatch.setenv("SKHLM_TBB_SOURCE", str(tmp_path / "oneTBB"))
        with pytest.raises(build.BuildError, match="no include of oneTBB: name its source tree"):
            build.find_toolchain()
        (tmp_path / "oneTBB" / "include").mkdir()
        tools = build.find_toolchain()
        assert tools.tbb == tmp_path / "oneTBB"
        assert tools.include[0] == tmp_path / "oneTBB" / "include"


class TestMissing:
    def by_hand(self, *words, **environment) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "stan" / "build.py"), *map(str, words)],
            check=False,
            capture_output=True,
            text=True,
            env=os.environ | environment,
        )

    def test_no_compiler(self, tmp_path):
        result = self.by_hand("--output", tmp_path / "program", PATH=str(tmp_path), CXX="")
        assert result.returncode == 1
        assert "there is no compiler 'g++': install one" in result.stderr
        assert result.stderr.count("\n") == 1

    def test_named_compiler_is_missing(self, tmp_path):
        result = self.by_hand("--output", tmp_path / "program", CXX="no-such-compiler")
        assert "there is no compiler 'no-such-compiler'" in result.stderr

    def test_no_httpstan(self, monkeypatch):
        monkeypatch.delenv("CMDSTAN", raising=False)
        monkeypatch.setattr(build.importlib.util, "find_spec", nothing)
        with pytest.raises(build.BuildError, match=r"httpstan.*CMDSTAN"):
            build.find_httpstan()

    def test_cmdstan_is_not_there(self, tmp_path):
        result = self.by_hand("--output", tmp_path / "program", CMDSTAN=str(tmp_path))
        assert f"CMDSTAN names {tmp_path}, which is no built CmdStan" in result.stderr
        assert result.stderr.count("\n") == 1

    def test_cmdstan_gives_headers_stanc_and_library(self, tmp_path):
        math = tmp_path / "stan" / "lib" / "stan_math"
        for directory in ("eigen_3", "boost_1", "sundials_6/include", "tbb_2020/include", "tbb"):
            (math / "lib" / directory).mkdir(parents=True)
        (math / "lib" / "tbb" / "libtbb.so.2").touch()
        (tmp_path / "lib" / "rapidjson_1").mkdir(parents=True)
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "stanc").touch()
        include, stanc, libraries = build.find_cmdstan(tmp_path)
        assert {path.name for path in include} >= {"src", "stan_math", "eigen_3", "rapidjson_1"}
        assert stanc == tmp_path / "bin" / "stanc"
        assert build.find_tbb(libraries).name == "libtbb.so.2"

    def test_stanc_rejects_the_program(self, tmp_path):
        (tmp_path / "model.stan").write_text("parameters { real x }")
        result = self.by_hand(
            *("--stan", tmp_path / "model.stan", "--output", tmp_path / "program"),
            SKHLM_BUILD_CACHE=str(tmp_path / "cache"),
            CXX="true",
        )
        assert result.returncode == 1
        assert result.stderr.startswith(f"Error: stanc rejects {tmp_path / 'model.stan'}")
        assert "Traceback" not in result.stderr

    def test_read_only_cache_is_replaced_while_it_is_needed(self, log, tmp_path, monkeypatch):
        monkeypatch.setenv("SKHLM_BUILD_CACHE", "/dev/null/cache")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
        (tmp_path / "scratch").mkdir()
        assert make(tmp_path).exists()
        assert steps(log) == ["link", "main", "model", "sampler", "stanc"]
        assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize(
    ("python", "machine", "tag"),
    [
        ("macosx-10.9-universal2", "arm64", "macosx_11_0_arm64"),
        ("macosx-10.9-universal2", "x86_64", "macosx_11_0_x86_64"),
        ("macosx-11.0-arm64", "arm64", "macosx_11_0_arm64"),
        ("linux-x86_64", "x86_64", "linux_x86_64"),
    ],
)
def test_the_wheel_is_for_one_processor(monkeypatch, python, machine, tag):
    monkeypatch.delenv("SKHLM_WHEEL_PLATFORM", raising=False)
    monkeypatch.setattr(build.sysconfig, "get_platform", lambda: python)
    monkeypatch.setattr(build.platform, "machine", lambda: machine)
    assert build.wheel_platform() == tag


def test_or_for_the_platform_that_it_is_compiled_for(monkeypatch):
    monkeypatch.setenv("SKHLM_WHEEL_PLATFORM", "manylinux_2_17_aarch64")
    assert build.wheel_platform() == "manylinux_2_17_aarch64"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel with the tools at hand."""
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)],
        check=True,
        cwd=ROOT,
        capture_output=True,
    )
    (path,) = directory.glob("*.whl")
    return path


class TestWheel:
    def test_name_and_size(self, wheel):
        assert wheel.name.startswith("skhlm-")
        assert "-py3-none-" in wheel.name
        assert wheel.stat().st_size < 12 * 2**20

    def test_content(self, wheel):
        with zipfile.ZipFile(wheel) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
            modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        sources = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "skhlm").rglob("*")
            if path.is_file() and not {"__pycache__", "bin"} & set(path.parts)
        }
        files = ("hlm", build.find_toolchain().tbb.name)
        program = {f"skhlm/engine/program/bin/{name}" for name in files}
        assert names == sources | program
        assert all(modes[name] & 0o111 for name in program)

    def test_licences_of_all_parts(self, wheel):
        with zipfile.ZipFile(wheel) as archive:
            assert contents.missing_licences(archive.namelist()) == []

    def test_version(self, wheel):
        assert wheel.name.split("-")[1] == skhlm.__version__

    def test_program_does_not_tell_where_it_was_built(self, wheel):
        with zipfile.ZipFile(wheel) as archive:
            program = archive.read("skhlm/engine/program/bin/hlm")
        assert str(ROOT).encode() not in program
        assert str(Path(sys.prefix)).encode() not in program

    def test_program_of_the_wheel_runs_alone(self, wheel, tmp_path):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path)
        program = tmp_path / "skhlm" / "engine" / "program" / "bin" / "hlm"
        program.chmod(0o755)
        said = subprocess.check_output([program, "info"], env={}, text=True)
        assert "STAN_THREADS=true" in said
