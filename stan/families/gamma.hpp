#ifndef HLM_FAMILIES_GAMMA_HPP
#define HLM_FAMILIES_GAMMA_HPP

#include "../lanes.hpp"
#include "../rows.hpp"
#include "stirling.hpp"

#include <algorithm>
#include <cmath>

namespace hlm {

/**
 * Gamma rows with a log link, auxiliary parameter cv = 1 / sqrt(shape). With mu_i = exp(eta_i),
 * n = sum w_i and L the weighted mean of log y (`rows.outcome`, one entry),
 *
 *     log p     = n [ shape log shape - log Gamma(shape) ] + (shape - 1) n L
 *                 - shape sum_i w_i (eta_i + y_i / mu_i)
 *     d/d eta_i = shape w_i (y_i / mu_i - 1)
 *     d/d shape = n [ log shape + 1 - digamma(shape) + L ] - sum_i w_i (eta_i + y_i / mu_i)
 *     d/d cv    = -2 shape / cv  d/d shape
 *
 * where shape log shape - log Gamma(shape) = shape + log shape - e(shape), see stirling.hpp.
 */
class Gamma {
 public:
  static constexpr bool has_offset = true;

  explicit Gamma(const double* aux)
      : cv_(aux[0]), shape_(1 / std::max(cv_ * cv_, 1e-200)), log_shape_(std::log(shape_)) {}

  HLM_INLINE void add(Block rows) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < rows.n; ++i) {
      const double ratio = rows.y[i] * lane_exp(-rows.eta[i]);
      sum += rows.weight[i] * (rows.eta[i] + ratio);
      rows.score[i] = rows.weight[i] * (ratio - 1);
    }
    sum_ += sum;
  }
  void add(const Gamma& other) {
    sum_ += other.sum_;
  }
  double score_scale() const { return shape_; }
  double log_density(const Rows& rows) const {
    const double constant = log_shape_ - Stirling(shape_, log_shape_).value - mean_log(rows);
    return rows.n_obs * constant + shape_ * excess(rows);
  }
  void d_aux(const Rows& rows, double* d) const {
    const double constant = 1 / shape_ - Stirling(shape_, log_shape_).derivative;
    d[0] = -2 * shape_ / cv_ * (rows.n_obs * constant + excess(rows));
  }
  double information() const { return 1; }
  void add_d_information(double, double*) const {}

 private:
  double mean_log(const Rows& rows) const { return rows.n_outcomes ? rows.outcome[0] : 0; }
  /** sum w (1 + log y/mu - y/mu) <= 0 */
  double excess(const Rows& rows) const { return rows.n_obs * (1 + mean_log(rows)) - sum_; }

  double cv_, shape_, log_shape_;
  double sum_ = 0;  // sum w (eta + y / mu)
};

}  // namespace hlm

#endif
