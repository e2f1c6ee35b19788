/*
 * Holds hlm_log_density against itself: the fused function with its hand-written gradient, and the
 * same density written in a few plain lines for which Stan derives the gradient.
 *
 * Prints one line a case, "<case> <error of the value> <error of the gradient>", relative errors
 * over a few random points; an error that ought to be thrown is a case as well: 0 when it is.
 */
#include "hlm.hpp"

#include <cstdio>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace {

using stan::math::var;
using MatrixXd = Eigen::MatrixXd;
using VectorXd = Eigen::VectorXd;
template <class Real>
using MatrixOf = Eigen::Matrix<Real, -1, -1>;
template <class Real>
using VectorOf = Eigen::Matrix<Real, -1, 1>;

/** One grouping factor of a case; factors come tree by tree, coarse to fine. */
struct Factor {
  int tree, n_levels;
  std::vector<int> varying;  // from 1
};

struct Case {
  std::string name;
  int n_coefficients;
  std::vector<Factor> factors;
  bool student = true;
  bool weighted = false;
  double kappa_df = std::numeric_limits<double>::infinity();
  double kappa_scale = 2;
};

const std::vector<Case> cases = {
    {"one_factor", 2, {{1, 4, {1, 2}}}},
    {"varying_intercept", 3, {{1, 5, {1}}}},
    {"crossed", 3, {{1, 4, {1, 2, 3}}, {2, 5, {1, 2, 3}}, {3, 3, {1, 2, 3}}}},
    {"nested_two_deep", 2, {{1, 3, {1, 2}}, {1, 7, {1, 2}}, {2, 2, {1, 2}}, {2, 5, {1, 2}}}},
    {"nested_three_deep", 2, {{1, 2, {1, 2}}, {1, 4, {1, 2}}, {1, 9, {1, 2}}}},
    {"coarser_subset", 3, {{1, 3, {2}}, {1, 6, {1, 2, 3}}, {2, 4, {3, 1}}}},
    {"finer_subset", 3, {{1, 3, {1, 2, 3}}, {1, 6, {1, 3}}, {2, 4, {1, 2, 3}}, {2, 8, {2}}}},
    {"disjoint_subsets", 4, {{1, 3, {1, 2}}, {1, 5, {3, 4}}, {1, 9, {1}}, {2, 4, {2, 4}}}},
    {"nothing_varies", 2, {{1, 3, {}}, {2, 4, {1, 2}}}},
    {"normal_family", 2, {{1, 3, {1, 2}}, {1, 6, {1, 2}}, {2, 4, {1, 2}}}, false},
    {"weights", 2, {{1, 3, {1, 2}}, {2, 4, {1}}}, true, true},
    {"student_prior", 3, {{1, 3, {1, 2, 3}}, {2, 4, {1}}}, true, false, 3.0},
    {"flat_prior", 2, {{1, 3, {1, 2}}, {2, 4, {1, 2}}}, true, false, 1.0, 1e8},
    {"no_factor", 3, {}, true, true},
    {"no_factor_many_coefficients", 12, {}, false, false, 4.0},
    {"one_coefficient", 1, {{1, 3, {1}}, {2, 4, {1}}}},
    {"five_coefficients", 5, {{1, 3, {1, 2, 3, 4, 5}}, {2, 4, {1, 2, 3, 4, 5}}}},
    {"six_coefficients", 6, {{1, 3, {1, 2, 3, 4, 5, 6}}, {2, 4, {1, 2, 3, 4, 5, 6}}}},
    {"nine_coefficients", 9, {{1, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}}, {2, 2, {9, 1}}}},
};

/** The arguments of hlm_log_density that are data. */
struct Data {
  int K, R;
  std::vector<int> J, n_varying, varying, tree, is_leaf, parent, leaf, start;
  MatrixXd leaf_information, leaf_score, contrast_weight, auxiliary_information, auxiliary_mean;
  MatrixXd root_information, X;
  VectorXd root_score, prior_precision, prior_score, y, weight, kappa_df, kappa_loc, kappa_scale;
  double n_obs, rss;
  int student;
};

/** The arguments of hlm_log_density that are parameters. */
template <class Real>
struct Parameters {
  MatrixOf<Real> z_root;
  VectorOf<Real> z_delta, precision;
  Real c, sigma, nu;
};

