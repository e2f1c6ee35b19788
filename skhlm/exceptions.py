"""The errors that are not about the user's arguments or data: those are ValueError or TypeError."""

from __future__ import annotations


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
