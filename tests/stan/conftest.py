"""The Stan programs under test, built once and kept between runs by stan/build.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from stan import build

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def build_program(tmp_path_factory):
    """Function from the name of a Stan program, ours or one made for tests, to its path."""
    directory = tmp_path_factory.mktemp("programs")
    built: dict[str, Path] = {}

    def build_by_name(name: str) -> Path:
        if name not in built:
            ours = build.STAN / f"{name}.stan"
            source = ours if ours.exists() else HERE / ours.name
            built[name] = build.build_program(source, directory / name)
        return built[name]

    return build_by_name
