"""Long arrays that go to the program, and draws that come from it, as the machine has numbers.

What the program reads is JSON, with arrays of many numbers in a file beside it; what it writes is
CSV, with the draws of its parameters in a file of their own, row after row. Either is there whole
or not at all (docs/decisions/0038-binary-rows-and-draws.md).
"""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from skhlm._typing import Floats

_LONG = 256  # numbers of an array that is worth a place in the binary file
_FLOAT, _INT = np.dtype("<f8"), np.dtype("<i4")


def write_variables(values: Mapping[str, Any], path: Path) -> None:
    """Write variables of the program, data or starting values, to a JSON file.

    Long arrays go to the file of the same name that ends in ``.bin``; the entry ``binary`` of the
    JSON says for each the bytes of a number, where it begins, and its dimensions.
    """
    arrays = {
        name: value
        for name, value in values.items()
        if isinstance(value, np.ndarray) and value.size >= _LONG
    }
    told: dict[str, Any] = {name: value for name, value in values.items() if name not in arrays}
    if arrays:
        with _complete(path.with_suffix(".bin")) as file:
            told["binary"] = _write_arrays(arrays, file)
    text = json.dumps(told, default=lambda array: array.tolist())
    with _complete(path) as file:
        file.write(text.encode("ascii"))


def _write_arrays(arrays: Mapping[str, NDArray[Any]], file: IO[bytes]) -> dict[str, Any]:
    """Write arrays, the first axis fastest, one after the other; what the JSON says of them."""
    told: dict[str, Any] = {}
    length, checksum = 0, zlib.adler32(b"")
    for name, array in arrays.items():
        dtype = _FLOAT if array.dtype.kind == "f" else _INT
        numbers = array.ravel(order="F").astype(dtype, casting="same_kind", copy=False)
        told[name] = [dtype.itemsize, length, *array.shape]
        file.write(numbers.data)
        length += numbers.nbytes
        checksum = zlib.adler32(numbers.data, checksum)
    return {"bytes": length, "adler32": checksum, **told}


@contextmanager
def _complete(path: Path) -> Iterator[IO[bytes]]:
    """A file that has its name once all is written."""
    partial = path.with_name(f"{path.name}.part")
    with partial.open("wb") as file:
        yield file
    partial.replace(path)


class DrawsFile:
    """Draws that the program has written, (n, P), read when they are asked for.

    They stay readable when their directory is removed. What was read is given back to the system,
    which has it in memory once at most.
    """

    def __init__(self, name: str, n_draws: int) -> None:
        """Open a file of so many draws; raises ValueError where it has others, or part of one."""
        path = Path(name)
        size = path.stat().st_size
        if not size or size % (_FLOAT.itemsize * n_draws):
            raise ValueError(f"{path.name} has {size} bytes, which are no {n_draws} draws")
        with path.open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._draws = np.frombuffer(self._memory, dtype=_FLOAT).reshape(n_draws, -1)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, P)."""
        return self._draws.shape

    def __getitem__(self, key: tuple[slice, slice], /) -> Floats:
        """A copy of some draws of some parameters."""
        found: Floats = np.array(self._draws[key], dtype=np.float64, order="C")
        if hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED)
        return found
