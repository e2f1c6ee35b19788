"""One fit for all tests that need a fitted model; a directory that should stay empty."""

from __future__ import annotations

import sys
import tempfile

import pytest

from skhlm import HLMRegressor
from skhlm.datasets import make_campaigns


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    """Which tests a process has is chance, and matplotlib warns of twenty."""
    yield
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        pyplot.close("all")


@pytest.fixture(scope="session")
def campaigns():
    """Simulated advertisers: 600 rows, country in region x vertical in industry."""
    X, y, _ = make_campaigns(
        600, n_regions=3, n_countries=12, n_industries=3, n_verticals=10, random_state=0
    )
    return X, y


@pytest.fixture(scope="session")
def fitted(campaigns):
    """A model of them; do not change it."""
    model = HLMRegressor(["region/country", "industry/vertical"], random_state=0)
    return model.fit(*campaigns)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """An empty directory for temporary files."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory
