#ifndef HLM_FAMILIES_BINOMIAL_HPP
#define HLM_FAMILIES_BINOMIAL_HPP

#include "../lanes.hpp"
#include "../rows.hpp"

#include <cmath>

namespace hlm {

/**
 * Binomial rows with a logit link: y_i is the share of successes, w_i the trials. With
 * a_i = exp(-|eta_i|), which cannot overflow, q_i = 1 + a_i and mu_i = 1 / q_i, or a_i / q_i where eta_i
 * is negative,
 *
 *     log p = sum_i w_i [ y_i eta_i - max(eta_i, 0) - log q_i ],   d/d eta_i = w_i (y_i - mu_i)
 *
 * (the number of ways to have that many successes left out). The product of the q_i gives the sum of
 * their logs; only where rows are weighted they need logarithms of their own.
 */
class Binomial {
 public:
  static constexpr bool has_offset = true;

  explicit Binomial(const double*) {}

  HLM_INLINE void add(Block rows) {
    double q[Block::size], linear = 0;
#pragma omp simd reduction(+ : linear)
    for (int i = 0; i < rows.n; ++i) {
      const double eta = rows.eta[i], a = lane_exp(-std::abs(eta));
      q[i] = 1 + a;
      linear += rows.weight[i] * (rows.y[i] * eta - (eta > 0 ? eta : 0));
      rows.score[i] = rows.weight[i] * (rows.y[i] - (eta > 0 ? 1 : a) / q[i]);
    }
    linear_ += linear;
    sum_log_q_ += rows.weighted ? sum_of_logs(rows.n, q, rows.weight) : sum_of_logs(rows.n, q);
  }
  void add(const Binomial& other) {
    linear_ += other.linear_;
    sum_log_q_ += other.sum_log_q_;
  }
  double score_scale() const { return 1; }
  double log_density(const Rows&) const { return linear_ - sum_log_q_; }
  void d_aux(const Rows&, double*) const {}
  double information() const { return 1; }
  void add_d_information(double, double*) const {}

 private:
  double linear_ = 0;     // sum w (y eta - max(eta, 0))
  double sum_log_q_ = 0;  // sum w log q
};

}  // namespace hlm

#endif
