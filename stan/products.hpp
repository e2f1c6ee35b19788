#ifndef HLM_PRODUCTS_HPP
#define HLM_PRODUCTS_HPP

#include "instructions.hpp"
#include "log_product.hpp"

#include <Eigen/Dense>

#include <cmath>
#include <stdexcept>

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
  Number& operator()(int i, int j) const { return values[i + n_rows * j]; }
};
using Matrix = View<double>;
using ConstMatrix = View<const double>;

inline ConstMatrix constant(Matrix a) { return {a.values, a.n_rows}; }
inline Eigen::Map<Eigen::MatrixXd> dense(Matrix a, int n_columns) {
  return {a.values, a.n_rows, n_columns};
}
inline Eigen::Map<const Eigen::MatrixXd> dense(ConstMatrix a, int n_columns) {
  return {a.values, a.n_rows, n_columns};
}

/** sum of term(i) for first <= i < last. */
template <class Term>
inline double sum(int first, int last, Term term) {
  if (first >= last) return 0;
  double total = term(first);
  for (int i = first + 1; i < last; ++i) total += term(i);
  return total;
}

/** out (m x n) = L (m x inner) R (inner x n); Size is `unknown` where the compiler does not know. */
template <int Size>
HLM_INLINE void product(ConstMatrix L, ConstMatrix R, int m, int inner, int n, Matrix out) {
  if constexpr (Size == unknown)
    dense(out, n).noalias() = dense(L, inner) * dense(R, n);
  else
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < m; ++i)
        out(i, j) = sum(0, inner, [&](int p) { return L(i, p) * R(p, j); });
}

/** out (m x n) = L (m x inner) R', R (n x inner). */
template <int Size>
HLM_INLINE void product_with_transpose(ConstMatrix L, ConstMatrix R, int m, int inner, int n, Matrix out) {
  if constexpr (Size == unknown)
    dense(out, n).noalias() = dense(L, inner) * dense(R, inner).transpose();
  else
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < m; ++i)
        out(i, j) = sum(0, inner, [&](int p) { return L(i, p) * R(j, p); });
}

/** out (m x n) = L' R, L (inner x m) and R (inner x n). */
template <int Size>
HLM_INLINE void product_of_transpose(ConstMatrix L, ConstMatrix R, int m, int inner, int n, Matrix out) {
  if constexpr (Size == unknown)
    dense(out, n).noalias() = dense(L, m).transpose() * dense(R, n);
  else
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < m; ++i)
        out(i, j) = sum(0, inner, [&](int p) { return L(p, i) * R(p, j); });
}

/** Whether a number is the square root of a pivot; what else there may be is no number. */
inline void check_root(double root) {
  if (!(root > 0 && root <= 1e150))
    throw std::domain_error("hlm: information is not positive definite");
}

/** Q = R^-1 and V = Q'Q for S = R R' (m x m), in whose place R comes; its diagonal's product. */
template <int Size>
HLM_INLINE void invert(Matrix S, int m, Matrix Q, Matrix V, LogProduct& determinant) {
  if constexpr (Size == unknown) {
    auto R = dense(S, m);
    auto inverse = dense(Q, m);
    Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> cholesky(R);
    if (cholesky.info() != Eigen::Success) check_root(0);
    for (int j = 0; j < m; ++j) {
      check_root(R(j, j));
      determinant.times(R(j, j));
    }
    inverse.setIdentity();
    R.triangularView<Eigen::Lower>().solveInPlace(inverse);
    dense(V, m).noalias() = inverse.transpose() * inverse;
  } else {
    const Matrix R = S;
    for (int j = 0; j < m; ++j) {
      const double pivot = S(j, j) - sum(0, j, [&](int p) { return R(j, p) * R(j, p); });
      R(j, j) = std::sqrt(pivot);
      check_root(R(j, j));
      determinant.times(R(j, j));
      Q(j, j) = 1 / R(j, j);
      for (int i = j + 1; i < m; ++i)
        R(i, j) = (S(i, j) - sum(0, j, [&](int p) { return R(i, p) * R(j, p); })) * Q(j, j);
    }
    for (int j = 0; j < m; ++j)
      for (int i = 0; i < m; ++i) {
        if (i < j) Q(i, j) = 0;
        if (i > j) Q(i, j) = -Q(i, i) * sum(j, i, [&](int p) { return R(i, p) * Q(p, j); });
      }
    for (int j = 0; j < m; ++j)
      for (int i = j; i < m; ++i)
        V(i, j) = V(j, i) = sum(i, m, [&](int p) { return Q(p, i) * Q(p, j); });
  }
}

}  // namespace hlm

#endif
