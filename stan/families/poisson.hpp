#ifndef HLM_FAMILIES_POISSON_HPP
#define HLM_FAMILIES_POISSON_HPP

#include "../lanes.hpp"
#include "../rows.hpp"

namespace hlm {

/**
 * Poisson rows with a log link: with mu_i = exp(eta_i),
 *
 *     log p = sum_i w_i (y_i eta_i - mu_i),   d/d eta_i = w_i (y_i - mu_i)
 *
 * (log y! left out). A row that stands for many has their mean count, which need not be whole.
 */
class Poisson {
 public:
  static constexpr bool has_offset = true;

  explicit Poisson(const double*) {}

  HLM_INLINE void add(Block rows) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < rows.n; ++i) {
      const double mu = lane_exp(rows.eta[i]);
      sum += rows.weight[i] * (rows.y[i] * rows.eta[i] - mu);
      rows.score[i] = rows.weight[i] * (rows.y[i] - mu);
    }
    sum_ += sum;
  }
  void add(const Poisson& other) {
    sum_ += other.sum_;
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
