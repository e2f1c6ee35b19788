"""Arithmetic that vectorises, with every set of instructions that this processor has."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from stan import build

ULP = np.finfo(float).eps
PROGRAM = r"""
#include "instructions.hpp"
#include "lanes.hpp"

#include <cstdio>
#include <vector>

int main(int n_arguments, char**) {
#ifdef HLM_CHOOSES_INSTRUCTIONS
  if (n_arguments > 1) return static_cast<int>(hlm::find_instructions());
#endif
  std::vector<double> x, exponential, logarithm;
  for (double number; std::fread(&number, sizeof number, 1, stdin);) x.push_back(number);
  const int n = x.size();
  exponential.resize(n);
  logarithm.resize(n);
  double sums[2];
  hlm::vectorised([&] {
    for (int i = 0; i < n; ++i) exponential[i] = hlm::lane_exp(x[i]);
    for (int i = 0; i < n; ++i) logarithm[i] = hlm::lane_log(x[i]);
    const std::vector<double> weight(n, 0.5);
    sums[0] = hlm::sum_of_logs(n, x.data());
    sums[1] = hlm::sum_of_logs(n, x.data(), weight.data());
  });
  std::fwrite(exponential.data(), sizeof(double), n, stdout);
  std::fwrite(logarithm.data(), sizeof(double), n, stdout);
  std::fwrite(sums, sizeof(double), 2, stdout);
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """The program above, compiled as the model is."""
    directory = tmp_path_factory.mktemp("lanes")
    source = directory / "lanes.cpp"
    source.write_text(PROGRAM)
    flags = [build.MODEL_OPTIMISATION, *build.COMPILE_FLAGS, f"-I{build.STAN}", "-w"]
    output = directory / "lanes"
    build.run([*build.find_compiler(), *flags, source, "-o", output], "It does not compile")
    return output


@pytest.fixture(params=["baseline", "avx2", "all"])
def evaluate(request, program):
    """Function from numbers to their exp, log and the sums of logs, with some instructions."""

    def run(x):
        environment = {**os.environ, "SKHLM_INSTRUCTIONS": request.param}
        result = subprocess.run(
            [program], input=x.tobytes(), env=environment, capture_output=True, check=True
        )
        numbers = np.frombuffer(result.stdout)
        return numbers[: len(x)], numbers[len(x) : -2], numbers[-2:]

    return run


# what each set needs, by the names of the kernel
AVX2 = {"avx2", "fma"}
AVX512 = AVX2 | {"avx512f", "avx512dq", "avx512vl"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere nothing is chosen")
@pytest.mark.parametrize("most", [None, "baseline", "avx2", "avx512", "nonsense"])
def test_the_set_is_the_best_that_the_processor_has(program, most):
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        pytest.skip("only Linux says what the processor has")
    has = set(re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)[1].split())
    best = (has >= AVX2) + (has >= AVX512)
    expected = {"baseline": 0, "avx2": min(best, 1)}.get(most, best)
    environment = dict(os.environ)
    environment.pop("SKHLM_INSTRUCTIONS", None)
    if most:
        environment["SKHLM_INSTRUCTIONS"] = most
    result = subprocess.run([program, "which"], env=environment, check=False)
    assert result.returncode == expected


def test_exp_is_right_to_two_units_in_the_last_place(evaluate):
    x = np.concatenate([np.linspace(-708, 709, 20011), np.linspace(-1, 1, 20011), [0.0, -1e-300]])
    found, _, _ = evaluate(x)
    expected = np.exp(x.astype(np.longdouble))
    np.testing.assert_array_less(np.abs(found / expected - 1), 2 * ULP)


def test_exp_ends_at_nothing_and_at_infinity(evaluate):
    found, _, _ = evaluate(np.array([-708.5, -1e300, -np.inf, 709.5, 1e300, np.inf, np.nan]))
    np.testing.assert_array_equal(found, [0, 0, 0, np.inf, np.inf, np.inf, np.nan])


def test_log_is_right_to_two_units_in_the_last_place(evaluate):
    near_one = 1 + np.ldexp(np.arange(1, 20011), -52) * 997
    x = np.concatenate([np.exp(np.linspace(-690, 709, 20011)), near_one, 2 - near_one, [1.0]])
    _, found, _ = evaluate(x)
    expected = np.log(x.astype(np.longdouble))
    np.testing.assert_array_less(np.abs(found - expected), 2 * ULP * np.abs(expected) + 1e-300)


@pytest.mark.parametrize("n", [1, 7, 8, 256])
def test_sums_of_logs_are_those_of_their_terms(evaluate, n):
    x = np.exp(np.random.default_rng(n).uniform(-300, 300, n))
    _, _, sums = evaluate(x)
    expected = float(np.sum(np.log(x.astype(np.longdouble))))
    np.testing.assert_allclose(sums, [expected, expected / 2], rtol=0, atol=n * 300 * ULP)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_sum_of_logs_of_what_is_not_finite_is_not_a_number(evaluate, wrong):
    _, _, sums = evaluate(np.array([1.0, 2.0, wrong, 3.0]))
    assert np.isnan(sums).all()
