#ifndef HLM_ROWS_HPP
#define HLM_ROWS_HPP

#include "instructions.hpp"

#include <stan/math/rev.hpp>  // before Eigen, which it extends

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <functional>
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
 * cell's scores are summed as sum_i score_i x_i and then handed to the leaf of every tree. The rows
 * go by in blocks: the linear predictor of all of them, their scores, and the sums. Which family it
 * is matters for the scores alone, and there a block is a few arrays, which vectorise. Many rows are
 * swept in parts, which threads share that have no chain of their own.
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

/** Some rows, one after the other, and what a family makes of them. */
struct Block {
  static constexpr int size = 256;  // at most: the arrays of a pass stay in the fastest memory
  int n;
  const double *y, *weight, *eta;
  bool weighted;
  double* score;
};

/** The pass over the rows for K coefficients, K known to the compiler or Eigen::Dynamic. */
template <int K>
class Pass {
 public:
  HLM_INLINE Pass(const Rows& rows, const double* shift, const double* total, int n_totals,
                  double* d_total)
      : n_trees_(rows.n_trees), start_(rows.start.data()), leaf_(rows.leaf.data()),
        X_(rows.X, rows.n_coefficients, rows.start.back() - 1),
        total_(total, rows.n_coefficients, n_totals), shift_(shift, rows.n_coefficients),
        d_total_(d_total, rows.n_coefficients, n_totals),
        sum_(Vector::Zero(rows.n_coefficients)), first_leaf_sum_(sum_) {
    d_total_.setZero();
  }

  /** x' beta of the rows from `first` to `last`, the first of which belongs to this cell. */
  HLM_INLINE void predict(int first, int last, int cell, double* eta) const {
    const int* leaf = leaf_ + static_cast<std::size_t>(n_trees_) * cell;
    Vector beta(shift_.size());
    for (int i = first; i < last; ++cell, leaf += n_trees_) {
      const int end = std::min(last, start_[cell + 1] - 1);
      beta = shift_;
      for (int t = 0; t < n_trees_; ++t) beta += total_.col(leaf[t] - 1);
      for (; i < end; ++i) *eta++ = X_.col(i).dot(beta);
    }
  }

  /** Hands the scores of these rows to the leaves; returns the cell that the next row is in. */
  HLM_INLINE int collect(int first, int last, int cell, const double* scores) {
    const int* leaf = leaf_ + static_cast<std::size_t>(n_trees_) * cell;
    Vector score(shift_.size());
    for (int i = first; i < last; leaf += n_trees_) {
      const int cell_ends = start_[cell + 1] - 1, end = std::min(last, cell_ends);
      score.setZero();
      for (; i < end; ++i) score += X_.col(i) * *scores++;  // Clang is slow the other way round
      if (n_trees_ > 0 && leaf[0] != first_leaf_) hand_over(leaf[0]);
      first_leaf_sum_ += score;
      for (int t = 1; t < n_trees_; ++t) d_total_.col(leaf[t] - 1) += score;
      if (end == cell_ends) ++cell;
    }
    return cell;
  }

  /** The sum of all score_i x_i, when all rows have been collected. */
  HLM_INLINE const auto& finish() {
    hand_over(0);
    return sum_;
  }

 private:
  using Vector = Eigen::Matrix<double, K, 1>;
  using Table = Eigen::Matrix<double, K, Eigen::Dynamic>;

  /** Cells are sorted, so that the first tree's leaf stays for many and is seldom written. */
  HLM_INLINE void hand_over(int next_leaf) {
    if (first_leaf_) d_total_.col(first_leaf_ - 1) += first_leaf_sum_;
    sum_ += first_leaf_sum_;
    first_leaf_sum_.setZero();
    first_leaf_ = next_leaf;
  }

  int n_trees_, first_leaf_ = 0;
  const int *start_, *leaf_;
  Eigen::Map<const Table> X_, total_;
  Eigen::Map<const Vector> shift_;
  Eigen::Map<Table> d_total_;
  Vector sum_, first_leaf_sum_;
};

/** Takes in the rows of a block and fills their scores. */
using AddBlock = std::function<void(Block)>;

