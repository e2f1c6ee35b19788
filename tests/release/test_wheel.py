"""How the wheel that is handed out is built, and what it is called."""

from __future__ import annotations

import re

import pytest

from release import wheel
from stan import build


@pytest.mark.parametrize("machine", wheel.MACHINES)
def test_the_tag_says_what_the_compiler_compiles_for(tmp_path, monkeypatch, machine):
    environment = wheel.build_environment(machine, tmp_path)
    assert f" -target {machine}-linux-gnu.2.17" in environment["CXX"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert build.wheel_platform() == wheel.platform_tag(machine) == f"manylinux_2_17_{machine}"


def test_the_build_finds_compiler_and_sources(tmp_path, monkeypatch):
    for name in ("src/tbb", "include"):
        (tmp_path / name).mkdir(parents=True)
    for name, value in wheel.build_environment("x86_64", tmp_path).items():
        monkeypatch.setenv(name, value)
    words = build.find_compiler()
    assert words[1:] == ("-m", "ziglang", "c++", "-target", "x86_64-linux-gnu.2.17")
    assert build.find_tbb_source(tmp_path) == tmp_path


def test_sources_of_tbb_are_one_version_and_one_file():
    requirement = (build.ROOT / "release" / "tbb.txt").read_text().splitlines()[-1]
    assert re.fullmatch(r"pxr-tbb==[\d.]+ --hash=sha256:[0-9a-f]{64}", requirement)


def test_what_a_failed_command_said_is_the_error(tmp_path):
    with pytest.raises(wheel.ReleaseError, match=r"No such file[\s\S]*ended with"):
        wheel.run("ls", tmp_path / "nothing")


@pytest.mark.parametrize("files", [[], ["a-1.whl", "a-2.whl"]])
def test_one_wheel_and_no_other(tmp_path, files):
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="to unpack"):
        wheel.only(tmp_path, "*.whl")
