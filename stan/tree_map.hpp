#ifndef HLM_TREE_MAP_HPP
#define HLM_TREE_MAP_HPP

#include "blocks.hpp"
#include "level.hpp"
#include "log_product.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <type_traits>
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

/** The grouping factors in tree order: tree by tree, coarse to fine. */
struct Forest {
  int n_coefficients;                 // K
  int n_trees;                        // T; there is one root even where there is no factor
  const std::vector<int>& n_levels;   // G: J_g
  const std::vector<int>& n_varying;  // G: K_g
  const std::vector<int>& varying;    // sum K_g: columns that vary by each factor, from 1
  const std::vector<int>& tree;       // G: from 1
  const std::vector<int>& is_leaf;    // G: whether the factor is the last of its tree
  const std::vector<int>& parent;     // sum J_g: level above, from 1, or 0 for the root

  /** sum J_g K_g */
  int n_effects() const {
    return std::inner_product(n_levels.begin(), n_levels.end(), n_varying.begin(), 0);
  }
};

/** Constants of the map; they decide how fast it samples, never what. Column-major. */
struct MapConstants {
  const double* leaf_information;       // K x (K sum J_g)
  const double* leaf_score;             // K x sum J_g
  const double* contrast_weight;        // K x (K sum J_g): W
  const double* auxiliary_information;  // K x (K n_roots): S_t
  const double* auxiliary_mean;         // K x n_roots: ybar_t
  const double* root_information;       // K x K: what reaches the first root directly
  const double* root_score;             // K
  const double* prior_precision;        // K: Gaussian stand-in for the prior of kappa
  const double* prior_score;            // K
};

/** Adjoints of the map's arguments. */
struct MapAdjoint {
  double* z_root;
  double* z_delta;
  double* precision;
  double c;
};

class TreeMap {
 public:
  /**
   * Points the map at a model. One that it is pointed at already, known by where its numbers lie,
   * costs nothing: they must not change as long as it is.
   */
  void set_up(const Forest& forest, const MapConstants& constants) {
    const auto model = std::make_tuple(
        forest.n_coefficients, forest.n_levels.data(), forest.parent.data(), forest.parent.size(),
        constants.leaf_information, constants.leaf_score, constants.root_information);
    if (model == model_) return;
    model_ = model;
    k_ = forest.n_coefficients;
    n_roots_ = std::max(forest.n_trees, 1);
    has_trees_ = forest.n_trees > 0;
    constants_ = constants;
    set_factors(forest);
    set_levels(forest);
    scratch_.resize(Scratch::size(k_));
    total_.resize(k_ * n_totals());
    d_total_.resize(k_ * n_totals());
    offset_.resize(k_ * n_roots_);
    kappa_.resize(k_);
    shift_.resize(k_);
    zeros_.assign(k_ * k_, 0.0);
    ignored_.resize(k_ * k_);
    inverse_precision_.resize(n_precision_);
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
    start_upward();
    return send_upward() - 0.5 * place_downward() + contrast();
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
    start_upward();
    double value = send_upward();
    place_downward();
    for (const Factor& f : factors_)
      if (f.is_leaf)
        value += 0.5 * c * inner(k_ * f.n_levels, constants_.leaf_score + k_ * f.first,
                                 total(f.first));
    return value + 0.5 * inner(k_, constants_.prior_score, total(root(0)));
  }

  /**
   * Reverse of `forward`, given the adjoints of kappa, of shift and, in `d_total()`, of the totals
   * (zero but at the leaves). Fills the three arrays of `adjoint` and its c.
   */
  void reverse(const double* d_kappa, const double* d_shift, MapAdjoint& adjoint) {
    adjoint.c = 0;
    std::fill(adjoint.precision, adjoint.precision + n_precision_, 0.0);
    reverse_contrast(d_kappa, d_shift, adjoint);
    reverse_place(adjoint);
    reverse_send(adjoint);
  }

  int n_totals() const { return n_levels_ + n_roots_ + 1; }
  /** K x n_totals: every level's total B, then the roots, then the ground they stand on, 0. */
  const double* total() const { return total_.data(); }
  double* d_total() { return d_total_.data(); }
  const double* kappa() const { return kappa_.data(); }
  const double* shift() const { return shift_.data(); }

 private:
  struct Factor {
    int first, n_levels;  // its levels
    int n_varying;
    int z, precision;  // where its numbers start in z_delta and in precision
    int columns;       // where its varying columns start in columns_, the others following
    int tree;
    bool is_leaf;
    int blocks;  // which of blocks_ it is, or -1
  };
  using Model = std::tuple<int, const int*, const int*, std::size_t, const double*, const double*,
                           const double*>;

  int root(int t) const { return n_levels_ + t; }
  int ground() const { return n_levels_ + n_roots_; }
  Exchange exchange() {
    return {k_, total_.data(), d_total_.data(), memory_.data(), slot_.data()};
  }
  Level<double> level(int l) { return exchange().level(l); }
  double* total(int l) { return total_.data() + k_ * l; }
  double* d_total(int l) { return d_total_.data() + k_ * l; }
  Scratch scratch() { return {scratch_.data()}; }

