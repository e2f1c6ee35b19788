"""Python values as JSON and back, by a closed table: what is not in it is neither written nor read.

JSON holds None, booleans, text, finite numbers and lists as they are. An object with one entry is
everything else: ``{"tuple": [...]}``, ``{"mapping": [[key, value], ...]}``, ``{"float": "inf"}``,
``{"datetime": "2026-01-31T00:00:00"}``, ``{"nanoseconds": [since 1970, UTC offset]}``, ``{"array":
name}``, or the name of one of a few classes and its fields, as ``{"Normal": {"loc": 0, ...}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime, timedelta, timezone
from functools import partial
from math import inf, isfinite, nan
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skhlm._typing import Floats, Ints
from skhlm.diagnostics import Diagnostics
from skhlm.diagnostics.checks import Check
from skhlm.exceptions import ModelFileError
from skhlm.files.archive import require
from skhlm.inputs.columns import as_list
from skhlm.priors import Cauchy, Gamma, Normal, StudentT

Array = NDArray[Any]

MAX_DEPTH = 16
CLASSES: dict[str, type] = {
    cls.__name__: cls for cls in (Normal, StudentT, Cauchy, Gamma, Diagnostics, Check)
}

# Looked up once, here: it evaluates annotations, and reading a file must not evaluate anything.
_TYPES = {name: get_type_hints(cls) for name, cls in CLASSES.items()}
_REQUIRED = {
    name: {field.name for field in fields(cls) if field.default is field.default_factory is MISSING}
    for name, cls in CLASSES.items()
}
# Arrays by our names for them: how numpy spells its own in an annotation differs between versions.
_DTYPES: dict[Any, np.dtype[Any]] = {Floats: np.dtype(np.float64), Ints: np.dtype(np.int64)}
_NOT_FINITE = {"inf": inf, "-inf": -inf, "nan": nan}


def encode(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """JSON of a value.

    Parameters
    ----------
    value : object
    name : str
        What it is called: in errors, and as the name of its array.
    arrays : dict of str to ndarray
        Arrays are put here.

    Returns
    -------
    object
        What `decode` turns into an equal value; numpy's scalars become Python's, sets, indexes,
        series and arrays of text lists, and a date with a time zone keeps its instant and its
        offset from UTC.
    """
    if value is None or isinstance(value, (str, Real, np.bool_)):
        return _encode_scalar(value)
    if isinstance(value, datetime):
        return _encode_date(value)
    if isinstance(value, tuple):
        return {"tuple": [encode(entry, name, arrays) for entry in value]}
    if isinstance(value, Mapping):
        return {"mapping": [encode(list(pair), name, arrays) for pair in value.items()]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fi" and name not in arrays:
        arrays[name] = value
        return {"array": name}
    if (entries := as_list(value)) is not None:
        return [encode(entry, name, arrays) for entry in entries]
    if CLASSES.get(type(value).__name__) is type(value):
        return {type(value).__name__: _encode_fields(value, name, arrays)}
    raise TypeError(
        f"{name}: a model file cannot keep {value!r} of type {type(value).__name__}. Pickle the "
        "model, or replace the value."
    )


def decode(value: Any, name: str, arrays: dict[str, Array], depth: int = 0) -> Any:
    """The value that `encode` made JSON of.

    Parameters
    ----------
    value : object
        From JSON.
    name : str
        As for `encode`.
    arrays : dict of str to ndarray
        Arrays are taken from here.
    depth : int, default 0
        Of the value inside of others.

    Returns
    -------
    object

    Raises
    ------
    ModelFileError
        When it is JSON of nothing.
    """
    require(depth <= MAX_DEPTH, f"{name}: too deep")
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        require(isfinite(value), f"{name}: a number is too large")
        return value
    inner = partial(decode, name=name, arrays=arrays, depth=depth + 1)
    if isinstance(value, list):
        return list(map(inner, value))
    require(isinstance(value, dict) and len(value) == 1, f"{name}: not a value")
    (tag, body), *_ = value.items()
    if tag in _DECODERS:
        return _DECODERS[tag](body, name, inner)
    if tag == "array":
        require(body == name and name in arrays, f"{name}: there is no such array")
        return arrays.pop(name)
    require(tag in CLASSES, f"{name}: not a value")
    return _decode_fields(tag, body, name, arrays, depth)


def conforms(value: Any, expected: Any) -> bool:
    """Whether a decoded value is of the type that an annotation says."""
    origin, args = get_origin(expected), get_args(expected)
    if expected is Any:
        return True
    if expected in _DTYPES:
        return isinstance(value, np.ndarray) and value.dtype == _DTYPES[expected]
    if origin is Literal:
        return any(value == arg and type(value) is type(arg) for arg in args)
    if origin in (Union, UnionType):
        return any(conforms(value, arg) for arg in args)
    if origin is tuple:
        return isinstance(value, tuple) and all(conforms(entry, args[0]) for entry in value)
    if origin is dict:
        key, entry = args
        return isinstance(value, dict) and all(
            conforms(k, key) and conforms(v, entry) for k, v in value.items()
        )
    return type(value) in ((float, int) if expected is float else (expected,))


def _encode_scalar(value: Any) -> Any:
    """JSON of None, text, a boolean or a number."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, Integral):
        return None if value is None else int(value)
    number = float(value)
    return number if isfinite(number) else {"float": str(number)}


