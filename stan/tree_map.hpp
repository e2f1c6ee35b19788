#ifndef HLM_TREE_MAP_HPP
#define HLM_TREE_MAP_HPP

#include "levels.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

/*
 * The tree map: whitened z -> population-level coefficients and group effects, and its adjoint.
 *
 * Grouping factors come as trees, each a chain of nested factors, coarse to fine, with a root q_t
 * on top. The map runs through each tree's exact Gaussian conditionals (level.hpp): messages from
 * the leaves up to the roots, then roots and effects from the top down. Only the first root is the
 * population's; a later tree enters through its contrasts, and its root is auxiliary:
 *
 *     e_t   = sum over leaves W_l (B_l - q_t)                                     t >= 2
 *     kappa = q_1 - sum_t e_t
 *     shift = - sum_{t >= 2} (q_t + e_t)      so that kappa + effects = shift + sum_t B_leaf_t
 *             (where there is no tree, shift = kappa = q_1)
 *     q_t | effects ~ MVN(r_t = 0),  r_t = ybar_t - q_t - e_t,  precision c S_t
 *
 * Given the effects, kappa and the auxiliary roots are z's root part shifted, so the Jacobian of
 * the whole map is that of its conditionals: -sum log|R| over levels and roots.
 */
namespace hlm {

class TreeMap : Levels {
 public:
  /** Points the map at a model; see `Levels`. */
  void set_up(const Forest& forest, const MapConstants& constants) {
    if (!Levels::set_up(forest, constants)) return;
    has_trees_ = forest.n_trees > 0;
    offset_.resize(k_ * n_roots_);
    kappa_.resize(k_);
    shift_.resize(k_);
  }

  /**
   * Runs the map. Returns the log density of the effects and of the auxiliary roots plus the log
   * Jacobian:
   *
   *     sum_g J_g/2 log|P_g| - 1/2 sum_l d_l'P_g d_l - sum log|R|
   *     + sum_{t >= 2} [ K/2 log c - c/2 r_t' S_t r_t ]
   */
  double forward(const double* z_root, const double* z_delta, const double* precision, double c) {
    z_root_ = z_root;
    z_delta_ = z_delta;
    precision_ = precision;
    c_ = c;
    return send_upward(precision, c) - 0.5 * place_downward() + contrast();
  }

  /** Takes in leaves' information and scores that have changed in place. */
  void renew_leaves() {
    for (const Factor& f : factors_)
      if (f.is_leaf && f.blocks >= 0)
        blocks_[f.blocks].set_leaves(constants_.leaf_information + std::size_t(k_) * k_ * f.first,
                                     constants_.leaf_score + k_ * f.first);
  }

  /**
   * Log integral over the effects and the root of exp(sum over leaves c s'B - c B'F B/2), their
   * priors' densities included; one tree of factors, z zeros. Constants are left out. At the mode a
   * quadratic function is half of what is linear in it.
   */
  double log_evidence(const double* z_root, const double* z_delta, const double* precision,
                      double c) {
    z_root_ = z_root;
    z_delta_ = z_delta;
    precision_ = precision;
    c_ = c;
    double value = send_upward(precision, c);
    place_downward();
    for (const Factor& f : factors_)
      if (f.is_leaf)
        value += 0.5 * c * inner(k_ * f.n_levels, constants_.leaf_score + k_ * f.first,
                                 total(f.first));
    return value + 0.5 * inner(k_, constants_.prior_score, total(root(0)));
  }

  /**
   * Reverse of `forward`, given the adjoints of kappa, of shift and, in `d_totals()`, of the totals
   * (zero but at the leaves). Fills the three arrays of `adjoint` and its c.
   */
  void reverse(const double* d_kappa, const double* d_shift, MapAdjoint& adjoint) {
    adjoint.c = 0;
    std::fill(adjoint.precision, adjoint.precision + n_precision_, 0.0);
    reverse_contrast(d_kappa, d_shift, adjoint);
    reverse_place(adjoint);
    reverse_send(adjoint);
  }

  using Levels::n_totals;
  /** K x n_totals: every level's total B, then the roots, then the ground they stand on, 0. */
  const double* totals() const { return total_.data(); }
  double* d_totals() { return d_total_.data(); }
  const double* kappa() const { return kappa_.data(); }
  const double* shift() const { return shift_.data(); }

 private:
  /** Parents first; returns sum_l d_l'P_g d_l. */
  double place_downward() {
    double squares = 0;
    place_roots(z_root_);
    for (const Factor& f : factors_)
      with_factor(f, [&](const auto& A) {
        const double *P = precision_ + f.precision, *z = z_delta_ + f.z;
        if constexpr (fits_packs<decltype(A)>)
          if (f.blocks >= 0) {
            squares += blocks_[f.blocks].place_downward(A, P, z, c_, exchange());
            return;
          }
        for (int l = f.first; l < f.first + f.n_levels; ++l, z += f.n_varying)
          squares += place_effect(A, P, z, level(l), total(parent_[l]), total(l), scratch());
      });
    return squares;
  }

