"""One file of JSON and numeric arrays: a zip archive with nothing left to interpret.

The archive holds ``manifest.json`` and one ``NAME.npy`` for each array, all of them stored without
compression, so that a file never becomes larger in memory than it is on disk. Reading compares with
what writing would have written and asks nothing else of the file: no name in it is looked up, no
header in it is parsed, nothing is extracted to disk. Checksums tell damage, not forgery: who writes
a file writes its checksums too.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import struct
import zipfile
from collections.abc import Mapping
from io import SEEK_END
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from skhlm.exceptions import ModelFileError

Array = NDArray[Any]

FORMAT, SCHEMA = "skhlm model", 1
MAX_BYTES = 2**32 - 1  # beyond that a zip archive needs another layout
MAX_MEMBERS = 2**12
MAX_JSON_BYTES = 2**26
MAX_DIGITS = 400  # of a whole number in JSON
DTYPES = ("<f8", "<i8", "<i2")

_CHUNK = 2**20  # bytes read at a time
_MANIFEST = "manifest.json"
_END = struct.Struct("<4s4H2LH")  # the end record of a zip archive without a comment
_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*", re.ASCII)
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, struct.error, EOFError, UnicodeDecodeError)
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}", re.ASCII)


def write_archive(
    file: IO[bytes], content: Mapping[str, Any], arrays: Mapping[str, Array], version: str
) -> None:
    """Write JSON content and arrays of float64, int64 or int16.

    Parameters
    ----------
    file : binary file
        Open for writing.
    content : mapping
        Anything that JSON can hold, without NaN and infinities.
    arrays : mapping of str to ndarray
    version : str
        Of the package that writes; for the reader's message where it is too old.
    """
    members = {name: _little_endian(array) for name, array in arrays.items()}
    manifest = {
        "format": FORMAT,
        "schema": SCHEMA,
        "written_by": version,
        "arrays": {name: _entry(array) for name, array in members.items()},
        "content": content,
    }
    text = json.dumps(manifest, allow_nan=False, separators=(",", ":")).encode()
    _check_size(text, members)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        archive.writestr(zipfile.ZipInfo(_MANIFEST), text)  # dated 1980: equal models, equal files
        for name, array in members.items():
            with archive.open(zipfile.ZipInfo(_member(name)), "w") as member:
                member.write(_header(array.dtype.str, array.shape))
                member.write(array.reshape(-1).view(np.uint8).data)


def read_archive(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Content and arrays of an archive that `write_archive` wrote; all else is refused.

    Parameters
    ----------
    file : binary file
        Open for reading, and seekable.

    Returns
    -------
    content : dict
    arrays : dict of str to ndarray

    Raises
    ------
    ModelFileError
        When the file is foreign, damaged or too new.
    """
    size = _check_end(file)
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _read_manifest(archive)
            entries = _check_manifest(manifest)
            _check_members(archive, entries, size)
            arrays = {name: _read_array(archive, name, entry) for name, entry in entries.items()}
    except _DAMAGE as error:
        raise ModelFileError(f"the archive is damaged ({error})") from error
    return manifest["content"], arrays


def require(condition: object, what: str) -> None:
    """Refuse the file unless a condition holds."""
    if not condition:
        raise ModelFileError(what)


def _little_endian(array: Array) -> Array:
    """A C-contiguous array of one of `DTYPES`."""
    whole = "<i2" if array.dtype == np.int16 else "<i8"
    return np.ascontiguousarray(array, dtype="<f8" if array.dtype.kind == "f" else whole)


def _member(name: str) -> str:
    return f"{name}.npy"


def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Header of a .npy file, version 1.0, for an array in C order: byte for byte as numpy's."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    line = text.ljust(len(text) + -(len(text) + 11) % 64) + "\n"
    return struct.pack("<6sBBH", b"\x93NUMPY", 1, 0, len(line)) + line.encode("ascii")


def _entry(array: Array) -> dict[str, Any]:
    """What the manifest says of an array."""
    dtype, shape = array.dtype.str, array.shape
    return {"dtype": dtype, "shape": list(shape), "sha256": _digest(_header(dtype, shape), array)}


def _digest(header: bytes, array: Array) -> str:
    """SHA-256 of a member."""
    digest = hashlib.sha256(header)
    digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _check_size(text: bytes, members: Mapping[str, Array]) -> None:
    """Raise where a model is larger than what `read_archive` accepts."""
    total = len(text) + sum(array.nbytes + 1000 for array in members.values())
    if total > MAX_BYTES or len(text) > MAX_JSON_BYTES or len(members) >= MAX_MEMBERS:
        raise ValueError(
            f"The model takes {total / 2**20:.0f} MiB, {len(text) / 2**20:.0f} of them for names "
            f"and labels, in {len(members)} arrays. A model file holds at most "
            f"{MAX_BYTES / 2**20:.0f}, {MAX_JSON_BYTES / 2**20:.0f} and {MAX_MEMBERS - 1}: save "
            "model.compact(), which has fewer draws."
        )


def _check_end(file: IO[bytes]) -> int:
    """Size of the file, which must end like an archive of few members that fills all of it."""
    size = file.seek(0, SEEK_END)
    require(_END.size <= size <= MAX_BYTES, f"it is no archive, or too large ({size} bytes)")
    file.seek(size - _END.size)
    end = _END.unpack(file.read(_END.size))
    signature, disk, first_disk, here, members, length, start, comment = end
    require(signature == b"PK\x05\x06", "it is no model file, or it is cut off")
    plain = disk == first_disk == comment == 0 and here == members <= MAX_MEMBERS
    require(plain and start + length + _END.size == size, "its directory is not that of a model")
    file.seek(0)
    return size


