"""What an outcome is called, and errors that say where in it something is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skhlm import HLMRegressor, PooledRegressor
from skhlm.families import FAMILIES, find_family
from skhlm.inputs.outcomes import check_finite, check_possible, name_of_outcome, named_family

Y = np.array([2.0, 0.0, 5.0, 1.0])


@pytest.mark.parametrize(
    ("y", "name"),
    [
        (pd.Series(Y, name="sales"), "sales"),
        (pd.DataFrame({"sales": Y}), "sales"),
        (pl.Series("sales", Y), "sales"),
        (pl.Series(Y), None),
        (pd.Series(Y, name=3), None),
        (pd.Series(Y), None),
        (np.asarray(Y), None),
        (list(Y), None),
    ],
)
def test_what_an_outcome_is_called(y, name):
    assert name_of_outcome(y) == name


@pytest.mark.parametrize(
    ("given", "subject"),
    [(Y, "y"), (pd.Series(Y, name="n"), "y: column 'n'"), (pl.Series("n", Y), "y: column 'n'")],
)
def test_what_is_wrong_is_told_by_name_and_row(given, subject):
    broken = np.where(Y > 1, np.nan, Y)
    with pytest.raises(ValueError, match=rf"contains NaN\. {subject} is nan in row 0 \(2 such "):
        check_finite(broken, given)
    broken = np.where(Y == 5, -np.inf, Y)
    with pytest.raises(ValueError, match=rf"contains infinity .*\. {subject} is -inf in row 2: "):
        check_finite(broken, given)
    with pytest.raises(ValueError, match=rf"^{subject} is 0 in row 1: gamma outcomes are above"):
        check_possible(find_family("gamma"), Y, given)
    check_finite(Y, given)
    check_possible(find_family("poisson"), Y, given)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("possion", "poisson"),
        ("Poisson", "poisson"),
        ("negbinomial", "negative_binomial"),
        ("nb", "negative_binomial"),
        ("gaussian", "normal"),
        ("bernoulli", "binomial"),
        ("t", "student_t"),
    ],
)
def test_a_family_by_another_name_is_found_out(written, meant):
    with pytest.raises(ValueError, match=rf"no {written!r}.*'gamma'\. Did you mean '{meant}'\?$"):
        named_family(written, FAMILIES)
    assert named_family(meant, FAMILIES) is find_family(meant)


def test_a_family_that_nobody_has_gets_no_suggestion():
    for model in (HLMRegressor(family="beta"), PooledRegressor(family="beta")):
        with pytest.raises(ValueError, match=r"^family: there is no 'beta'\. .* 'gamma'\.$"):
            model.fit(Y[:, None], Y)
    with pytest.raises(ValueError, match=r"no 'student_t'. The families are 'normal', "):
        PooledRegressor(family="student_t").fit(Y[:, None], Y)


@pytest.mark.parametrize("exposure", [Y, Y[:, None], pd.Series(Y), pd.DataFrame({"n": Y}), ["n"]])
@pytest.mark.parametrize("model", [HLMRegressor(), PooledRegressor()])
def test_values_of_the_exposure_are_a_column_of_x(model, exposure):
    model.set_params(family="poisson", exposure=exposure)
    kind = type(exposure).__name__
    with pytest.raises(
        TypeError, match=rf"^exposure: got a {kind}; its .* X\.assign\(days="
    ) as told:
        model.fit(Y[:, None], Y)
    assert len(str(told.value)) < 250


@pytest.mark.parametrize("name", ["lognormal", "log_normal", "Log-Normal"])
def test_outcomes_with_a_normal_logarithm_have_two_ways(name):
    with pytest.raises(ValueError, match="'normal' or 'student_t' to the logarithm of y, or famil"):
        named_family(name, FAMILIES)
