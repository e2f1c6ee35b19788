"""Levels of several modes are found, and their number; others are not."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats
from skhlm.diagnostics.modes import check_modes
from skhlm.draws import Draws
from tests.draws import auxiliary
from tests.engine.problems import make_problem

J, NU, SIGMA = 30, 1.2, 0.05


def rows_of(split: int) -> tuple[Floats, Floats]:
    """Levels of six rows about zero; of the first ones three rows lie elsewhere, at 1."""
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(J), 6)
    y = SIGMA * rng.normal(size=6 * J)
    y[(level < split) & (np.arange(6 * J) % 6 < 3)] += 1
    return level, y


def chains(means: Floats) -> Draws:
    """Four chains of 100 draws about their own means (4, J) of the effects."""
    rng = np.random.default_rng(1)
    shape = (4, 100)
    delta = means[:, None, :, None] + 0.02 * rng.normal(size=(*shape, J, 1))
    return Draws(
        kappa=np.zeros((*shape, 1)),
        delta=(delta,),
        tau=(np.ones((*shape, 1)),),
        omega=(),
        auxiliary=auxiliary(np.full(shape, SIGMA), np.full(shape, NU)),
    )


def found(split: int, far: int) -> tuple[object, ...]:
    """What is said where chains are apart in some levels, and rows of some fall in two groups."""
    level, y = rows_of(split)
    problem = make_problem(np.ones((len(y), 1)), y, [level], family="student_t")
    means = np.zeros((4, J))
    means[:2, :far] = 1
    return check_modes(
        problem.family, problem.evidence, problem.codes, problem.varying, chains(means), 0
    )


def test_levels_that_fit_in_two_ways_are_named_as_the_cause() -> None:
    (check,) = found(split=8, far=8)
    assert check.verdict == "fail"
    assert check.value == 8 / 20
    assert check.advice.startswith("Residuals of short groups are multimodal: nu is near 1.2,")
    assert "family='normal'" in check.advice


def test_chains_that_disagree_in_levels_of_one_mode_have_another_cause() -> None:
    assert found(split=0, far=8) == ()