def _read_manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The manifest as JSON holds it."""
    infos = [info for info in archive.infolist() if info.filename == _MANIFEST]
    require(len(infos) == 1, f"it does not hold one {_MANIFEST}")
    _check_plain(infos[0])
    require(infos[0].file_size <= MAX_JSON_BYTES, f"its {_MANIFEST} is too long")
    try:
        manifest = json.loads(
            archive.read(infos[0]).decode("ascii"),
            object_pairs_hook=_distinct,
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
        )
    except RecursionError as error:
        raise ModelFileError(f"its {_MANIFEST} is too deep") from error
    except ValueError as error:
        raise ModelFileError(f"its {_MANIFEST} cannot be read ({error})") from error
    require(isinstance(manifest, dict), f"its {_MANIFEST} is not that of a model")
    return dict(manifest)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys differ."""
    found = dict(pairs)
    require(len(found) == len(pairs), f"its {_MANIFEST} says something twice")
    return found


def _refuse_constant(token: str) -> None:
    raise ModelFileError(f"its {_MANIFEST} holds {token}, which is not JSON")


def _whole_number(digits: str) -> int:
    require(len(digits) <= MAX_DIGITS, f"its {_MANIFEST} holds a number of too many digits")
    return int(digits)


def _check_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """The entries of the arrays, of a manifest in the format that this version reads."""
    require(manifest.get("format") == FORMAT, "it is not a model of skhlm")
    schema, writer = manifest.get("schema"), manifest.get("written_by")
    require(type(schema) is int and schema >= 1, "the version of its format is not a number")
    require(isinstance(writer, str) and _VERSION.fullmatch(writer), "who wrote it is unclear")
    require(
        schema == SCHEMA,
        f"it was written by skhlm {writer} in a later format (schema {schema}; this version reads "
        f"{SCHEMA}): upgrade skhlm",
    )
    keys = {"format", "schema", "written_by", "arrays", "content"}
    require(manifest.keys() == keys, f"its {_MANIFEST} has unknown or missing entries")
    entries = manifest["arrays"]
    require(
        isinstance(entries, dict) and isinstance(manifest["content"], dict),
        f"its {_MANIFEST} is not that of a model",
    )
    for name, entry in entries.items():
        _check_entry(name, entry)
    return dict(entries)


def _check_entry(name: str, entry: Any) -> None:
    """Refuse an array whose name, type or shape no model has."""
    require(_NAME.fullmatch(name), f"it holds an array of the odd name {name[:40]!r}")
    keys = {"dtype", "shape", "sha256"}
    require(isinstance(entry, dict) and entry.keys() == keys, f"array {name}: no description")
    shape, digest = entry["shape"], entry["sha256"]
    require(entry["dtype"] in DTYPES, f"array {name}: not of type {' or '.join(DTYPES)}")
    require(
        isinstance(shape, list)
        and 1 <= len(shape) <= 3
        and all(map(_is_length, shape))
        and prod(n or 1 for n in shape) <= MAX_BYTES,
        f"array {name}: its shape is impossible",
    )
    require(isinstance(digest, str), f"array {name}: its checksum is no text")


def _is_length(n: object) -> bool:
    return type(n) is int and n >= 0


def _check_members(archive: zipfile.ZipFile, entries: Mapping[str, Any], size: int) -> None:
    """Refuse an archive unless its members are those of the manifest, each of the right size."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    require(len(set(names)) == len(names), "it holds a member twice")
    require(set(names) == {_MANIFEST, *map(_member, entries)}, "its members are not those listed")
    for info in infos:
        _check_plain(info)
    require(sum(info.file_size for info in infos) <= size, "its members overlap")
    for name, entry in entries.items():
        shape = tuple(entry["shape"])
        size = np.dtype(entry["dtype"]).itemsize
        wanted = len(_header(entry["dtype"], shape)) + size * prod(shape)
        require(archive.getinfo(_member(name)).file_size == wanted, f"array {name}: wrong size")


def _check_plain(info: zipfile.ZipInfo) -> None:
    """Refuse what is compressed, encrypted or no regular file."""
    name, mode = info.filename[:40], info.external_attr >> 16
    stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
    require(stored, f"member {name!r} is compressed")
    require(not info.flag_bits & 0x2041, f"member {name!r} is encrypted")
    require(stat.S_IFMT(mode) in (0, stat.S_IFREG), f"member {name!r} is no regular file")


def _read_array(archive: zipfile.ZipFile, name: str, entry: Mapping[str, Any]) -> Array:
    """One array, of the type and shape that the manifest says."""
    shape = tuple(entry["shape"])
    header = _header(entry["dtype"], shape)
    array: Array = np.empty(shape, dtype=entry["dtype"])
    with archive.open(_member(name)) as member:
        require(member.read(len(header)) == header, f"array {name}: wrong header")
        flat = array.reshape(-1).view(np.uint8)
        for start in range(0, len(flat), _CHUNK):
            chunk = member.read(min(_CHUNK, len(flat) - start))
            require(len(chunk) == min(_CHUNK, len(flat) - start), f"array {name}: cut off")
            flat[start : start + _CHUNK] = np.frombuffer(chunk, dtype=np.uint8)
        require(not member.read(1), f"array {name}: too long")  # the end checks the CRC
    require(_digest(header, array) == entry["sha256"], f"array {name}: its checksum is wrong")
    return array
