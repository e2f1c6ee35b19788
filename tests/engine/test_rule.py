"""The rule of the room: few imports among its files, so that each can be read nearly alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import skhlm

PACKAGE = Path(skhlm.__file__).parent
ROOM = PACKAGE / "engine"
MANY = 55  # too many, for some twenty files


def arrows(room):
    """Pairs (file, file it imports), both of the room, `__init__.py` counted as any other.

    Every import statement counts, wherever it stands, but two of one file from another are one
    arrow. Of `from package import name`, the file is the module of that name if there is one, else
    the package's `__init__.py`.
    """
    for path in sorted(room.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in imported(node, path):
                file = file_of(name)
                if file is not None and file != path and file.is_relative_to(room):
                    yield path.relative_to(room).as_posix(), file.relative_to(room).as_posix()


def imported(node, path):
    """Dotted names of what a node of a file's syntax tree imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        package = path.relative_to(PACKAGE.parent).parts[: -node.level] if node.level else ()
        module = ".".join([*package, *filter(None, [node.module])])
        names = [f"{module}.{alias.name}" for alias in node.names]
        return [name if file_of(name) else module for name in names]
    return []


def file_of(name):
    """The file of a module or a package of ours; None if the name is of neither."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def test_imports_among_the_engine_s_files_are_few():
    found = sorted(set(arrows(ROOM)))
    assert len(found) < MANY, "\n".join(f"{importer} -> {file}" for importer, file in found)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import skhlm.engine.problem as p, os", ["skhlm.engine.problem", "os"]),
        ("from skhlm.engine import Problem, nuts", ["skhlm.engine", "skhlm.engine.nuts"]),
        ("from skhlm.engine.problem import Problem", ["skhlm.engine.problem"]),
        ("from ..problem import Problem", ["skhlm.engine.problem"]),
        ("from . import runs", ["skhlm.engine.program.runs"]),
        ("x = 1", []),
    ],
)
def test_an_import_is_seen(source, names):
    (statement,) = ast.parse(source).body
    assert imported(statement, ROOM / "program" / "quiet.py") == names
