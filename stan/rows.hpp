#ifndef HLM_ROWS_HPP
#define HLM_ROWS_HPP

#include "log_product.hpp"

#include <stan/math/rev.hpp>  // before Eigen, which it extends

#include <cmath>
#include <type_traits>
#include <vector>

/*
 * The rows: log p(y | coefficients, sigma, nu) and its gradient, in one pass over the data.
 *
 * Rows of one cell (one combination of levels) follow each other and share their coefficients
 *
 *     beta = shift + sum_t total[leaf_t],      eta_i = x_i' beta,      e_i = y_i - eta_i
 *
 * so that what a row leaves behind is its score, the derivative of its log density by eta_i; a
 * cell's scores are summed as sum_i score_i x_i and then handed to the leaf of every tree.
 */
namespace hlm {

/** The data rows, sorted by cell. Pointers and references only: nothing is copied. */
struct Rows {
  int n_coefficients;             // K
  int n_trees;                    // T
  const std::vector<int>& leaf;   // C x T, cell-major: column of `total`, from 1
  const std::vector<int>& start;  // C + 1: first row of each cell, from 1
  const double* X;                // K x N, a column for each row of the data
  const double* y;                // N
  const double* weight;           // N
  bool weighted;                  // whether any weight is not 1
  double n_obs;                   // sum of the weights of the rows these stand for
  double rss;                     // normal family: squares already integrated out of the rows
};

/**
 * Student-t rows. With q_i = 1 + e_i^2 / (nu sigma^2) and h = (nu + 1)/2,
 *
 *     log p = -sum_i w_i [ log B(1/2, nu/2) + log(nu)/2 + log sigma + h log q_i ]
 *
 *     d/d eta_i = 2 h / (nu sigma^2) w_i e_i / q_i
 *     d/d sigma = -n / sigma + 2 h / (nu sigma^3) sum_i w_i e_i^2 / q_i
 *     d/d nu    = n/2 [digamma(h) - digamma(nu/2) - 1/nu] - 1/2 sum_i w_i log q_i
 *                 + h / (nu^2 sigma^2) sum_i w_i e_i^2 / q_i
 *
 * where n = sum w_i. The product of the q_i gives the sum of their logs; only rows that are weighted
 * need a logarithm of their own, and where none is, not even a branch is spent on them.
 */
template <bool Weighted>
class StudentT {
 public:
  StudentT(double nu, double sigma) : nu_(nu), sigma_(sigma), inverse_(1 / (nu * sigma * sigma)) {}

  /** Takes in one residual; returns w e / q, its score but for `score_scale`. */
  double add(double residual, double weight) {
    const double q = 1 + residual * residual * inverse_;
    q_.times(q);
    if (Weighted && weight != 1) rest_ += (weight - 1) * std::log(q);
    const double score = (Weighted ? weight * residual : residual) / q;
    squares_ += residual * score;
    return score;
  }
  double score_scale() const { return (nu_ + 1) * inverse_; }
  double log_density(const Rows& rows) const {
    return -rows.n_obs * (stan::math::lbeta(0.5, 0.5 * nu_) + 0.5 * std::log(nu_) + std::log(sigma_))
           - 0.5 * (nu_ + 1) * sum_log_q();
  }
  double d_sigma(const Rows& rows) const {
    return ((nu_ + 1) * inverse_ * squares_ - rows.n_obs) / sigma_;
  }
  double d_nu(const Rows& rows) const {
    using stan::math::digamma;
    const double h = 0.5 * (nu_ + 1);
    return 0.5 * rows.n_obs * (digamma(h) - digamma(0.5 * nu_) - 1 / nu_) - 0.5 * sum_log_q()
           + h * inverse_ * squares_ / nu_;
  }

 private:
  double sum_log_q() const { return q_.log() + rest_; }

