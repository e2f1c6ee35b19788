#ifndef HLM_LEVEL_HPP
#define HLM_LEVEL_HPP

#include "log_product.hpp"
#include "products.hpp"

/*
 * One level of the tree map: what it sends up, what it receives from above, and the adjoints.
 *
 * A selects the K_g of the K coefficients that vary by the level's factor and P = Sigma_g^-1. F and
 * s are the information and the score that the rows below carry about the level's total B, the sum
 * of the root and of the effects down to this level. The exact Gaussian conditionals are
 *
 *     R R' = A F A' + P,   Q = R^-1,   V = Q'Q                                         condition
 *     T = V A F,   v = V A s,   M = I - F A' V A,   messages M F and M s            send_message
 *     w = Q A (s - F B_parent),   d = Q'(w + z),   B = B_parent + A'd               place_effect
 *
 * A root is a level with P = 0 whose parent's total is 0.
 *
 * M without cancellation: V (A F A' + P) = I turns the rows of M that belong to varying
 * coefficients into P V A, so that with b for the coefficients that do not vary
 *
 *     (M F)_a = P T,   (M s)_a = P v,   (M F)_ba = (M F)_ab',   (M F)_bb = F_bb - F_ba T_b,
 *     (M s)_b = s_b - F_ba v
 *     M'g = [ Z g  in the varying places, g_b in the others ],   Z = V [ P in a, -F_ab in b ].
 *
 * Matrices are column-major; F, s, B, T's columns and their adjoints run over all K coefficients,
 * everything else over the K_g varying ones. An adjoint of X is the derivative of the final log
 * density by X; those of symmetric matrices are kept symmetric.
 */
namespace hlm {

/** All K coefficients vary, K known to the compiler: loops unroll and the rest of them is empty. */
template <int K>
struct AllVary {
  static constexpr int size = K;
  static constexpr int n_all() { return K; }
  static constexpr int n_varying() { return K; }
  static constexpr int n_rest() { return 0; }
  static constexpr int varying(int i) { return i; }
  static constexpr int rest(int i) { return i; }
};

/** M of K coefficients vary, which ones known at run time: their columns and the others, from 0. */
template <int K, int M>
struct FewVary {
  static constexpr int size = K;
  const int *varying_, *rest_;

  static constexpr int n_all() { return K; }
  static constexpr int n_varying() { return M; }
  static constexpr int n_rest() { return K - M; }
  int varying(int i) const { return varying_[i]; }
  int rest(int i) const { return rest_[i]; }
};

/** The first M of K coefficients vary. */
template <int K, int M>
struct FirstVary {
  static constexpr int size = K;
  static constexpr int n_all() { return K; }
  static constexpr int n_varying() { return M; }
  static constexpr int n_rest() { return K - M; }
  static constexpr int varying(int i) { return i; }
  static constexpr int rest(int i) { return M + i; }
};

/** Any subset of any number varies, known at run time. */
struct SomeVary {
  static constexpr int size = unknown;
  int n_all_, n_varying_;
  const int *varying_, *rest_;

