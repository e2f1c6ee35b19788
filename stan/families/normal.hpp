#ifndef HLM_FAMILIES_NORMAL_HPP
#define HLM_FAMILIES_NORMAL_HPP

#include "../rows.hpp"

#include <cmath>

namespace hlm {

/**
 * Normal rows, auxiliary parameter sigma; or fewer rows with the same squares: with e_i = y_i - eta_i
 * and S = rss + sum_i w_i e_i^2,
 *
 *     log p = -n log sigma - S / (2 sigma^2),   d/d eta_i = w_i e_i / sigma^2,
 *     d/d sigma = -n / sigma + S / sigma^3,     c = 1 / sigma^2
 *
 * (sqrt(2 pi) left out).
 */
class Normal {
 public:
  static constexpr bool has_offset = false;

  explicit Normal(const double* aux) : sigma_(aux[0]) {}

  HLM_INLINE void add(Block rows) {
    double squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int i = 0; i < rows.n; ++i) {
      const double residual = rows.y[i] - rows.eta[i];
      rows.score[i] = rows.weight[i] * residual;
      squares += residual * rows.score[i];
    }
    squares_ += squares;
  }
  void add(const Normal& other) {
    squares_ += other.squares_;
  }
  /** Rows of which only the squares are known. */
  void add_squares(double squares) { squares_ += squares; }
  double score_scale() const { return 1 / (sigma_ * sigma_); }
  double log_density(const Rows& rows) const {
    return -rows.n_obs * std::log(sigma_) - 0.5 * (rows.rss + squares_) * score_scale();
  }
  void d_aux(const Rows& rows, double* d) const {
    d[0] = ((rows.rss + squares_) * score_scale() - rows.n_obs) / sigma_;
  }
  double information() const { return score_scale(); }
  void add_d_information(double d_c, double* d) const {
    const double variance = sigma_ * sigma_;
    d[0] -= d_c / (variance * variance) * 2 * sigma_;
  }

 private:
  double sigma_;
  double squares_ = 0;  // sum w e^2
};

}  // namespace hlm

#endif