  /** e_t, kappa, shift, r_t (into offset_); returns the auxiliary roots' log density. */
  double contrast() {
    const std::size_t kk = static_cast<std::size_t>(k_) * k_;
    std::fill(offset_.begin(), offset_.end(), 0.0);
    for (const Factor& f : factors_)
      for (int l = f.first; f.is_leaf && f.tree > 0 && l < f.first + f.n_levels; ++l) {
        const ConstMatrix W{constants_.contrast_weight + kk * l, k_};
        const double *B = total(l), *q = total(root(f.tree));
        double* e = offset_.data() + k_ * f.tree;
        for (int j = 0; j < k_; ++j)
          for (int i = 0; i < k_; ++i) e[i] += W(i, j) * (B[j] - q[j]);
      }
    std::copy(total(root(0)), total(root(0)) + k_, kappa_.begin());
    if (has_trees_) std::fill(shift_.begin(), shift_.end(), 0.0);
    else shift_ = kappa_;
    double log_density = 0;
    for (int t = 1; t < n_roots_; ++t) {
      const double* q = total(root(t));
      double* e = offset_.data() + k_ * t;
      for (int i = 0; i < k_; ++i) {
        kappa_[i] -= e[i];
        shift_[i] -= q[i] + e[i];
        e[i] = constants_.auxiliary_mean[k_ * t + i] - q[i] - e[i];
      }
      const double squares = sum(0, k_, [&](int i) { return e[i] * Sr(t, i); });
      log_density += 0.5 * k_ * std::log(c_) - 0.5 * c_ * squares;
    }
    return log_density;
  }

  /** Entry i of S_t r_t. */
  double Sr(int t, int i) const {
    const ConstMatrix S{constants_.auxiliary_information + static_cast<std::size_t>(k_) * k_ * t,
                        k_};
    return sum(0, k_, [&](int j) { return S(j, i) * offset_[k_ * t + j]; });
  }

  /**
   * Reverse of `contrast`: starts the adjoints of the roots and completes those of the leaves.
   *
   *     ge = c S_t r_t - gshift - gkappa,   gq_t = c S_t r_t - gshift,   gq_1 = gkappa
   *     (where there is no tree, gq_1 = gkappa + gshift)
   *     gB_l += W_l' ge,   gq_t -= W_l' ge,   gc += K/(2c) - r_t'S_t r_t / 2
   */
  void reverse_contrast(const double* d_kappa, const double* d_shift, MapAdjoint& adjoint) {
    const std::size_t kk = static_cast<std::size_t>(k_) * k_;
    std::fill(d_total(ground()), d_total(ground()) + k_, 0.0);
    for (int i = 0; i < k_; ++i) d_total(root(0))[i] = d_kappa[i] + (has_trees_ ? 0 : d_shift[i]);
    for (int t = 1; t < n_roots_; ++t) {
      double *r = offset_.data() + k_ * t, *gq = d_total(root(t));
      for (int i = 0; i < k_; ++i) gq[i] = Sr(t, i);
      adjoint.c += 0.5 * (k_ / c_ - sum(0, k_, [&](int i) { return r[i] * gq[i]; }));
      for (int i = 0; i < k_; ++i) gq[i] = c_ * gq[i] - d_shift[i];
      for (int i = 0; i < k_; ++i) r[i] = gq[i] - d_kappa[i];  // from here on offset_ holds ge
    }
    for (const Factor& f : factors_)
      for (int l = f.first; f.is_leaf && f.tree > 0 && l < f.first + f.n_levels; ++l) {
        const ConstMatrix W{constants_.contrast_weight + kk * l, k_};
        const double* ge = offset_.data() + k_ * f.tree;
        double *gB = d_total(l), *gq = d_total(root(f.tree));
        for (int j = 0; j < k_; ++j) {
          const double pull = sum(0, k_, [&](int i) { return W(i, j) * ge[i]; });
          gB[j] += pull;
          gq[j] -= pull;
        }
      }
  }

  /** Reverse of `place_downward`, children first. */
  void reverse_place(MapAdjoint& adjoint) {
    for (auto f = factors_.rbegin(); f != factors_.rend(); ++f)
      with_factor(*f, [&](const auto& A) {
        const double *P = precision_ + f->precision, *z = z_delta_ + f->z;
        double *gz = adjoint.z_delta + f->z, *gP = adjoint.precision + f->precision;
        if constexpr (fits_packs<decltype(A)>)
          if (f->blocks >= 0)
            return blocks_[f->blocks].reverse_place(A, P, z, c_, exchange(), gz, gP, adjoint.c);
        const int m = f->n_varying;
        for (int l = f->first; l < f->first + f->n_levels; ++l, z += m, gz += m)
          reverse_effect(A, P, z, level(l), total(parent_[l]), d_total(l), d_total(parent_[l]), gz,
                         gP, scratch());
      });
    reverse_roots(z_root_, adjoint.z_root);
  }

  /**
   * Reverse of `send_upward`, parents first. At the end, what came from the rows is linear in c:
   * F = c F0 and s = c s0 at a leaf give gc += (<gF, F> + gs's) / c, likewise at the first root,
   * and J_g/2 log|P_g| gives gP += J_g/2 P_g^-1.
   */
  void reverse_send(MapAdjoint& adjoint) {
    adjoint.c += reverse_root_information();
    for (const Factor& f : factors_)
      with_factor(f, [&](const auto& A) {
        const double* P = precision_ + f.precision;
        double* gP = adjoint.precision + f.precision;
        reverse_prior(f, gP);
        if constexpr (fits_packs<decltype(A)>)
          if (f.blocks >= 0)
            return blocks_[f.blocks].reverse_send(A, P, c_, exchange(), gP, adjoint.c);
        for (int l = f.first; l < f.first + f.n_levels; ++l) {
          const Level<double> at = level(l), parent = level(parent_[l]);
          reverse_message(A, P, at, parent.gF, parent.gs, gP, scratch());
          if (f.is_leaf) adjoint.c += reverse_information(at) / c_;
        }
      });
  }

  bool has_trees_;
  const double *z_root_, *z_delta_, *precision_;
  double c_;
  std::vector<double> kappa_, shift_, offset_;  // K, K, K x n_roots: r_t, later ge_t
};

}  // namespace hlm

#endif
