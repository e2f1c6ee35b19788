#ifndef HLM_FAMILIES_STUDENT_T_HPP
#define HLM_FAMILIES_STUDENT_T_HPP

#include "../lanes.hpp"
#include "../rows.hpp"

#include <cmath>

namespace hlm {

/**
 * Student-t rows, auxiliary parameters sigma and nu. With e_i = y_i - eta_i,
 * q_i = 1 + e_i^2 / (nu sigma^2) and h = (nu + 1)/2,
 *
 *     log p = -sum_i w_i [ log B(1/2, nu/2) + log(nu)/2 + log sigma + h log q_i ]
 *
 *     d/d eta_i = 2 h / (nu sigma^2) w_i e_i / q_i
 *     d/d sigma = -n / sigma + 2 h / (nu sigma^3) sum_i w_i e_i^2 / q_i
 *     d/d nu    = n/2 [digamma(h) - digamma(nu/2) - 1/nu] - 1/2 sum_i w_i log q_i
 *                 + h / (nu^2 sigma^2) sum_i w_i e_i^2 / q_i
 *     c         = (nu + 1) / ((nu + 3) sigma^2)
 *
 * where n = sum w_i. The product of the q_i gives the sum of their logs; only where rows are weighted
 * they need logarithms of their own.
 */
class StudentT {
 public:
  static constexpr bool has_offset = false;

  explicit StudentT(const double* aux)
      : nu_(aux[1]), sigma_(aux[0]), inverse_(1 / (nu_ * sigma_ * sigma_)) {}

  HLM_INLINE void add(Block rows) {
    const double inverse = inverse_;
    double q[Block::size], squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int i = 0; i < rows.n; ++i) {
      const double residual = rows.y[i] - rows.eta[i];
      q[i] = 1 + residual * residual * inverse;
      rows.score[i] = rows.weight[i] * residual / q[i];
      squares += residual * rows.score[i];
    }
    squares_ += squares;
    sum_log_q_ += rows.weighted ? sum_of_logs(rows.n, q, rows.weight) : sum_of_logs(rows.n, q);
  }
  void add(const StudentT& other) {
    sum_log_q_ += other.sum_log_q_;
    squares_ += other.squares_;
  }
  double score_scale() const { return (nu_ + 1) * inverse_; }
  double log_density(const Rows& rows) const {
    return -rows.n_obs * (stan::math::lbeta(0.5, 0.5 * nu_) + 0.5 * std::log(nu_) + std::log(sigma_))
           - 0.5 * (nu_ + 1) * sum_log_q_;
  }
  void d_aux(const Rows& rows, double* d) const {
    using stan::math::digamma;
    const double h = 0.5 * (nu_ + 1);
    d[0] = ((nu_ + 1) * inverse_ * squares_ - rows.n_obs) / sigma_;
    d[1] = 0.5 * rows.n_obs * (digamma(h) - digamma(0.5 * nu_) - 1 / nu_) - 0.5 * sum_log_q_
           + h * inverse_ * squares_ / nu_;
  }
  double information() const { return share() / (sigma_ * sigma_); }
  void add_d_information(double d_c, double* d) const {
    const double variance = sigma_ * sigma_, d_share = d_c / variance;
    d[0] -= d_c * share() / (variance * variance) * 2 * sigma_;
    d[1] += d_share / (nu_ + 3);
    d[1] -= d_share * (nu_ + 1) / ((nu_ + 3) * (nu_ + 3));
  }

 private:
  /** Of a normal row's information with the same sigma. */
  double share() const { return (nu_ + 1) / (nu_ + 3); }

  double nu_, sigma_, inverse_;
  double sum_log_q_ = 0;  // sum w log q
  double squares_ = 0;    // sum w e^2 / q
};

}  // namespace hlm

#endif
