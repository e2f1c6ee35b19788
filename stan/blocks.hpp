#ifndef HLM_BLOCKS_HPP
#define HLM_BLOCKS_HPP

#include "instructions.hpp"
#include "level.hpp"
#include "pack.hpp"

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <vector>

/*
 * The levels of a factor that has many: eight side by side, by the same functions as one
 * (level.hpp).
 *
 * A block keeps F, s and Q of its levels, a lane each, and every pass computes the rest anew: that
 * is cheaper than memory. F and s of a leaf, before c, are constants. What levels hand to each other
 * lies outside, one level after the other: totals and their adjoints, and of all but leaves F, s and
 * their adjoints, which a pass gathers from parents and adds to them. Levels of one parent are
 * summed lane by lane as long as they follow each other. The last block begins early enough to be
 * full: what it repeats comes out the same, but for sums, which are taken back. In a block the
 * coefficients that vary come first, then the others, so that the compiler knows which ones they are.
 */
namespace hlm {

/** Whether levels of this selection go by in packs: larger ones have work enough for themselves. */
template <class Subset>
constexpr bool fits_packs
    = std::decay_t<Subset>::size != unknown && std::decay_t<Subset>::size <= 4;

/** The same selection of coefficients in the order that they have in a block. */
template <int K>
inline AllVary<K> in_order(AllVary<K>) {
  return {};
}
template <int K, int M>
inline FirstVary<K, M> in_order(FewVary<K, M>) {
  return {};
}

/** What levels hand to each other; a level's is found by its index. */
struct Exchange {
  int k;
  double *total, *d_total;  // K each
  double* memory;           // Level<double>::size(k) each, of those that have a slot
  const int* slot;

  HLM_INLINE Level<double> level(int l) const {
    return {memory + Level<double>::size(k) * slot[l], k};
  }
};

/** Sums over levels: d'P d, and of leaves |r - R B|^2. */
struct Squares {
  double of_effects = 0, of_rows = 0;
};

/** All levels of one factor, at least eight, in blocks; the first may be any index. */
class Blocks {
 public:
  static constexpr int fewest_levels = Lanes::count;

  /** `columns` are the varying coefficients and then the others, k in all. */
  Blocks(int first, int n_levels, int m, int k, const int* parent, const int* columns)
      : first_(first), n_levels_(n_levels), m_(m), k_(k), parent_(parent),
        size_(triangle(k) + k + triangle(m)), shared_parent_(n_blocks()),
        columns_(columns, columns + k), memory_(n_blocks() * size_) {
    for (int j = 0; j < k; ++j)
      for (int i = 0; i < k; ++i) entries_.push_back(columns[i] + k * columns[j]);
    for (int i = 0; i < k; ++i) entries_.push_back(k * k + columns[i]);
    for (int b = 0; b < n_blocks(); ++b) {
      const int p = parent_[level(b, 0)];
      bool shared = true;
      for (int lane = 1; lane < Lanes::count; ++lane) shared &= parent_[level(b, lane)] == p;
      shared_parent_[b] = shared ? p : none;
    }
  }

  /** F and s of leaves before c, of the level with index 0 on. */
  void set_leaves(const double* information, const double* score) {
    is_leaf_ = true;
    for (int b = 0; b < n_blocks(); ++b)
      for (int lane = 0; lane < Lanes::count; ++lane) {
        Lanes* to = block(b);
        const double *F = information + k_ * k_ * std::size_t(level(b, lane)),
                     *s = score + k_ * std::size_t(level(b, lane));
        for (int j = 0; j < k_; ++j)
          for (int i = j; i < k_; ++i) (to++)->at[lane] = F[entries_[i + k_ * j]];
        for (int i = 0; i < k_; ++i) (to++)->at[lane] = s[columns_[i]];
      }
  }

