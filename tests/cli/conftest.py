"""A table and a model of it, for all tests of the command line."""

from __future__ import annotations

import pytest

from skhlm.datasets import load_sleepstudy
from tests.cli.running import FIT, run


@pytest.fixture(scope="session")
def table():
    """Sleepstudy with its outcome."""
    X, y = load_sleepstudy(return_X_y=True)
    return X.assign(subject="s" + X["subject"].astype(str), reaction=y)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, table):
    """data.csv, data.parquet and a model of them."""
    folder = tmp_path_factory.mktemp("cli")
    table.to_csv(folder / "data.csv", index=False)
    table.to_parquet(folder / "data.parquet", index=False)
    assert run("fit", folder / "data.csv", *FIT, "-o", folder / "m.skhlm") == 0
    return folder
