"""The model in words and in symbols."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from skhlm.families import Family
from skhlm.inputs.columns import listed
from skhlm.inputs.design import Units
from skhlm.inputs.labels import Labels
from skhlm.methods.fitted import Fitted
from skhlm.priors import Gamma, LocationScale, Priors
from skhlm.reports.parameters import where_in_words


def in_words(model: Fitted) -> list[str]:
    """What was fitted, a sentence for each part."""
    labels, posterior = model._spec.labels, model._posterior
    return [
        f"{_regression(model)} on {len(labels.coefficients)} coefficients: "
        f"{_names(labels.coefficients)}.",
        *_scale(model),
        *(_varies(labels, g) for g in range(len(labels.factors))),
        *([_covariance(posterior.structure, labels)] if labels.factors else []),
        f"Fitted by {model._fit.diagnostics.algorithm}. {where_in_words(labels, posterior.family)}",
    ]


def priors_in_words(model: Fitted) -> list[str]:
    """Every prior, a sentence for each parameter, and the units they are in."""
    spec, posterior = model._spec, model._posterior
    priors, labels = spec.build_priors(posterior.family), spec.labels.where_fitted
    correlated = posterior.structure == "full" and any(len(k) > 1 for k in labels.varying)
    return [
        f"Prior of the population-level coefficients: {_each(priors.kappa, labels.coefficients)}.",
        *_of_effects(priors, labels),
        *(["Prior of their correlations: LKJ(2)."] * correlated),
        *_of_family(priors, posterior.family),
        _where_priors_hold(spec.units, posterior.family, centred=labels.centred),
    ]


def meanings(model: Fitted) -> list[tuple[str, str]]:
    """What each kind of parameter is, a sentence for each."""
    labels, family = model._spec.labels, model._posterior.family
    scale = f" on the scale of the {family.scale}" if family.scale else ""
    told = [("kappa", f"population-level coefficients: those of a typical level{scale}.")]
    if labels.factors:
        told += [
            ("delta", "group effects: by how much a level's coefficient differs from the typical."),
            ("tau", "standard deviations of group effects: how much levels of a factor differ."),
        ]
        if model._posterior.omega:
            told.append(("omega", "correlations of a level's effects on different coefficients."))
        told.append(
            ("B", "shrinkage factors: the part of a level's own estimate that is replaced.")
        )
    told += [(parameter.name, f"{parameter.meaning}.") for parameter in family.auxiliary]
    told += [
        (parameter.inverse_square, f"1 / {parameter.name}².")
        for parameter in family.auxiliary
        if parameter.inverse_square is not None
    ]
    return told


def where_numbers_are(model: Fitted) -> str:
    """What the numbers of tables refer to."""
    return where_in_words(model._spec.labels, model._posterior.family)


def in_symbols(model: Fitted) -> str:
    """The same as formulas, with the factors' names."""
    labels, posterior = model._spec.labels.where_fitted, model._posterior
    effects = "".join(f" + delta[{factor}]" for factor in labels.factors)
    centred = ["x_i: the predictors, less their training means"] * labels.centred
    lines = [_outcome_in_symbols(model), *centred, f"beta_i = kappa{effects}"]
    for g, factor in enumerate(labels.factors):
        spread = "Sigma" if posterior.structure == "full" else "diag(tau^2)"
        lines.append(
            f"delta[{factor}, l] ~ normal(0, {spread}),  l = 1..{len(labels.levels[g])},  "
            f"for {_names(labels.varying_names(g))}"
        )
    return "\n".join(lines)


def _regression(model: Fitted) -> str:
    """What sort of regression it is."""
    family, classes = model._posterior.family, model._spec.classes
    if classes is not None:
        first, second = classes.plain
        return f"Logistic regression of {_outcome(model)}, which is {first} or {second},"
    if family.link.linear:
        return f"Linear regression with {family.noun}"
    return f"Regression of {_outcome(model)}, {family.noun},"


