#ifndef HLM_MIXTURE_WALK_HPP
#define HLM_MIXTURE_WALK_HPP

#include "random.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <vector>

namespace hlm::mixture {

/**
 * Metropolis's random walk in a few dimensions. While it adapts, its steps take on the covariance of
 * where it has been and a length at which a third of them are accepted; then they stay as they are.
 */
class Walk {
 public:
  Walk(const Eigen::VectorXd& sd) : factor_(sd.asDiagonal()), log_length_(std::log(2.4 / std::sqrt(std::max<double>(1, sd.size())))) {}

  /** The next place from x, whose log density is given and becomes that of the new place. */
  template <class LogDensity>
  void step(Eigen::VectorXd& x, double& value, const LogDensity& log_density, Random& random,
            bool adapting) {
    Eigen::VectorXd z(x.size());
    for (double& number : z) number = random.normal();
    const Eigen::VectorXd to = x + std::exp(log_length_) * (factor_ * z);
    const double there = log_density(to);
    const double ratio = std::isnan(there) ? -HUGE_VAL : there - value;
    if (adapting) adapt_length(std::exp(std::min(0.0, ratio)));
    if (!random.accepts(ratio)) return;
    x = to;
    value = there;
  }

  /** Remembers a place while it adapts. */
  void remember(const Eigen::VectorXd& x) { seen_.push_back(x); }

  /** Takes on the covariance of the later half of what it remembers. */
  void learn() {
    const std::size_t n = seen_.size(), first = n / 2, d = factor_.rows();
    if (d == 0 || n - first < 4 * d) return;
    Eigen::VectorXd mean = Eigen::VectorXd::Zero(d);
    for (std::size_t i = first; i < n; ++i) mean += seen_[i] / double(n - first);
    const Eigen::MatrixXd own = factor_ * factor_.transpose();
    Eigen::MatrixXd squares = own * double(d);  // as much as d places of what it was
    for (std::size_t i = first; i < n; ++i)
      squares += (seen_[i] - mean) * (seen_[i] - mean).transpose();
    const Eigen::LLT<Eigen::MatrixXd> root(squares / double(n - first + d));
    if (root.info() == Eigen::Success) factor_ = root.matrixL();
  }

 private:
  static constexpr double wanted = 0.3;  // acceptance

  void adapt_length(double accepted) {
    ++n_steps_;
    log_length_ += (accepted - wanted) / std::sqrt(1 + 0.1 * n_steps_);
  }

  Eigen::MatrixXd factor_;
  double log_length_;
  int n_steps_ = 0;
  std::vector<Eigen::VectorXd> seen_;
};

}  // namespace hlm::mixture

#endif
