"""Stan's line search, where every point of its interval is NaN, ends."""

from __future__ import annotations

import subprocess

import pytest

from stan import build

PROGRAM = r"""
#include "patience.hpp"

#include <Eigen/Dense>
#include <stan/optimization/bfgs_linesearch.hpp>

#include <cmath>
#include <cstdio>
#include <limits>

using Vector = Eigen::VectorXd;

int evaluations = 0;

double density(const Vector& x) {
  ++evaluations;
  if (!x.allFinite()) throw std::domain_error("no density");
  return 0.5 * x.squaredNorm();
}

// As Stan's algorithms take a density: a domain error is a code.
int evaluate(const Vector& x, double& value, Vector& gradient) {
  try {
    value = hlm::within_patience([&] { return density(x); });
  } catch (const std::domain_error&) {
    return 1;
  }
  gradient = x;
  return 0;
}

double refusals_of_a_search() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Vector start = Vector::Ones(2), direction = Vector::Constant(2, -1);
  double step = 1, value = 0;
  Vector point = start, gradient = start;
  evaluations = 0;
  try {
    stan::optimization::WolfLSZoom(step, point, value, gradient, evaluate, start, 1.0, -2.0,
                                   -2e-4, -1.8, direction, nan, 1.0, nan, nan, 1.0, nan, 1e-16);
  } catch (const std::runtime_error& error) {
    std::puts(error.what());
  }
  return evaluations;
}

int main() {
  double value;
  Vector gradient;
  const Vector nowhere = Vector::Constant(2, std::nan("")), somewhere = Vector::Ones(2);
  for (int i = 0; i < 5000; ++i) {  // refused now and then, as by a sampler's divergences
    if (evaluate(nowhere, value, gradient) != 1) return 1;
    if (i % 900 == 0 && evaluate(somewhere, value, gradient) != 0) return 2;
  }
  if (evaluate(somewhere, value, gradient) != 0) return 3;
  std::printf("%g %g\n", refusals_of_a_search(), refusals_of_a_search());
}
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> str:
    """What the program above says."""
    directory = tmp_path_factory.mktemp("patience")
    source, program = directory / "patience.cpp", directory / "patience"
    source.write_text(PROGRAM)
    command = build.compile_command(
        build.find_toolchain(), [*build.COMPILE_FLAGS, f"-I{build.STAN}"], source
    )
    compiled = program.with_suffix(".o")
    build.run([*command, compiled], "It does not compile")
    build.run([*build.find_compiler(), compiled, "-o", program], "It does not link")
    return subprocess.run([program], capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_search_ends_that_would_not(output):
    said = "the search went where no log density is finite"
    assert output.splitlines() == [said, said, "1000 1000"]
