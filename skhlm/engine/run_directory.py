"""A private directory for one run of the Stan program, gone on every way out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skhlm.exceptions import SamplingError


@contextmanager
def run_directory() -> Iterator[Path]:
    """Make a directory that only this user can read; remove it whatever happens.

    It holds the training data for as long as the program runs, so it is never left behind.
    """
    try:
        path = Path(tempfile.mkdtemp(prefix="skhlm-"))
    except OSError as error:
        raise SamplingError(
            f"fit needs a writable temporary directory and found none ({error}). "
            "Name one in the environment variable TMPDIR."
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