  double nu_, sigma_, inverse_;
  LogProduct q_;
  double rest_ = 0;     // sum (w - 1) log q
  double squares_ = 0;  // sum w e^2 / q
};

/**
 * Normal rows, or fewer rows with the same squares: with S = rss + sum_i w_i e_i^2,
 *
 *     log p = -n log sigma - S / (2 sigma^2),   d/d eta_i = w_i e_i / sigma^2,
 *     d/d sigma = -n / sigma + S / sigma^3
 *
 * (sqrt(2 pi) left out).
 */
class Normal {
 public:
  explicit Normal(double sigma) : sigma_(sigma) {}

  double add(double residual, double weight) {
    const double score = weight * residual;
    squares_ += residual * score;
    return score;
  }
  double score_scale() const { return 1 / (sigma_ * sigma_); }
  double log_density(const Rows& rows) const {
    return -rows.n_obs * std::log(sigma_) - 0.5 * (rows.rss + squares_) * score_scale();
  }
  double d_sigma(const Rows& rows) const {
    return ((rows.rss + squares_) * score_scale() - rows.n_obs) / sigma_;
  }
  double d_nu(const Rows&) const { return 0; }

 private:
  double sigma_;
  double squares_ = 0;  // sum w e^2
};

/** What the rows report: the log density and its derivatives by the scales. */
struct RowsResult {
  double log_density, d_sigma, d_nu;
};

/** The pass over the rows for K coefficients, K known to the compiler or Eigen::Dynamic. */
template <int K, class Family>
RowsResult sweep(const Rows& rows, Family family, const double* shift_, const double* total_,
                 int n_totals, double* d_shift_, double* d_total_) {
  using Vector = Eigen::Matrix<double, K, 1>;
  using Table = Eigen::Map<Eigen::Matrix<double, K, Eigen::Dynamic>>;
  using ConstTable = Eigen::Map<const Eigen::Matrix<double, K, Eigen::Dynamic>>;
  const int k = rows.n_coefficients;
  const int n_cells = static_cast<int>(rows.start.size()) - 1;
  const ConstTable X(rows.X, k, rows.start.back() - 1), total(total_, k, n_totals);
  const Eigen::Map<const Vector> shift(shift_, k);
  Table d_total(d_total_, k, n_totals);
  Eigen::Map<Vector> d_shift(d_shift_, k);
  d_total.setZero();
  Vector beta(k), score(k), sum_of_scores = Vector::Zero(k);
  const int* leaf = rows.leaf.data();
  for (int c = 0; c < n_cells; ++c, leaf += rows.n_trees) {
    beta = shift;
    for (int t = 0; t < rows.n_trees; ++t) beta += total.col(leaf[t] - 1);
    score.setZero();
    for (int i = rows.start[c] - 1; i < rows.start[c + 1] - 1; ++i)
      score += family.add(rows.y[i] - X.col(i).dot(beta), rows.weight[i]) * X.col(i);
    for (int t = 0; t < rows.n_trees; ++t) d_total.col(leaf[t] - 1) += score;
    sum_of_scores += score;
  }
  d_total *= family.score_scale();
  d_shift = sum_of_scores * family.score_scale();
  return {family.log_density(rows), family.d_sigma(rows), family.d_nu(rows)};
}

/** The pass over the rows: fills d_shift (K) and d_total (K x n_totals) with the scores' sums. */
template <class Family>
RowsResult sweep_rows(const Rows& rows, Family family, const double* shift, const double* total,
                      int n_totals, double* d_shift, double* d_total) {
  const auto run = [&](auto size) {
    return sweep<decltype(size)::value>(rows, family, shift, total, n_totals, d_shift, d_total);
  };
  switch (rows.n_coefficients) {
    case 1: return run(std::integral_constant<int, 1>());
    case 2: return run(std::integral_constant<int, 2>());
    case 3: return run(std::integral_constant<int, 3>());
    case 4: return run(std::integral_constant<int, 4>());
    case 5: return run(std::integral_constant<int, 5>());
    case 6: return run(std::integral_constant<int, 6>());
    case 7: return run(std::integral_constant<int, 7>());
    case 8: return run(std::integral_constant<int, 8>());
    default: return run(std::integral_constant<int, Eigen::Dynamic>());
  }
}

}  // namespace hlm

#endif