  /** Conditions all levels and adds their messages to their parents' F and s. */
  template <class Subset>
  void send_upward(const Subset& selection, const double* P, double c, const Exchange& outside,
                   LogProduct<double>& determinant) {
    constexpr int k = Subset::n_all(), m = Subset::n_varying();
    const auto A = in_order(selection);
    Lanes sums[k * k + k + 2] = {};
    Lanes &significand = sums[k * k + k], &power = sums[k * k + k + 1];
    std::fill(significand.at, significand.at + Lanes::count, 1.0);
    vectorised([&](auto width) {
      using Number = Pack<width>;
      const auto send = [&](int b, int lane) HLM_INLINED {
        if (!is_leaf_) receive<Subset, Number>(outside, b, lane);
        Scratch scratch{};
        Number memory[Level<Number>::size(k)], message[k * k + k];
        const Level<Number> level(memory, k);
        load_information<Subset>(b, lane, c, level);
        LogProduct<Number> product{Number::load(significand, lane), Number::load(power, lane)};
        condition(A, P, level, scratch, product);
        product.significand.store(significand, lane);
        product.power.store(power, lane);
        Number Q[triangle(m)];
        pack<m>(View<const Number>{level.Q, m}, Q);
        store<triangle(m)>(Q, block(b) + triangle(k) + k, lane);
        weigh(A, level, scratch);
        load<k * k + k>(sums, lane, message);
        send_message(A, P, level, message, message + k * k, scratch);
        store<k * k + k>(message, sums, lane);
      };
      const auto parent = [&](int l) { return outside.level(l).F; };
      run<width>(send, sums, k * k + k, entries_, parent);
    });
    take_in(significand, power, determinant);
  }

  /** Places all effects; returns sum d'P d. z is of the first level. */
  template <class Subset>
  double place_downward(const Subset& selection, const double* P, const double* z, double c,
                        const Exchange& outside) {
    constexpr int k = Subset::n_all(), m = Subset::n_varying();
    const auto A = in_order(selection);
    Lanes squares[1] = {};
    vectorised([&](auto width) {
      using Number = Pack<width>;
      const auto place = [&](int b, int lane) HLM_INLINED {
        Scratch scratch{};
        Number memory[Level<Number>::size(k)], B_parent[k], B[k], z_[m];
        const Level<Number> level(memory, k);
        load_conditioned<Subset>(b, lane, c, level);
        of_parents(b, lane, k, columns_, B_parent, [&](int l) { return outside.total + k * l; });
        gather(b, lane, m, as_they_are_, z_, [&](int l) { return z + m * l; });
        const Number d_P_d = place_effect(A, P, z_, level, B_parent, B, scratch);
        (Number::load(squares[0], lane) + d_P_d).store(squares[0], lane);
        scatter(b, lane, k, columns_, B, [&](int l) { return outside.total + k * (first_ + l); });
      };
      run<width>(place, squares, 0, columns_, [](int) -> double* { return nullptr; });
    });
    return sum(squares[0]);
  }

  /** Reverse of place_downward: adds to the adjoints of the parents' totals and of P. */
  template <class Subset>
  void reverse_place(const Subset& selection, const double* P, const double* z, double c,
                     const Exchange& outside, double* gz, double* gP, double& gc) {
    constexpr int k = Subset::n_all(), m = Subset::n_varying();
    const auto A = in_order(selection);
    Lanes sums[k + m * m + 1] = {};
    clear_adjoints(outside);
    vectorised([&](auto width) {
      using Number = Pack<width>;
      const auto reverse = [&](int b, int lane) HLM_INLINED {
        Scratch scratch{};
        Number memory[Level<Number>::size(k)], B_parent[k], B[k], z_[m], gB[k], gz_[m];
        Number to[k + m * m];
        const Level<Number> level(memory, k);
        load_conditioned<Subset>(b, lane, c, level);
        of_parents(b, lane, k, columns_, B_parent, [&](int l) { return outside.total + k * l; });
        gather(b, lane, m, as_they_are_, z_, [&](int l) { return z + m * l; });
        gather(b, lane, k, columns_, gB, [&](int l) { return outside.d_total + k * (first_ + l); });
        load<k + m * m>(sums, lane, to);
        place_effect(A, P, z_, level, B_parent, B, scratch);
        reverse_effect(A, P, z_, level, B_parent, gB, to, gz_, to + k, scratch);
        store<k + m * m>(to, sums, lane);
        scatter(b, lane, m, as_they_are_, gz_, [&](int l) { return gz + m * l; });
        hand_out<Subset>(b, lane, level, outside, sums[k + m * m]);
      };
      const auto parent = [&](int l) { return outside.d_total + k * l; };
      run<width>(reverse, sums, k, columns_, parent);
    });
    for (int i = 0; i < m * m; ++i) gP[i] += sum(sums[k + i]);
    gc += sum(sums[k + m * m]) / c;
  }