/** The pass over the rows from `begin` to `end`, block by block; the offset is null where none is. */
template <int K>
HLM_INLINE void sweep(const Rows& rows, int begin, int end, const double* offset,
                      const AddBlock& add, Pass<K> pass, double* d_shift) {
  alignas(64) double eta[Block::size], score[Block::size];
  int cell = std::upper_bound(rows.start.begin(), rows.start.end(), begin + 1) - rows.start.begin() - 1;
  for (int first = begin; first < end; first += Block::size) {
    const int last = std::min(end, first + Block::size);
    pass.predict(first, last, cell, eta);
    if (offset)
      for (int i = first; i < last; ++i) eta[i - first] += offset[i];
    add({last - first, rows.y + first, rows.weight + first, eta, rows.weighted, score});
    cell = pass.collect(first, last, cell, score);
  }
  const auto& sum = pass.finish();
  std::copy(sum.data(), sum.data() + sum.size(), d_shift);
}

/** Calls visit(K), as a type where K is small and known to the compiler. */
template <class Visit>
void with_size(int k, Visit visit) {
  switch (k) {
    case 1: return visit(std::integral_constant<int, 1>());
    case 2: return visit(std::integral_constant<int, 2>());
    case 3: return visit(std::integral_constant<int, 3>());
    case 4: return visit(std::integral_constant<int, 4>());
    case 5: return visit(std::integral_constant<int, 5>());
    case 6: return visit(std::integral_constant<int, 6>());
    case 7: return visit(std::integral_constant<int, 7>());
    case 8: return visit(std::integral_constant<int, 8>());
    default: return visit(std::integral_constant<int, Eigen::Dynamic>());
  }
}

/** The same for however many coefficients there are, with the instructions at hand. */
template <class Family>
void sweep(const Rows& rows, int begin, int end, Family& family, const double* shift,
           const double* total, int n_totals, double* d_shift, double* d_total) {
  const AddBlock add = [&](Block block) { vectorised([&] { family.add(block); }); };
  const double* offset = Family::has_offset ? rows.offset : nullptr;
  with_size(rows.n_coefficients, [&](auto size) {
    vectorised([&] {
      using PassOfSize = Pass<decltype(size)::value>;
      sweep(rows, begin, end, offset, add, PassOfSize(rows, shift, total, n_totals, d_total), d_shift);
    });
  });
}

/**
 * How many parts the rows are swept in: it depends on the data alone, and so does the order of sums.
 * A part has many more rows than there are totals, whose adjoints it has for itself.
 */
inline int n_parts(const Rows& rows, int n_totals) {
  constexpr int fewest_rows = 1 << 14, most_parts = 32, rows_a_total = 16;
  const int n = rows.start.back() - 1;
  return std::max(1, std::min(most_parts, n / std::max(fewest_rows, rows_a_total * n_totals)));
}

/** All rows in parts, by the threads at hand; no chain's work is begun while another's waits. */
template <class Family>
void sweep_parts(int parts, const Rows& rows, Family& family, const double* shift,
                 const double* total, int n_totals, double* d_shift, double* d_total) {
  static thread_local std::vector<double> memory;
  const std::size_t k = rows.n_coefficients, size = k * (1 + n_totals);
  memory.resize(parts * size);
  double* adjoints = memory.data();
  std::vector<Family> families(parts, family);
  const long n = rows.start.back() - 1;
  tbb::this_task_arena::isolate([&] {
    tbb::parallel_for(0, parts, [&](int part) {
      double* own = adjoints + part * size;
      sweep(rows, n * part / parts, n * (part + 1) / parts, families[part], shift, total, n_totals,
            own, own + k);
    });
  });
  std::fill(d_shift, d_shift + k, 0.0);
  std::fill(d_total, d_total + k * n_totals, 0.0);
  for (int part = 0; part < parts; ++part) {
    const double* own = adjoints + part * size;
    family.add(families[part]);
    for (std::size_t i = 0; i < k; ++i) d_shift[i] += own[i];
    for (std::size_t i = 0; i < k * n_totals; ++i) d_total[i] += own[k + i];
  }
}

/** Of a family's rows; fills d_shift (K) and d_total (K x n_totals) with the scores' sums. */
template <class Family>
RowsResult sweep_rows(const Rows& rows, Family family, const double* shift, const double* total,
                      int n_totals, double* d_shift, double* d_total) {
  const int parts = n_parts(rows, n_totals);
  if (parts > 1) sweep_parts(parts, rows, family, shift, total, n_totals, d_shift, d_total);
  else
    sweep(rows, 0, rows.start.back() - 1, family, shift, total, n_totals, d_shift, d_total);
  const double scale = family.score_scale();
  for (int i = 0; i < rows.n_coefficients; ++i) d_shift[i] *= scale;
  for (int i = 0; i < rows.n_coefficients * n_totals; ++i) d_total[i] *= scale;
  RowsResult result{family.log_density(rows), {}};
  family.d_aux(rows, result.d_aux);
  return result;
}

}  // namespace hlm

#endif
