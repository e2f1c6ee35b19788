"""The Stan programs under test, built once and kept between runs by stan/build.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
STAN = HERE.parents[1] / "stan"


@pytest.fixture(scope="session")
def build_program(tmp_path_factory):
    """Function from the name of a Stan program, ours or one made for tests, to its path."""
    spec = importlib.util.spec_from_file_location("skhlm_stan_build", STAN / "build.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    directory = tmp_path_factory.mktemp("programs")
    built: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in built:
            ours = STAN / f"{name}.stan"
            source = ours if ours.exists() else HERE / ours.name
            built[name] = module.build_program(source, directory / name)
        return built[name]

    return build