def _scale(model: Fitted) -> Iterator[str]:
    """What coefficients add up to, where it is not the outcome itself."""
    family, spec = model._posterior.family, model._spec
    if not family.scale:
        return
    what = "success in a trial" if family.is_binary else f"the expected {_outcome(model)}"
    if spec.classes is not None:
        what = f"{_outcome(model)} = {spec.classes.plain[1]}"
    per = ""
    if spec.exposure is not None:
        per = f" per unit of the exposure, {spec.columns.group_name(spec.exposure)}"
    yield (
        f"Times the predictors they add up to the {_SCALES[family.link.name]} of {what}{per}; "
        f"exp of a coefficient is {_RATIOS[family.link.name]}."
    )


_SCALES = {"logit": "log odds", "log": "logarithm"}  # by the name of a link
_RATIOS = {
    "logit": "an odds ratio: by what the odds are multiplied where a predictor is one higher",
    "log": "a ratio: by what the expected outcome is multiplied where a predictor is one higher",
}


def _outcome(model: Fitted) -> str:
    """What y is called."""
    return model._spec.outcome_name or "y"


def _outcome_in_symbols(model: Fitted) -> str:
    """The distribution of a row's outcome."""
    spec, family = model._spec, model._posterior.family
    eta = "x_i' beta_i" + " + log(exposure_i)" * (spec.exposure is not None)
    formula = family.formula.replace("eta", eta)
    if spec.classes is not None:
        return f"[y_i = {spec.classes.plain[1]}] ~ {formula.replace('trials', '1')}"
    if family.is_binary:
        return f"trials_i y_i ~ {formula.replace('trials', 'trials_i')}"
    return f"y_i ~ {formula}"


def _where_priors_hold(units: Units, family: Family, *, centred: bool) -> str:
    """The units that priors are in."""
    at = " at the predictors' means" * centred
    if not family.scale:
        of_intercept = f"; that of the intercept{at}" if at else ""
        return f"They hold for the outcome and the predictors {_scaled(units)}{of_intercept}."
    centre = f" is about {units.y_center:.3g}" if units.y_center else ""
    of_intercept = f"; that of the intercept{at}{centre}" if at or centre else ""
    where = f"on the scale of the {family.scale}, for the predictors {_scaled(units)}"
    return f"They hold {where}{of_intercept}."


def _scaled(units: Units) -> str:
    """What the model's units are."""
    if units.are_users:
        return "in their own units"
    return "less their means and " * units.fit_intercept + "divided by their standard deviations"


def _of_effects(priors: Priors, labels: Labels) -> Iterator[str]:
    """Priors of the standard deviations of effects, a sentence for each factor."""
    for g, factor in enumerate(labels.factors):
        words = _each(priors.tau[g], labels.varying_names(g))
        yield f"Prior of the standard deviations tau of effects of {factor}: {words}, cut at 0."


def _of_family(priors: Priors, family: Family) -> Iterator[str]:
    """Priors of the family's own parameters, a sentence for each."""
    for parameter in family.auxiliary:
        prior = priors.auxiliary[parameter.name]
        if isinstance(prior, Gamma):
            words = f"gamma({_numbers(prior.shape, prior.rate)})"
        else:
            words = _each(prior, [parameter.name])
        what = f"the {parameter.meaning} {parameter.name}"
        if family.scale:
            what = f"{parameter.name}, the {parameter.meaning}"
        yield f"Prior of {what}: {words}, cut at {parameter.lower:g}."


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


def _covariance(structure: str, labels: Labels) -> str:
    """Whether effects are correlated a priori."""
    if structure == "full":
        return "The effects of a level on different coefficients are correlated."
    where = " at the predictors' means" * labels.centred
    return f"The effects of a level on different coefficients are independent{where}."


def _names(names: Any) -> str:
    return listed(names).replace("'", "")
