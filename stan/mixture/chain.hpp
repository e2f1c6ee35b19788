#ifndef HLM_MIXTURE_CHAIN_HPP
#define HLM_MIXTURE_CHAIN_HPP

#include "jumps.hpp"
#include "problem.hpp"
#include "random.hpp"
#include "walk.hpp"

#include "../rows.hpp"

#include <stan/math/prim/fun/lbeta.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

/*
 * One chain of the sampler for short groups with Student-t residuals.
 *
 * A Student-t residual is a normal one whose precision is drawn from a gamma distribution, one of
 * its own for each row (Andrews and Mallows 1974; Geweke 1993). Given these precisions the model is
 * one of normal residuals, in which the effects of one tree of factors are exactly normal given the
 * scales (tree_map.hpp). With Lambda_i the precision of row i over sigma^2, a sweep is
 *
 *   1. sigma, nu     | coefficients; the Lambda_i integrated out                      random walk
 *   2. Lambda_i      | sigma, nu, coefficients ~ Gamma(w_i (nu + 1)/2, (nu + e_i^2/sigma^2)/2)
 *   3. tau, Omega, sigma | Lambda, nu; the coefficients integrated out                random walk
 *   4. coefficients  | Lambda, scales: normal
 *   5. coefficients of each level | all else; the Lambda_i integrated out         jumps (jumps.hpp)
 *
 * Numbers that a step integrates out are drawn anew before another step needs them (partially
 * collapsed Gibbs sampling: van Dyk and Park 2008), so that each leaves the posterior as it is.
 */
namespace hlm::mixture {

class Chain {
 public:
  Chain(const Problem& problem, const stan::io::var_context& from, unsigned seed, unsigned id)
      : p_(problem), random_(seed, id),
        forest_{p_.k, 1, p_.n_levels, p_.n_varying, p_.varying, p_.tree, p_.is_leaf, p_.parent},
        information_(std::size_t(p_.k) * p_.k * p_.n_levels_in_all),
        score_(std::size_t(p_.k) * p_.n_levels_in_all), nothing_(information_.size() + p_.k * p_.k),
        kappa_precision_(p_.k), kappa_score_(p_.k), zeros_(p_.n_effects + p_.k),
        z_(p_.n_effects + p_.k), lambda_(p_.n_rows), error_(p_.n_rows), squared_(p_.n_rows),
        total_(std::size_t(p_.k) * (p_.n_levels_in_all + 2)), scales_(p_.n_tau + p_.n_omegas + 1),
        shape_(2), walk_scales_(first_steps()), walk_shape_(first_steps_of_shape()),
        proposals_(p_.n_cells), n_jumps_(p_.n_cells, 1), n_accepted_(p_.n_cells) {
    read(from);
    for (int i = 0; i < p_.k; ++i) set_kappa_prior(i, kappa_[i]);
    map_.set_up(forest_, {information_.data(), score_.data(), nothing_.data(), nothing_.data(),
                          nothing_.data(), nothing_.data(), nothing_.data(),
                          kappa_precision_.data(), kappa_score_.data()});
    find_errors();
  }

  /** One sweep; of how many of warm-up it is the one, or none. */
  void sweep(int iteration, int n_warmup) {
    const bool adapting = iteration < n_warmup;
    move_shape(adapting);
    draw_lambda();
    sum_rows();
    move_scales(adapting);
    draw_coefficients();
    jump();
    if (adapting) adapt(iteration, n_warmup);
  }

  static std::vector<std::string> names(const Problem& p) {
    std::vector<std::string> all;
    const auto add = [&](const char* name, int n) {
      for (int i = 1; i <= n; ++i) all.push_back(std::string(name) + "." + std::to_string(i));
    };
    add("kappa", p.k);
    add("tau", p.n_tau);
    add("aux", 2);
    add("z_omega", p.n_omegas);
    add("delta", p.n_effects);
    return all;
  }

  void write(std::vector<double>& values) const {
    values.insert(values.end(), kappa_.begin(), kappa_.end());
    for (int i = 0; i < p_.n_tau; ++i) values.push_back(std::exp(scales_[i]));
    values.push_back(sigma(scales_));
    values.push_back(nu());
    for (int i = 0; i < p_.n_omegas; ++i) values.push_back(scales_[p_.n_tau + i]);
    for (int g = 0; g < p_.n_factors; ++g)
      for (int l = p_.first_level[g]; l < p_.first_level[g] + p_.n_levels[g]; ++l)
        for (int j = 0; j < p_.n_varying[g]; ++j) {
          const int column = varying(g, j);
          values.push_back(total(l)[column] - parent_total(l)[column]);
        }
  }