class Generator {
 public:
  explicit Generator(unsigned seed) : engine_(seed) {}
  double normal() { return normal_(engine_); }
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(engine_); }
  MatrixXd matrix(int rows, int cols) {
    return MatrixXd::NullaryExpr(rows, cols, [&] { return normal(); });
  }
  /** Random symmetric positive definite matrix. */
  MatrixXd spd(int n, double scale = 1) {
    const MatrixXd A = matrix(n, n + 2);
    return scale * (A * A.transpose() / (n + 2) + 0.2 * MatrixXd::Identity(n, n));
  }

 private:
  std::mt19937 engine_;
  std::normal_distribution<double> normal_;
};

int n_trees(const Case& c) { return c.factors.empty() ? 0 : c.factors.back().tree; }

/** Factors and levels; levels of a nested factor get a parent at random. */
void add_forest(const Case& c, Generator& random, Data& d) {
  int first = 0, first_above = 0;
  for (std::size_t g = 0; g < c.factors.size(); ++g) {
    const Factor& f = c.factors[g];
    const bool top = g == 0 || c.factors[g - 1].tree != f.tree;
    d.J.push_back(f.n_levels);
    d.n_varying.push_back(f.varying.size());
    d.varying.insert(d.varying.end(), f.varying.begin(), f.varying.end());
    d.tree.push_back(f.tree);
    d.is_leaf.push_back(g + 1 == c.factors.size() || c.factors[g + 1].tree != f.tree);
    for (int l = 0; l < f.n_levels; ++l)
      d.parent.push_back(top ? 0 : first_above + random.below(d.J[g - 1]) + 1);
    first_above = first;
    first += f.n_levels;
  }
}

/** Cells of one to three rows, each with a random leaf of every tree. */
void add_rows(const Case& c, Generator& random, Data& d) {
  const int n_cells = c.factors.empty() ? 1 : 12;
  d.start.push_back(1);
  for (int cell = 0; cell < n_cells; ++cell) {
    int first = 0;
    for (std::size_t g = 0; g < d.J.size(); first += d.J[g++])
      if (d.is_leaf[g]) d.leaf.push_back(first + random.below(d.J[g]) + 1);
    d.start.push_back(d.start.back() + (c.factors.empty() ? 25 : 1 + random.below(3)));
  }
  const int n = d.start.back() - 1;
  d.X = random.matrix(d.K, n);
  d.y = 3 * random.matrix(n, 1);
  d.weight = VectorXd::Ones(n);
  if (c.weighted) d.weight = random.matrix(n, 1).array().abs() + 0.5;
  d.n_obs = d.weight.sum() + (c.student ? 0 : 7);
  d.rss = c.student ? 0 : 2.5;
}

/** Constants of the map: random, for they may be anything. */
void add_constants(Generator& random, Data& d) {
  const int K = d.K, L = d.parent.size();
  d.leaf_information = d.contrast_weight = MatrixXd::Zero(K, K * L);
  d.leaf_score = MatrixXd::Zero(K, L);
  for (std::size_t g = 0, l = 0; g < d.J.size(); ++g)
    for (int j = 0; j < d.J[g]; ++j, ++l)
      if (d.is_leaf[g]) {
        d.leaf_information.middleCols(K * l, K) = random.spd(K, 2);
        d.leaf_score.col(l) = random.matrix(K, 1);
        if (d.tree[g] > 1)
          d.contrast_weight.middleCols(K * l, K)
              = (MatrixXd::Identity(K, K) + 0.2 * random.matrix(K, K)) / d.J[g];
      }
  d.auxiliary_information = MatrixXd::Zero(K, K * d.R);
  d.auxiliary_mean = random.matrix(K, d.R);
  for (int t = 1; t < d.R; ++t) d.auxiliary_information.middleCols(K * t, K) = random.spd(K, 5);
  d.root_information = random.spd(K);
  d.root_score = random.matrix(K, 1);
  d.prior_precision = random.matrix(K, 1).array().abs() + 0.1;
  d.prior_score = random.matrix(K, 1);
}

Data make_data(const Case& c, Generator& random) {
  Data d;
  d.K = c.n_coefficients;
  d.R = std::max(n_trees(c), 1);
  d.student = c.student;
  add_forest(c, random, d);
  add_rows(c, random, d);
  add_constants(random, d);
  d.kappa_df = VectorXd::Constant(d.K, c.kappa_df);
  d.kappa_loc = random.matrix(d.K, 1);
  d.kappa_scale = VectorXd::Constant(d.K, c.kappa_scale);
  return d;
}

