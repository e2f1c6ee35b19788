"""A problem is told from others in any process: warm starts depend on it."""

from __future__ import annotations

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest

from skhlm.families import FAMILIES
from tests.engine.problems import make_problem


def make(family="student_t", shift=0.0):
    return make_problem(np.ones((6, 1)), np.arange(1, 7) + shift, [np.arange(6) // 2], family)


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_problems_have_one_hash_in_every_process(family):
    script = f"""
import joblib
from tests.engine.test_problem import make
print(joblib.hash(make({family!r})))
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"}
    answer = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == joblib.hash(make(family))


def test_different_problems_have_different_hashes():
    problems = [make(shift=shift) for shift in (0.0, 1.0)] + [make(family) for family in FAMILIES]
    hashes = {joblib.hash(problem) for problem in problems}
    assert len(hashes) == 1 + len(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_parameter_of_the_family_has_a_cut(family):
    problem = make(family.name)
    for cut, parameter in zip(problem.cuts, family.auxiliary, strict=True):
        unit = problem.evidence.spread if parameter.units_of_outcome else 1
        assert cut == parameter.cut * unit
