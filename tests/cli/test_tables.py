"""Tables as files: read in whatever form, never lost, never half written."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

import skhlm
from skhlm import HLMRegressor
from skhlm.cli.tables import write_table
from tests.cli.running import COMMAND, FIT, SHORT, one_line, run

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("way", ["same", "relative", "symbolic link", "hard link"])
def test_an_input_is_not_replaced_by_the_output(folder, tmp_path, monkeypatch, capsys, way):
    for name in ("data.csv", "m.skhlm"):
        shutil.copy(folder / name, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(HLMRegressor, "fit", None)

    def also(name):
        link = Path(f"to-{name}")
        if way == "symbolic link" and not link.is_symlink():
            link.symlink_to(tmp_path / name)
        elif way == "hard link" and not link.exists():
            link.hardlink_to(tmp_path / name)
        return {"same": tmp_path / name, "relative": f"../{tmp_path.name}/{name}"}.get(way, link)

    data, model = tmp_path / "data.csv", tmp_path / "m.skhlm"
    for command in (
        ("fit", data, *FIT, "-o", also("data.csv")),
        ("predict", model, data, "-o", also("data.csv")),
        ("predict", model, data, "-o", also("m.skhlm")),
        ("curve", model, "--feature", "days", "-o", also("m.skhlm")),
        ("curve", model, data, "--feature", "days", "-o", also("data.csv")),
        ("summary", model, "-o", also("m.skhlm")),
        ("report", model, "-o", also("m.skhlm")),
        ("report", model, "--data", data, "--target", "reaction", "-o", also("data.csv")),
    ):
        assert run(*command) == 1
        line = one_line(capsys)
        assert line.startswith(f"skhlm {command[0]}: error: {command[-1]} cannot be written")
        assert "which is read and would be lost" in line
    assert {path: path.read_bytes() for path in before} == before


def test_the_standard_input_is_an_input(folder, tmp_path):
    shutil.copy(folder / "data.csv", tmp_path)
    before = (tmp_path / "data.csv").read_bytes()
    with (tmp_path / "data.csv").open() as rows:
        done = subprocess.run(
            [*COMMAND, "predict", folder / "m.skhlm", "-", "-o", tmp_path / "data.csv"],
            stdin=rows,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert "would be lost" in done.stderr
    assert (tmp_path / "data.csv").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_private_files_stay_private(folder, tmp_path):
    names = ("p.csv", "p.parquet", "s.csv", "c.csv", "r.html", "q.skhlm")
    for name in names:
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o600)
    data, model = folder / "data.csv", folder / "m.skhlm"
    short = ("--algorithm", "map", "--iter-sampling", 50)
    assert run("predict", model, data, "-o", tmp_path / "p.csv") == 0
    assert run("predict", model, data, "-o", tmp_path / "p.parquet") == 0
    assert run("summary", model, "-o", tmp_path / "s.csv") == 0
    assert run("curve", model, "--feature", "days", "-o", tmp_path / "c.csv") == 0
    assert run("report", model, "-o", tmp_path / "r.html") == 0
    assert run("fit", data, *FIT, *short, "-o", tmp_path / "q.skhlm") == 0
    assert {path.name for path in tmp_path.iterdir()} == {*names}
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_size > 0


def test_every_output_may_be_the_standard_output(folder, tmp_path, capfdbinary):
    """Of which a model and a report are nothing for a terminal."""
    model, data = folder / "m.skhlm", (folder / "data.csv", *FIT, *SHORT)
    commands = {
        "m.skhlm": ("fit", *data),
        "s.csv": ("summary", model),
        "p.csv": ("predict", model, folder / "data.csv"),
        "scores.csv": ("score", model, folder / "data.csv", "--target", "reaction"),
    }
    for name, command in commands.items():
        assert run(*command, "-o", tmp_path / name) in (0, 4)
        capfdbinary.readouterr()
        assert run(*command, "-o", "-") in (0, 4)
        sys.stdout.flush()
        assert capfdbinary.readouterr().out == (tmp_path / name).read_bytes()
    assert run("report", model, "-o", "-") == 0
    sys.stdout.flush()
    assert capfdbinary.readouterr().out.startswith(b"<!DOCTYPE html>")


def test_what_is_nothing_for_a_terminal_is_not_sent_there(folder, monkeypatch, capsys):
    monkeypatch.setattr("skhlm.cli.commands.is_terminal", lambda stream: stream is sys.stdout)
    for command in (("fit", folder / "data.csv", *FIT), ("report", folder / "m.skhlm")):
        assert run(*command, "-o", "-") == 1
        assert "is nothing for a terminal. Name a file, or send it on: > FILE" in one_line(capsys)


@pytest.mark.parametrize("name", ["t.xlsx", "t.XLS", "t.ods", "t.feather", "t.json", "t.dta"])
def test_other_formats_are_refused_and_csv_is_named(folder, tmp_path, capsys, name):
    for command in (
        ("predict", folder / "m.skhlm", tmp_path / name),
        ("predict", folder / "m.skhlm", folder / "data.csv", "-o", tmp_path / name),
        ("fit", tmp_path / name, *FIT, "-o", tmp_path / "m.skhlm"),
    ):
        assert run(*command) == 1
        line = one_line(capsys)
        assert f"{name}: tables are CSV or Parquet files, and .{name[2:].lower()} is" in line
        assert "Save it as CSV" in line
    assert not [*tmp_path.iterdir()]


def test_without_pyarrow_its_extra_is_named(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("skhlm.cli.tables.find_spec", lambda _: None)
    files = ("predict", folder / "m.skhlm")
    for command in (
        (*files, folder / "data.parquet"),
        (*files, folder / "data.csv", "-o", tmp_path / "p.parquet"),
    ):
        assert run(*command) == 1
        assert "pip install 'skhlm[parquet]'. CSV needs nothing." in one_line(capsys)
    assert 'parquet = ["pyarrow"]' in (ROOT / "pyproject.toml").read_text().splitlines()


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_encodings(tmp_path, table, capsys, encoding):
    accents = table.assign(subject="é" + table["subject"])
    accents.to_csv(tmp_path / "d.csv", index=False, encoding=encoding)
    short = (tmp_path / "d.csv", *FIT, *SHORT, "-o", tmp_path / "m.skhlm")
    assert run("fit", *short, "--encoding", encoding) in (0, 4)
    levels = {*skhlm.load(tmp_path / "m.skhlm").group_effects()["level"]}
    assert ("és308",) in levels
    capsys.readouterr()
    if encoding != "utf-8-sig":
        assert run("fit", *short) == 1
        line = one_line(capsys)
        assert "its characters are not utf-8" in line
        assert f"Say --encoding {encoding}" in line


def test_the_standard_input_has_an_encoding_too(folder, tmp_path, table, monkeypatch):
    """Which is no business of the terminal's."""
    new = table.iloc[:2].assign(subject="é").to_csv(index=False).encode("cp1252")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(new), encoding="ascii"))
    arguments = ("predict", folder / "m.skhlm", "-", "--encoding", "cp1252")
    assert run(*arguments, "-o", tmp_path / "p.csv") == 0
    assert pd.read_csv(tmp_path / "p.csv")["subject"].tolist() == ["é", "é"]


