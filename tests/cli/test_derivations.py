"""Predictors made of an amount: arithmetic, and nothing else."""

from __future__ import annotations

from argparse import ArgumentTypeError

import numpy as np
import pytest

from skhlm.cli.derivations import derive, read_derivation

SPEND = np.array([1.0, 4.0, 100.0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log_spend=log(spend)", np.log(SPEND)),
        ("p = log1p(spend / 1000)", np.log1p(SPEND / 1000)),
        ("hill=x**2/(x**2 + 50)", SPEND**2 / (SPEND**2 + 50)),
        ("p=-sqrt(x) + 2*(x - 1)", -np.sqrt(SPEND) + 2 * (SPEND - 1)),
        ("p=spend", SPEND),
    ],
)
def test_arithmetic(text, expected):
    found = derive([read_derivation(text)], "spend")(SPEND)
    ((name, values),) = found.items()
    assert name == text.split("=")[0].strip()
    np.testing.assert_allclose(values, expected, rtol=1e-14)


@pytest.mark.parametrize(
    "text",
    [
        *("spend", "=log(spend)", "p=", "p=log spend", "p=log(spend, 2)", "p=log(x=spend)"),
        *("p=__import__('os')", "p=spend.real", "p=[spend]", "p=spend[0]", "p=f(spend)"),
        *("p=lambda: 1", "p='a'", "p=True", "p=1 if spend else 2", "p=spend > 1", "p=(yield)"),
    ],
)
def test_nothing_else(text):
    with pytest.raises(
        ArgumentTypeError, match=r"no predictor made of the amount, such as|there is no function"
    ):
        read_derivation(text)


def test_another_name_is_told():
    with pytest.raises(ValueError, match=r"--derive 'p=log\(sales\)': there is no 'sales'"):
        derive([read_derivation("p=log(sales)")], "spend")(SPEND)


def test_nothing_is_made_of_no_terms():
    assert derive([], "spend") is None