  int n_all() const { return n_all_; }
  int n_varying() const { return n_varying_; }
  int n_rest() const { return n_all_ - n_varying_; }
  int varying(int i) const { return varying_[i]; }
  int rest(int i) const { return rest_[i]; }
};

/** Memory for intermediate results, handed out front to back. */
struct Scratch {
  double* next;
  static std::size_t size(int k) { return 4 * static_cast<std::size_t>(k) * k + 8 * k; }
};

/** An intermediate result: on the stack where its size is known, else in the scratch memory. */
template <int Size, class Number>
struct Local {
  Number values[Size > 0 ? Size : 1];
  HLM_INLINE Local(Scratch&, int) {}
  HLM_INLINE operator Number*() { return values; }
};
template <>
struct Local<unknown, double> {
  double* values;
  Local(Scratch& scratch, int size) : values(scratch.next) { scratch.next += size; }
  operator double*() { return values; }
};
template <class Subset, class Number>
using LocalVector = Local<Subset::size, Number>;
template <class Subset, class Number>
using LocalMatrix = Local<Subset::size == unknown ? unknown : Subset::size * Subset::size, Number>;

/** The rows of F (K x K) that belong to varying coefficients: F itself where all of them do. */
template <class Subset, class Number>
HLM_INLINE View<const Number> varying_rows(const Subset& A, const Number* F, Number* memory) {
  const int k = A.n_all(), m = A.n_varying();
  if (m == k) return {F, k};
  for (int j = 0; j < k; ++j)
    for (int i = 0; i < m; ++i) memory[i + m * j] = F[A.varying(i) + k * j];
  return {memory, m};
}

/** What the passes leave in a level for each other. */
template <class Number>
struct Level {
  Number *F, *s;      // information and score about B: K x K, K
  Number *Q, *V, *T;  // K_g x K_g, K_g x K_g, K_g x K
  Number *w, *d;      // K_g, K_g: whitened conditional mean, and the effect itself
  Number *gF, *gs;    // adjoints of F and s

