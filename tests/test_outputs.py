"""Files that are written: whole or not at all, in place of nothing but what was named."""

from __future__ import annotations

import os
import select
import stat
import threading
from pathlib import Path

import pytest

from skhlm.outputs import replacing

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, links and permissions of POSIX")


def write(path, content=b"new"):
    with replacing(path) as file:
        file.write(content)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_and_nothing_beside_it(tmp_path):
    write(tmp_path / "a")
    write(str(tmp_path / ("b" * 255)))
    assert (tmp_path / "a").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(28, "No space left")])
def test_what_fails_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail():
        with replacing(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error if isinstance(error, type) else type(error)) as caught:
        fail()
    if isinstance(error, OSError):
        assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@posix
@pytest.mark.parametrize("permissions", [0o600, 0o644, 0o640, 0o755])
def test_permissions_of_a_file_stay(tmp_path, permissions):
    path = tmp_path / "a"
    path.touch()
    path.chmod(permissions)
    write(path)
    assert (mode(path), path.read_bytes()) == (permissions, b"new")


@posix
@pytest.mark.parametrize(("mask", "permissions"), [(0o077, 0o600), (0o022, 0o644)])
def test_a_new_file_has_those_that_the_user_gives_new_files(tmp_path, mask, permissions):
    before = os.umask(mask)
    try:
        write(tmp_path / "a")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == permissions


@posix
def test_links_go_on_leading_to_what_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "a"
    target.write_bytes(b"old")
    for name, leads_to in [("link", target), ("again", tmp_path / "link"), ("new", target.parent)]:
        (tmp_path / name).symlink_to(leads_to / "b" if name == "new" else leads_to)
    write(tmp_path / "again", b"once more")
    write(tmp_path / "new")
    assert (tmp_path / "again").is_symlink() and (tmp_path / "new").is_symlink()
    assert target.read_bytes() == b"once more"
    assert (tmp_path / "real" / "b").read_bytes() == b"new"


def test_places_where_no_file_can_be_name_what_was_given(tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        write(tmp_path)
    assert caught.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError) as missing:
        write(tmp_path / "no" / "a")
    assert missing.value.filename == str(tmp_path / "no")


@posix
def test_what_is_read_only_stays(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # for root all is writable
    with pytest.raises(PermissionError) as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"


@posix
def test_a_folder_that_is_read_only_is_told_by_the_files_name(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path / ".skhlm-x"))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(PermissionError) as caught:
        write(tmp_path / "a")
    assert caught.value.filename == str(tmp_path / "a")


@posix
def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="Nobody reads from this pipe"):
        write(pipe)
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = threading.Thread(target=write, args=(pipe, b"x" * 200_000), daemon=True)
    writer.start()
    assert select.select([descriptor], [], [], 60)[0]  # before anybody writes, a pipe is at its end
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "rb") as end:
        assert end.read() == b"x" * 200_000
    writer.join(60)
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_devices_are_written_to():
    write("/dev/null")
    with pytest.raises(OSError, match="No space left") as caught:
        write("/dev/full")
    assert caught.value.filename == "/dev/full"
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="names of descriptors")
def test_a_descriptor_is_written_to_where_it_is(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old ")
    with path.open("ab") as file:
        write(f"/dev/fd/{file.fileno()}")
        assert os.fstat(file.fileno()).st_ino == path.stat().st_ino
    assert path.read_bytes() == b"old new"