Parameters<double> make_parameters(const Data& d, Generator& random) {
  int n_delta = 0, n_precision = 0;
  for (std::size_t g = 0; g < d.J.size(); ++g) {
    n_delta += d.J[g] * d.n_varying[g];
    n_precision += d.n_varying[g] * d.n_varying[g];
  }
  VectorXd precision(n_precision);
  for (std::size_t g = 0, at = 0; g < d.J.size(); at += d.n_varying[g] * d.n_varying[g], ++g) {
    const MatrixXd P = random.spd(d.n_varying[g], std::exp(random.normal()));
    precision.segment(at, P.size()) = Eigen::Map<const VectorXd>(P.data(), P.size());
  }
  return {random.matrix(d.K, d.R), random.matrix(n_delta, 1), precision,
          std::exp(0.5 * random.normal()), std::exp(0.5 * random.normal()),
          1 + std::exp(random.normal())};
}

template <class Real>
Real fused(const Data& d, const Parameters<Real>& p) {
  return hlm_log_density(p.z_root, p.z_delta, p.precision, p.c, p.sigma, p.nu, d.J, d.n_varying,
                         d.varying, d.tree, d.is_leaf, d.parent, d.leaf_information, d.leaf_score,
                         d.contrast_weight, d.auxiliary_information, d.auxiliary_mean,
                         d.root_information, d.root_score, d.prior_precision, d.prior_score,
                         d.leaf, d.start, d.X, d.y, d.weight, d.n_obs, d.rss, d.student,
                         d.kappa_df, d.kappa_loc, d.kappa_scale, nullptr);
}

template <class A, class B>
auto product(const A& a, const B& b) {
  return stan::math::multiply(a.eval(), b.eval()).eval();
}

/** The map and the density in plain lines. */
template <class Real>
class Reference {
 public:
  Reference(const Data& d, const Parameters<Real>& p) : d_(d), p_(p) {
    const int L = d.parent.size(), n = L + d.R;
    F_.assign(n, MatrixOf<Real>::Zero(d.K, d.K));
    s_.assign(n, VectorOf<Real>::Zero(d.K));
    total_.assign(n, VectorOf<Real>::Zero(d.K));
    F_[L] += p.c * d.root_information;
    F_[L].diagonal() += d.prior_precision;
    s_[L] += p.c * d.root_score + d.prior_score;
    for (std::size_t g = 0, first = 0, delta = 0, precision = 0, column = 0; g < d.J.size(); ++g) {
      const int m = d.n_varying[g];
      MatrixXd A = MatrixXd::Zero(m, d.K);
      for (int i = 0; i < m; ++i) A(i, d.varying[column + i] - 1) = 1;
      const MatrixOf<Real> P
          = stan::math::to_matrix(VectorOf<Real>(p.precision.segment(precision, m * m)), m, m);
      for (int j = 0; j < d.J[g]; ++j) {
        const int l = first + j, above = d.parent[l];
        levels_.push_back({static_cast<int>(g), above ? above - 1 : L + d.tree[g] - 1, A, P,
                           p.z_delta.segment(delta + m * j, m)});
      }
      first += d.J[g];
      delta += m * d.J[g];
      precision += m * m;
      column += m;
    }
  }

  Real log_density() {
    const int L = levels_.size();
    Real result = 0;
    for (int l = L - 1; l >= 0; --l) send_up(l);
    for (int t = 0; t < d_.R; ++t)
      total_[L + t] = draw(F_[L + t], s_[L + t], p_.z_root.col(t), result);
    for (int l = 0; l < L; ++l) result += effect(l);
    VectorOf<Real> kappa = total_[L], shift = VectorOf<Real>::Zero(d_.K);
    for (int t = 1; t < d_.R; ++t) {
      VectorOf<Real> e = VectorOf<Real>::Zero(d_.K);
      for (int l = 0; l < L; ++l)
        if (d_.tree[levels_[l].factor] == t + 1)
          e += product(d_.contrast_weight.middleCols(d_.K * l, d_.K), total_[l] - total_[L + t]);
      kappa -= e;
      shift -= e + total_[L + t];
      const VectorOf<Real> mean = d_.auxiliary_mean.col(t) - e;
      const MatrixOf<Real> S = p_.c * d_.auxiliary_information.middleCols(d_.K * t, d_.K);
      result += stan::math::multi_normal_prec_lpdf<false>(total_[L + t], mean, S);
    }
    return result + prior(kappa) + rows(shift);
  }

