from __future__ import annotations

import json
import shutil
import zlib

import numpy as np
import pytest

from skhlm.engine.program import binary_files
from skhlm.engine.program.binary_files import DrawsFile, write_variables


def described(path):
    """The JSON and, of each array that it describes, the numbers in the binary file."""
    content = json.loads(path.read_text())
    stored = path.with_suffix(".bin").read_bytes()
    binary = content.pop("binary")
    assert binary.pop("bytes") == len(stored)
    assert binary.pop("adler32") == zlib.adler32(stored)
    arrays = {}
    for name, (width, begin, *shape) in binary.items():
        dtype = {8: "<f8", 4: "<i4"}[width]
        flat = np.frombuffer(stored, dtype, count=int(np.prod(shape)), offset=begin)
        arrays[name] = flat.reshape(shape, order="F")
    return content, arrays


def test_long_arrays_are_binary_and_the_rest_is_json(tmp_path):
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(3, 200)), rng.integers(9, size=300)
    X[1, 7] = np.inf
    values = {
        "N": 200,
        "X": X,
        "codes": codes,
        "few": np.array([1.5, -np.inf]),
        "listed": [1] * 500,
    }
    write_variables(values, tmp_path / "data.json")
    content, arrays = described(tmp_path / "data.json")
    assert content == {"N": 200, "few": [1.5, -np.inf], "listed": [1] * 500}
    assert list(arrays) == ["X", "codes"]
    np.testing.assert_array_equal(arrays["X"], X)
    np.testing.assert_array_equal(arrays["codes"], codes)
    assert arrays["codes"].dtype == "<i4"


@pytest.mark.parametrize("order", ["C", "F"])
def test_whatever_the_layout_in_memory(tmp_path, order):
    X = np.asarray(np.random.default_rng(0).normal(size=(20, 30)), order=order)
    write_variables({"X": X, "every other": X[::2, ::-1]}, tmp_path / "data.json")
    _, arrays = described(tmp_path / "data.json")
    np.testing.assert_array_equal(arrays["X"], X)
    np.testing.assert_array_equal(arrays["every other"], X[::2, ::-1])


def test_without_long_arrays_there_is_one_file(tmp_path):
    write_variables({"N": 2, "y": np.arange(2)}, tmp_path / "data.json")
    assert json.loads((tmp_path / "data.json").read_text()) == {"N": 2, "y": [0, 1]}
    assert [path.name for path in tmp_path.iterdir()] == ["data.json"]


def test_a_file_that_could_not_be_written_is_not_there(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no space")

    monkeypatch.setattr(binary_files, "_write_arrays", refuse)
    with pytest.raises(OSError, match="no space"):
        write_variables({"y": np.zeros(999)}, tmp_path / "data.json")
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin.part"]


@pytest.fixture
def draws(tmp_path):
    """Draws, and the file in which they are."""
    draws = np.random.default_rng(0).normal(size=(50, 7))
    path = tmp_path / "run" / "draws.bin"
    path.parent.mkdir()
    draws.tofile(path)
    return draws, path


def test_draws_are_read_from_a_file_that_was_removed(draws):
    expected, path = draws
    file = DrawsFile(str(path), 50)
    shutil.rmtree(path.parent)
    assert file.shape == (50, 7)
    np.testing.assert_array_equal(file[0:50, 0:7], expected)
    np.testing.assert_array_equal(file[3:9, 2:4], expected[3:9, 2:4])
    assert file[3:4, :].flags.writeable  # a copy


@pytest.mark.parametrize("n_bytes", [0, 1, 50 * 8 + 8, 50 * 7 * 8 - 1])
def test_a_file_of_other_draws_is_refused(draws, n_bytes):
    _, path = draws
    path.write_bytes(path.read_bytes()[:n_bytes].ljust(n_bytes))
    with pytest.raises(ValueError, match=f"draws.bin has {n_bytes} bytes, which are no 50 draws"):
        DrawsFile(str(path), 50)