  static constexpr std::size_t size(std::size_t k) { return 5 * k * k + 4 * k; }
  HLM_INLINE Level(Number* memory, int k)
      : F(memory), s(F + k * k), Q(s + k), V(Q + k * k), T(V + k * k), w(T + k * k), d(w + k),
        gF(d + k), gs(gF + k * k) {}
};

/** Q = R^-1 and V = Q'Q for S = R R' (m x m); R's diagonal goes into `determinant`. */
template <class Subset>
void invert(const Subset& A, const double* S, double* Q, double* V, Scratch scratch,
            LogProduct<double>& determinant) {
  const int m = A.n_varying();
  LocalMatrix<Subset, double> R(scratch, m * m);
  for (int i = 0; i < m * m; ++i) R[i] = S[i];
  invert<Subset::size>(Matrix{R, m}, m, Matrix{Q, m}, determinant);
  gram<Subset::size>(ConstMatrix{Q, m}, m, Matrix{V, m});
}

/** Q of a level whose F is complete; R's diagonal goes into `determinant`. */
template <class Subset, class Number>
HLM_INLINE void condition(const Subset& A, const double* P_, const Level<Number>& level,
                          Scratch scratch, LogProduct<Number>& determinant) {
  const int m = A.n_varying();
  const ConstMatrix P{P_, m};
  const View<Number> F{level.F, A.n_all()};
  LocalMatrix<Subset, Number> S_(scratch, m * m);
  const View<Number> S{S_, m};
  for (int j = 0; j < m; ++j)
    for (int i = 0; i < m; ++i) S(i, j) = F(A.varying(i), A.varying(j)) + P(i, j);
  invert<Subset::size>(S, m, View<Number>{level.Q, m}, determinant);
}

/** V and T of a level, from F and Q. */
template <class Subset, class Number>
HLM_INLINE void weigh(const Subset& A, const Level<Number>& level, Scratch scratch) {
  const int k = A.n_all(), m = A.n_varying();
  const View<Number> V{level.V, m};
  LocalMatrix<Subset, Number> FA(scratch, m * k);
  gram<Subset::size>(View<const Number>{level.Q, m}, m, V);
  product<Subset::size>(constant(V), varying_rows<Subset, Number>(A, level.F, FA), m, m, k,
                        View<Number>{level.T, m});
}

/** The message of a level: adds M F (symmetrised) and M s to its parent's F and s. */
template <class Subset, class Number>
HLM_INLINE void send_message(const Subset& A, const double* P_, const Level<Number>& level,
                             Number* F_parent_, Number* s_parent, Scratch scratch) {
  const int k = A.n_all(), m = A.n_varying(), n_rest = A.n_rest();
  const ConstMatrix P{P_, m};
  const View<const Number> V{level.V, m}, T{level.T, m}, F{level.F, k};
  const View<Number> F_parent{F_parent_, k};
  LocalMatrix<Subset, Number> FA_(scratch, m * k), PT_(scratch, m * k);
  LocalVector<Subset, Number> v(scratch, m);
  const View<const Number> FA = varying_rows<Subset, Number>(A, level.F, FA_);
  const View<Number> PT{PT_, m};
  product<Subset::size>(P, T, m, m, k, PT);
  for (int j = 0; j < m; ++j)
    for (int i = 0; i < m; ++i)
      F_parent(A.varying(i), A.varying(j)) += 0.5 * (PT(i, A.varying(j)) + PT(j, A.varying(i)));
  for (int j = 0; j < n_rest; ++j) {
    const int b = A.rest(j);
    for (int i = 0; i < m; ++i) {
      F_parent(A.varying(i), b) += PT(i, b);
      F_parent(b, A.varying(i)) += PT(i, b);
    }
    for (int i = 0; i < n_rest; ++i) {
      const int a = A.rest(i);
      const Number both = sum(0, m, [&](int p) { return FA(p, a) * T(p, b) + FA(p, b) * T(p, a); });
      F_parent(a, b) += F(a, b) - 0.5 * both;
    }
  }
  for (int i = 0; i < m; ++i)
    v[i] = sum(0, m, [&](int p) { return V(i, p) * level.s[A.varying(p)]; });
  for (int i = 0; i < m; ++i)
    s_parent[A.varying(i)] += sum(0, m, [&](int p) { return P(i, p) * v[p]; });
  for (int i = 0; i < n_rest; ++i)
    s_parent[A.rest(i)]
        += level.s[A.rest(i)] - sum(0, m, [&](int p) { return FA(p, A.rest(i)) * v[p]; });
}

/** w, d of a level and its total B, from z and the parent's total; returns d'P d. */
template <class Subset, class Number>
HLM_INLINE Number place_effect(const Subset& A, const double* P_, const Number* z,
                               const Level<Number>& level, const Number* B_parent, Number* B,
                               Scratch scratch) {
  const int k = A.n_all(), m = A.n_varying();
  const ConstMatrix P{P_, m};
  const View<const Number> F{level.F, k}, Q{level.Q, m};
  Number *w = level.w, *d = level.d;
  LocalVector<Subset, Number> score(scratch, m);
  for (int i = 0; i < m; ++i) {
    const int a = A.varying(i);
    score[i] = level.s[a] - sum(0, k, [&](int j) { return F(a, j) * B_parent[j]; });
  }
  for (int i = 0; i < m; ++i) w[i] = sum(0, i + 1, [&](int p) { return Q(i, p) * score[p]; });
  for (int i = 0; i < m; ++i) d[i] = sum(i, m, [&](int p) { return Q(p, i) * (w[p] + z[p]); });
  for (int j = 0; j < k; ++j) B[j] = B_parent[j];
  for (int i = 0; i < m; ++i) B[A.varying(i)] += d[i];
  return sum(0, m, [&](int i) {
    return d[i] * sum(0, m, [&](int j) { return P(i, j) * d[j]; });
  });
}

/**
 * Reverse of place_effect, of -log|R| and of the prior's -d'P d / 2: from the adjoint gB of the
 * level's total (complete) to the adjoints of z, the parent's total, F, s and P.
 *
 *     gd = A gB - P d                      the prior pulls on d
 *     gz = Q gd,   x = Q' gz = V gd        d = Q'(w + z) = V A (s - F B_parent) + Q'z
 *     gB_parent += gB - F A'x,   gs = A'x,   gF = -sym(A'x B_parent') + A'gS A
 *     gP += gS - d d'/2                    S = A F A' + P depends on F and P alike
 *
 * gS, the adjoint of S = R R': with E = Q dS Q' and L(E) its lower triangle with half the diagonal,
 * dR = R L(E), so dQ = -L(E) Q and dV = -Q'E Q, whence
 *
 *     d(-log|R|) = -tr L(E),   gd' d(Q'z) = -<L(E), z gz'>,   gd' dV A (s - F B_parent) = -gz' E w
 *     gS = Q' N Q,   N = sym-from-lower[ -(z gz' + I)/2 ] - (gz w' + w gz')/2
 *
 * where sym-from-lower mirrors the lower triangle.
 */
template <class Subset, class Number>
HLM_INLINE void reverse_effect(const Subset& A, const double* P_, const Number* z,
                               const Level<Number>& level, const Number* B_parent, const Number* gB,
                               Number* gB_parent, Number* gz, Number* gP_, Scratch scratch) {
  const int k = A.n_all(), m = A.n_varying();
  const ConstMatrix P{P_, m};
  const View<const Number> F{level.F, k}, Q{level.Q, m};
  const View<Number> gF{level.gF, k}, gP{gP_, m};
  const Number *w = level.w, *d = level.d;
  LocalMatrix<Subset, Number> N_(scratch, m * m), NQ_(scratch, m * m), gS_(scratch, m * m);
  LocalVector<Subset, Number> gd(scratch, m), x(scratch, m);
  const View<Number> N{N_, m}, NQ{NQ_, m}, gS{gS_, m};
  for (int i = 0; i < m; ++i)
    gd[i] = gB[A.varying(i)] - sum(0, m, [&](int p) { return P(i, p) * d[p]; });
  for (int i = 0; i < m; ++i) gz[i] = sum(0, i + 1, [&](int p) { return Q(i, p) * gd[p]; });
  for (int i = 0; i < m; ++i) x[i] = sum(i, m, [&](int p) { return Q(p, i) * gz[p]; });
  for (int j = 0; j < k; ++j)
    gB_parent[j] += gB[j] - sum(0, m, [&](int p) { return F(A.varying(p), j) * x[p]; });

  for (int j = 0; j < m; ++j) {
    N(j, j) = -0.5 * (z[j] * gz[j] + 1) - gz[j] * w[j];
    for (int i = j + 1; i < m; ++i)
      N(i, j) = N(j, i) = -0.5 * (z[i] * gz[j] + gz[i] * w[j] + w[i] * gz[j]);
  }
  product<Subset::size>(constant(N), Q, m, m, m, NQ);
  product_of_transpose<Subset::size>(Q, constant(NQ), m, m, m, gS);
  for (int j = 0; j < k; ++j) level.gs[j] = 0;
  for (int j = 0; j < k * k; ++j) level.gF[j] = 0;
  for (int j = 0; j < m; ++j)
    for (int i = j; i < m; ++i) {
      const int a = A.varying(i), b = A.varying(j);
      gF(a, b) = gF(b, a) = gS(i, j) - 0.5 * (x[i] * B_parent[b] + x[j] * B_parent[a]);
      const Number both = gS(i, j) - 0.5 * d[i] * d[j];
      gP(i, j) += both;
      if (i != j) gP(j, i) += both;
    }
  for (int i = 0; i < m; ++i) {
    const int a = A.varying(i);
    level.gs[a] = x[i];
    for (int j = 0; j < A.n_rest(); ++j)
      gF(a, A.rest(j)) = gF(A.rest(j), a) = -0.5 * x[i] * B_parent[A.rest(j)];
  }
}

/**
 * Where z = 0, d is where the rows' squares and d'P d have their least sum, so that their adjoints by
 * P and c are those of what stands there: of -d'P d/2 and -log|R|, gP = -(d d' + V)/2. Starts gF and
 * gs, with those of -log|R|.
 */
template <class Subset, class Number>
HLM_INLINE void reverse_mode(const Subset& A, const Level<Number>& level, Number* gP_) {
  const int k = A.n_all(), m = A.n_varying();
  const View<const Number> V{level.V, m};
  const View<Number> gF{level.gF, k}, gP{gP_, m};
  for (int j = 0; j < k; ++j) level.gs[j] = 0;
  for (int j = 0; j < k * k; ++j) level.gF[j] = 0;
  for (int j = 0; j < m; ++j)
    for (int i = 0; i < m; ++i) {
      gF(A.varying(i), A.varying(j)) = -0.5 * V(i, j);
      gP(i, j) -= 0.5 * (level.d[i] * level.d[j] + V(i, j));
    }
}

/** |r - R B|^2 for R upper triangular, by rows in one array, each with its r behind it. */
template <class Number>
HLM_INLINE Number squares_left(int k, const Number* R, const Number* B) {
  Number total = 0;
  for (int i = 0; i < k; ++i, R += k - i + 2) {
    const Number rest = R[k - i] - sum(i, k, [&](int j) { return R[j - i] * B[j]; });
    total += rest * rest;
  }
  return total;
}

/**
 * Reverse of send_message: from the adjoints G, g of the parent's F, s (complete) to those of F, s
 * and P, completing the level's own. With dV = -V (A dF A' + dP) V,
 *
 *     d(M s) = M ds - M dF A'v + T' dP v,      d(M F) = M dF M' + T' dP T
 *
 *     gs += M'g,   gF += M'G M - sym(M'g (A'v)'),   gP += T G T' + sym((T g) v')
 */
template <class Subset, class Number>
HLM_INLINE void reverse_message(const Subset& A, const double* P_, const Level<Number>& level,
                                const Number* G_, const Number* g, Number* gP_, Scratch scratch) {
  constexpr int size = Subset::size;
  const int k = A.n_all(), m = A.n_varying(), n_rest = A.n_rest();
  const ConstMatrix P{P_, m};
  const View<const Number> V{level.V, m}, T{level.T, m}, G{G_, k};
  const View<Number> gF{level.gF, k}, gP{gP_, m};
  LocalMatrix<Subset, Number> Z_(scratch, m * k), H_(scratch, m * k), D_(scratch, m * m);
  LocalVector<Subset, Number> v(scratch, m), x(scratch, m), y(scratch, m);
  const View<Number> Z{Z_, m}, H{H_, m}, D{D_, m};
  product<size>(V, P, m, m, m, D);
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < m; ++j) Z(i, A.varying(j)) = D(i, j);
    for (int j = 0; j < n_rest; ++j) Z(i, A.rest(j)) = -T(i, A.rest(j));
  }
  for (int i = 0; i < m; ++i) {
    v[i] = sum(0, m, [&](int p) { return V(i, p) * level.s[A.varying(p)]; });
    x[i] = sum(0, k, [&](int j) { return Z(i, j) * g[j]; });
    y[i] = sum(0, k, [&](int j) { return T(i, j) * g[j]; });
  }
  for (int i = 0; i < m; ++i) level.gs[A.varying(i)] += x[i];
  for (int i = 0; i < n_rest; ++i) level.gs[A.rest(i)] += g[A.rest(i)];

  product<size>(constant(Z), G, m, k, k, H);
  product_with_transpose<size>(constant(H), constant(Z), m, k, m, D);
  for (int j = 0; j < m; ++j)
    for (int i = 0; i < m; ++i)
      gF(A.varying(i), A.varying(j)) += D(i, j) - 0.5 * (x[i] * v[j] + v[i] * x[j]);
  for (int j = 0; j < n_rest; ++j) {
    const int b = A.rest(j);
    for (int i = 0; i < m; ++i) {
      const Number both = H(i, b) - 0.5 * v[i] * g[b];
      gF(A.varying(i), b) += both;
      gF(b, A.varying(i)) += both;
    }
    for (int i = 0; i < n_rest; ++i) gF(A.rest(i), b) += G(A.rest(i), b);
  }

  product<size>(T, G, m, k, k, H);
  product_with_transpose<size>(constant(H), T, m, k, m, D);
  for (int j = 0; j < m; ++j)
    for (int i = 0; i < m; ++i) gP(i, j) += D(i, j) + 0.5 * (y[i] * v[j] + v[i] * y[j]);
}

}  // namespace hlm

#endif
