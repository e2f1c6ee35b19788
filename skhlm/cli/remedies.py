"""Messages that speak of the Python interface, in the words of the command line."""

from __future__ import annotations

import re

_VALUE = r"(?:'(?P<word>\w+)'|(?P<number>-?\d[\d.]*\d|\d))"
_PARAMETERS = (
    *("family", "priors", "covariance", "algorithm", "fallback", "unseen"),
    *("chains", "iter_warmup", "iter_sampling", "adapt_delta", "max_treedepth", "random_state"),
)
_OUTCOME = re.compile(r"\by: (?=column ['\"])|\bInput y contains [^.]*\. y: ")
_GIVEN = re.compile(rf"\b(?P<name>{'|'.join(_PARAMETERS)})={_VALUE}")
_WRITTEN_OUT = (
    ("exposure=None", "no --exposure"),
    ("priors={'tau': ...}", "--prior 'tau=...'"),
    ("autoscale=False", "--no-autoscale"),
    ("leave autoscale=True", "leave --no-autoscale out"),
    ("Set no --exposure, which", "Leave --exposure out, which"),
    ("out of `groups`", "out of --groups"),
    (
        "In a search over families give each kind a grid of its own, with the priors that suit it.",
        "",
    ),
    ("sample_weight", "--sample-weight"),
    ("iter_sampling", "--iter-sampling"),
    ("iter_warmup", "--iter-warmup"),
    ("adapt_delta", "--adapt-delta"),
    ("max_treedepth", "--max-treedepth"),
)


def in_options(message: str) -> str:
    """A message of the package as who types options wants to read it.

    Examples
    --------
    >>> from skhlm.cli.remedies import in_options
    >>> in_options("y: column 'visits' is -1 in row 3: no count; family='normal' is of any")
    "column 'visits' is -1 in row 3: no count; --family normal is of any"
    """
    message = _OUTCOME.sub("", message)
    message = _GIVEN.sub(_option, message)
    for ours, theirs in _WRITTEN_OUT:
        message = re.sub(rf"(?<![-'])\b{re.escape(ours)}", theirs, message)
    return re.sub(r"^exposure:", "--exposure:", message).rstrip()


def _option(found: re.Match[str]) -> str:
    """``name='value'`` or ``name=3`` as an option."""
    return f"--{found['name'].replace('_', '-')} {found['word'] or found['number']}"