  /** Reverse of send_upward, but for its determinant, which reverse_place has seen to. */
  template <class Subset>
  void reverse_send(const Subset& selection, const double* P, double c, const Exchange& outside,
                    double* gP, double& gc) {
    constexpr int k = Subset::n_all(), m = Subset::n_varying();
    const auto A = in_order(selection);
    Lanes sums[m * m + 1] = {};
    vectorised([&](auto width) {
      using Number = Pack<width>;
      const auto reverse = [&](int b, int lane) HLM_INLINED {
        Scratch scratch{};
        Number memory[Level<Number>::size(k)], G[k * k + k], to[m * m];
        const Level<Number> level(memory, k);
        load_conditioned<Subset>(b, lane, c, level);
        weigh(A, level, scratch);
        of_parents(b, lane, k * k + k, entries_, G, [&](int l) { return outside.level(l).gF; });
        HLM_UNROLL
        for (int i = 0; i < k * k + k; ++i) level.gF[i] = 0;  // and gs
        load<m * m>(sums, lane, to);
        reverse_message(A, P, level, G, G + k * k, to, scratch);
        store<m * m>(to, sums, lane);
        hand_out<Subset>(b, lane, level, outside, sums[m * m]);
      };
      run<width>(reverse, sums, 0, columns_, [](int) -> double* { return nullptr; });
    });
    for (int i = 0; i < m * m; ++i) gP[i] += sum(sums[i]);
    gc += sum(sums[m * m]) / c;
  }

  /** Rows of leaves, `squares_left` has their order: of the level with index 0 on, n numbers each. */
  void set_rows(const double* R) {
    const int n = triangle(k_) + k_;
    rows_.resize(n_blocks() * std::size_t(n));
    for (int b = 0; b < n_blocks(); ++b)
      for (int lane = 0; lane < Lanes::count; ++lane)
        for (int i = 0; i < n; ++i)
          rows_[b * std::size_t(n) + i].at[lane] = R[n * std::size_t(level(b, lane)) + i];
  }

  /**
   * The effects at z = 0 and in the same pass, parents first, the adjoints of P, of c and of what
   * the children have sent; where leaves have rows, also c times their squares.
   */
  template <class Subset>
  Squares descend(const Subset& selection, const double* P, double c, const Exchange& outside,
                  double* gP, double& gc) {
    constexpr int k = Subset::n_all(), m = Subset::n_varying(), n_rows = triangle(k) + k;
    const auto A = in_order(selection);
    Lanes sums[m * m + 3] = {};
    clear_adjoints(outside);
    vectorised([&](auto width) {
      using Number = Pack<width>;
      const auto go = [&](int b, int lane) HLM_INLINED {
        Scratch scratch{};
        Number memory[Level<Number>::size(k)], B_parent[k], B[k], G[k * k + k], to[m * m + 1];
        const Number zeros[m] = {};
        const Level<Number> level(memory, k);
        load_conditioned<Subset>(b, lane, c, level);
        weigh(A, level, scratch);
        of_parents(b, lane, k, columns_, B_parent, [&](int l) { return outside.total + k * l; });
        of_parents(b, lane, k * k + k, entries_, G, [&](int l) { return outside.level(l).gF; });
        load<m * m + 1>(sums, lane, to);
        to[m * m] += place_effect(A, P, zeros, level, B_parent, B, scratch);
        reverse_mode(A, level, to);
        reverse_message(A, P, level, G, G + k * k, to, scratch);
        store<m * m + 1>(to, sums, lane);
        hand_out<Subset>(b, lane, level, outside, sums[m * m + 1]);
        if (is_leaf_) {
          Number R[n_rows];
          load<n_rows>(rows_.data() + n_rows * std::size_t(b), lane, R);
          (Number::load(sums[m * m + 2], lane) + squares_left(k, R, B)).store(sums[m * m + 2], lane);
        } else {
          scatter(b, lane, k, columns_, B, [&](int l) { return outside.total + k * (first_ + l); });
        }
      };
      run<width>(go, sums, 0, columns_, [](int) -> double* { return nullptr; });
    });
    for (int i = 0; i < m * m; ++i) gP[i] += sum(sums[i]);
    gc += sum(sums[m * m + 1]) / c;
    return {sum(sums[m * m]), sum(sums[m * m + 2])};
  }

