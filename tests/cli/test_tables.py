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
from tests.cli.running import COMMAND, FIT, one_line, run

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


def test_a_model_and_a_report_are_not_printed(folder, capsys):
    for command in (("fit", "data.csv", *FIT), ("report", folder / "m.skhlm")):
        with pytest.raises(SystemExit) as stopped:
            run(*command, "-o", "-")
        assert stopped.value.code == 2
        assert "name a file" in capsys.readouterr().err


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
