"""Shells complete commands, options and their words."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.cli.running import one_line, run


def test_without_shtab_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert run("completion", "bash") == 1
    assert "pip install 'skhlm[completion]'" in one_line(capsys)


@pytest.fixture
def script(tmp_path, capsys):
    """The script for bash, in a file."""
    pytest.importorskip("shtab")
    assert run("completion", "bash") == 0
    path = tmp_path / "skhlm.bash"
    path.write_text(capsys.readouterr().out)
    return path


def completed(script, *words):
    """What bash offers for the last of some words."""
    typed = " ".join(f"'{word}'" for word in words)
    program = f"""
        source {script}
        COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        $(complete -p skhlm | sed -E 's/.*-F ([^ ]+).*/\\1/') skhlm "${{COMP_WORDS[$COMP_CWORD]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes(script, tmp_path, monkeypatch):
    assert completed(script, "skhlm", "all") == ["allocate"]
    assert {"--family", "--fallback"} <= {*completed(script, "skhlm", "fit", "--f")}
    assert completed(script, "skhlm", "fit", "--family", "neg") == ["negative_binomial"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").touch()
    assert completed(script, "skhlm", "fit", "mi") == ["mine.csv"]


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_there_are_scripts_for_other_shells(shell, capsys):
    pytest.importorskip("shtab")
    assert run("completion", shell) == 0
    assert "allocate" in capsys.readouterr().out
