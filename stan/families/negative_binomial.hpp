#ifndef HLM_FAMILIES_NEGATIVE_BINOMIAL_HPP
#define HLM_FAMILIES_NEGATIVE_BINOMIAL_HPP

#include "../log_product.hpp"
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
 * (log y! left out). There is one product of the q_i for each distinct small count, so that most
 * rows need no logarithm: sum_i y_i log q_i = sum_v v log prod_{y_i = v} q_i. No term cancels as phi
 * grows, and the limit is Poisson. Counts are whole numbers.
 */
template <bool Weighted>
class NegativeBinomial {
 public:
  static constexpr bool has_offset = true;

  explicit NegativeBinomial(const double* aux)
      : a_(aux[0]), inverse_(std::max(a_ * a_, 1e-200)), phi_(1 / inverse_) {}

  double add(double y, double eta, double weight) {
    const double ratio = std::exp(eta) * inverse_, q = 1 + ratio, w = Weighted ? weight : 1;
    if (y < FEW && w == 1 && q < limit()) {
      q_[static_cast<int>(y)].times(q);
    } else {
      const double log_q = w * (nearly_poisson() ? std::log1p(ratio) : std::log(q));
      logs_ += log_q;
      log_q_by_y_ += log_q * y;
    }
    const double score = w * (y - (y + phi_) * (ratio / q));
    linear_ += w * y * eta;
    scores_ += score;
    return score;
  }
  double score_scale() const { return 1; }
  double log_density(const Rows& rows) const {
    double by_y = log_q_by_y_, constants = 0;
    for (int y = 1; y < FEW; ++y) by_y += y * q_[y].log();
    for (int v = 0; v < rows.n_outcomes; ++v)
      constants += rows.outcome_weight[v] * rising(rows.outcome[v]).value;
    return linear_ - by_y - phi_ * sum_log_q() + constants;
  }
  void d_aux(const Rows& rows, double* d) const {
    double events = 0, constants = 0;
    for (int v = 0; v < rows.n_outcomes; ++v) {
      events += rows.outcome_weight[v] * rows.outcome[v];
      constants += rows.outcome_weight[v] * rising(rows.outcome[v]).derivative;
    }
    const double d_phi = (events - scores_) * inverse_ - sum_log_q() + constants;
    d[0] = -2 * phi_ / a_ * d_phi;
  }
  double information() const { return 1; }
  void add_d_information(double, double*) const {}

 private:
  struct Rising {
    double value, derivative;
  };
  static constexpr int FEW = 32;
  /** Whether 1 + mu/phi, rounded, is too near to 1 for a logarithm. */
  bool nearly_poisson() const { return phi_ > 1e6; }
  /** Below which q may be a factor. */
  double limit() const { return nearly_poisson() ? 0 : 1e100; }

  double sum_log_q() const {
    double total = logs_;
    for (const LogProduct& q : q_) total += q.log();
    return total;
  }
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
  LogProduct q_[FEW];       // of the rows with this count
  double logs_ = 0;         // of the others: sum w log q
  double log_q_by_y_ = 0;   // and sum w y log q
  double linear_ = 0;       // sum w y eta
  double scores_ = 0;       // sum w s
};

}  // namespace hlm

#endif
