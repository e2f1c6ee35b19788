#ifndef HLM_PRODUCTS_HPP
#define HLM_PRODUCTS_HPP

#include "instructions.hpp"
#include "log_product.hpp"

#include <Eigen/Dense>

#include <cmath>
#include <type_traits>

/*
 * Small matrices, column-major, in someone else's memory. Where the compiler knows their sizes, these
 * are loops that unroll, inlined so that it does; else Eigen's products.
 */
namespace hlm {

constexpr int unknown = -1;

/** Column-major matrix in someone else's memory. */
template <class Number>
struct View {
  Number* values;
  int n_rows;
  HLM_INLINE Number& operator()(int i, int j) const { return values[i + n_rows * j]; }
};
using Matrix = View<double>;
using ConstMatrix = View<const double>;

template <class Number>
HLM_INLINE View<const Number> constant(View<Number> a) {
  return {a.values, a.n_rows};
}
inline Eigen::Map<Eigen::MatrixXd> dense(Matrix a, int n_columns) {
  return {a.values, a.n_rows, n_columns};
}
inline Eigen::Map<const Eigen::MatrixXd> dense(ConstMatrix a, int n_columns) {
  return {a.values, a.n_rows, n_columns};
}

/** sum of term(i) for first <= i < last. */
template <class Term>
HLM_INLINE auto sum(int first, int last, const Term& term) {
  using Number = std::decay_t<decltype(term(first))>;
  if (first >= last) return Number(0);
  Number total = term(first);
  for (int i = first + 1; i < last; ++i) total += term(i);
  return total;
}

/** The lower triangle of a matrix, column by column; and back, mirrored or with zeros above. */
template <int n, class Number>
HLM_INLINE void pack(View<const Number> from, Number* to) {
  HLM_UNROLL
  for (int j = 0; j < n; ++j)
    HLM_UNROLL
    for (int i = j; i < n; ++i) *to++ = from(i, j);
}
template <int n, class Number>
HLM_INLINE void unpack(const Number* from, View<Number> to, bool mirrored) {
  HLM_UNROLL
  for (int j = 0; j < n; ++j)
    HLM_UNROLL
    for (int i = j; i < n; ++i) {
      to(i, j) = *from++;
      if (i > j) to(j, i) = mirrored ? to(i, j) : Number(0);
    }
}

/** out (m x n) = L (m x inner) R (inner x n); Size is `unknown` where the compiler does not know. */
template <int Size, class Left, class Right, class Out>
HLM_INLINE void product(View<Left> L, View<Right> R, int m, int inner, int n, View<Out> out) {
  if constexpr (Size == unknown)
    dense(out, n).noalias() = dense(L, inner) * dense(R, n);
  else
    HLM_UNROLL
    for (int j = 0; j < n; ++j)
      HLM_UNROLL
      for (int i = 0; i < m; ++i)
        out(i, j) = sum(0, inner, [&](int p) { return L(i, p) * R(p, j); });
}

/** out (m x n) = L (m x inner) R', R (n x inner). */
template <int Size, class Left, class Right, class Out>
HLM_INLINE void product_with_transpose(View<Left> L, View<Right> R, int m, int inner, int n,
                                       View<Out> out) {
  if constexpr (Size == unknown)
    dense(out, n).noalias() = dense(L, inner) * dense(R, inner).transpose();
  else
    HLM_UNROLL
    for (int j = 0; j < n; ++j)
      HLM_UNROLL
      for (int i = 0; i < m; ++i)
        out(i, j) = sum(0, inner, [&](int p) { return L(i, p) * R(j, p); });
}

/** out (m x n) = L' R, L (inner x m) and R (inner x n). */
template <int Size, class Left, class Right, class Out>
HLM_INLINE void product_of_transpose(View<Left> L, View<Right> R, int m, int inner, int n,
                                     View<Out> out) {
  if constexpr (Size == unknown)
    dense(out, n).noalias() = dense(L, m).transpose() * dense(R, n);
  else
    HLM_UNROLL
    for (int j = 0; j < n; ++j)
      HLM_UNROLL
      for (int i = 0; i < m; ++i)
        out(i, j) = sum(0, inner, [&](int p) { return L(p, i) * R(p, j); });
}

/** V (m x m) = Q'Q, Q lower triangular. */
template <int Size, class Number>
HLM_INLINE void gram(View<const Number> Q, int m, View<Number> V) {
  if constexpr (Size == unknown)
    dense(V, m).noalias() = dense(Q, m).transpose() * dense(Q, m);
  else
    HLM_UNROLL
    for (int j = 0; j < m; ++j)
      HLM_UNROLL
      for (int i = j; i < m; ++i)
        V(i, j) = V(j, i) = sum(i, m, [&](int p) { return Q(p, i) * Q(p, j); });
}

/** Q = R^-1 for S = R R' (m x m), in whose place R comes; its diagonal goes into `determinant`. */
template <int Size, class Number>
HLM_INLINE void invert(View<Number> S, int m, View<Number> Q, LogProduct<Number>& determinant) {
  if constexpr (Size == unknown) {
    auto R = dense(S, m);
    auto inverse = dense(Q, m);
    Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> cholesky(R);
    if (cholesky.info() != Eigen::Success) return determinant.times(0);
    for (int j = 0; j < m; ++j) determinant.times(R(j, j));
    inverse.setIdentity();
    R.template triangularView<Eigen::Lower>().solveInPlace(inverse);
  } else {
    using std::sqrt;
    const View<Number> R = S;
    HLM_UNROLL
    for (int j = 0; j < m; ++j) {
      R(j, j) = sqrt(S(j, j) - sum(0, j, [&](int p) { return R(j, p) * R(j, p); }));
      determinant.times(R(j, j));
      Q(j, j) = 1 / R(j, j);
      HLM_UNROLL
      for (int i = j + 1; i < m; ++i)
        R(i, j) = (S(i, j) - sum(0, j, [&](int p) { return R(i, p) * R(j, p); })) * Q(j, j);
    }
    HLM_UNROLL
    for (int j = 0; j < m; ++j)
      HLM_UNROLL
      for (int i = 0; i < m; ++i) {
        if (i < j) Q(i, j) = 0;
        if (i > j) Q(i, j) = -Q(i, i) * sum(j, i, [&](int p) { return R(i, p) * Q(p, j); });
      }
  }
}

}  // namespace hlm

#endif