 private:
  static constexpr int n_steps_of_shape = 6, n_steps_a_scale = 3;
  static constexpr int most_jumps = 20, rows_of_jumps = 100, most_varying = 16, chunk = 256;

  // Where numbers are

  int varying(int g, int j) const { return p_.varying[p_.first_tau[g] + j] - 1; }
  const double* total(int l) const { return total_.data() + std::size_t(p_.k) * l; }
  double* total(int l) { return total_.data() + std::size_t(p_.k) * l; }
  const double* parent_total(int l) const {
    return p_.parent[l] > 0 ? total(p_.parent[l] - 1) : kappa_.data();
  }
  double sigma(const Point& scales) const {
    return p_.aux_min[0] + std::exp(scales[scales.size() - 1]);
  }
  double nu() const { return p_.aux_min[1] + std::exp(shape_[1]); }
  int first_row(int cell) const { return p_.start[cell] - 1; }

  // Where it begins

  void read(const stan::io::var_context& from) {
    const Vector kappa = from.vals_r("kappa"), tau = from.vals_r("tau"), aux = from.vals_r("aux"),
                 delta = from.vals_r("delta");
    const Vector z_omega = p_.n_omegas ? from.vals_r("z_omega") : Vector();
    kappa_ = kappa;
    for (int i = 0; i < p_.n_tau; ++i) scales_[i] = std::log(tau[i]);
    for (int i = 0; i < p_.n_omegas; ++i) scales_[p_.n_tau + i] = z_omega[i];
    for (int i = 0; i < 2; ++i) shape_[i] = std::log(aux[i] - p_.aux_min[i]);
    scales_[scales_.size() - 1] = shape_[0];
    for (int g = 0, at = 0; g < p_.n_factors; ++g)
      for (int l = p_.first_level[g]; l < p_.first_level[g] + p_.n_levels[g]; ++l) {
        std::copy(parent_total(l), parent_total(l) + p_.k, total(l));
        for (int j = 0; j < p_.n_varying[g]; ++j) total(l)[varying(g, j)] += delta[at++];
      }
  }

  Point first_steps() const {
    Point sd(p_.n_tau + p_.n_omegas + 1);
    for (int i = 0; i < p_.n_tau; ++i) sd[i] = p_.log_tau[3 * i + 1];
    for (int i = 0; i < p_.n_omegas; ++i) sd[p_.n_tau + i] = 0.3;
    sd[sd.size() - 1] = p_.log_aux[1];
    return sd;
  }
  Point first_steps_of_shape() const {
    Point sd(2);
    sd << p_.log_aux[1], p_.log_aux[4];
    return sd;
  }

  void adapt(int iteration, int n_warmup) {
    walk_scales_.remember(scales_);
    walk_shape_.remember(shape_);
    const int done = iteration + 1;
    if (done % 50 == 0 || done == n_warmup) {
      walk_scales_.learn();
      walk_shape_.learn();
    }
    if (done == std::max(n_warmup / 2, 1)) set_proposals();
    if (done == n_warmup) set_jumps(n_warmup - n_warmup / 2);
  }

  // Rows

  template <class Visit>
  void for_rows_of_cells(Visit visit) const {
    for (int cell = 0; cell < p_.n_cells; ++cell)
      visit(p_.leaf[cell] - 1, first_row(cell), first_row(cell + 1));
  }

  void find_errors() {
    const int k = p_.k;
    for_rows_of_cells([&](int l, int first, int last) {
      const double* B = total(l);
      for (int i = first; i < last; ++i) {
        const double* x = &p_.X[std::size_t(k) * i];
        double e = p_.y[i];
        for (int j = 0; j < k; ++j) e -= x[j] * B[j];
        error_[i] = e;
        squared_[i] = e * e;
      }
    });
  }

  /** sum w_i log(1 + e_i^2 / (nu sigma^2)) of some squared errors. */
  double sum_of_log_q(int n, const double* squared, const double* weight, double inverse) const {
    double sum = 0;
    vectorised([&] {
      double q[chunk];
      for (int first = 0; first < n; first += chunk) {
        const int size = std::min(chunk, n - first);
#pragma omp simd
        for (int i = 0; i < size; ++i) q[i] = 1 + squared[first + i] * inverse;
        sum += p_.weighted ? sum_of_logs(size, q, weight + first) : sum_of_logs(size, q);
      }
    });
    return sum;
  }

  // 1. sigma and nu

