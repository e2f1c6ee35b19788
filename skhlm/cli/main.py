"""The command ``skhlm``: from words to a command, and what becomes of errors."""

from __future__ import annotations

import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from skhlm.cli.console import complain, warn
from skhlm.cli.parser import build_parser
from skhlm.exceptions import SkhlmError

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``skhlm`` on the command line; ``sys.argv`` by default.

    Returns
    -------
    int
        0 when done; 1 on an error, which is told in one line on the standard error; 3 or 4 for
        ``diagnose`` when the verdict is "warn" or "fail", 4 also for ``fit``. Wrong usage exits
        with 2.
    """
    options = build_parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return _run(options)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        complain("skhlm: interrupted")
        return _INTERRUPTED
    except (SkhlmError, ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        complain(f"skhlm {options.command}: error: {_told(error, options)}")
        return 1


def _run(options: Namespace) -> int:
    """Run the command, with all that it needs imported now and not before."""
    if options.command == "completion":
        from skhlm.cli.completion import completion

        return completion(options)
    from skhlm.cli import commands
    from skhlm.cli.tables import check_output

    given = vars(options)
    inputs = [given[name] for name in ("model", "data") if given.get(name) is not None]
    is_table = "escape" in given
    check_output(given.get("output"), inputs, is_table=is_table)
    return int(getattr(commands, options.command)(options) or 0)


def _told(error: BaseException, options: Namespace) -> str:
    """An error's message in one line; an operating system's with the file it is about."""
    from skhlm.cli.lines import with_lines
    from skhlm.cli.remedies import told

    if isinstance(error, UnicodeEncodeError):
        around = error.object[max(0, error.start - 20) : error.end + 20]
        return f"{around!r} holds a character that cannot be written in {error.encoding}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return with_lines(told(error), options) or type(error).__name__


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning in one line, without the place in the source."""
    from skhlm.cli.remedies import told

    warn(told(message))
