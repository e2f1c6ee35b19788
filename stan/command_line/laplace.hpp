#ifndef SKHLM_COMMAND_LINE_LAPLACE_HPP
#define SKHLM_COMMAND_LINE_LAPLACE_HPP

// Laplace's method: draws from a normal distribution about the mode. Stan's own service draws from
// any Hessian, also that of a saddle, and ends at the first draw that has no density.

#include "inputs.hpp"
#include "log_density.hpp"
#include "output.hpp"
#include "watch.hpp"

#include <stan/services/util/create_rng.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace command_line {

// Minus the second derivatives, from gradients at steps that are long beside rounding errors and
// short beside parameters of scale 1. Not finite where a step leads to no density.
inline Eigen::MatrixXd curvature(const LogDensity& log_density, const Eigen::VectorXd& point,
                                 Watch& watch) {
  constexpr double step = 1e-3;
  const Eigen::Index n = point.size();
  Eigen::MatrixXd result(n, n);
  Eigen::VectorXd ahead(n), behind(n);
  for (Eigen::Index index = 0; index < n; ++index) {
    watch();
    const Eigen::VectorXd move = step * Eigen::VectorXd::Unit(n, index);
    try {
      log_density(point + move, ahead);
      log_density(point - move, behind);
      result.col(index) = (behind - ahead) / (2 * step);
    } catch (const std::domain_error&) {
      result.col(index).setConstant(std::numeric_limits<double>::quiet_NaN());
    }
  }
  return 0.5 * (result + result.transpose());
}

// R where R R' is the covariance of the normal distribution with this curvature. Where the point is
// no maximum, or rounding hides that it is, there are directions in which there is no such
// distribution, or one wider than parameters are, or errors as large as the curvature. There it
// has the standard deviation 1, which is that of hlm.stan's parameters by construction; importance
// ratios tell what that is worth.
inline Eigen::MatrixXd root_of_covariance(const Eigen::MatrixXd& curvature) {
  constexpr double widest = 10;
  const Eigen::MatrixXd identity = Eigen::MatrixXd::Identity(curvature.rows(), curvature.cols());
  if (!curvature.allFinite()) return identity;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(curvature);
  if (cholesky.info() == Eigen::Success) {
    const Eigen::MatrixXd root = cholesky.matrixU().solve(identity);
    if (root.rowwise().norm().maxCoeff() < widest) return root;
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(curvature);
  const double least = std::max(1 / (widest * widest), -eigen.eigenvalues()[0]);
  const Eigen::VectorXd scale = eigen.eigenvalues().unaryExpr(
      [&](double value) { return value > least ? 1 / std::sqrt(value) : 1; });
  return eigen.eigenvectors() * scale.asDiagonal();
}

inline double value_or_none(const LogDensity& log_density, const Eigen::VectorXd& point) {
  Eigen::VectorXd gradient;
  try {
    return log_density(point, gradient);
  } catch (const std::domain_error&) {
    return -std::numeric_limits<double>::infinity();
  }
}

// The largest of 1, 1/4, 1/16, ... times which `root` spreads most draws where there is a density: a
// mode may lie so close to where there is none that a normal distribution of its curvature hardly
// meets any. Importance ratios tell what a narrower one is worth.
inline double spread_with_density(const LogDensity& log_density, const Eigen::VectorXd& mode,
                                  const Eigen::MatrixXd& root, unsigned seed, Watch& watch) {
  constexpr int draws = 20;
  constexpr double narrowest = 1e-12;
  auto rng = stan::services::util::create_rng(seed, 1);
  Eigen::VectorXd z(mode.size());
  double spread = 1;
  for (; spread > narrowest; spread /= 4) {
    watch();
    int found = 0;
    for (int draw = 0; draw < draws; ++draw) {
      for (double& value : z) value = stan::math::std_normal_rng(rng);
      found += std::isfinite(value_or_none(log_density, mode + spread * (root * z)));
    }
    if (2 * found > draws) break;
  }
  return spread;
}

inline void laplace(const Arguments& arguments, Model& model, Watch& watch) {
  const Eigen::VectorXd mode = read_mode(model, arguments.text("laplace.mode"));
  const auto csv = open_output(arguments, model, watch);
  const Sentry sentry(watch);
  const LogDensity log_density{model, nullptr};
  Eigen::VectorXd gradient;
  or_fail(Exit::numerical, "no log density at the mode",
          [&] { return log_density(mode, gradient); });
  Eigen::MatrixXd root = root_of_covariance(curvature(log_density, mode, watch));
  root *= spread_with_density(log_density, mode, root, arguments.natural("random.seed"), watch);
  std::vector<std::string> names{"log_p__", "log_q__"};
  model.constrained_param_names(names, true, true);
  (*csv)(names);
  auto rng = stan::services::util::create_rng(arguments.natural("random.seed"), 0);
  Eigen::VectorXd z(mode.size()), values;
  for (int draw = 0; draw < arguments.integer("laplace.draws"); ++draw) {
    watch();
    for (double& value : z) value = stan::math::std_normal_rng(rng);
    Eigen::VectorXd point = mode + root * z;
    model.write_array(rng, point, values, true, true, nullptr);
    std::vector<double> row{value_or_none(log_density, point), -0.5 * z.squaredNorm()};
    row.insert(row.end(), values.begin(), values.end());
    (*csv)(row);
  }
  watch.rethrow();
}

}  // namespace command_line

#endif
