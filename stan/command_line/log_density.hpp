#ifndef SKHLM_COMMAND_LINE_LOG_DENSITY_HPP
#define SKHLM_COMMAND_LINE_LOG_DENSITY_HPP

#include "inputs.hpp"

#include <stan/math/rev.hpp>  // before Eigen, which it extends

#include <stan/model/log_prob_grad.hpp>

#include <ostream>

namespace command_line {

// The log density of unconstrained parameters with their Jacobian, up to a constant; its gradient.
struct LogDensity {
  const Model& model;
  std::ostream* messages;

  double operator()(Eigen::VectorXd point, Eigen::VectorXd& gradient) const {
    return stan::model::log_prob_grad<true, true>(model, point, gradient, messages);
  }
};

}  // namespace command_line

#endif