 private:
  static constexpr int none = -1;
  using Order = std::vector<int>;  // where the numbers of a block have their places outside

  static constexpr int triangle(int n) { return n * (n + 1) / 2; }
  int n_blocks() const { return (n_levels_ + Lanes::count - 1) / Lanes::count; }
  HLM_INLINE Lanes* block(int b) { return memory_.data() + size_ * b; }
  /** A level's number within the factor. */
  HLM_INLINE int level(int b, int lane) const {
    return std::min(Lanes::count * b, n_levels_ - Lanes::count) + lane;
  }
  /** How many levels of a block the one before it has, too. */
  HLM_INLINE int n_repeated(int b) const { return Lanes::count * b - level(b, 0); }

  /**
   * Calls kernel(b, lane) for all blocks, width by width. The first n of what it sums are for
   * parents, to be added at parent(p).
   */
  template <int width, class Kernel, std::size_t n_sums, class Parent>
  HLM_INLINE void run(const Kernel& kernel, Lanes (&sums)[n_sums], int n, const Order& order,
                      const Parent& parent) {
    int summed = none;  // the parent that the sums are for
    for (int b = 0; b < n_blocks(); ++b) {
      const int next = shared_parent_[b], repeated = n_repeated(b);
      if (summed != none && next != summed) hand_over(sums, n, order, parent(summed));
      summed = next;
      Lanes before[n_sums];
      if (repeated > 0) std::copy(sums, sums + n_sums, before);
      for (int lane = repeated - repeated % width; lane < Lanes::count; lane += width)
        kernel(b, lane);
      for (int lane = 0; lane < repeated; ++lane)
        for (std::size_t i = 0; i < n_sums; ++i) sums[i].at[lane] = before[i].at[lane];
      if (summed == none && n > 0) hand_over_each(sums, n, order, b, repeated, parent);
    }
    if (summed != none) hand_over(sums, n, order, parent(summed));
  }

  static void hand_over(Lanes* sums, int n, const Order& order, double* to) {
    for (int i = 0; i < n; ++i) to[order[i]] += sum(sums[i]);
    std::fill(sums, sums + n, Lanes{});
  }
  template <class Parent>
  void hand_over_each(Lanes* sums, int n, const Order& order, int b, int repeated,
                      const Parent& parent) const {
    for (int lane = repeated; lane < Lanes::count; ++lane) {
      double* to = parent(parent_[level(b, lane)]);
      for (int i = 0; i < n; ++i) to[order[i]] += sums[i].at[lane];
    }
    std::fill(sums, sums + n, Lanes{});
  }

