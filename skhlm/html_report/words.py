"""The model in words and in symbols."""

from __future__ import annotations

from typing import Any

from skhlm.inputs.columns import listed
from skhlm.inputs.labels import Labels

_NOISE = {
    "student_t": "y_i ~ student_t(nu, x_i' beta_i, sigma)",
    "normal": "y_i ~ normal(x_i' beta_i, sigma)",
}


def in_words(model: Any) -> list[str]:
    """What is fitted, a sentence for each part."""
    labels: Labels = model._spec.labels
    noise = "Student-t residuals" if model.family == "student_t" else "normal residuals"
    return [
        f"Linear regression with {noise} on {len(labels.coefficients)} coefficients: "
        f"{_names(labels.coefficients)}.",
        *(_varies(labels, g) for g in range(len(labels.factors))),
        *([_covariance(model.covariance)] if labels.factors else []),
        f"Fitted by {model.diagnostics_.algorithm}. "
        "Intercepts refer to x = 0, all numbers to the units of the data.",
    ]


def in_symbols(model: Any) -> str:
    """The same as formulas, with the factors' names."""
    labels: Labels = model._spec.labels
    effects = "".join(f" + delta[{factor}]" for factor in labels.factors)
    lines = [_NOISE[model.family], f"beta_i = kappa{effects}"]
    for g, factor in enumerate(labels.factors):
        spread = "Sigma" if model.covariance == "full" else "diag(tau^2)"
        lines.append(
            f"delta[{factor}, l] ~ normal(0, {spread}),  l = 1..{len(labels.levels[g])},  "
            f"for {_names(labels.varying_names(g))}"
        )
    return "\n".join(lines)


def _varies(labels: Labels, g: int) -> str:
    """Which coefficients vary by a factor."""
    names = labels.varying_names(g)
    what = "Every coefficient" if len(names) == len(labels.coefficients) else _names(names)
    verb = "varies" if what == "Every coefficient" or len(names) == 1 else "vary"
    return f"{what} {verb} by {labels.factors[g]} ({len(labels.levels[g])} levels)."


def _covariance(covariance: str) -> str:
    if covariance == "full":
        return "The effects of a level on different coefficients are correlated."
    return "The effects of a level on different coefficients are independent."


def _names(names: Any) -> str:
    return listed(names).replace("'", "")
