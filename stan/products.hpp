#ifndef HLM_PRODUCTS_HPP
#define HLM_PRODUCTS_HPP

#include "instructions.hpp"
#include "log_product.hpp"
#include "pack.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <type_traits>

/*
 * Small matrices, column-major, in someone else's memory. Where the compiler knows their sizes, these
 * are loops that unroll, inlined so that it does; else `multiply`, and Eigen's triangular inverse.
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

/** How the entries of a matrix lie: to the next row, and to the next column. */
struct Strides {
  int row, column;
};

/**
 * out (m x n) = L (m x inner) R (inner x n), sizes known at run time: a few rows of a few columns at
 * a time, in registers. The last rows of a column may overlap with those before, and come out the same.
 */
template <int width, int n_columns>
HLM_INLINE void multiply_columns(ConstMatrix L, const double* R, Strides to_next, int m, int inner,
                                 Matrix out) {
  using Number = Pack<width>;
  for (int i = 0; i < m; i += width) {
    const int first = std::min(i, m - width);
    Number sums[n_columns] = {};
    for (int p = 0; p < inner; ++p) {
      const Number left = Number::load(&L(first, p));
      HLM_UNROLL
      for (int j = 0; j < n_columns; ++j)
        sums[j].v += left.v * R[to_next.row * p + to_next.column * j];
    }
    HLM_UNROLL
    for (int j = 0; j < n_columns; ++j) sums[j].store(&out(first, j));
  }
}
template <int width>
HLM_INLINE void multiply(ConstMatrix L, const double* R, Strides to_next, int m, int inner, int n,
                         Matrix out) {
  constexpr int together = 4;
  int j = 0;
  for (; j + together <= n; j += together)
    multiply_columns<width, together>(L, R + to_next.column * j, to_next, m, inner,
                                      {&out(0, j), out.n_rows});
  for (; j < n; ++j)
    multiply_columns<width, 1>(L, R + to_next.column * j, to_next, m, inner,
                               {&out(0, j), out.n_rows});
}
inline void multiply(ConstMatrix L, const double* R, Strides to_next, int m, int inner, int n,
                     Matrix out) {
  vectorised([&](auto width) {
    if (m >= width) multiply<width>(L, R, to_next, m, inner, n, out);
    else if (m >= 2) multiply<2>(L, R, to_next, m, inner, n, out);
    else
      for (int j = 0; j < n; ++j)
        out(0, j) = sum(0, inner, [&](int p) {
          return L(0, p) * R[to_next.row * p + to_next.column * j];
        });
  });
}

/** out (m x n) = L' R, L (inner x m) and R (inner x n). */
inline void multiply_transpose(ConstMatrix L, ConstMatrix R, int m, int inner, int n, Matrix out) {
  const Eigen::MatrixXd transpose = dense(L, m).transpose();
  multiply({transpose.data(), m}, R.values, {1, R.n_rows}, m, inner, n, out);
}

/** out (m x n) = L (m x inner) R (inner x n); Size is `unknown` where the compiler does not know. */
template <int Size, class Left, class Right, class Out>
HLM_INLINE void product(View<Left> L, View<Right> R, int m, int inner, int n, View<Out> out) {
  if constexpr (Size == unknown)
    multiply(L, R.values, {1, R.n_rows}, m, inner, n, out);
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
    multiply(L, R.values, {R.n_rows, 1}, m, inner, n, out);
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
    multiply_transpose(L, R, m, inner, n, out);
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
    multiply_transpose(Q, Q, m, m, m, V);
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
