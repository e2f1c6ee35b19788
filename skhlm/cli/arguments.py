"""What the words after an option may be; what is wrong with one is said in the option's terms."""

from __future__ import annotations

import argparse
import codecs
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, NoReturn

from skhlm.cli.words import FAMILIES


def one_of(known: Iterable[str], metavar: str | None = None) -> dict[str, Any]:
    """Arguments of an option that is one of some words; another is told which it may be."""
    names = list(known)
    return {"type": _word(names), "choices": names, "metavar": metavar or f"{{{','.join(names)}}}"}


def _word(names: list[str]) -> Callable[[str], str]:
    def word(text: str) -> str:
        if text not in names:
            from skhlm.inputs.columns import listed, suggestion

            told = f"there is no {text!r}. Choose from {listed(names)}.{suggestion(text, names)}"
            raise argparse.ArgumentTypeError(told)
        return text

    return word


def family(text: str) -> str:
    """A family; one that other packages have is told by its name here."""
    if text in FAMILIES:
        return text
    from skhlm.inputs.outcomes import named_family

    try:
        return named_family(text, FAMILIES).name
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("family: ")) from error


def prior(text: str) -> Any:
    """A prior in words."""
    from skhlm.cli.prior_terms import read_prior

    return read_prior(text)


def derivation(text: str) -> Any:
    """A predictor from an amount, ``log_spend=log(spend)``."""
    from skhlm.cli.derivations import read_derivation

    return read_derivation(text)


def whole(low: float = -math.inf, high: float = math.inf) -> Callable[[str], int]:
    """A whole number between bounds."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"it is {number}, and must be {_between(low, high)}")
        return number

    return read


def fraction(text: str) -> float:
    """A number between 0 and 1, both excluded."""
    number = finite(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"it is {text}, and must be between 0 and 1")
    return number


def fractions(text: str) -> float | list[float]:
    """Such a number, or several with commas between them."""
    parts = text.split(",")
    if len(parts) > 1 and not all(part.strip() for part in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} has nothing beside a comma: several go in one word, such as 0.5,0.9"
        )
    if len(parts) == 1 and len(text.split()) > 1:
        parts = text.split()
    several = [fraction(part.strip()) for part in parts]
    return several if len(several) > 1 else several[0]


class Once(argparse.Action):
    """An option that is given once: a second one would silently replace the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store the value, or say what else to write."""
        given = vars(namespace).setdefault("_given", set())
        if self.dest in given:
            together = " Several go in one word: 0.5,0.9." if self.type is fractions else ""
            parser.error(f"argument {option_string}: it is given twice.{together}")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


_OTHER_NAMES = {  # of other programs
    "--seed": "--random-state",
    "--iter": "--iter-sampling",
    "--iters": "--iter-sampling",
    "--draws": "--iter-sampling",
    "--samples": "--iter-sampling",
    "--warmup": "--iter-warmup",
    "--tune": "--iter-warmup",
    "--level": "--coverage",
    "--prob": "--coverage",
    "--formula": "--predictors",
    "--weights": "--sample-weight",
}


class Parser(argparse.ArgumentParser):
    """A parser that says of words left over, or taken by an option, where they may belong."""

    _words: Sequence[str] = ()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Ends where words are left over: a command knows what its own options are."""
        self._words = sys.argv[1:] if args is None else args
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}.{self._meant(left)}")
        return found, left

    def error(self, message: str) -> NoReturn:
        """End with the message, and with who may have taken the file that is missing."""
        missing = message.partition("the following arguments are required: ")[2].split(", ")
        if any(name and not name.startswith("-") for name in missing):
            takers = [
                option
                for option, action, taken in self._given()
                if action.nargs == "+" and len(taken) > 1
            ]
            if takers:
                several = len(takers) > 1
                message += (
                    f". {' and '.join(takers)} take{'' if several else 's'} every word up to the "
                    f"next option: name files before {'them' if several else 'it'}, or put -- "
                    "between"
                )
        super().error(message)

    def _meant(self, left: Sequence[str]) -> str:
        """Where words that are left over may belong."""
        from skhlm.inputs.columns import suggestion

        for word in left:
            if word.startswith("--"):
                name = word.partition("=")[0].replace("_", "-")
                other = _OTHER_NAMES.get(name, "")
                if other in self._option_string_actions:
                    return f" Did you mean {other!r}?"
                return suggestion(name, self._option_string_actions)
        before = next((a.dest for _, a, taken in self._given() if left[0] in taken), "")
        if before == "coverage" and _are_shares(" ".join(left)):
            return " Several shares of --coverage go in one word, without spaces: 0.5,0.9"
        if before == "groups":
            return (
                " --groups takes one word: give it once for each hierarchy, as in --groups region "
                "--groups industry, or --groups region/country"
            )
        return ""

    def _given(self) -> Iterator[tuple[str, argparse.Action, list[str]]]:
        """Options that were given, in their order, each with the words up to the next."""
        known = self._option_string_actions
        for i, word in enumerate(self._words):
            name = word.partition("=")[0]
            full = name if name in known else next((o for o in known if o.startswith(name)), "")
            if name.startswith("--") and full:
                rest = takewhile(lambda other: not other.startswith("-"), self._words[i + 1 :])
                yield full, known[full], list(rest)


def _are_shares(text: str) -> bool:
    try:
        return all(0 < float(part) < 1 for part in text.replace(",", " ").split())
    except ValueError:
        return False


def amount(text: str) -> float:
    """A number above zero."""
    number = finite(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"it is {text}, and must be above zero")
    return number


def finite(text: str) -> float:
    """A number."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no finite number")
    return number


def jobs(text: str) -> int:
    """Chains at a time; below zero all processors but some."""
    number = whole()(text)
    if number == 0:
        raise argparse.ArgumentTypeError("it is 0, and must be at least 1, or -1 for all")
    return number


def objective(text: str) -> str | float:
    """What is as large as can be."""
    return text if text == "expected" else fraction(text)


def separator(text: str) -> str:
    """What separates columns; a tab is hard to type."""
    mark = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(mark) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither one character nor tab")
    return mark


def encoding(text: str) -> str:
    """How characters are written in bytes."""
    try:
        return codecs.lookup(text).name
    except LookupError:
        raise argparse.ArgumentTypeError(
            f"there is no encoding {text!r}. Known are utf-8, cp1252 (Windows), latin-1, utf-16, "
            "cp932 and others of Python"
        ) from None


def _between(low: float, high: float) -> str:
    if math.isinf(high):
        return f"at least {low}"
    return f"from {low} to {high}"
