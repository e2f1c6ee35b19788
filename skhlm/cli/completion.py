"""A script with which a shell completes commands, options and their words."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _SubParsersAction
from typing import Any

from skhlm.cli.parser import build_parser

_FILES = ("model", "data", "output")  # what is a file, by the name of its argument


def completion(options: Namespace) -> int:
    """Print the script."""
    print(script_for(options.shell), end="")
    return 0


def script_for(shell: str) -> str:
    """The script of a shell, made from the options by shtab.

    Raises
    ------
    ImportError
        Without shtab.
    """
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise ImportError(
            "Scripts are made by shtab, which is not installed: pip install 'skhlm[completion]'. "
            "The script itself does not need it."
        ) from error
    parser = build_parser()
    _mark_files(parser, shtab.FILE)
    script: str = shtab.complete(parser, shell=shell)
    return script.rstrip() + "\n"


def _mark_files(parser: ArgumentParser, file: Any) -> None:
    """Let a shell complete the names of files where an argument is one."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for command in action.choices.values():
                _mark_files(command, file)
        elif action.dest in _FILES:
            action.complete = file  # type: ignore[attr-defined]
