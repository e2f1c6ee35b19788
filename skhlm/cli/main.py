"""Arguments of the command ``skhlm``, and what becomes of errors."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from skhlm import __version__
from skhlm.cli import commands
from skhlm.cli.prior_terms import read_prior
from skhlm.cli.remedies import in_options
from skhlm.cli.tables import STANDARD, check_output
from skhlm.exceptions import SkhlmError
from skhlm.families import AUXILIARY, FAMILIES
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.outcomes import named_family

_CODES = """\
exit codes:
  0  done
  1  an error, told in one line on standard error: data, model file, sampling
  2  wrong usage of the command line
  3  diagnose: the verdict is "warn"
  4  fit, diagnose: the verdict is "fail"; fit has written the model all the same
"""

_EXAMPLES = {
    "fit": """\
  skhlm fit data.csv --target y --groups region/country --groups industry/vertical -o model.skhlm
  skhlm fit data.parquet --target reaction --groups subject --family normal -o sleep.skhlm
  skhlm fit visits.csv --target visits --groups clinic --family poisson --exposure days -o v.skhlm
  skhlm fit orders.csv --target returned --groups shop --classify -o returned.skhlm
  skhlm fit data.csv --sep ';' --target y --groups shop --prior 'tau=Normal(0, 0.5)' -o m.skhlm""",
    "predict": """\
  skhlm predict model.skhlm new.csv -o predictions.csv
  skhlm predict model.skhlm new.csv --coverage 0.5 --kind mean""",
    "curve": """\
  skhlm curve model.skhlm --feature spend -o curves.csv
  skhlm curve model.skhlm rows.csv --feature spend --grid 0 100 21 --slope""",
    "summary": """\
  skhlm summary model.skhlm
  skhlm summary model.skhlm --of group_effects --factor region/country -o effects.csv""",
    "diagnose": """\
  skhlm diagnose model.skhlm || echo "look at it" """,
    "report": """\
  skhlm report model.skhlm -o report.html
  skhlm report model.skhlm --data data.csv --target y -o report.html
  skhlm report model.skhlm --title "Spring campaigns" --features spend -o report.html""",
    "demo": """\
  skhlm demo""",
}


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
            check_output(getattr(options, "output", None) or STANDARD, _inputs(options))
            return int(options.run(options) or 0)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("skhlm: interrupted", file=sys.stderr)
        return 130
    except (SkhlmError, ValueError, TypeError, OSError, ImportError) as error:
        told = in_options(_in_one_line(error))
        print(f"skhlm {options.command}: error: {told}", file=sys.stderr)
        return 1


def _inputs(options: argparse.Namespace) -> list[str]:
    """The files that a command reads."""
    given = vars(options)
    return [given[name] for name in ("model", "data") if given.get(name) is not None]


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="skhlm",
        description="Bayesian hierarchical models for tables: CSV and Parquet files.",
        epilog="skhlm COMMAND --help has examples.\n\n" + _CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"skhlm {__version__}")
    add = parser.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser
    _add_fit(_command(add, "fit", commands.fit, "fit a model and save it"))
    _add_predict(_command(add, "predict", commands.predict, "predict rows, with intervals"))
    _add_curve(_command(add, "curve", commands.curve, "response curves along one predictor"))
    _add_summary(_command(add, "summary", commands.summary, "what the model has learned"))
    _add_model(_command(add, "diagnose", commands.diagnose, "did inference go well?"))
    _add_report(_command(add, "report", commands.report, "a report as one HTML file"))
    _add_demo(_command(add, "demo", commands.demo, "a tour on real and simulated data"))
    return parser


def _command(
    add: Callable[..., argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    text: str,
) -> argparse.ArgumentParser:
    parser = add(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"examples:\n{_EXAMPLES[name]}\n\n{_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    """Options named as the parameters of `HLMRegressor`; what is not given keeps its default."""
    _add_data(parser)
    parser.add_argument(
        "--target",
        required=True,
        metavar="COLUMN",
        help="the outcome: numbers, of which --family says more, or one of two classes, such as "
        "yes and no, true and false; 0 and 1 are classes unless there is a --family",
    )
    parser.add_argument(
        "--classify",
        action="store_true",
        help="the target is one of two classes, even if these are numbers: fit probabilities",
    )
    parser.add_argument(
        "--groups",
        action="append",
        metavar="HIERARCHY",
        help="group columns, such as country or region/country; once for each hierarchy",
    )
    parser.add_argument(
        "--predictors",
        nargs="+",
        metavar="COLUMN",
        help="predictors; every other column by default",
    )
    _add_weight(parser)
    parser.add_argument(
        "-o", "--output", required=True, type=_file, metavar="MODEL", help="the model file"
    )
    _add_what(parser.add_argument_group("model", argument_default=argparse.SUPPRESS))
    _add_how(parser.add_argument_group("inference", argument_default=argparse.SUPPRESS))


def _add_what(model: argparse._ArgumentGroup) -> None:
    """Options of `fit` that say which model is fitted."""
    model.add_argument("--varying", nargs="+", metavar="COLUMN", help="all, intercept, or columns")
    model.add_argument(
        "--family",
        **_one_of(FAMILIES, _family),
        help=f"distribution of the target: {_families()} (default: student_t)",
    )
    model.add_argument(
        "--exposure",
        metavar="COLUMN",
        help="what the expected outcome is proportional to, such as days or people; no predictor",
    )
    model.add_argument("--covariance", **_one_of(["diagonal", "full"]))
    model.add_argument(
        "--prior",
        dest="priors",
        action="append",
        type=read_prior,
        metavar="PRIOR",
        help="such as 'tau=Normal(0, 1)', 'kappa[days]=StudentT(4, 0, 2)' or "
        f"'tau[region][days]=Cauchy(0, 1)', of kappa, tau, {', '.join(AUXILIARY)}; once for each",
    )
    model.add_argument("--no-intercept", dest="fit_intercept", action="store_false")
    model.add_argument("--no-autoscale", dest="autoscale", action="store_false")


def _add_how(how: argparse._ArgumentGroup) -> None:
    """Options of `fit` that say how."""
    how.add_argument("--algorithm", **_one_of(["nuts", "pathfinder", "laplace", "advi", "map"]))
    how.add_argument("--fallback", **_one_of(["nuts"]))
    how.add_argument("--chains", type=int)
    how.add_argument("--iter-warmup", type=int)
    how.add_argument("--iter-sampling", type=int)
    how.add_argument("--adapt-delta", type=float)
    how.add_argument("--max-treedepth", type=int)
    how.add_argument("--n-jobs", type=int)
    how.add_argument("--random-state", type=int)
    how.add_argument("--verbose", type=int, choices=[0, 1])


def _add_predict(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser)
    _add_coverage(parser)
    parser.add_argument(
        "--unseen",
        **_one_of(["population", "error"]),
        help="what to do with levels that fit has not seen; as the model says by default",
    )
    _add_output(parser)


def _add_curve(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument(
        "data",
        nargs="?",
        help="rows to draw curves for; without, each combination of levels at the mean predictors",
    )
    _add_csv(parser)
    parser.add_argument("--feature", required=True, metavar="COLUMN", help="the predictor to vary")
    parser.add_argument(
        "--grid",
        nargs=3,
        type=float,
        metavar=("FROM", "TO", "POINTS"),
        help="where to evaluate; 50 points of the training range by default",
    )
    parser.add_argument("--slope", action="store_true", help="marginal return as well")
    _add_coverage(parser, kind="mean")
    _add_output(parser)


def _add_summary(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument(
        "--of",
        **_one_of(["summary", "group_effects", "coefficients", "shrinkage_factors"]),
        default="summary",
        help="which table (default: %(default)s)",
    )
    parser.add_argument("--factor", help="one grouping factor, such as region/country")
    parser.add_argument("-o", "--output", metavar="TABLE", help="CSV or Parquet file")


def _add_report(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("--data", help="rows for checks against data: CSV or Parquet")
    _add_csv(parser)
    parser.add_argument("--target", metavar="COLUMN", help="the outcome in these rows")
    _add_weight(parser)
    parser.add_argument("--title", metavar="TEXT", help="of the page; what the outcome is, if none")
    parser.add_argument(
        "--features",
        nargs="+",
        metavar="COLUMN",
        help="predictors to draw response curves along (default: every one, or the first 60)",
    )
    parser.add_argument(
        "-o", "--output", required=True, type=_file, metavar="HTML", help="the report"
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "output",
        nargs="?",
        metavar="picture",
        default="demo.png",
        help="default: %(default)s",
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", help="CSV or Parquet file; - is CSV from standard input")
    _add_csv(parser)


def _add_csv(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sep",
        type=_separator,
        default=",",
        metavar="MARK",
        help="between the columns of CSV: ';' or tab, say (default: %(default)s)",
    )
    parser.add_argument(
        "--decimal", choices=[".", ","], default=".", help="before decimals (default: %(default)s)"
    )
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column of CSV that is text, whatever it looks like, and no predictor; group "
        "columns always are; once for each",
    )


def _add_weight(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sample-weight",
        metavar="COLUMN",
        help="frequency weights; the trials of each row with --family binomial",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="model file, as fit writes it")


def _add_coverage(parser: argparse.ArgumentParser, kind: str | None = None) -> None:
    parser.add_argument(
        "--coverage", type=float, default=0.9, help="of the intervals (default: %(default)s)"
    )
    parser.add_argument(
        "--kind",
        **_one_of(["outcome", "mean"]),
        default=kind,
        help="intervals of a new observation, or of its expected value "
        f"(default: {kind or 'outcome; mean, which is the probability, of a yes or no'})",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", default="-", metavar="TABLE", help="CSV or Parquet file; - prints CSV"
    )


def _file(text: str) -> str:
    """A file, for what is not printed."""
    if text == STANDARD:
        raise argparse.ArgumentTypeError("it is not printed: name a file")
    return text


def _one_of(known: Iterable[str], read: Callable[[str], str] = str) -> dict[str, Any]:
    """Arguments of an option that is one of some words; another is told which it may be."""
    names = list(known)

    def word(text: str) -> str:
        found = read(text)
        if found not in names:
            told = f"there is no {text!r}. Choose from {listed(names)}.{suggestion(text, names)}"
            raise argparse.ArgumentTypeError(told)
        return found

    return {"type": word, "choices": names}


def _family(text: str) -> str:
    """A family; one that other packages have is told by its name here."""
    try:
        return named_family(text, FAMILIES).name
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("family: ")) from error


def _separator(text: str) -> str:
    """What separates columns; a tab is hard to type."""
    mark = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(mark) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither one character nor tab")
    return mark


def _in_one_line(error: BaseException) -> str:
    """An error's message; an operating system's with the file it is about."""
    if isinstance(error, UnicodeEncodeError):
        around = error.object[max(0, error.start - 20) : error.end + 20]
        return f"{around!r} holds a character that cannot be written in {error.encoding}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _families() -> str:
    """Every family, and which outcomes it is of."""
    return "; ".join(f"{name}, {family.support}" for name, family in FAMILIES.items())


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning in one line, without the place in the source."""
    print(f"skhlm: warning: {in_options(' '.join(str(message).split()))}", file=sys.stderr)
