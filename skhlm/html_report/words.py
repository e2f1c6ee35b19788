"""The model in words and in symbols."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from skhlm.inputs.columns import listed
from skhlm.inputs.labels import Labels
from skhlm.priors import LocationScale, Priors, build_priors

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


def priors_in_words(model: Any) -> list[str]:
    """Every prior, a sentence for each parameter, and the units they are in."""
    priors, labels = _priors(model), model._spec.labels
    units = "divided by their standard deviations" if model.autoscale else "in their own units"
    return [
        f"Prior of the population-level coefficients: {_each(priors.kappa, labels.coefficients)}.",
        *_of_effects(priors, labels),
        *(["Prior of their correlations: LKJ(2)."] * _has_correlations(model)),
        f"Prior of the residual scale sigma: {_each(priors.sigma, ['sigma'])}, cut at 0.",
        *(
            [f"Prior of the degrees of freedom nu: gamma({_numbers(*priors.nu)}), cut at 1."]
            * (model.family == "student_t")
        ),
        f"They hold for the outcome and the predictors {units}"
        + ("; that of the intercept at the predictors' means." if model.fit_intercept else "."),
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


def _priors(model: Any) -> Priors:
    """The priors of the fit, gaps filled in."""
    spec = model._spec
    return build_priors(
        model.priors,
        columns=spec.columns,
        hierarchies=spec.groups.hierarchies,
        coefficients=spec.labels.coefficients,
        varying=spec.labels.varying,
    )


def _of_effects(priors: Priors, labels: Labels) -> Iterator[str]:
    """Priors of the standard deviations of effects, a sentence for each factor."""
    for g, factor in enumerate(labels.factors):
        words = _each(priors.tau[g], labels.varying_names(g))
        yield f"Prior of the standard deviations tau of effects of {factor}: {words}, cut at 0."


def _has_correlations(model: Any) -> bool:
    return model.covariance == "full" and any(len(k) > 1 for k in model._spec.labels.varying)


def _each(priors: LocationScale, names: Sequence[str]) -> str:
    """One prior where all are the same, else each with the names it is of."""
    owners: dict[str, list[str]] = {}
    for name, *numbers in zip(names, priors.df, priors.loc, priors.scale, strict=True):
        owners.setdefault(_prior(*map(float, numbers)), []).append(name)
    if len(owners) == 1:
        return next(iter(owners))
    return "; ".join(f"{prior} for {_names(names)}" for prior, names in owners.items())


def _prior(df: float, loc: float, scale: float) -> str:
    if df == 1:
        return f"Cauchy({_numbers(loc, scale)})"
    return f"normal({_numbers(loc, scale)})" if df == inf else f"t({_numbers(df, loc, scale)})"


def _numbers(*values: float) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


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
