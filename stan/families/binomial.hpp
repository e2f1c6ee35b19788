#ifndef HLM_FAMILIES_BINOMIAL_HPP
#define HLM_FAMILIES_BINOMIAL_HPP

#include "../log_product.hpp"
#include "../rows.hpp"

#include <cmath>

namespace hlm {

/**
 * Binomial rows with a logit link: y_i is the share of successes, w_i the trials. With
 * q_i = 1 + exp(-eta_i) and mu_i = 1 / q_i,
 *
 *     log p = sum_i w_i [ (y_i - 1) eta_i - log q_i ],   d/d eta_i = w_i (y_i - mu_i)
 *
 * (the number of ways to have that many successes left out). One exponential a row and no branch on
 * the sign of eta; the product of the q_i gives the sum of their logs, only rows that are weighted
 * need one of their own. Far below zero, where q_i would overflow, log q_i = -eta_i.
 */
template <bool Weighted>
class Binomial {
 public:
  static constexpr bool has_offset = true;

  explicit Binomial(const double*) {}

  double add(double y, double eta, double weight) {
    const double w = Weighted ? weight : 1;
    if (eta < -300) {
      linear_ += w * y * eta;
      return w * (y - std::exp(eta));
    }
    const double q = 1 + std::exp(-eta);
    linear_ += w * ((y - 1) * eta);
    q_.times(q);
    if (Weighted && weight != 1) rest_ += (weight - 1) * std::log(q);
    return w * (y - 1 / q);
  }
  double score_scale() const { return 1; }
  double log_density(const Rows&) const { return linear_ - q_.log() - rest_; }
  void d_aux(const Rows&, double*) const {}
  double information() const { return 1; }
  void add_d_information(double, double*) const {}

 private:
  LogProduct q_;
  double rest_ = 0;    // sum (w - 1) log q
  double linear_ = 0;  // sum w (y - 1) eta
};

}  // namespace hlm

#endif
