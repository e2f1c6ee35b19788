"""The words of options are those of the package."""

from __future__ import annotations

import inspect
from typing import get_args

from skhlm import HLMRegressor
from skhlm.cli import words
from skhlm.engine import Algorithm
from skhlm.families import AUXILIARY, FAMILIES
from skhlm.posterior import Kind
from skhlm.priors import PriorSet

CONSTRAINTS = HLMRegressor._parameter_constraints


def options_of(parameter):
    """The words that a parameter may be."""
    return {word for allowed in CONSTRAINTS[parameter] for word in getattr(allowed, "options", ())}


def test_families():
    assert {name: family.support for name, family in FAMILIES.items()} == words.FAMILIES


def test_parameters_that_have_priors():
    assert {*words.PARAMETERS} == {"kappa", "tau", *AUXILIARY}


def test_sets_of_priors():
    assert get_args(PriorSet) == words.PRIORS


def test_words_of_parameters():
    assert get_args(Algorithm) == words.ALGORITHMS
    assert {*words.COVARIANCES} == options_of("covariance")
    assert {*words.FALLBACKS} == options_of("fallback")
    assert {*words.UNSEEN} == options_of("unseen")
    assert {*words.KINDS} <= {*get_args(Kind)}


def test_tables_of_rows_are_methods_of_these():
    for name in words.TABLES_OF_ROWS:
        assert "X" in inspect.signature(getattr(HLMRegressor(), name)).parameters


def test_tables_are_methods_that_need_nothing():
    for name in words.TABLES:
        parameters = inspect.signature(getattr(HLMRegressor(), name)).parameters.values()
        assert all(parameter.default is not parameter.empty for parameter in parameters)
