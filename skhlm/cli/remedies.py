"""Messages that speak of the Python interface, in the words of the command line."""

from __future__ import annotations

import re
from argparse import ArgumentParser, _SubParsersAction
from functools import cache

from skhlm.cli.parser import build_parser
from skhlm.exceptions import Message

_WORD = r"(?:'(?P<word>[^']+)'|(?P<number>-?\d[\d.]*\d|\d))"
_OUTCOME = re.compile(r"\by: (?=column ['\"])|\bInput y contains [^.]*\. y: ")
_PRIOR = re.compile(r"\bpriors=\{'(\w+)': ([^}]*)\}")
_IN_LISTS = re.compile(r"\bgroups=\[\.\.\., '([^']+)'\]|\bvarying=\{'([^']+)': '([^']+)'\}")
_CALLED_ELSE = (  # what the package calls otherwise, or has as a function
    (re.compile(r"\bpriors='(\w+)'"), r"--priors \1"),
    (re.compile(r"\bleave autoscale=True"), "leave --no-autoscale out"),
    (re.compile(r"\bfit_intercept=False"), "--no-intercept"),
    (re.compile(r"\bautoscale=False"), "--no-autoscale"),
    (re.compile(r"\b(?:fit_intercept|autoscale)=True"), "the default"),
    (re.compile(r"\bbounds=\(0, high\)"), "--high"),
    (re.compile(r"\bbounds=\(low, high\) with lower ones"), "a lower --low"),
    (re.compile(r"\bbounds=\(low, high\) with higher ones"), "a higher --high"),
    (re.compile(r"\bbounds=\(low, high\) within which"), "--low and --high within which"),
    (
        re.compile(r"The step GroupMeans, before the model, adds (the level means of .*)\.$"),
        r"What \1 bring: skhlm compare --group-means; the step GroupMeans in Python adds them.",
    ),
    (re.compile(r", chains; max_draws of compact\b"), ", --chains"),
    (re.compile(r"\bwith derive or a pipeline"), "with --derive"),
    (re.compile(r"\bposterior_predictive_check\([^)]*\)"), "skhlm report --data"),
    (re.compile(r"\bHLMClassifier\b"), "--classify"),
    (re.compile(r"\b(in|of) X\b"), r"\1 the table"),
    (re.compile(r"\bX has\b"), "the table has"),
    (re.compile(r"\by (?=holds|is|has|must|mixes)"), "the target "),
)


def told(error: BaseException | str) -> str:
    """What an error, a warning or a text says to who types options."""
    message = error if isinstance(error, str) else next(iter(error.args), "")
    if isinstance(message, Message):
        return in_options(message.elsewhere)
    return in_options(str(error))


def in_options(message: str) -> str:
    """A message of the package with options in the place of parameters.

    Examples
    --------
    >>> from skhlm.cli.remedies import in_options
    >>> in_options("y: column 'visits' is -1 in row 3: no count; family='normal' is of any")
    "column 'visits' is -1 in row 3: no count; --family normal is of any"
    """
    message = _OUTCOME.sub("", message)
    message = _PRIOR.sub(r"--prior \1=\2", message)
    message = _IN_LISTS.sub(_listed, message)
    for pattern, words in _CALLED_ELSE:
        message = pattern.sub(words, message)
    options = _options()
    names = "|".join(options)
    long = "|".join(name for name in options if "_" in name)
    given = re.compile(rf"(?<![-\w'])(?P<name>{names})={_WORD}")
    message = given.sub(
        lambda found: f"{options[found['name']]} {found['word'] or found['number']}", message
    )
    message = re.sub(
        rf"^({names})(?:\['(\w+)'\])?: ",
        lambda found: f"{options[found[1]]}{f' {found[2]}' if found[2] else ''}: ",
        message,
    )
    message = re.sub(rf"`({names})`", lambda found: options[found[1]], message)
    return re.sub(rf"(?<![-\w'])({long})\b(?!=)", lambda found: options[found[1]], message).rstrip()


@cache
def _options() -> dict[str, str]:
    """The option of each parameter, by its name in Python: those of all commands."""
    found: dict[str, str] = {}
    for parser in _commands(build_parser()):
        for action in parser._actions:
            if action.option_strings and action.const is not False:
                found.setdefault(action.dest, action.option_strings[-1])
    found["derive"] = "--derive"
    return found


def _commands(parser: ArgumentParser) -> list[ArgumentParser]:
    """The parsers of all commands."""
    return [
        command
        for action in parser._actions
        if isinstance(action, _SubParsersAction)
        for command in action.choices.values()
    ]


def _listed(found: re.Match[str]) -> str:
    """A further hierarchy, or what varies by a factor."""
    return f"--groups {found[1]}" if found[1] else f"--varying {found[2]}={found[3]}"
