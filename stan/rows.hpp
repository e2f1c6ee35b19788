#ifndef HLM_ROWS_HPP
#define HLM_ROWS_HPP

#include <stan/math/rev.hpp>  // before Eigen, which it extends

#include <cmath>
#include <type_traits>
#include <vector>

/*
 * The rows: log p(y | coefficients, auxiliary parameters) and its gradient, in one pass over the data.
 *
 * Rows of one cell (one combination of levels) follow each other and share their coefficients
 *
 *     beta = shift + sum_t total[leaf_t],      eta_i = x_i' beta (+ offset_i)
 *
 * so that what a row leaves behind is its score, the derivative of its log density by eta_i; a
 * cell's scores are summed as sum_i score_i x_i and then handed to the leaf of every tree.
 */
namespace hlm {

constexpr int MAX_AUX = 2;  // auxiliary parameters of a family

/** The data rows, sorted by cell. Pointers and references only: nothing is copied. */
struct Rows {
  int n_coefficients;             // K
  int n_trees;                    // T
  const std::vector<int>& leaf;   // C x T, cell-major: column of `total`, from 1
  const std::vector<int>& start;  // C + 1: first row of each cell, from 1
  const double* X;                // K x N, a column for each row of the data
  const double* y;                // N
  const double* offset;           // N: part of eta, of families that have it
  const double* weight;           // N
  bool weighted;                  // whether any weight is not 1
  double n_obs;                   // sum of the weights of the rows these stand for
  double rss;                     // normal family: squares already integrated out of the rows
  int n_outcomes;                 // what a family's constants are sums over, and the weights
  const double *outcome, *outcome_weight;
};

/** What the rows report: the log density and its derivatives by the auxiliary parameters. */
struct RowsResult {
  double log_density;
  double d_aux[MAX_AUX];
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
    for (int i = rows.start[c] - 1; i < rows.start[c + 1] - 1; ++i) {
      double eta = X.col(i).dot(beta);
      if constexpr (Family::has_offset) eta += rows.offset[i];
      score += family.add(rows.y[i], eta, rows.weight[i]) * X.col(i);
    }
    for (int t = 0; t < rows.n_trees; ++t) d_total.col(leaf[t] - 1) += score;
    sum_of_scores += score;
  }
  d_total *= family.score_scale();
  d_shift = sum_of_scores * family.score_scale();
  RowsResult result{family.log_density(rows), {}};
  family.d_aux(rows, result.d_aux);
  return result;
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