 private:
  struct Level {
    int factor, parent;
    MatrixXd A;
    MatrixOf<Real> P;
    VectorOf<Real> z;
  };

  void send_up(int l) {
    const Level& at = levels_[l];
    if (d_.is_leaf[at.factor]) {
      F_[l] = p_.c * d_.leaf_information.middleCols(d_.K * l, d_.K);
      s_[l] = p_.c * d_.leaf_score.col(l);
    }
    const MatrixOf<Real> FA = product(F_[l], at.A.transpose());
    const MatrixOf<Real> V = stan::math::inverse(MatrixOf<Real>(product(at.A, FA) + at.P));
    const MatrixOf<Real> M
        = MatrixXd::Identity(d_.K, d_.K) - product(FA, product(V, at.A));
    F_[at.parent] += product(M, F_[l]);
    s_[at.parent] += product(M, s_[l]);
  }

  /** N(F^-1 s, F^-1) at the whitened z; adds the log Jacobian. */
  VectorOf<Real> draw(const MatrixOf<Real>& F, const VectorOf<Real>& s, const VectorOf<Real>& z,
                      Real& log_jacobian) {
    if (s.size() == 0) return s;
    const MatrixOf<Real> symmetric = 0.5 * (F + F.transpose());
    const MatrixOf<Real> R = stan::math::cholesky_decompose(symmetric);
    log_jacobian -= stan::math::sum(stan::math::log(VectorOf<Real>(R.diagonal())));
    const VectorOf<Real> x = stan::math::mdivide_left_tri_low(R, s) + z;
    return stan::math::mdivide_right_tri_low(stan::math::transpose(x).eval(), R).transpose();
  }

  Real effect(int l) {
    const Level& at = levels_[l];
    Real result = 0;
    const MatrixOf<Real> S = product(at.A, product(F_[l], at.A.transpose())) + at.P;
    const VectorOf<Real> s = product(at.A, s_[l] - product(F_[l], total_[at.parent]));
    const VectorOf<Real> d = draw(S, s, at.z, result);
    total_[l] = total_[at.parent] + product(at.A.transpose(), d);
    if (d.size() == 0) return result;
    const MatrixOf<Real> P = 0.5 * (at.P + at.P.transpose());
    return result
           + stan::math::multi_normal_prec_lpdf<false>(d, VectorXd::Zero(d.size()).eval(), P);
  }

  Real prior(const VectorOf<Real>& kappa) {
    Real result = 0;
    for (int i = 0; i < d_.K; ++i)
      result += std::isinf(d_.kappa_df[i])
                    ? stan::math::normal_lpdf<false>(kappa[i], d_.kappa_loc[i], d_.kappa_scale[i])
                    : stan::math::student_t_lpdf<false>(kappa[i], d_.kappa_df[i],
                                                        d_.kappa_loc[i], d_.kappa_scale[i]);
    return result;
  }

  Real rows(const VectorOf<Real>& shift) {
    const int T = d_.tree.empty() ? 0 : d_.tree.back();
    Real result = 0;
    for (std::size_t c = 0; c + 1 < d_.start.size(); ++c) {
      VectorOf<Real> beta = d_.tree.empty() ? total_[0] : shift;
      for (int t = 0; t < T; ++t) beta += total_[d_.leaf[c * T + t] - 1];
      for (int i = d_.start[c] - 1; i < d_.start[c + 1] - 1; ++i) {
        const Real eta = stan::math::dot_product(d_.X.col(i).eval(), beta);
        result += d_.weight[i]
                  * (d_.student ? stan::math::student_t_lpdf<false>(d_.y[i], p_.nu, eta, p_.sigma)
                                : stan::math::normal_lpdf<false>(d_.y[i], eta, p_.sigma));
      }
    }
    const double left = d_.n_obs - d_.weight.sum();  // observations behind rss
    return result - left * stan::math::log(p_.sigma)
           - 0.5 * d_.rss * stan::math::inv_square(p_.sigma);
  }

