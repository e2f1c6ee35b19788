"""The distribution of the outcome: a file a family. Nobody outside asks which one it is."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from skhlm.families.binomial import Binomial
from skhlm.families.evidence import Evidence
from skhlm.families.excess import Excess
from skhlm.families.family import Auxiliary, Family, Flaw
from skhlm.families.gamma import Gamma
from skhlm.families.link_family import LinkFamily
from skhlm.families.location import LocationFamily
from skhlm.families.negative_binomial import NegativeBinomial
from skhlm.families.normal import Normal
from skhlm.families.poisson import Poisson
from skhlm.families.student_t import StudentT

__all__ = [
    "AUXILIARY",
    "FAMILIES",
    "Auxiliary",
    "Binomial",
    "Evidence",
    "Excess",
    "Family",
    "Flaw",
    "Gamma",
    "LinkFamily",
    "LocationFamily",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "StudentT",
    "family_of_classes",
    "find_family",
    "limits_of",
    "parameters_of",
]

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (StudentT(), Normal(), Binomial(), Poisson(), NegativeBinomial(), Gamma())
}
AUXILIARY: Mapping[str, Auxiliary] = {
    parameter.name: parameter for family in FAMILIES.values() for parameter in family.auxiliary
}


def find_family(name: str) -> Family:
    """The family of this name."""
    return FAMILIES[name]


def family_of_classes() -> Family:
    """The family of zeros and ones that stand for two classes."""
    return FAMILIES["binomial"]


def parameters_of(family: Family) -> tuple[str, ...]:
    """Parameters of which a prior makes sense: the family's, and those of one it is the limit of.

    So a search over student_t and normal, or over negative_binomial and poisson, has one mapping.
    """
    wider = FAMILIES[family.wider].auxiliary if family.wider else ()
    own = [parameter.name for parameter in (*family.auxiliary, *wider)]
    return (*own, *limits_of(family))


def limits_of(family: Family) -> Mapping[str, float]:
    """Values that parameters of other families take in this one, which is a limit of those."""
    if not family.scales_outcome:
        return {}
    own = {parameter.name for parameter in family.auxiliary}
    others = {name: parameter.absent for name, parameter in AUXILIARY.items() if name not in own}
    return {name: value for name, value in others.items() if not isnan(value)}
