"""A program that is missing, damaged, for another machine or not executable; why a run failed."""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import sys
import threading
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest

from skhlm.engine.program import executable
from skhlm.engine.program.executable import explain_failure, is_numerical
from skhlm.exceptions import ProgramError, SamplingError


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A copy of the installed program that a test may damage."""
    copy = Path(shutil.copytree(executable.PROGRAM.parent, tmp_path / "package" / "bin"))
    monkeypatch.setattr(executable, "PROGRAM", copy / executable.PROGRAM.name)
    monkeypatch.setattr(executable, "_SOURCE", tmp_path)  # no checkout
    return copy


def find(tmp_path):
    run_directory = tmp_path / "run"
    run_directory.mkdir()
    return executable.find_program(run_directory, dict(os.environ))


def test_runs_in_place(install, tmp_path):
    assert find(tmp_path) == install / "hlm"


def test_starts_while_another_thread_sets_variables(monkeypatch):
    """As cmdstanpy does in a thread that fits; unheeded, one start in ten is from a bad address."""
    done = threading.Event()

    def set_variables():
        for n in itertools.cycle(range(200)):
            if done.is_set():
                return
            os.environ[f"SKHLM_TEST_{n}"] = str(n)

    for n in range(200):
        monkeypatch.setenv(f"SKHLM_TEST_{n}", "")  # and unset in the end
        monkeypatch.delenv(f"SKHLM_TEST_{n}")
    thread = threading.Thread(target=set_variables)
    thread.start()
    try:
        for _ in range(60):
            executable.find_program(Path(), dict(os.environ))
    finally:
        done.set()
        thread.join()


def test_without_execute_bit_a_copy_beside_the_data_runs(install, tmp_path):
    (install / "hlm").chmod(0o400)
    found = find(tmp_path)
    assert found == tmp_path / "run" / "bin" / "hlm"
    assert found.stat().st_mode & 0o777 == 0o700
    assert (install / "hlm").stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_for_the_copy(install, tmp_path, monkeypatch, number):
    def copy(_source, target):
        raise OSError(number, os.strerror(number), target)

    (install / "hlm").chmod(0o400)
    monkeypatch.setattr(shutil, "copy", copy)
    with pytest.raises(SamplingError, match=rf"temporary directory {tmp_path} is full.*TMPDIR"):
        find(tmp_path)


def test_missing(install, tmp_path):
    (install / "hlm").unlink()
    with pytest.raises(ProgramError, match=r"missing at .*hlm\. Install skhlm again"):
        find(tmp_path)


# --- the command that puts it right ---------------------------------------------------------------


def test_of_a_checkout_it_compiles_where_the_source_is(install, tmp_path, monkeypatch):
    source = tmp_path / "our source"
    (source / "stan").mkdir(parents=True)
    (source / "stan" / "build.py").touch()
    monkeypatch.setattr(executable, "_SOURCE", source)
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    (install / "hlm").unlink()
    command = f"Compile it on this machine: /venv/bin/python '{source}/stan/build.py'."
    with pytest.raises(ProgramError, match=re.escape(command)):
        find(tmp_path)


def test_the_source_of_this_checkout_is_where_the_tests_are():
    assert Path(__file__).is_relative_to(executable._SOURCE)


@pytest.mark.parametrize(
    ("noted", "named"),
    [
        (None, "skhlm"),
        ('{"url": "file:///work/our%20source", "dir_info": {}}', "'/work/our source'"),
        ('{"url": "file:///wheels/skhlm-1.0-any.whl"}', "/wheels/skhlm-1.0-any.whl"),
        ('{"url": "https://example.org/skhlm.whl"}', "https://example.org/skhlm.whl"),
        (
            '{"url": "https://example.org/skhlm", "vcs_info": {"vcs": "git"}}',
            "git+https://example.org/skhlm",
        ),
    ],
)
def test_an_installation_comes_again_from_where_it_came(
    install, tmp_path, monkeypatch, noted, named
):
    package = SimpleNamespace(read_text={"direct_url.json": noted}.get)
    monkeypatch.setattr(executable, "distribution", {"skhlm": package}.get)
    (install / "hlm").unlink()
    command = f"pip install --force-reinstall --no-deps {named}."
    with pytest.raises(ProgramError, match=re.escape(command)):
        find(tmp_path)


def test_a_copy_that_nobody_installed_comes_from_the_index(install, tmp_path, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(executable, "distribution", missing)
    (install / "hlm").unlink()
    with pytest.raises(ProgramError, match=r"--no-deps skhlm\."):
        find(tmp_path)


# --- other reasons --------------------------------------------------------------------------------


def test_for_another_machine(install, tmp_path):
    executable = bytearray((install / "hlm").read_bytes())
    executable[18:20] = b"\xf3\x00"  # the ELF header's machine: RISC-V
    (install / "hlm").write_bytes(executable)
    with pytest.raises(ProgramError, match=r"cannot be started on this machine: Exec format error"):
        find(tmp_path)


def test_a_pointer_file_instead_of_the_program(install, tmp_path):
    (install / "hlm").write_text("version https://example.org/spec/v1\nsize 3000000\n")
    with pytest.raises(ProgramError, match=r"cannot be started"):
        find(tmp_path)


def test_without_its_library(install, tmp_path):
    (install / "libtbb.so.2").unlink()
    with pytest.raises(ProgramError, match=r"does not run: .*libtbb"):
        find(tmp_path)


# --- what is said of a run that failed, where the disk does not say it itself ---------------------


def test_a_directory_that_goes_while_we_look_at_it(tmp_path, monkeypatch):
    def disk_usage(directory):
        raise FileNotFoundError(2, "No such file or directory", directory)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    error = explain_failure(RuntimeError("Error during sampling."), tmp_path)
    assert str(error) == "The Stan program failed: Error during sampling."


def failed(*codes):
    """The error of a run of cmdstanpy's that ended with these exit codes."""
    runset = SimpleNamespace(_retcodes=list(codes))  # where cmdstanpy has it
    try:
        raise RuntimeError(f"Error during sampling of {runset}.")
    except RuntimeError as error:
        return error


def test_the_console_is_quoted_only_where_the_program_failed(tmp_path):
    (tmp_path / "hlm-stdout.txt").write_text("Error: chain 1 found no starting point\n")
    error = explain_failure(failed(70), tmp_path)
    assert str(error) == "The Stan program failed: chain 1 found no starting point."
    (tmp_path / "hlm-stdout.txt").write_text("0.018 seconds (Total)\n")
    error = explain_failure(ValueError("Parsing output failed"), tmp_path)
    assert str(error) == "The Stan program failed: Parsing output failed."


@pytest.mark.parametrize(
    ("error", "numerical"),
    [
        (failed(70), True),
        (failed(70, 70), True),
        (failed(70, 74), False),
        (failed(-9), False),
        (ValueError("Parsing output failed"), False),
    ],
)
def test_only_a_numerical_failure_may_be_tried_again(error, numerical):
    assert is_numerical(error) is numerical
