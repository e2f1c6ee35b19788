"""What the top of the page says, in colour: can the draws be trusted, does the model fit?"""

from __future__ import annotations

from collections.abc import Iterator

from skhlm.diagnostics import Check, Diagnostics
from skhlm.html_report.fit_checks import Look, in_a_sentence
from skhlm.html_report.page import bullets, card, paragraph, terms

_MEANS = {
    "pass": "The draws can be trusted.",
    "warn": "To be known before the numbers are used:",
    "fail": "The draws are not the posterior's, or may not be: do not use these numbers.",
}
_TO_DO = (
    "What may help: for a skewed outcome its logarithm or, if it is positive, family='gamma'; for "
    "counts that vary more, family='negative_binomial'; where with Student-t residuals the mean "
    "alone is off, family='normal'; where it is that of some levels, a predictor that tells these "
    "from the others, or coefficients that vary by the factor."
)
_DOUBT = "The draws are not those of this model, or may not be: what follows is about them alone."


def verdicts(diagnostics: Diagnostics, look: Look) -> Iterator[str]:
    """A card on the draws, and one on how well the model describes the rows."""
    yield card(diagnostics.verdict, _title(diagnostics), _sampling(diagnostics))
    yield _fit(look, diagnostics)


def _title(diagnostics: Diagnostics) -> str:
    """The verdict, and that there are notes."""
    n = len(diagnostics.notes)
    notes = f", with {n} note{'s' * (n > 1)}" if n else ""
    return f"Sampling: {diagnostics.verdict}{notes}"


def _sampling(diagnostics: Diagnostics) -> Iterator[str]:
    """What the verdict means, and the advice of each check that did not pass, the worst first."""
    yield paragraph(_MEANS[diagnostics.verdict])
    found = [
        c for kind in ("fail", "warn", "note") for c in diagnostics.checks if c.verdict == kind
    ]
    if found:
        yield terms((_name(check), check.advice) for check in found)
    n_passed = sum(check.verdict == "pass" for check in diagnostics.checks)
    rest = "other " if found else ""
    yield paragraph(f"{n_passed} {rest}checks passed: each is under Diagnosis, with its threshold.")


def _name(check: Check) -> str:
    return f"{check.name} ({check.verdict})"


def _fit(look: Look, diagnostics: Diagnostics) -> str:
    """Whether outcomes that the model replicates look like those observed, and are predicted."""
    said = [paragraph(text) for text in in_a_sentence(look)]
    if look.missing:
        said = [bullets(look.worse), paragraph(look.missing), *said]
        if look.worse:
            return card("warn", "Fit: poor predictions", said)
        return card("unknown", "Fit: not checked", said)
    failed = diagnostics.verdict == "fail"
    said = [paragraph(_DOUBT)] * failed + said
    if not (look.unlike or look.worse):
        if failed:
            return card("unknown", "Fit: not to be judged by these draws", said)
        return card("pass", "Fit: nothing unlike the model", said)
    title = "Fit: the data are unlike the model"
    if look.worse:
        title = "Fit: poor predictions" + ", and data unlike the model" * bool(look.unlike)
    to_do = [paragraph(_TO_DO)] * bool(look.unlike)
    return card("warn", title, [bullets([*look.worse, *look.unlike]), *to_do, *said])
