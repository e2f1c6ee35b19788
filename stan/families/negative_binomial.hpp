#ifndef HLM_FAMILIES_NEGATIVE_BINOMIAL_HPP
#define HLM_FAMILIES_NEGATIVE_BINOMIAL_HPP

#include "../lanes.hpp"
#include "../rows.hpp"
#include "stirling.hpp"

#include <algorithm>
#include <cmath>

namespace hlm {

/**
 * Negative binomial rows with a log link, auxiliary parameter a = 1 / sqrt(phi): variance
 * mu + mu^2 / phi. With q_i = 1 + mu_i / phi and r_i = mu_i / (mu_i + phi), and outcomes v that
 * together weigh n_v (`rows.outcome`, `rows.outcome_weight`)
 *
 *     log p     = sum_i w_i [ y_i eta_i - (y_i + phi) log q_i ] + sum_v n_v rising(v),
 *     rising(v) = sum_{j < v} log(1 + j / phi)
 *     d/d eta_i = w_i s_i,   s_i = y_i - (y_i + phi) r_i
 *     d/d phi   = sum_i w_i [ (y_i - s_i) / phi - log q_i ] + sum_v n_v rising'(v)
 *     d/d a     = -2 phi / a  d/d phi
 *
 * (log y! left out). No term cancels as phi grows, and the limit is Poisson: what rounding takes from
 * mu_i / phi in q_i is given back to log q_i. Counts are whole numbers.
 */
class NegativeBinomial {
 public:
  static constexpr bool has_offset = true;

  explicit NegativeBinomial(const double* aux)
      : a_(aux[0]), inverse_(std::max(a_ * a_, 1e-200)), phi_(1 / inverse_) {}

  HLM_INLINE void add(Block rows) {
    const double phi = phi_, inverse = inverse_;
    double linear = 0, scores = 0, sum_log_q = 0;
#pragma omp simd reduction(+ : linear, scores, sum_log_q)
    for (int i = 0; i < rows.n; ++i) {
      const double y = rows.y[i], w = rows.weight[i], ratio = lane_exp(rows.eta[i]) * inverse;
      const double q = 1 + ratio, inverse_q = 1 / q;
      const double log_q = lane_log(q) + (ratio - (q - 1)) * inverse_q;
      rows.score[i] = w * (y - (y + phi) * (ratio * inverse_q));
      linear += w * y * (rows.eta[i] - log_q);
      scores += rows.score[i];
      sum_log_q += w * log_q;
    }
    linear_ += linear;
    scores_ += scores;
    sum_log_q_ += sum_log_q;
  }
  void add(const NegativeBinomial& other) {
    linear_ += other.linear_;
    scores_ += other.scores_;
    sum_log_q_ += other.sum_log_q_;
  }
  double score_scale() const { return 1; }
  double log_density(const Rows& rows) const {
    double constants = 0;
    for (int v = 0; v < rows.n_outcomes; ++v)
      constants += rows.outcome_weight[v] * rising(rows.outcome[v]).value;
    return linear_ - phi_ * sum_log_q_ + constants;
  }
  void d_aux(const Rows& rows, double* d) const {
    double events = 0, constants = 0;
    for (int v = 0; v < rows.n_outcomes; ++v) {
      events += rows.outcome_weight[v] * rows.outcome[v];
      constants += rows.outcome_weight[v] * rising(rows.outcome[v]).derivative;
    }
    const double d_phi = (events - scores_) * inverse_ - sum_log_q_ + constants;
    d[0] = -2 * phi_ / a_ * d_phi;
  }
  double information() const { return 1; }
  void add_d_information(double, double*) const {}

 private:
  struct Rising {
    double value, derivative;
  };
  /** sum_{j < y} log(1 + j/phi) and its derivative by phi: term by term, or by Stirling's formula. */
  Rising rising(double y) const {
    if (y <= 16) {
      double product = 1, slope = 0;
      for (double j = 1; j < y; ++j) {
        product *= 1 + j * inverse_;
        slope -= j / (phi_ + j);
      }
      return {std::log(product), slope * inverse_};
    }
    const double n = y + phi_, ratio = y * inverse_, log_ratio = std::log1p(ratio);
    const Stirling of_n(n, log_phi_ + log_ratio);
    return {(n - 1) * log_ratio - y + of_n.value - of_phi_.value,
            log_ratio - (n - 1) / n * ratio + of_n.derivative - of_phi_.derivative};
  }

  double a_, inverse_, phi_;
  double log_phi_ = std::log(phi_);
  Stirling of_phi_{phi_, log_phi_};
  double linear_ = 0;     // sum w y (eta - log q)
  double scores_ = 0;     // sum w s
  double sum_log_q_ = 0;  // sum w log q
};

}  // namespace hlm

#endif