  void set_factors(const Forest& forest) {
    factors_.clear();
    columns_.clear();
    for (int i = 0; i < k_; ++i) columns_.push_back(i);
    int level = 0, z = 0, precision = 0, column = 0;
    for (std::size_t g = 0; g < forest.n_levels.size(); ++g) {
      const int m = forest.n_varying[g], n_levels = forest.n_levels[g];
      factors_.push_back({level, n_levels, m, z, precision, static_cast<int>(columns_.size()),
                          forest.tree[g] - 1, forest.is_leaf[g] != 0, -1});
      add_columns(forest.varying.data() + column, m);
      level += n_levels;
      z += n_levels * m;
      precision += m * m;
      column += m;
    }
    n_levels_ = level;
    n_precision_ = precision;
  }

  /** Parents; blocks of the factors that have many levels; memory of all other levels. */
  void set_levels(const Forest& forest) {
    parent_.resize(n_levels_ + n_roots_);
    for (const Factor& f : factors_)
      for (int l = f.first; l < f.first + f.n_levels; ++l)
        parent_[l] = forest.parent[l] > 0 ? forest.parent[l] - 1 : root(f.tree);
    for (int t = 0; t < n_roots_; ++t) parent_[root(t)] = ground();
    slot_.assign(n_levels_ + n_roots_, -1);
    blocks_.clear();
    int n_slots = 0;
    for (Factor& f : factors_) {
      with_factor(f, [&](const auto& A) {
        if (fits_packs<decltype(A)> && f.n_levels >= Blocks::fewest_levels) {
          f.blocks = blocks_.size();
          blocks_.emplace_back(f.first, f.n_levels, f.n_varying, k_, parent_.data() + f.first,
                               columns_.data() + f.columns);
        }
      });
      if (f.blocks >= 0 && f.is_leaf)
        blocks_.back().set_leaves(constants_.leaf_information + std::size_t(k_) * k_ * f.first,
                                  constants_.leaf_score + k_ * f.first);
      else
        for (int l = f.first; l < f.first + f.n_levels; ++l) slot_[l] = n_slots++;
    }
    for (int t = 0; t < n_roots_; ++t) slot_[root(t)] = n_slots++;
    memory_.resize(Level<double>::size(k_) * n_slots);
  }

  /** Notes which columns vary by a factor and, behind them, which do not. */
  void add_columns(const int* varying, int m) {
    for (int i = 0; i < m; ++i) columns_.push_back(varying[i] - 1);
    const auto first = columns_.end() - m;
    std::vector<int> rest;
    for (int i = 0; i < k_; ++i)
      if (std::find(first, first + m, i) == first + m) rest.push_back(i);
    columns_.insert(columns_.end(), rest.begin(), rest.end());
  }

  /** Calls visit(A) for a selection of m columns, of known size where it is one of few. */
  template <class Visit>
  void with_subset(int columns, int m, Visit visit) {
    const int *varying = columns_.data() + columns, *rest = varying + m;
    switch (10 * std::min(k_, 9) + std::min(m, 9)) {
      case 11: return visit(AllVary<1>());
      case 22: return visit(AllVary<2>());
      case 33: return visit(AllVary<3>());
      case 44: return visit(AllVary<4>());
      case 55: return visit(AllVary<5>());
      case 66: return visit(AllVary<6>());
      case 21: return visit(FewVary<2, 1>{varying, rest});
      case 31: return visit(FewVary<3, 1>{varying, rest});
      case 41: return visit(FewVary<4, 1>{varying, rest});
      case 51: return visit(FewVary<5, 1>{varying, rest});
      case 61: return visit(FewVary<6, 1>{varying, rest});
      case 32: return visit(FewVary<3, 2>{varying, rest});
      case 42: return visit(FewVary<4, 2>{varying, rest});
    }
    visit(SomeVary{k_, m, varying, rest});
  }
  template <class Visit>
  void with_factor(const Factor& f, Visit visit) {
    with_subset(f.columns, f.n_varying, visit);
  }
  template <class Visit>
  void with_roots(Visit visit) {
    with_subset(0, k_, visit);
  }

  /** F and s before any message: c times the rows' at leaves and the first root, else 0. */
  void start_upward() {
    const std::size_t k = k_, kk = k * k;
    for (const Factor& f : factors_)
      for (int l = f.first; l < f.first + f.n_levels && slot_[l] >= 0; ++l) {
        const Level<double> at = level(l);
        const double scale = f.is_leaf ? c_ : 0;
        scaled(kk, scale, constants_.leaf_information + kk * l, at.F);
        scaled(k, scale, constants_.leaf_score + k * l, at.s);
      }
    for (int t = 0; t < n_roots_; ++t) {
      const Level<double> at = level(root(t));
      scaled(kk, t == 0 ? c_ : 0, constants_.root_information, at.F);
      scaled(k, t == 0 ? c_ : 0, constants_.root_score, at.s);
    }
    const Level<double> first = level(root(0));
    for (int i = 0; i < k_; ++i) {
      first.F[i + k_ * i] += constants_.prior_precision[i];
      first.s[i] += constants_.prior_score[i];
    }
  }