  void move_shape(bool adapting) {
    const auto density = [&](const Point& at) {
      const double s = p_.aux_min[0] + std::exp(at[0]), df = p_.aux_min[1] + std::exp(at[1]);
      return -p_.n_obs * (stan::math::lbeta(0.5, 0.5 * df) + 0.5 * std::log(df) + std::log(s))
             - 0.5 * (df + 1)
                   * sum_of_log_q(p_.n_rows, squared_.data(), p_.weight.data(), 1 / (df * s * s))
             + p_.log_prior_of_aux(0, at[0]) + p_.log_prior_of_aux(1, at[1]);
    };
    double value = density(shape_);
    for (int i = 0; i < n_steps_of_shape; ++i)
      walk_shape_.step(shape_, value, density, random_, adapting);
    scales_[scales_.size() - 1] = shape_[0];
  }

  // 2. Lambda

  void draw_lambda() {
    const double s = sigma(scales_), df = nu(), inverse = 1 / (s * s);
    for (int i = 0; i < p_.n_rows; ++i)
      lambda_[i] = random_.gamma(0.5 * p_.weight[i] * (df + 1))
                   / (0.5 * (df + squared_[i] * inverse));
  }

  /** F and s of leaves at sigma = 1, and the squares of outcomes. */
  void sum_rows() {
    std::fill(information_.begin(), information_.end(), 0.0);
    std::fill(score_.begin(), score_.end(), 0.0);
    squares_ = 0;
    with_size(p_.k, [&](auto size) { sum_rows_of(size); });
    map_.renew_leaves();
  }

  template <class Size>
  void sum_rows_of(Size) {
    const int k = Size::value > 0 ? Size::value : p_.k;
    for_rows_of_cells([&](int l, int first, int last) {
      double *F = &information_[std::size_t(k) * k * l], *s = &score_[std::size_t(k) * l];
      for (int i = first; i < last; ++i) {
        const double *x = &p_.X[std::size_t(k) * i], weight = lambda_[i], wy = weight * p_.y[i];
        for (int j = 0; j < k; ++j) {
          const double wx = weight * x[j];
          for (int h = 0; h <= j; ++h) F[h + k * j] += wx * x[h];
          s[j] += wy * x[j];
        }
        squares_ += wy * p_.y[i];
      }
      for (int j = 0; j < k; ++j) {
        F[j + k * j] *= 1 + 1e-12;  // against rounding, as in the quick fit
        for (int h = 0; h < j; ++h) F[j + k * h] = F[h + k * j];
      }
    });
  }

  // 3. tau, Omega, sigma

  void move_scales(bool adapting) {
    const auto density = [&](const Point& at) {
      const double s = sigma(at), c = 1 / (s * s);
      const Vector P = p_.precisions(at.data());
      const double prior
          = p_.log_prior_of_scales(at.data()) + p_.log_prior_of_aux(0, at[at.size() - 1]);
      return prior + log_evidence(P.data(), c) - 0.5 * c * squares_ - p_.n_obs * std::log(s);
    };
    double value = density(scales_);
    for (int i = 0; i < n_steps_a_scale * scales_.size(); ++i)
      walk_scales_.step(scales_, value, density, random_, adapting);
    shape_[0] = scales_[scales_.size() - 1];
  }

  /** Of rows with these Lambda; scales at which numbers fail are never accepted. */
  double log_evidence(const double* P, double c) {
    try {
      return map_.log_evidence(zeros_.data(), zeros_.data(), P, c);
    } catch (const std::domain_error&) {
      return -HUGE_VAL;
    }
  }

  // 4. The coefficients

  void draw_coefficients() {
    for (double& z : z_) z = random_.normal();
    const double s = sigma(scales_);
    precision_ = p_.precisions(scales_.data());
    map_.forward(z_.data() + p_.n_effects, z_.data(), precision_.data(), 1 / (s * s));
    const double* totals = map_.totals();
    std::copy(totals, totals + std::size_t(p_.k) * p_.n_levels_in_all, total_.begin());
    std::copy(map_.kappa(), map_.kappa() + p_.k, kappa_.begin());
    for (int i = 0; i < p_.k; ++i) set_kappa_prior(i, kappa_[i]);
    find_errors();
  }

  /** Its prior is normal, or, if Student-t, normal with a precision that is drawn. */
  void set_kappa_prior(int i, double kappa) {
    double precision = 1 / (p_.kappa_scale[i] * p_.kappa_scale[i]);
    if (!std::isinf(p_.kappa_df[i])) {
      const double z = (kappa - p_.kappa_loc[i]) / p_.kappa_scale[i];
      precision *= random_.gamma(0.5 * (p_.kappa_df[i] + 1)) / (0.5 * (p_.kappa_df[i] + z * z));
    }
    kappa_precision_[i] = precision;
    kappa_score_[i] = precision * p_.kappa_loc[i];
  }

  // 5. Jumps

  Point coefficients(const double* from) const {
    Point t(p_.n_varying[p_.leaf_factor()]);
    for (int j = 0; j < t.size(); ++j) t[j] = from[varying(p_.leaf_factor(), j)];
    return t;
  }
  const double* leaf_precision() const {
    const int m = p_.n_varying[p_.leaf_factor()];
    return precision_.data() + precision_.size() - m * m;
  }

