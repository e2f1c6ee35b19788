#ifndef HLM_COLLAPSED_HPP
#define HLM_COLLAPSED_HPP

#include "rows.hpp"  // before Eigen, as it says

#include "levels.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

/*
 * One tree and normal residuals with the effects integrated out: the same density as that of the tree
 * map with z_delta = 0, for which every level is seen twice.
 *
 * Upward, levels send what their rows say, and the root is placed: q = Q'(Q s + z). Downward, effects
 * are at their modes given q, where what is left of the squares, c |r - R B|^2 + d'P d, is at its
 * least: its derivatives by P and c are those of what stands there, and that by q is known at the root,
 *
 *     gq = P_0 q - s_0 - F Q'z,      P_0 and s_0 the stand-in for the prior of kappa in F and s.
 *
 * So the adjoints of all messages are known before the first level is, and one pass places effects,
 * adds squares and turns adjoints round.
 */
namespace hlm {

class Collapsed : Levels {
 public:
  /** Points it at a model; see `Levels`. Without rows it can rise. */
  using Levels::set_up;
  /** With rows; no two cells have a leaf in common. */
  void set_up(const Forest& forest, const MapConstants& constants, const Rows& rows) {
    if (set_up(forest, constants)) set_rows(rows);
  }

  /** Sends all up and places kappa; returns J_g/2 log|P_g| - sum log|R|. */
  double rise(const double* z_root, const double* precision, double c) {
    z_root_ = z_root;
    precision_ = precision;
    c_ = c;
    const double log_density = send_upward(precision, c);
    place_roots(z_root);
    return log_density;
  }
  const double* kappa() const { return total_.data() + k_ * root(0); }

  /** Places all effects and finds the adjoints, given that of kappa; returns the squares. */
  Squares descend(const double* d_kappa) {
    d_root_.resize(k_);
    d_precision_.assign(n_precision_, 0.0);
    pull_root(d_kappa);
    reverse_roots(z_root_, d_root_.data());
    d_c_ = reverse_root_information();
    Squares squares;
    for (const Factor& f : factors_)
      with_factor(f, [&](const auto& A) {
        double* gP = d_precision_.data() + f.precision;
        reverse_prior(f, gP);
        const Squares more = descend(A, f, gP);
        squares.of_effects += more.of_effects;
        squares.of_rows += more.of_rows;
      });
    squares.of_rows += left_over_;
    return squares;
  }

  /** Of all arguments but z_delta, which there is none of. */
  void copy_adjoint(MapAdjoint& to) const {
    std::copy(d_root_.begin(), d_root_.end(), to.z_root);
    std::copy(d_precision_.begin(), d_precision_.end(), to.precision);
    to.c = d_c_;
  }

 private:
  /** The adjoint of the root's total: what the rows say of it, and the prior of kappa. */
  void pull_root(const double* d_kappa) {
    const Level<double> at = level(root(0));
    const ConstMatrix F{at.F, k_}, Q{at.Q, k_};
    const double* q = kappa();
    double* gq = d_total(root(0));
    for (int i = 0; i < k_; ++i)
      gq[i] = d_kappa[i] + constants_.prior_precision[i] * q[i] - constants_.prior_score[i];
    for (int j = 0; j < k_; ++j) {
      const double x = sum(j, k_, [&](int p) { return Q(p, j) * z_root_[p]; });
      for (int i = 0; i < k_; ++i) gq[i] -= F(i, j) * x;
    }
  }

  /** Of one factor. */
  template <class Subset>
  Squares descend(const Subset& A, const Factor& f, double* gP) {
    const double* P = precision_ + f.precision;
    if constexpr (fits_packs<Subset>)
      if (f.blocks >= 0) return blocks_[f.blocks].descend(A, P, c_, exchange(), gP, d_c_);
    Squares squares;
    for (int l = f.first; l < f.first + f.n_levels; ++l) {
      const Level<double> at = level(l), parent = level(parent_[l]);
      squares.of_effects
          += place_effect(A, P, zeros_.data(), at, total(parent_[l]), total(l), scratch());
      reverse_mode(A, at, gP);
      reverse_message(A, P, at, parent.gF, parent.gs, gP, scratch());
      if (!f.is_leaf) continue;
      d_c_ += reverse_information(at) / c_;
      squares.of_rows += squares_left(k_, rows_of(l), total(l));
    }
    return squares;
  }

  /** The rows of every leaf as K triangular ones with the same squares but for what is left over. */
  void set_rows(const Rows& rows) {
    const Factor& leaves = factors_.back();
    const int* order = columns_.data() + (leaves.blocks >= 0 ? leaves.columns : 0);
    first_leaf_ = leaves.first;
    row_numbers_ = k_ * (k_ + 1) / 2 + k_;
    left_over_ = 0;
    rows_.assign(row_numbers_ * leaves.n_levels, 0.0);
    for (std::size_t cell = 0; cell + 1 < rows.start.size(); ++cell)
      add_rows(rows, cell, order, rows_of(rows.leaf[cell] - 1));
    if (leaves.blocks < 0) return;
    blocks_[leaves.blocks].set_rows(rows_.data());
    rows_ = {};
  }

  void add_rows(const Rows& rows, int cell, const int* order, double* to) {
    const int first = rows.start[cell] - 1, n = rows.start[cell + 1] - 1 - first;
    Eigen::MatrixXd both = Eigen::MatrixXd::Zero(std::max(n, k_ + 1), k_ + 1);
    for (int i = 0; i < n; ++i) {
      const double root = std::sqrt(rows.weight[first + i]);
      for (int j = 0; j < k_; ++j)
        both(i, j) = root * rows.X[k_ * std::size_t(first + i) + order[j]];
      both(i, k_) = root * rows.y[first + i];
    }
    const Eigen::MatrixXd R = both.householderQr().matrixQR();
    for (int i = 0; i < k_; ++i)
      for (int j = i; j <= k_; ++j) *to++ = R(i, j);
    left_over_ += R(k_, k_) * R(k_, k_);
  }
  double* rows_of(int leaf) { return rows_.data() + row_numbers_ * (leaf - first_leaf_); }

  const double *z_root_, *precision_;
  double c_, d_c_;
  std::vector<double> d_root_, d_precision_;
  int first_leaf_;
  std::size_t row_numbers_;   // of a leaf
  double left_over_;          // squares
  std::vector<double> rows_;  // leaf by leaf, unless they are in blocks
};

}  // namespace hlm

#endif
