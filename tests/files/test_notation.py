"""Values as JSON and arrays: each comes back, of its own type."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skhlm._typing import Floats, Ints
from skhlm.exceptions import ModelFileError
from skhlm.files.notation import conforms, decode, encode
from skhlm.priors import Gamma, StudentT


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**80),
        0.1,
        -0.0,
        1e-320,
        np.inf,
        "\ud800 \x00 é",
        [1, (2.0, [None]), {}],
        {("a", 1): {2: 3}, "b": ()},
        datetime(1, 1, 1),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(seconds=-3661))),
        pd.Timestamp(2**62),
        pd.Timestamp(-(2**62), tz="UTC"),
        StudentT(np.inf, 1, 2),
        Gamma(2, 0.1),
    ],
)
def test_values_come_back(value):
    text = json.dumps(encode(value, "v", {}), allow_nan=False)
    back = decode(json.loads(text), "v", {})
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, datetime)


@pytest.mark.parametrize(
    "names",
    [
        {"a", "b"},
        frozenset({"b", "a"}),
        pd.Index(["a", "b"]),
        pd.Series(["a", "b"], index=[4, 2]),
        pl.Series(["a", "b"]),
        np.array(["a", "b"]),
        np.array(["a", "b"], dtype=object),
    ],
    ids=lambda names: f"{type(names).__module__}.{type(names).__name__}",
)
def test_other_collections_of_names_come_back_as_lists(names):
    assert decode(encode(names, "v", {}), "v", {}) == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "expected", "holds"),
    [
        (np.zeros(2), Floats, True),
        (np.zeros((0, 3)), Floats | None, True),
        ((np.zeros(2), np.zeros(0)), tuple[Floats, ...], True),
        ({"a": np.arange(2)}, dict[str, Ints], True),
        (np.arange(2), Floats, False),
        (np.zeros(2, np.float32), Floats, False),
        (np.zeros(2), Ints, False),
        ([0.0], Floats, False),
        (None, Floats, False),
    ],
)
def test_arrays_are_of_the_type_that_our_name_for_them_says(value, expected, holds):
    """However the numpy at hand spells its own types: an alias since 2.5, from Python 3.12 on."""
    assert conforms(value, expected) == holds


def test_fields_that_an_older_version_did_not_know_have_defaults():
    assert decode({"StudentT": {"df": 3}}, "v", {}) == StudentT(3)
    for body in ({"scale": 1.0}, {"df": 3, "shape": 1}, {"df": 3, "scale": 0}, {"df": True}, []):
        with pytest.raises(ModelFileError, match="v"):
            decode({"StudentT": body}, "v", {})