  const Data& d_;
  const Parameters<Real>& p_;
  std::vector<Level> levels_;
  std::vector<MatrixOf<Real>> F_;  // levels, then roots
  std::vector<VectorOf<Real>> s_, total_;
};

struct Result {
  double value;
  std::vector<VectorXd> gradient;  // by argument
};

/** Value and gradient of a density of var parameters. */
Result differentiate(const Parameters<double>& at,
                     const std::function<var(const Parameters<var>&)>& density) {
  stan::math::nested_rev_autodiff nested;
  Parameters<var> p{at.z_root, at.z_delta, at.precision, at.c, at.sigma, at.nu};
  var value = density(p);
  value.grad();
  VectorXd root(p.z_root.size()), scales(3);
  for (int i = 0; i < root.size(); ++i) root[i] = p.z_root.data()[i].adj();
  scales << p.c.adj(), p.sigma.adj(), p.nu.adj();
  // P is symmetric: only the sum of the adjoints of mirrored entries is defined
  return {value.val(), {root, p.z_delta.adj(), p.precision.adj(), scales}};
}

/** Adds to each entry of the precision's gradient its mirror image. */
VectorXd mirrored(const Data& d, const VectorXd& gradient) {
  VectorXd result = gradient;
  for (std::size_t g = 0, at = 0; g < d.J.size(); at += d.n_varying[g] * d.n_varying[g], ++g) {
    const int m = d.n_varying[g];
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < m; ++j) result[at + i + m * j] += gradient[at + j + m * i];
  }
  return result;
}

double relative_error(const VectorXd& a, const VectorXd& b) {
  if (a.size() == 0) return 0;
  const double error = (a - b).cwiseAbs().maxCoeff() / (b.cwiseAbs().maxCoeff() + 1e-300);
  return std::isfinite(error) ? error : 1e300;
}

void compare(const Case& c) {
  double value_error = 0, gradient_error = 0, constant = 0;
  Generator random(1 + static_cast<unsigned>(&c - cases.data()));
  const Data d = make_data(c, random);
  for (int point = 0; point < 4; ++point) {
    const Parameters<double> p = make_parameters(d, random);
    Result a = differentiate(p, [&](const auto& q) { return fused(d, q); });
    Result b = differentiate(p, [&](const auto& q) { return Reference<var>(d, q).log_density(); });
    a.gradient[2] = mirrored(d, a.gradient[2]);
    b.gradient[2] = mirrored(d, b.gradient[2]);
    if (point == 0) constant = a.value - b.value;
    value_error = std::max(value_error, std::abs(a.value - b.value - constant)
                                            / (1 + std::abs(b.value)));
    value_error = std::max(value_error, std::abs(fused(d, p) - a.value));
    for (int i = 0; i < 4; ++i)
      gradient_error = std::max(gradient_error, relative_error(a.gradient[i], b.gradient[i]));
  }
  std::printf("%s %.3g %.3g\n", c.name.c_str(), value_error, gradient_error);
}

/** 0 if the fused density throws std::domain_error at p, with and without a gradient. */
void expect_rejection(const std::string& name, const Data& d, const Parameters<double>& p) {
  double failures = 2;
  try {
    fused(d, p);
  } catch (const std::domain_error&) {
    --failures;
  }
  try {
    differentiate(p, [&](const auto& q) { return fused(d, q); });
  } catch (const std::domain_error&) {
    --failures;
  }
  std::printf("%s %g %g\n", name.c_str(), failures, failures);
}

void reject() {
  Generator random(77);
  const Data d = make_data(cases[3], random);
  const Parameters<double> good = make_parameters(d, random);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  Parameters<double> p = good;
  p.precision.setZero();
  p.c = 0;
  expect_rejection("rejects_no_information", d, p);
  p = good;
  p.precision[0] = -1e6;
  expect_rejection("rejects_indefinite_precision", d, p);
  p = good;
  p.precision[0] = infinity;
  expect_rejection("rejects_zero_tau", d, p);
  p = good;
  p.z_delta[0] = nan;
  expect_rejection("rejects_nan", d, p);
  p = good;
  p.z_root(0, 0) = 1e200;
  expect_rejection("rejects_overflow", d, p);
  p = good;
  p.sigma = 0;
  expect_rejection("rejects_zero_sigma", d, p);
}

}  // namespace

int main() {
  for (const Case& c : cases) compare(c);
  reject();
}
