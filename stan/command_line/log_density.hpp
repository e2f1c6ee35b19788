#ifndef SKHLM_COMMAND_LINE_LOG_DENSITY_HPP
#define SKHLM_COMMAND_LINE_LOG_DENSITY_HPP

#include "inputs.hpp"

#include <stan/math/rev.hpp>  // before Eigen, which it extends

#include <stan/model/log_prob_grad.hpp>

#include <ostream>
#include <type_traits>

namespace command_line {

// Calls `work` with std::true_type or std::false_type.
template <class Work>
auto with_constant(bool value, Work&& work) {
  return value ? work(std::true_type()) : work(std::false_type());
}

// The log density of unconstrained parameters, up to a constant, and its gradient.
struct LogDensity {
  const Model& model;
  bool jacobian;
  std::ostream* messages;

  double operator()(Eigen::VectorXd point, Eigen::VectorXd& gradient) const {
    return with_constant(jacobian, [&](auto constant) {
      return stan::model::log_prob_grad<true, constant.value>(model, point, gradient, messages);
    });
  }
};

}  // namespace command_line

#endif
