"""The priors that a user gives -> the numbers of every parameter's prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from reprlib import repr as repr_short
from typing import Literal, cast, get_args

from skhlm._typing import Ints
from skhlm.exceptions import Message
from skhlm.families import AUXILIARY, FAMILIES, Family, parameters_of
from skhlm.families.family import check_location
from skhlm.inputs.columns import Columns, by_meaning, listed, suggestion
from skhlm.inputs.hierarchy import Hierarchy, find_factor
from skhlm.priors import Location, LocationScale, Prior, Priors, PriorSet

Source = Literal["user"] | PriorSet

_LKJ_SHAPE = 2.0
_OTHER_NAMES = {  # of parameters whose inverse squares others have
    "phi": " 'overdispersion' is 1 / sqrt(phi).",
    "theta": " 'overdispersion' is 1 / sqrt(theta).",
    "shape": " 'cv' of gamma and 'overdispersion' of negative_binomial are 1 / sqrt(shape).",
}
_IN_A_SEARCH = (
    "In a search over families give each kind a grid of its own, with the priors that suit it."
)
_PARAMETERS = (*reversed([*AUXILIARY]), "tau", "kappa")
_REST = "rest"  # key of the set that is left out's
_SETS = " or ".join(map(repr, get_args(PriorSet)))


@dataclass(frozen=True)
class _Terms:
    """What priors can be about, and how the user may refer to it."""

    columns: Columns
    hierarchies: Sequence[Hierarchy]
    coefficients: Sequence[str]

    @property
    def factors(self) -> list[str]:
        """Names of the grouping factors."""
        return [name for hierarchy in self.hierarchies for name in hierarchy.factors]

    def coefficient(self, key: object, argument: str) -> str:
        """Name of the coefficient that a name or position means."""
        name = self._name(key, f"priors: {argument}")
        if name not in self.coefficients:
            raise ValueError(
                f"priors: {argument} has no coefficient {key!r}. Its coefficients are "
                f"{listed(self.coefficients)}.{suggestion(key, self.coefficients)}"
            )
        return name

    def factor_or_coefficient(self, key: object) -> str:
        """Name of the grouping factor, in any spelling, or of the coefficient that a key means."""
        factor = find_factor(key, self.columns, self.hierarchies, "priors['tau']")
        name = factor or self._name(key, "priors['tau']")
        if factor is None and name not in self.coefficients:
            known = (*self.factors, *self.coefficients)
            raise ValueError(
                f"priors['tau']: {key!r} is neither a grouping factor nor a coefficient. The "
                f"factors are {listed(self.factors)}, the coefficients "
                f"{listed(self.coefficients)}.{suggestion(key, known)}"
            )
        return name

    def _name(self, key: object, argument: str) -> str:
        """A name as it is, a position as the name of its predictor."""
        if isinstance(key, (str, tuple)):
            return str(key)
        return self.columns.predictor_name(self.columns.position(key, argument))


@dataclass(frozen=True)
class Chosen:
    """A prior and who chose it: the user, or a set of priors."""

    prior: Prior
    source: Source


@dataclass(frozen=True)
class ChosenPriors:
    """The prior of every parameter, as it was given; numbers are in the units of the problem.

    ``kappa`` has K, ``tau`` K_g for each factor, ``auxiliary`` those of the family by name.
    """

    kappa: tuple[Chosen, ...]
    tau: tuple[tuple[Chosen, ...], ...]
    auxiliary: Mapping[str, Chosen]
    lkj: float = _LKJ_SHAPE

    def numbers(self) -> Priors:
        """What the engine sees of them."""
        return Priors(
            kappa=_numbers(self.kappa),
            tau=tuple(map(_numbers, self.tau)),
            auxiliary={
                name: AUXILIARY[name].numbers(chosen.prior)
                for name, chosen in self.auxiliary.items()
            },
            lkj=self.lkj,
        )


def choose_priors(
    priors: object,
    *,
    columns: Columns,
    hierarchies: Sequence[Hierarchy],
    coefficients: Sequence[str],
    varying: Sequence[Ints],
    family: Family,
) -> ChosenPriors:
    """The priors a user gave; what is left out is that of a set, by default the default.

    ``varying`` says which of the K ``coefficients`` vary by each factor of the ``hierarchies``. A
    prior of something that the model knows but does not use, such as nu of a normal family or tau
    of a coefficient that does not vary, is checked and not used: searches over models need it. One
    of a parameter that neither the family nor a wider one has is a mistake.
    """
    given, rest = _check_given(priors)
    _check_has_them(family, given)
    terms = _Terms(columns, hierarchies, coefficients)
    kappa = _per_coefficient(given.get("kappa", {}), "kappa", terms)
    by_factor, everywhere = _split_tau(given.get("tau", {}), terms)
    of_rest = family.priors_in(rest)

    def choose(own: Prior | None, other: Prior) -> Chosen:
        return Chosen(other, rest) if own is None else Chosen(own, "user")

    tau = []
    for factor, chosen in zip(terms.factors, varying, strict=True):
        own = everywhere | _per_coefficient(by_factor.get(factor, {}), f"tau[{factor!r}]", terms)
        tau.append(tuple(choose(own.get(coefficients[k]), of_rest.tau) for k in chosen))
    auxiliary = {
        name: choose(
            parameter.check(given[name]) if name in given else None, parameter.prior_in(rest)
        )
        for name, parameter in AUXILIARY.items()
    }
    return ChosenPriors(
        kappa=tuple(choose(kappa.get(name), of_rest.kappa) for name in coefficients),
        tau=tuple(tau),
        auxiliary={parameter.name: auxiliary[parameter.name] for parameter in family.auxiliary},
    )


def check_units(priors: object, *, autoscale: bool) -> None:
    """Raise for a set of priors that is none in the units of the data."""
    _, rest = _check_given(priors)
    if rest != "default" and not autoscale:
        raise ValueError(
            f"priors={rest!r} is in units of sd(y) and sd(x), to which autoscale=False does not "
            "scale: leave autoscale=True, or give priors in the units of the data."
        )


def _numbers(chosen: Sequence[Chosen]) -> LocationScale:
    """Of priors of locations or scales."""
    return LocationScale.of([check_location(each.prior, "a coefficient") for each in chosen])


def _check_given(priors: object) -> tuple[Mapping[str, object], PriorSet]:
    """The user's priors by parameter, known ones only, and the set that the rest are from."""
    if priors is None:
        return {}, "default"
    if isinstance(priors, str):
        return {}, _check_set(priors, "priors")
    if not isinstance(priors, Mapping):
        raise TypeError(
            f"priors: got {repr_short(priors)}; it is {_SETS}, or a mapping such as "
            f"{{'sigma': Normal(0, 1)}} with any of the keys {listed(_PARAMETERS)}, {_REST!r}."
        )
    for key in priors:
        if key not in (*_PARAMETERS, _REST):
            raise ValueError(
                f"priors: there is no parameter {key!r}. The parameters are "
                f"{listed(_PARAMETERS)}.{_OTHER_NAMES.get(key) or suggestion(key, _PARAMETERS)}"
            )
    given = {key: value for key, value in priors.items() if key != _REST}
    return given, _check_set(priors.get(_REST, "default"), f"priors[{_REST!r}]")