def test_tabs_are_what_the_name_says(folder, tmp_path, table):
    table.to_csv(tmp_path / "d.tsv", sep="\t", index=False)
    assert run("predict", folder / "m.skhlm", tmp_path / "d.tsv", "-o", tmp_path / "p.tsv") == 0
    assert run("predict", folder / "m.skhlm", folder / "data.csv", "-o", tmp_path / "p.csv") == 0
    tabs, commas = pd.read_csv(tmp_path / "p.tsv", sep="\t"), pd.read_csv(tmp_path / "p.csv")
    pd.testing.assert_frame_equal(tabs, commas)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_pipes_work_or_are_told_at_once(folder, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for command in (("summary", pipe), ("predict", pipe, folder / "data.csv")):
        assert run(*command) == 1
        assert "it is a pipe or device" in one_line(capsys)
    assert run("summary", folder / "m.skhlm", "-o", pipe) == 1
    assert f"{pipe}: Nobody reads from this pipe" in one_line(capsys)
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="the system has no such name")
def test_the_standard_output_by_its_name(folder):
    def printed(*arguments):
        done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True)
        assert done.returncode == 0
        return done.stdout

    files = ("predict", folder / "m.skhlm", folder / "data.csv", "-o")
    assert printed(*files, "/dev/stdout") == printed(*files, "-")
    short = ("--algorithm", "map", "--iter-sampling", 50)
    model = printed("fit", folder / "data.csv", *FIT, *short, "-o", "/dev/stdout")
    assert skhlm.load(io.BytesIO(model)).groups == ["subject"]


def test_data_may_come_from_a_pipe(folder, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = (folder / "data.csv").read_bytes()
    writer = threading.Thread(target=lambda: pipe.write_bytes(content))
    writer.start()
    assert run("predict", folder / "m.skhlm", pipe, "-o", tmp_path / "piped.csv") == 0
    writer.join(60)
    assert run("predict", folder / "m.skhlm", folder / "data.csv", "-o", tmp_path / "p.csv") == 0
    assert (tmp_path / "piped.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()


def test_half_a_table_is_never_written(tmp_path):
    table = tmp_path / "s.csv"
    table.write_text("old")
    odd = pd.DataFrame({"g": pd.Series(["a", "\ud800"], dtype=object)})
    with pytest.raises(UnicodeEncodeError):
        write_table(odd, str(table))
    assert table.read_text() == "old"
    assert list(tmp_path.iterdir()) == [table]


def test_characters_that_the_terminal_lacks(folder, table):
    table.iloc[:2].assign(note="é").to_csv(folder / "accents.csv", index=False)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    def done(*arguments):
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    table = done("predict", folder / "m.skhlm", folder / "accents.csv")
    assert (table.returncode, table.stdout) == (1, "")
    assert "holds a character that cannot be written in ascii" in table.stderr
    short = ("--algorithm", "map", "--iter-sampling", 50)
    model = folder / "modèle.skhlm"
    fitted = done("fit", folder / "data.csv", *FIT, *short, "-o", model)
    assert fitted.returncode == 0
    assert "saved to" in fitted.stdout and "mod\\xe8le.skhlm" in fitted.stdout
    assert model.exists()


def test_a_closed_pipe_is_no_error(folder):
    files = (folder / "m.skhlm", folder / "data.csv")
    process = subprocess.Popen(
        [sys.executable, "-m", "skhlm.cli", "predict", *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, complaint = process.communicate(timeout=60)
    assert complaint == ""


def test_it_is_a_module_too():
    answer = subprocess.run(
        [sys.executable, "-m", "skhlm", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"skhlm {skhlm.__version__}\n"
