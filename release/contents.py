"""What is in a wheel that must not be, and what is missing: its programs, and the licences."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from pathlib import Path, PurePosixPath

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

# glibc, without which no program of its kind runs; the C++ runtime is in the program.
SYSTEM = re.compile(r"(libc|libm|libpthread|libdl|librt|ld-linux-[\w-]+)\.so\.\d")
# Directories whose names are the same on every Linux.
OF_ANY_SYSTEM = (b"/proc", b"/sys", b"/dev", b"/etc", b"/lib", b"/lib64")
ABSOLUTE_PATH = re.compile(rb"(?<![\w.$\]/:])/[\w.+@-]{2,}(?:/[\w.+@-]+)+")
PARTS = ("Boost", "Eigen", "LLVM", "RapidJSON", "SUNDIALS", "Stan", "Zig", "oneTBB")


def complaints(wheel: Path, machine: str, glibc: tuple[int, int]) -> list[str]:
    """A sentence for each thing that keeps a wheel from being handed out."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        found = missing_licences(names)
        programs = {name: archive.read(name) for name in names if is_program(archive, name)}
    if not programs:
        found.append("There is no program in it.")
    for name, content in programs.items():
        file = ELFFile(BytesIO(content))
        found += [
            f"{name}: {complaint}"
            for complaint in (
                *paths_of_the_build(content),
                *strange_machine(file, machine),
                *strange_libraries(file),
                *late_symbols(file, glibc),
            )
        ]
    return found


def is_program(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether a member is a program or a library of Linux."""
    with archive.open(name) as member:
        return member.read(4) == b"\x7fELF"


def missing_licences(names: list[str]) -> list[str]:
    """Parts of the program whose licence is not among the files of the wheel."""
    texts = {PurePosixPath(name).name for name in names if ".dist-info/licenses/" in name}
    wanted = ["LICENSE", "THIRD_PARTY.md", *(f"{part}.txt" for part in PARTS)]
    return [f"The licence {name} is not in it." for name in wanted if name not in texts]


def paths_of_the_build(content: bytes) -> list[str]:
    """Absolute paths in a program that are not those of any system."""
    paths = set(ABSOLUTE_PATH.findall(content))
    strange = sorted(path for path in paths if not path.startswith(OF_ANY_SYSTEM))
    return [f"it holds the path {path.decode()}" for path in strange]


def strange_machine(file: ELFFile, machine: str) -> list[str]:
    """What it runs on, if that is another processor."""
    found = {"x64": "x86_64", "AArch64": "aarch64"}.get(file.get_machine_arch())
    return [] if found == machine else [f"it is for {file.get_machine_arch()}, not {machine}"]


def strange_libraries(file: ELFFile) -> list[str]:
    """Libraries that it loads and no system is sure to have, and places where it looks for them."""
    tags = [
        tag
        for section in file.iter_sections()
        if isinstance(section, DynamicSection)
        for tag in section.iter_tags()
    ]
    needed = [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]
    places = [getattr(tag, "rpath", "") or getattr(tag, "runpath", "") for tag in tags]
    found = [f"it loads {name}" for name in needed if not SYSTEM.fullmatch(name)]
    return found + [f"it looks in {p}" for p in places if p and not p.startswith("$ORIGIN")]


def late_symbols(file: ELFFile, glibc: tuple[int, int]) -> list[str]:
    """Symbols of glibc that older ones lack."""
    wanted = {
        symbol.name
        for section in file.iter_sections()
        if isinstance(section, GNUVerNeedSection)
        for _, symbols in section.iter_versions()
        for symbol in symbols
    }
    numbered = [(name, re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", name)) for name in wanted]
    return [
        f"it needs {name}"
        for name, number in sorted(numbered)
        if number and tuple(map(int, number.groups())) > glibc
    ]