  void set_proposals() {
    const double s = sigma(scales_);
    const Scales scales{s * s, nu(), leaf_precision()};
    const int g = p_.leaf_factor(), m = p_.n_varying[g];
    for (int cell = 0; cell < p_.n_cells; ++cell) {
      const int l = p_.leaf[cell] - 1, first = first_row(cell), n = first_row(cell + 1) - first;
      if (n > rows_of_jumps || m == 0 || m > most_varying) continue;
      const Point present = coefficients(total(l));
      LevelRows rows{Eigen::MatrixXd(m, n), Eigen::VectorXd(n), Eigen::VectorXd(n)};
      for (int i = 0; i < n; ++i) {
        for (int j = 0; j < m; ++j) rows.X(j, i) = p_.X[std::size_t(p_.k) * (first + i) + varying(g, j)];
        rows.y[i] = error_[first + i] + rows.X.col(i).dot(present);
        rows.weight[i] = p_.weight[first + i];
      }
      proposals_[cell]
          = Proposal(rows, coefficients(parent_total(l)), present, scales, random_);
    }
    std::fill(n_accepted_.begin(), n_accepted_.end(), 0);
  }

  /** More where few of them succeed. */
  void set_jumps(int n_sweeps) {
    for (int cell = 0; cell < p_.n_cells; ++cell) {
      const double share = double(n_accepted_[cell]) / std::max(n_sweeps, 1);
      n_jumps_[cell] = std::clamp(int(std::ceil(0.6 / std::max(share, 0.01))), 1, most_jumps);
    }
  }

  void jump() {
    for (int cell = 0; cell < p_.n_cells; ++cell)
      if (!proposals_[cell].empty()) jump(cell);
  }

  void jump(int cell) {
    const int l = p_.leaf[cell] - 1, first = first_row(cell), n = first_row(cell + 1) - first;
    const int g = p_.leaf_factor(), m = p_.n_varying[g];
    const double s = sigma(scales_), df = nu(), inverse = 1 / (df * s * s);
    const double *P = leaf_precision(), *X = &p_.X[std::size_t(p_.k) * first];
    const Proposal& proposal = proposals_[cell];
    double parent[most_varying], t[most_varying], to[most_varying];
    for (int j = 0; j < m; ++j) {
      parent[j] = parent_total(l)[varying(g, j)];
      t[j] = total(l)[varying(g, j)];
    }
    const auto log_density = [&](const double* squares, const double* at) {
      double prior = 0;
      for (int j = 0; j < m; ++j)
        for (int h = 0; h < m; ++h)
          prior += (at[h] - parent[h]) * P[h + m * j] * (at[j] - parent[j]);
      return -0.5 * prior - 0.5 * (df + 1) * sum_of_log_q(n, squares, &p_.weight[first], inverse);
    };
    double error[rows_of_jumps], squared[rows_of_jumps];
    double value = log_density(&squared_[first], t) - proposal.log_density(m, t);
    for (int i = 0; i < n_jumps_[cell]; ++i) {
      proposal.draw(m, to, random_);
      for (int r = 0; r < n; ++r) {
        double e = error_[first + r];
        for (int j = 0; j < m; ++j) e -= X[std::size_t(p_.k) * r + varying(g, j)] * (to[j] - t[j]);
        error[r] = e;
        squared[r] = e * e;
      }
      const double there = log_density(squared, to) - proposal.log_density(m, to);
      if (!random_.accepts(there - value)) continue;
      ++n_accepted_[cell];
      value = there;
      std::copy(to, to + m, t);
      std::copy(error, error + n, &error_[first]);
      std::copy(squared, squared + n, &squared_[first]);
      for (int j = 0; j < m; ++j) total(l)[varying(g, j)] = t[j];
    }
  }

  const Problem& p_;
  Random random_;
  Forest forest_;
  TreeMap map_;
  Vector information_, score_, nothing_;      // the map's constants: of leaves; zeros
  Vector kappa_precision_, kappa_score_;      // and the prior of kappa
  Vector zeros_, z_, precision_;
  Vector lambda_, error_, squared_;           // of rows
  Vector kappa_, total_;                      // coefficients of the population, of all levels
  Point scales_, shape_;                      // log tau, z_omega, log sigma; log sigma, log nu:
  Walk walk_scales_, walk_shape_;             // excesses over their bounds
  std::vector<Proposal> proposals_;           // of cells, each of which is a leaf
  Numbers n_jumps_, n_accepted_;
  double squares_ = 0;
};

}  // namespace hlm::mixture

#endif
