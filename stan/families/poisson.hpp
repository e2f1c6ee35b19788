#ifndef HLM_FAMILIES_POISSON_HPP
#define HLM_FAMILIES_POISSON_HPP

#include "../rows.hpp"

#include <cmath>

namespace hlm {

/**
 * Poisson rows with a log link: with mu_i = exp(eta_i),
 *
 *     log p = sum_i w_i (y_i eta_i - mu_i),   d/d eta_i = w_i (y_i - mu_i)
 *
 * (log y! left out). A row that stands for many has their mean count, which need not be whole.
 */
template <bool Weighted>
class Poisson {
 public:
  static constexpr bool has_offset = true;

  explicit Poisson(const double*) {}

  double add(double y, double eta, double weight) {
    const double mu = std::exp(eta), w = Weighted ? weight : 1;
    sum_ += w * (y * eta - mu);
    return w * (y - mu);
  }
  double score_scale() const { return 1; }
  double log_density(const Rows&) const { return sum_; }
  void d_aux(const Rows&, double*) const {}
  double information() const { return 1; }
  void add_d_information(double, double*) const {}

 private:
  double sum_ = 0;  // sum w (y eta - mu)
};

}  // namespace hlm

#endif
