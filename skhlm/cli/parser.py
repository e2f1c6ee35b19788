"""All commands and their options: words alone, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from skhlm._version import __version__
from skhlm.cli import arguments as read
from skhlm.cli.examples import CODES, EXAMPLES
from skhlm.cli.words import (
    ALGORITHMS,
    COVARIANCES,
    FALLBACKS,
    FAMILIES,
    KINDS,
    PARAMETERS,
    PRIORS,
    SHELLS,
    STANDARD,
    TABLES,
    TABLES_OF_ROWS,
    UNSEEN,
)

_Add = Callable[..., argparse.ArgumentParser]


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = read.Parser(
        prog="skhlm",
        description="Bayesian hierarchical models for tables: CSV and Parquet files.",
        epilog="skhlm COMMAND --help has examples.\n\n" + CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"skhlm {__version__}", help="say which version"
    )
    add = parser.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser
    _add_fit(_command(add, "fit", "fit a model and save it"))
    _add_diagnose(_command(add, "diagnose", "did inference go well?"))
    _add_summary(_command(add, "summary", "what the model has learned"))
    _add_report(_command(add, "report", "a report as one HTML file"))
    _add_predict(_command(add, "predict", "predict rows, with intervals"))
    _add_curve(_command(add, "curve", "response curves along one predictor"))
    _add_score(_command(add, "score", "how well the model predicts rows whose outcome is known"))
    _add_compare(_command(add, "compare", "cross-validate with and without pooling"))
    _add_allocate(_command(add, "allocate", "how a budget is best spread"))
    _add_demo(_command(add, "demo", "a tour on real and simulated data"))
    _add_completion(_command(add, "completion", "print a script that completes commands"))
    return parser


def _command(add: _Add, name: str, text: str) -> argparse.ArgumentParser:
    return add(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}{'' if text.endswith('?') else '.'}",
        epilog=f"examples:\n{EXAMPLES[name]}\n\n{CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_fit(parser: argparse.ArgumentParser) -> None:
    """Options named as the parameters of `HLMRegressor`; what is not given keeps its default."""
    _add_data(parser)
    _add_training(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="MODEL", help="the model file; - prints it"
    )
    _add_model_and_inference(parser)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    _add_training(parser)
    parser.add_argument(
        "--cv",
        dest="folds",
        type=read.whole(2),
        default=5,
        metavar="N",
        help="folds, at least 2 (default: %(default)s)",
    )
    parser.add_argument(
        "--split-by",
        metavar="COLUMN",
        help="the group column whose values are not divided between folds, to see how new groups "
        "are predicted (default: rows are shuffled)",
    )
    parser.add_argument(
        "--group-means",
        nargs="+",
        metavar="COLUMN",
        help="predictors whose means over the groups one model more is given as predictors, for "
        "slopes between groups that are not those within them (default: none)",
    )
    _add_coverage(parser)
    _add_table(parser, "every fold", without="means over folds for the screen")
    _add_model_and_inference(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    """Which columns are what."""
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
        help="the target is one of two classes, even if these are numbers: fit probabilities "
        "(default: as the target looks)",
    )
    parser.add_argument(
        "--groups",
        action="append",
        metavar="HIERARCHY",
        help="group columns, such as country or region/country; once for each hierarchy "
        "(default: no groups)",
    )
    parser.add_argument(
        "--predictors",
        nargs="+",
        metavar="COLUMN",
        help="predictors (default: every other column)",
    )
    _add_weight(parser)


def _add_model_and_inference(parser: argparse.ArgumentParser) -> None:
    _add_what(parser.add_argument_group("model", argument_default=argparse.SUPPRESS))
    _add_how(parser.add_argument_group("inference", argument_default=argparse.SUPPRESS))


def _add_what(model: argparse._ArgumentGroup) -> None:
    """Options of `fit` that say which model is fitted."""
    model.add_argument(
        "--varying",
        nargs="+",
        metavar="COLUMN",
        help="which coefficients differ by group: all, intercept, or names of predictors and "
        "Intercept; FACTOR=COLUMN,COLUMN for one grouping factor (default: all)",
    )
    model.add_argument(
        "--family",
        type=read.family,
        choices=list(FAMILIES),
        metavar="NAME",
        help="distribution of the target: "
        f"{'; '.join(f'{name}, {of}' for name, of in FAMILIES.items())} (default: student_t)",
    )
    model.add_argument(
        "--exposure",
        metavar="COLUMN",
        help="what the expected outcome is proportional to, such as days or people; no predictor "
        "(default: none)",
    )
    model.add_argument(
        "--covariance",
        **read.one_of(COVARIANCES),
        help="whether effects of a group on different coefficients are independent, or correlated "
        "(default: diagonal)",
    )
    model.add_argument(
        "--prior",
        dest="priors",
        action="append",
        type=read.prior,
        metavar="PRIOR",
        help="such as 'tau=Normal(0, 1)', 'kappa[days]=StudentT(4, 0, 2)' or "
        f"'tau[region][days]=Cauchy(0, 1)', of {', '.join(PARAMETERS)}; once for each (default: "
        "those of the family)",
    )
    model.add_argument(
        "--priors",
        dest="prior_set",
        **read.one_of(PRIORS),
        help="all priors that no --prior gives; weakly_informative is tighter, for factors of few "
        "levels (default: default)",
    )
    model.add_argument(
        "--no-intercept",
        dest="fit_intercept",
        action="store_false",
        help="without an intercept (default: with one)",
    )
    model.add_argument(
        "--no-autoscale",
        dest="autoscale",
        action="store_false",
        help="priors in units of the data (default: in standard deviations of these)",
    )


def _add_how(how: argparse._ArgumentGroup) -> None:
    """Options of `fit` that say how."""
    how.add_argument(
        "--algorithm",
        **read.one_of(ALGORITHMS),
        help="nuts draws from the posterior, the others approximate it (default: nuts)",
    )
    how.add_argument(
        "--fallback",
        **read.one_of(FALLBACKS),
        help="what replaces an approximation that is none (default: nothing, with a warning)",
    )
    how.add_argument("--chains", type=read.whole(1), metavar="N", help="Markov chains (default: 4)")
    how.add_argument(
        "--iter-warmup",
        type=read.whole(10),
        metavar="N",
        help="iterations before the draws, at least 10 (default: 100)",
    )
    how.add_argument(
        "--iter-sampling",
        type=read.whole(4),
        metavar="N",
        help="draws of each chain, at least 4 (default: as many as every parameter needs, 500 to "
        "600 as a rule)",
    )
    how.add_argument(
        "--adapt-delta",
        type=read.fraction,
        metavar="RATE",
        help="acceptance rate of the sampler; nearer to 1 for shorter steps (default: 0.8 or 0.7)",
    )
    how.add_argument(
        "--max-treedepth",
        type=read.whole(1, 20),
        metavar="N",
        help="most doublings of a trajectory, 1 to 20 (default: 10)",
    )
    how.add_argument(
        "--n-jobs",
        type=read.jobs,
        metavar="N",
        help="chains at a time, -1 for all processors (default: -1)",
    )
    how.add_argument(
        "--random-state",
        type=read.whole(0, 2**32 - 1),
        metavar="SEED",
        help="a whole number, for the same result once more (default: another each time)",
    )
    how.add_argument(
        "--verbose",
        type=int,
        choices=[0, 1],
        help="1 shows progress on standard error, 0 does not (default: 1 on a terminal, 0 in a "
        "pipe or file)",
    )


def _add_predict(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser)
    _add_coverage(parser, several=True)
    _add_kind(parser)
    parser.add_argument(
        "--unseen",
        **read.one_of(UNSEEN),
        help="what to do with levels that fit has not seen: predict them without the unknown "
        "effect, or stop (default: as the model says, which is population after skhlm fit)",
    )
    _add_output(parser)


def _add_curve(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument(
        "data",
        nargs="?",
        help="rows to draw curves for: CSV or Parquet (default: each combination of levels at the "
        "mean predictors)",
    )
    _add_csv(parser)
    parser.add_argument("--feature", required=True, metavar="COLUMN", help="the predictor to vary")
    parser.add_argument(
        "--grid",
        nargs=3,
        type=read.finite,
        metavar=("FROM", "TO", "POINTS"),
        help="where to evaluate (default: 50 points of the training range)",
    )
    parser.add_argument(
        "--slope", action="store_true", help="marginal return as well (default: the curve alone)"
    )
    _add_derive(parser, "--feature")
    parser.add_argument(
        "--population",
        action="store_true",
        help="without group effects: the curve of a level whose effects are zero (default: with)",
    )
    _add_coverage(parser, several=True)
    _add_kind(parser, "mean")
    _add_output(parser)


def _add_diagnose(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)


def _add_summary(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument(
        "--of",
        **read.one_of((*TABLES, *TABLES_OF_ROWS)),
        default="summary",
        help="which table (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        help=f"rows, which {' and '.join(TABLES_OF_ROWS)} are shares of variance over: CSV or "
        "Parquet (default: none)",
    )
    _add_csv(parser)
    parser.add_argument(
        "--factor",
        metavar="FACTOR",
        help="one grouping factor, such as region/country (default: all)",
    )
    _add_table(parser, "the table")


def _add_report(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument(
        "--data", help="rows for checks against data: CSV or Parquet (default: no such checks)"
    )
    _add_csv(parser)
    parser.add_argument(
        "--target", metavar="COLUMN", help="the outcome in these rows (default: no rows)"
    )
    _add_weight(parser)
    parser.add_argument(
        "--title", metavar="TEXT", help="title of the page (default: what the outcome is)"
    )
    parser.add_argument(
        "--features",
        nargs="+",
        metavar="COLUMN",
        help="predictors to draw response curves along (default: every one, or the first 60)",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="HTML", help="the report; - prints it"
    )


def _add_score(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser)
    parser.add_argument(
        "--target", required=True, metavar="COLUMN", help="what was observed in these rows"
    )
    _add_weight(parser)
    _add_coverage(parser)
    _add_table(parser, "the scores")


def _add_allocate(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser)
    parser.add_argument(
        "--feature", required=True, metavar="COLUMN", help="what is spent: amounts in each row"
    )
    parser.add_argument(
        "--total",
        type=read.amount,
        metavar="AMOUNT",
        help="what all rows together are to get (default: what they have)",
    )
    parser.add_argument(
        "--by",
        nargs="+",
        metavar="COLUMN",
        help="rows alike in these columns get the same amount each (default: row by row)",
    )
    _add_derive(parser, "what is spent")
    parser.add_argument(
        "--low",
        type=read.finite,
        metavar="AMOUNT",
        help="the least for each row (default: 0, or little where 0 has no predictors)",
    )
    parser.add_argument(
        "--high",
        type=read.amount,
        metavar="AMOUNT",
        help="the most for each row (default: the whole total)",
    )
    parser.add_argument(
        "--objective",
        type=read.objective,
        default="expected",
        metavar="WHAT",
        help="what is as large as can be: expected, the expected sum of outcomes, or a quantile of "
        "it such as 0.1, to be on the safe side (default: %(default)s)",
    )
    _add_coverage(parser)
    _add_table(parser, "the amounts")


def _add_derive(parser: argparse.ArgumentParser, of: str) -> None:
    parser.add_argument(
        "--derive",
        action="append",
        type=read.derivation,
        default=[],
        metavar="PREDICTOR=EXPRESSION",
        help=f"a predictor of the model made of {of}, such as 'log_spend=log(spend)'; once for "
        f"each (default: {of} is the predictor)",
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "output",
        nargs="?",
        metavar="picture",
        default="demo.png",
        help="where the picture goes (default: %(default)s)",
    )


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", **read.one_of(SHELLS), help="for which shell")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        help="CSV or Parquet file; - is CSV from standard input; fit also takes a directory of "
        "Parquet files, which may be larger than memory",
    )
    _add_csv(parser)


def _add_csv(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sep",
        type=read.separator,
        metavar="MARK",
        help="between the columns of CSV: ';' or tab, say (default: a comma; of .tsv files a tab)",
    )
    parser.add_argument(
        "--decimal",
        choices=[".", ","],
        default=".",
        help="before decimals in CSV (default: %(default)s)",
    )
    parser.add_argument(
        "--encoding",
        type=read.encoding,
        default="utf-8",
        metavar="NAME",
        help="of the characters in CSV: cp1252, latin-1, utf-16, ... (default: %(default)s)",
    )
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column of CSV that is text, whatever it looks like, and no predictor; group "
        "columns always are; once for each (default: none)",
    )


def _add_weight(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sample-weight",
        metavar="COLUMN",
        help="how often each row counts; the trials of each row with --family binomial (default: "
        "once)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="model file, as fit writes it")


def _add_coverage(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    more = "; 0.5,0.9 has both, as lower_50 and so on" if several else ""
    parser.add_argument(
        "--coverage",
        type=read.fractions if several else read.fraction,
        action=read.Once,
        default=0.9,
        metavar="SHARE",
        help=f"probability of the intervals{more} (default: %(default)s)",
    )


def _add_kind(parser: argparse.ArgumentParser, kind: str | None = None) -> None:
    parser.add_argument(
        "--kind",
        **read.one_of(KINDS),
        default=kind,
        help="intervals of a new observation, or of its expected value "
        f"(default: {kind or 'outcome; mean, which is the probability, of a yes or no'})",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        default=STANDARD,
        metavar="TABLE",
        help="CSV or Parquet file; - prints CSV (default: -)",
    )
    _add_no_escape(parser)


def _add_table(
    parser: argparse.ArgumentParser, what: str, without: str = "a table for the screen"
) -> None:
    parser.add_argument(
        "-o",
        "--output",
        metavar="TABLE",
        help=f"{what} as CSV or Parquet file; - prints CSV (default: {without})",
    )
    _add_no_escape(parser)


def _add_no_escape(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-escape",
        dest="escape",
        action="store_false",
        help="write text that begins with = + - @ as it is, which a spreadsheet takes for a "
        "formula (default: with ' before it, in CSV)",
    )