def _check_set(word: object, argument: str) -> PriorSet:
    """The set of priors that a word means."""
    known = get_args(PriorSet)
    if word not in known:
        raise ValueError(
            f"{argument}: there is no {repr_short(word)}. In one word it is "
            f"{_SETS}.{suggestion(word, known)}"
        )
    return cast(PriorSet, word)


def _check_has_them(family: Family, given: Mapping[str, object]) -> None:
    """Raise for the prior of a parameter that outcomes of the family cannot have."""
    known = parameters_of(family)
    for key in AUXILIARY:
        if key in given and key not in known:
            owners = [f.name for f in FAMILIES.values() if key in (a.name for a in f.auxiliary)]
            # yes and no may be a classifier's, which has no families
            search = "" if family.is_binary else _IN_A_SEARCH
            theirs = [*(parameter.name for parameter in family.auxiliary), "tau", "kappa"]
            raise ValueError(
                Message(
                    f"priors: {family.noun} have no {key!r}, which is a parameter of "
                    f"{listed(owners)}. Leave it out; their parameters are {listed(theirs)}.",
                    python=search,
                )
            )


def _split_tau(value: object, terms: _Terms) -> tuple[dict[str, object], dict[str, Location]]:
    """The entries of ``tau`` that are about one factor, and those about a coefficient in all."""
    if not isinstance(value, Mapping):
        return {}, _per_coefficient(value, "tau", terms)
    named = by_meaning(value, terms.factor_or_coefficient, "priors['tau']")
    by_factor = {key: entry for key, entry in named.items() if key in terms.factors}
    rest = {key: entry for key, entry in named.items() if key not in terms.factors}
    return by_factor, _per_coefficient(rest, "tau", terms)


def _per_coefficient(value: object, argument: str, terms: _Terms) -> dict[str, Location]:
    """Priors by coefficient, from one prior for all or from a mapping that may leave some out."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(terms.coefficients, check_location(value, argument))
    named = by_meaning(value, partial(terms.coefficient, argument=argument), f"priors: {argument}")
    return {key: check_location(entry, f"{argument}[{key!r}]") for key, entry in named.items()}
