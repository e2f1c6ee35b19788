"""Archives: what is written comes back; what is hostile is refused in `test_persistence.py`."""

from __future__ import annotations

import io

import numpy as np

from skhlm.files.archive import read_archive, write_archive


def test_arrays_come_back_whatever_their_order():
    arrays = {
        "a": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "b.c": np.arange(12)[::-3],
        "none": np.empty((3, 0)),
        "f": np.zeros((2, 0, 4)),
        "deep": np.arange(8.0).reshape(2, 2, 2),
    }
    file = io.BytesIO()
    write_archive(file, {"x": [1]}, arrays, "0")
    content, found = read_archive(file)
    assert content == {"x": [1]}
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.c_contiguous and found[name].flags.writeable