  static void scaled(std::size_t n, double scale, const double* from, double* to) {
    for (std::size_t i = 0; i < n; ++i) to[i] = scale * from[i];
  }

  /** Children first; returns sum_g J_g/2 log|P_g| - sum log|R|. */
  double send_upward() {
    LogProduct<double> determinant;
    double prior = 0;
    for (auto f = factors_.rbegin(); f != factors_.rend(); ++f)
      with_factor(*f, [&](const auto& A) {
        const double* P = precision_ + f->precision;
        LogProduct<double> prior_determinant;
        invert(A, P, ignored_.data(), inverse_precision_.data() + f->precision, scratch(),
               prior_determinant);
        prior += f->n_levels * log(prior_determinant);
        if constexpr (fits_packs<decltype(A)>)
          if (f->blocks >= 0)
            return blocks_[f->blocks].send_upward(A, P, c_, exchange(), determinant);
        for (int l = f->first; l < f->first + f->n_levels; ++l) {
          const Level<double> at = level(l), parent = level(parent_[l]);
          condition(A, P, at, scratch(), determinant);
          weigh(A, at, scratch());
          send_message(A, P, at, parent.F, parent.s, scratch());
        }
      });
    with_roots([&](const auto& A) {
      for (int t = 0; t < n_roots_; ++t)
        condition(A, zeros_.data(), level(root(t)), scratch(), determinant);
    });
    return prior - log(determinant);
  }

  /** Parents first; returns sum_l d_l'P_g d_l. */
  double place_downward() {
    double squares = 0;
    std::fill(total(ground()), total(ground()) + k_, 0.0);
    with_roots([&](const auto& A) {
      for (int t = 0; t < n_roots_; ++t)
        place_effect(A, zeros_.data(), z_root_ + k_ * t, level(root(t)), total(ground()),
                     total(root(t)), scratch());
    });
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
    with_roots([&](const auto& A) {
      for (int t = 0; t < n_roots_; ++t)
        reverse_effect(A, zeros_.data(), z_root_ + k_ * t, level(root(t)), total(ground()),
                       d_total(root(t)), d_total(ground()), adjoint.z_root + k_ * t,
                       ignored_.data(), scratch());
    });
  }

  /**
   * Reverse of `send_upward`, parents first. At the end, what came from the rows is linear in c:
   * F = c F0 and s = c s0 at a leaf give gc += (<gF, F> + gs's) / c, likewise at the first root,
   * and J_g/2 log|P_g| gives gP += J_g/2 P_g^-1.
   */
  void reverse_send(MapAdjoint& adjoint) {
    const Level<double> first = level(root(0));
    adjoint.c += inner(k_ * k_, first.gF, constants_.root_information)
                 + inner(k_, first.gs, constants_.root_score);
    for (const Factor& f : factors_)
      with_factor(f, [&](const auto& A) {
        const double* P = precision_ + f.precision;
        double* gP = adjoint.precision + f.precision;
        for (int i = 0; i < A.n_varying() * A.n_varying(); ++i)
          gP[i] += 0.5 * f.n_levels * inverse_precision_[f.precision + i];
        if constexpr (fits_packs<decltype(A)>)
          if (f.blocks >= 0)
            return blocks_[f.blocks].reverse_send(A, P, c_, exchange(), gP, adjoint.c);
        for (int l = f.first; l < f.first + f.n_levels; ++l) {
          const Level<double> at = level(l), parent = level(parent_[l]);
          reverse_message(A, P, at, parent.gF, parent.gs, gP, scratch());
          if (f.is_leaf)
            adjoint.c += (inner(A.n_all() * A.n_all(), at.gF, at.F)
                          + inner(A.n_all(), at.gs, at.s)) / c_;
        }
      });
  }

  static double inner(int n, const double* a, const double* b) {
    return sum(0, n, [&](int i) { return a[i] * b[i]; });
  }

  Model model_{};
  int k_, n_levels_, n_roots_, n_precision_;
  bool has_trees_;
  MapConstants constants_;
  std::vector<Factor> factors_;
  std::vector<int> columns_;  // 0, ..., K - 1, then for each factor its columns and the others
  std::vector<int> parent_;   // of every level and root, from 0
  std::vector<int> slot_;     // which part of memory_ is a level's or root's, or -1
  std::vector<Blocks> blocks_;

  const double *z_root_, *z_delta_, *precision_;
  double c_;
  std::vector<double> memory_, scratch_;            // the levels' numbers; intermediate results
  std::vector<double> total_, d_total_;             // B and its adjoint
  std::vector<double> kappa_, shift_, offset_;      // K, K, K x n_roots: r_t, later ge_t
  std::vector<double> zeros_, ignored_, inverse_precision_;
};

}  // namespace hlm

#endif
