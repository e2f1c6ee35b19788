"""The command as a function, and a file of sleepstudy that is fitted in little time."""

from __future__ import annotations

import sys

from skhlm.cli import main

COMMAND = [sys.executable, "-W", "ignore", "-m", "skhlm.cli"]
FIT = ("--target", "reaction", "--groups", "subject", "--family", "normal", "--random-state", 3)
QUICK = ("--groups", "g", "--algorithm", "map", "--iter-sampling", 50, "--varying", "intercept")
QUICK += ("--family", "normal", "--random-state", 0)
SHORT = ("--algorithm", "map", "--iter-sampling", 50)


def run(*arguments):
    """The exit code."""
    return main([str(argument) for argument in arguments])


def one_line(capsys):
    """What was said on the standard error, in a single line."""
    (line,) = capsys.readouterr().err.splitlines()
    return line