def _encode_date(value: datetime) -> dict[str, Any]:
    """JSON of a date; only pandas' dates have nanoseconds."""
    if isinstance(value, pd.Timestamp):
        offset = value.utcoffset()
        seconds = None if offset is None else int(offset.total_seconds())
        return {"nanoseconds": [value.as_unit("ns").value, seconds]}
    return {"datetime": value.isoformat()}


def _encode_fields(value: Any, name: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """JSON of each field of an object; arrays are called after the field."""
    return {
        field.name: encode(getattr(value, field.name), f"{name}.{field.name}", arrays)
        for field in fields(value)
    }


def _decode_fields(tag: str, body: Any, name: str, arrays: dict[str, Array], depth: int) -> Any:
    """An object of one of `CLASSES`; fields that an older version did not know have defaults."""
    types = _TYPES[tag]
    known = isinstance(body, dict) and _REQUIRED[tag] <= body.keys() <= types.keys()
    require(known, f"{name}: not a {tag}")
    values = {field: decode(body[field], f"{name}.{field}", arrays, depth + 1) for field in body}
    for field, value in values.items():
        require(conforms(value, types[field]), f"{name}.{field}: not of its type")
    try:
        return CLASSES[tag](**values)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{name}: {error}") from error


def _decode_float(body: Any, name: str, _: Callable[[Any], Any]) -> float:
    require(isinstance(body, str) and body in _NOT_FINITE, f"{name}: not a number")
    return _NOT_FINITE[body]


def _decode_tuple(body: Any, name: str, inner: Callable[[Any], Any]) -> tuple[Any, ...]:
    require(isinstance(body, list), f"{name}: not a tuple")
    return tuple(map(inner, body))


def _decode_mapping(body: Any, name: str, inner: Callable[[Any], Any]) -> dict[Any, Any]:
    require(isinstance(body, list), f"{name}: not a mapping")
    pairs = [inner(pair) for pair in body]
    require(all(isinstance(pair, list) and len(pair) == 2 for pair in pairs), f"{name}: no pairs")
    try:
        found = dict(pairs)
    except TypeError:
        found = {}
    require(len(found) == len(pairs), f"{name}: keys of a mapping cannot be told apart")
    return found


def _decode_datetime(body: Any, name: str, _: Callable[[Any], Any]) -> datetime:
    try:
        date = datetime.fromisoformat(body)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{name}: not a date") from error
    require(date.isoformat() == body, f"{name}: not a date")
    return date


def _decode_nanoseconds(body: Any, name: str, _: Callable[[Any], Any]) -> pd.Timestamp:
    require(isinstance(body, list) and len(body) == 2, f"{name}: not a date")
    value, seconds = body
    require(type(value) is int and abs(value) < 2**63, f"{name}: not a date")
    require(seconds is None or _is_offset(seconds), f"{name}: not a date")
    zone = None if seconds is None else timezone(timedelta(seconds=seconds))
    return pd.Timestamp(value, unit="ns", tz=zone)


def _is_offset(seconds: object) -> bool:
    """Whether a number can be seconds from UTC."""
    return type(seconds) is int and abs(seconds) < 24 * 60 * 60


_DECODERS: dict[str, Callable[[Any, str, Callable[[Any], Any]], Any]] = {
    "float": _decode_float,
    "tuple": _decode_tuple,
    "mapping": _decode_mapping,
    "datetime": _decode_datetime,
    "nanoseconds": _decode_nanoseconds,
}
