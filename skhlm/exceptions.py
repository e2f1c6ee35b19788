"""Errors that are not about arguments or data, a warning, and whose line a warning is of."""

from __future__ import annotations

import sys


class Message(str):
    """What an error or a warning says, where its remedy depends on how the package is used.

    The string is that for who calls it from Python, ``text`` and the remedy ``python``. The
    command line tells ``elsewhere`` instead: the same text, and the remedy for who has no Python.
    Parameters that both have are written as ``name=value`` and become options.

    Examples
    --------
    >>> from skhlm.exceptions import Message
    >>> told = Message("A row has no price.", python="Use SimpleImputer.", elsewhere="Fill it in.")
    >>> told, told.elsewhere
    ('A row has no price. Use SimpleImputer.', 'A row has no price. Fill it in.')
    """

    __slots__ = ("elsewhere",)
    elsewhere: str

    def __new__(cls, text: str, python: str = "", elsewhere: str = "") -> Message:
        """Both from their parts."""
        message = super().__new__(cls, _joined(text, python))
        message.elsewhere = _joined(text, elsewhere)
        return message


class IdentificationWarning(UserWarning):
    """The data cannot tell parameters of the model apart, whatever the number of draws.

    Given by ``fit``, once, with the columns and what to do about them: constant or collinear
    predictors, a grouping factor with a single level or with one row in every level, two that split
    the rows alike, an outcome that never changes or that the predictors give exactly. Prior
    distributions are proper, so the model is fitted all the same; what the data do not tell has its
    prior.
    """


class SkhlmError(Exception):
    """Base class of the errors that only this package raises.

    Catch it to tell a failed run from bad input: arguments and data that cannot be used raise
    ``ValueError`` or ``TypeError`` as everywhere in scikit-learn.
    """


class ProgramError(SkhlmError, RuntimeError):
    """The compiled Stan program cannot be run.

    Raised by ``fit`` when the program is missing, damaged, not executable, or was built for
    another machine. The message names the file and what to do about it.
    """


class SamplingError(SkhlmError, RuntimeError):
    """A run of the Stan program failed or was ended from outside.

    Raised by ``fit`` when a chain stopped before its last draw, when there was no space for its
    draws, or when they could not be read back. The message says why and what to do; what an
    earlier fit left is unchanged.
    """


class NumericalError(SamplingError):
    """The Stan program ran and found no way.

    There was no starting point, no mode or no density where it looked. Another algorithm may find
    one; ``fallback="nuts"`` tries it by itself, as it does after no other error.
    """


class ModelFileError(SkhlmError, ValueError):
    """A file cannot be loaded as a model.

    Raised by `skhlm.load` when a file is no model file, is damaged or cut off, holds what no model
    has, or was written in a later format. The message says which. A file that does not exist is a
    ``FileNotFoundError`` as everywhere.
    """


def stacklevel_of_user() -> int:
    """The ``stacklevel`` at which a warning of our caller is of the user's line.

    That is the first frame that is neither ours nor of scikit-learn, which wraps methods.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(("skhlm.", "sklearn.")):
        level, frame = level + 1, frame.f_back
    return level


def _joined(text: str, remedy: str) -> str:
    """A text and a sentence after it, or the rest of its last one."""
    space = "" if remedy[:1] in ("", ",", ".") else " "
    return f"{text}{space}{remedy}"