  /** n numbers of each level in these lanes, from or to where `at` says for its number, and order. */
  template <class Number, class At>
  HLM_INLINE void gather(int b, int lane, int n, const Order& order, Number* to,
                         const At& at) const {
    for (int i = 0; i < n; ++i) {
      const int from = order[i];
      to[i] = Number::from([&](int j) { return at(level(b, lane + j))[from]; });
    }
  }
  template <class Number, class At>
  HLM_INLINE void scatter(int b, int lane, int n, const Order& order, const Number* from,
                          const At& at) const {
    for (int j = 0; j < Number::width; ++j)
      for (int i = 0; i < n; ++i) at(level(b, lane + j))[order[i]] = from[i].v[j];
  }
  /** n numbers of each level's parent, from where `at` says for its index. */
  template <class Number, class At>
  HLM_INLINE void of_parents(int b, int lane, int n, const Order& order, Number* to,
                             const At& at) const {
    const int shared = shared_parent_[b];
    if (shared != none)
      for (int i = 0; i < n; ++i) to[i] = at(shared)[order[i]];
    else
      gather(b, lane, n, order, to, [&](int l) { return at(parent_[l]); });
  }

  /** Those of F and s that levels other than leaves hand out. */
  void clear_adjoints(const Exchange& outside) const {
    for (int l = 0; !is_leaf_ && l < n_levels_; ++l) {
      double* gF = outside.level(first_ + l).gF;
      std::fill(gF, gF + k_ * k_ + k_, 0.0);
    }
  }

  /** F and s of levels that are no leaves, which their children have completed. */
  template <class Subset, class Number>
  HLM_INLINE void receive(const Exchange& outside, int b, int lane) {
    constexpr int k = Subset::n_all();
    Number numbers[k * k + k], packed[triangle(k) + k];
    gather(b, lane, k * k + k, entries_, numbers, [&](int l) { return outside.level(first_ + l).F; });
    pack<k>(View<const Number>{numbers, k}, packed);
    std::copy(numbers + k * k, numbers + k * k + k, packed + triangle(k));
    store<triangle(k) + k>(packed, block(b), lane);
  }

  /** F, s and, where they have been conditioned, Q of these lanes. */
  template <class Subset, class Number>
  HLM_INLINE void load_information(int b, int lane, double c, const Level<Number>& level) {
    constexpr int k = Subset::n_all();
    const Number scale = is_leaf_ ? c : 1;
    Number numbers[triangle(k) + k];
    load<triangle(k) + k>(block(b), lane, numbers);
    HLM_UNROLL
    for (Number& x : numbers) x = x * scale;
    unpack<k>(numbers, View<Number>{level.F, k}, true);
    std::copy(numbers + triangle(k), numbers + triangle(k) + k, level.s);
  }
  template <class Subset, class Number>
  HLM_INLINE void load_conditioned(int b, int lane, double c, const Level<Number>& level) {
    constexpr int k = Subset::n_all(), m = Subset::n_varying();
    load_information<Subset>(b, lane, c, level);
    Number numbers[triangle(m)];
    load<triangle(m)>(block(b) + triangle(k) + k, lane, numbers);
    unpack<m>(numbers, View<Number>{level.Q, m}, false);
  }
  /** The adjoints of F and s: at a leaf they are c's, times c; else they go where others' are. */
  template <class Subset, class Number>
  HLM_INLINE void hand_out(int b, int lane, const Level<Number>& level,
                           const Exchange& outside, Lanes& gc) const {
    constexpr int k = Subset::n_all();
    if (is_leaf_) {
      Number product = Number::load(gc, lane);
      HLM_UNROLL
      for (int i = 0; i < k * k + k; ++i) product += level.gF[i] * level.F[i];
      product.store(gc, lane);
    } else {
      for (int j = 0; j < Number::width; ++j)
        if (lane + j >= n_repeated(b)) {
          double* to = outside.level(first_ + this->level(b, lane + j)).gF;
          for (int i = 0; i < k * k + k; ++i) to[entries_[i]] += level.gF[i].v[j];
        }
    }
  }

  int first_, n_levels_, m_, k_;
  std::size_t size_;  // of a block
  bool is_leaf_ = false;
  const int* parent_;  // indices, of this factor's levels
  std::vector<int> shared_parent_;
  Order columns_, entries_, as_they_are_{0, 1, 2, 3};  // of K numbers; of F and s; of z
  std::vector<Lanes> memory_, rows_;
};

}  // namespace hlm

#endif
