"""What keeps a wheel from being handed out, each told of a wheel that has it."""

from __future__ import annotations

import platform
import zipfile
from pathlib import Path

import pytest

from release import contents
from stan import build

HERE = platform.machine()
NEW = (99, 0)  # a glibc that has every symbol
LICENCES = [f"{part}.txt" for part in contents.PARTS] + ["LICENSE", "THIRD_PARTY.md"]
pytestmark = pytest.mark.skipif(build.MACOS, reason="programs of Linux")


@pytest.fixture(scope="module")
def compile_program(tmp_path_factory):
    """Function from C++ code and flags to a small program."""
    directory = tmp_path_factory.mktemp("programs")

    def compile_code(code: str, *flags: str) -> Path:
        source = directory / "small.cpp"
        source.write_text(code)
        output = directory / "small"
        build.run([*build.find_compiler(), source, *flags, "-o", output], "It does not compile")
        return output

    return compile_code


def pack(directory: Path, programs: dict[str, bytes], licences=LICENCES) -> Path:
    """A wheel of these programs."""
    path = directory / "skhlm-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("skhlm/__init__.py", "# in /home/somebody/source, which is no program")
        for name, content in programs.items():
            archive.writestr(f"skhlm/bin/{name}", content)
        for name in licences:
            archive.writestr(f"skhlm-1.0.dist-info/licenses/{name}", "text")
    return path


def complaints(directory: Path, program: Path, machine: str = HERE, glibc=NEW) -> list[str]:
    return contents.complaints(pack(directory, {"hlm": program.read_bytes()}), machine, glibc)


def test_nothing_of_a_program_that_has_its_runtime_in_it(compile_program, tmp_path):
    program = compile_program(
        "int main() { return 0; }", "-static-libstdc++", "-static-libgcc", "-s"
    )
    assert complaints(tmp_path, program) == []


def test_the_runtime_of_the_system(compile_program, tmp_path):
    code = "#include <iostream>\nint main() { std::cout << 1; }"
    assert "skhlm/bin/hlm: it loads libstdc++.so.6" in complaints(tmp_path, compile_program(code))


@pytest.mark.parametrize(
    ("place", "expected"),
    [("$ORIGIN", []), ("/opt/tbb/lib", ["skhlm/bin/hlm: it looks in /opt/tbb/lib"])],
)
def test_where_it_looks_for_libraries(compile_program, tmp_path, place, expected):
    flags = ("-static-libstdc++", "-static-libgcc", "-s", f"-Wl,-rpath,{place}")
    found = complaints(tmp_path, compile_program("int main() { return 0; }", *flags))
    assert [complaint for complaint in found if "looks in" in complaint] == expected


def test_another_processor(compile_program, tmp_path):
    program = compile_program("int main() { return 0; }", "-static-libgcc", "-s")
    (complaint,) = complaints(tmp_path, program, machine="riscv64")
    assert complaint.startswith("skhlm/bin/hlm: it is for ")
    assert complaint.endswith(", not riscv64")


def test_symbols_of_a_later_glibc(compile_program, tmp_path):
    program = compile_program("int main() { return 0; }", "-s")
    found = complaints(tmp_path, program, glibc=(2, 0))
    assert found
    assert all(complaint.startswith("skhlm/bin/hlm: it needs GLIBC_2.") for complaint in found)


def test_where_it_was_built(compile_program, tmp_path):
    code = '#include <cstdio>\nint main() { std::puts("/home/somebody/source/stan/hlm.hpp"); }'
    program = compile_program(code, "-static-libgcc", "-s")
    assert complaints(tmp_path, program) == [
        "skhlm/bin/hlm: it holds the path /home/somebody/source/stan/hlm.hpp"
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"\0/work/build/main.cpp\0", ["/work/build/main.cpp"]),
        (b" (in '/work/stan/hlm.stan', line 3)", ["/work/stan/hlm.stan"]),
        (b"\0/proc/self/status\0/sys/fs/cgroup\0/lib64/ld-linux-x86-64.so.2\0", []),
        (b"\0stan/math/rev/core.hpp\0../include/x.hpp\0$ORIGIN/../lib\0 a/b/c \0", []),
    ],
)
def test_paths(text, found):
    assert contents.paths_of_the_build(text) == [f"it holds the path {path}" for path in found]


def test_no_program(tmp_path):
    assert contents.complaints(pack(tmp_path, {}), HERE, NEW) == ["There is no program in it."]


def test_a_missing_licence(compile_program, tmp_path):
    program = compile_program("int main() { return 0; }", "-static-libgcc", "-s").read_bytes()
    wheel = pack(tmp_path, {"hlm": program}, [name for name in LICENCES if name != "Eigen.txt"])
    assert contents.complaints(wheel, HERE, NEW) == ["The licence Eigen.txt is not in it."]


def test_every_part_has_its_licence_and_its_line():
    folder = build.ROOT / "licenses"
    assert sorted(contents.PARTS) == sorted(path.stem for path in folder.iterdir())
    listed = (build.ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    for part in contents.PARTS:
        assert f"](licenses/{part}.txt)" in listed
        assert len((folder / f"{part}.txt").read_text(encoding="utf-8")) > 1000
