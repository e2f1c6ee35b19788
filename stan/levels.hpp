#ifndef HLM_LEVELS_HPP
#define HLM_LEVELS_HPP

#include "blocks.hpp"
#include "level.hpp"
#include "log_product.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <vector>

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

/** The levels of all factors and the roots: where the numbers of each lie, and messages upward. */
class Levels {
 protected:
  struct Factor {
    int first, n_levels;  // its levels
    int n_varying;
    int z, precision;  // where its numbers start in z_delta and in precision
    int columns;       // where its varying columns start in columns_, the others following
    int tree;
    bool is_leaf;
    int blocks;  // which of blocks_ it is, or -1
  };

  /**
   * Points these levels at a model; false where they are at it already, known by where its numbers
   * lie: they must not change as long as it is.
   */
  bool set_up(const Forest& forest, const MapConstants& constants) {
    const auto model = std::make_tuple(
        forest.n_coefficients, forest.n_levels.data(), forest.parent.data(), forest.parent.size(),
        constants.leaf_information, constants.leaf_score, constants.root_information);
    if (model == model_) return false;
    model_ = model;
    k_ = forest.n_coefficients;
    n_roots_ = std::max(forest.n_trees, 1);
    constants_ = constants;
    set_factors(forest);
    set_levels(forest);
    scratch_.resize(Scratch::size(k_));
    total_.resize(k_ * n_totals());
    d_total_.resize(k_ * n_totals());
    zeros_.assign(k_ * k_, 0.0);
    ignored_.resize(k_ * k_);
    inverse_precision_.resize(n_precision_);
    return true;
  }

  /** F and s of all levels and roots, children first; returns sum_g J_g/2 log|P_g| - sum log|R|. */
  double send_upward(const double* precision, double c) {
    start_upward(c);
    LogProduct<double> determinant;
    double prior = 0;
    for (auto f = factors_.rbegin(); f != factors_.rend(); ++f)
      with_factor(*f, [&](const auto& A) {
        const double* P = precision + f->precision;
        LogProduct<double> prior_determinant;
        invert(A, P, ignored_.data(), inverse_precision_.data() + f->precision, scratch(),
               prior_determinant);
        prior += f->n_levels * log(prior_determinant);
        if constexpr (fits_packs<decltype(A)>)
          if (f->blocks >= 0)
            return blocks_[f->blocks].send_upward(A, P, c, exchange(), determinant);
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

  /** The totals of the roots from z, once what is below has been sent up. */
  void place_roots(const double* z) {
    std::fill(total(ground()), total(ground()) + k_, 0.0);
    with_roots([&](const auto& A) {
      for (int t = 0; t < n_roots_; ++t)
        place_effect(A, zeros_.data(), z + k_ * t, level(root(t)), total(ground()), total(root(t)),
                     scratch());
    });
  }

  /** Reverse of it and of -log|R|: the adjoints of z, and of F and s that have reached the roots. */
  void reverse_roots(const double* z, double* gz) {
    with_roots([&](const auto& A) {
      for (int t = 0; t < n_roots_; ++t)
        reverse_effect(A, zeros_.data(), z + k_ * t, level(root(t)), total(ground()),
                       d_total(root(t)), d_total(ground()), gz + k_ * t, ignored_.data(),
                       scratch());
    });
  }

  /** The adjoint of P from J_g/2 log|P_g|. */
  void reverse_prior(const Factor& f, double* gP) const {
    for (int i = 0; i < f.n_varying * f.n_varying; ++i)
      gP[i] += 0.5 * f.n_levels * inverse_precision_[f.precision + i];
  }
  /** c times the adjoint of c, to which F and s of a leaf are proportional. */
  double reverse_information(const Level<double>& leaf) const {
    return inner(k_ * k_, leaf.gF, leaf.F) + inner(k_, leaf.gs, leaf.s);
  }
  /** The adjoint of c from what reaches the first root directly. */
  double reverse_root_information() {
    const Level<double> first = level(root(0));
    return inner(k_ * k_, first.gF, constants_.root_information)
           + inner(k_, first.gs, constants_.root_score);
  }

  int n_totals() const { return n_levels_ + n_roots_ + 1; }
  int root(int t) const { return n_levels_ + t; }
  int ground() const { return n_levels_ + n_roots_; }
  Exchange exchange() {
    return {k_, total_.data(), d_total_.data(), memory_.data(), slot_.data()};
  }
  Level<double> level(int l) { return exchange().level(l); }
  double* total(int l) { return total_.data() + k_ * l; }
  double* d_total(int l) { return d_total_.data() + k_ * l; }
  Scratch scratch() { return {scratch_.data()}; }

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

  static double inner(int n, const double* a, const double* b) {
    return sum(0, n, [&](int i) { return a[i] * b[i]; });
  }

  int k_, n_levels_, n_roots_, n_precision_;
  MapConstants constants_;
  std::vector<Factor> factors_;
  std::vector<int> columns_;  // 0, ..., K - 1, then for each factor its columns and the others
  std::vector<int> parent_;   // of every level and root, from 0
  std::vector<int> slot_;     // which part of memory_ is a level's or root's, or -1
  std::vector<Blocks> blocks_;
  std::vector<double> memory_, scratch_;  // the levels' numbers; intermediate results
  std::vector<double> total_, d_total_;   // B and its adjoint
  std::vector<double> zeros_, ignored_, inverse_precision_;

 private:
  using Model = std::tuple<int, const int*, const int*, std::size_t, const double*, const double*,
                           const double*>;

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

  /** F and s before any message: c times the rows' at leaves and the first root, else 0. */
  void start_upward(double c) {
    const std::size_t k = k_, kk = k * k;
    for (const Factor& f : factors_)
      for (int l = f.first; l < f.first + f.n_levels && slot_[l] >= 0; ++l) {
        const Level<double> at = level(l);
        const double scale = f.is_leaf ? c : 0;
        scaled(kk, scale, constants_.leaf_information + kk * l, at.F);
        scaled(k, scale, constants_.leaf_score + k * l, at.s);
      }
    for (int t = 0; t < n_roots_; ++t) {
      const Level<double> at = level(root(t));
      scaled(kk, t == 0 ? c : 0, constants_.root_information, at.F);
      scaled(k, t == 0 ? c : 0, constants_.root_score, at.s);
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

  Model model_{};
};

}  // namespace hlm

#endif
