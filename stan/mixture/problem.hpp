#ifndef HLM_MIXTURE_PROBLEM_HPP
#define HLM_MIXTURE_PROBLEM_HPP

#include "../tree_map.hpp"

#include <stan/io/var_context.hpp>

#include <Eigen/Dense>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace hlm::mixture {

using Vector = std::vector<double>;
using Numbers = std::vector<int>;

/** student_t(df, loc, scale) without constants; df infinite is normal. */
inline double log_location_scale(double x, double df, double loc, double scale) {
  const double z = (x - loc) / scale;
  return std::isinf(df) ? -0.5 * z * z : -0.5 * (df + 1) * std::log1p(z * z / df);
}

/** What hlm.stan's data block holds of a problem with one tree of factors and Student-t residuals. */
struct Problem {
  int k, n_rows, n_cells, n_factors, full;
  Numbers n_levels, n_varying, varying, tree, is_leaf, parent, leaf, start;
  Vector X, y, weight;
  double n_obs;
  Vector aux_min, aux_df, aux_loc, aux_scale, aux_shape, aux_rate;
  Vector tau_df, tau_loc, tau_scale, kappa_df, kappa_loc, kappa_scale;
  double lkj_shape;
  Vector log_tau, log_aux;  // 3 numbers of each: the widths of the first steps
  bool weighted;
  Numbers first_level, first_tau, n_omega;  // of each factor
  int n_levels_in_all, n_effects, n_tau, n_omegas;

  explicit Problem(const stan::io::var_context& data)
      : k(integer(data, "K")), n_rows(integer(data, "N")), n_cells(integer(data, "C")),
        n_factors(integer(data, "G")), full(integer(data, "full")), n_levels(data.vals_i("J")),
        n_varying(data.vals_i("n_varying")), varying(data.vals_i("varying")),
        tree(data.vals_i("tree")), is_leaf(data.vals_i("is_leaf")), parent(data.vals_i("parent")),
        leaf(data.vals_i("leaf")), start(data.vals_i("start")), X(data.vals_r("X")),
        y(data.vals_r("y")), weight(data.vals_r("weight")), n_obs(data.vals_r("n_obs")[0]),
        aux_min(data.vals_r("aux_min")), aux_df(data.vals_r("aux_df")),
        aux_loc(data.vals_r("aux_loc")), aux_scale(data.vals_r("aux_scale")),
        aux_shape(data.vals_r("aux_shape")), aux_rate(data.vals_r("aux_rate")),
        tau_df(data.vals_r("tau_df")), tau_loc(data.vals_r("tau_loc")),
        tau_scale(data.vals_r("tau_scale")), kappa_df(data.vals_r("kappa_df")),
        kappa_loc(data.vals_r("kappa_loc")), kappa_scale(data.vals_r("kappa_scale")),
        lkj_shape(data.vals_r("lkj_shape")[0]), log_tau(data.vals_r("log_tau")),
        log_aux(data.vals_r("log_aux")), weighted(false) {
    for (double w : weight) weighted |= w != 1;
    int level = 0, effect = 0, tau = 0, omega = 0;
    for (int g = 0; g < n_factors; ++g) {
      first_level.push_back(level);
      first_tau.push_back(tau);
      n_omega.push_back(full * n_varying[g] * (n_varying[g] - 1) / 2);
      level += n_levels[g];
      effect += n_levels[g] * n_varying[g];
      tau += n_varying[g];
      omega += n_omega[g];
    }
    n_levels_in_all = level;
    n_effects = effect;
    n_tau = tau;
    n_omegas = omega;
  }

  int leaf_factor() const { return n_factors - 1; }

  /** Log prior density of the auxiliary parameter i at its excess over the bound, in logarithms. */
  double log_prior_of_aux(int i, double log_excess) const {
    const double x = aux_min[i] + std::exp(log_excess);
    const double density = aux_df[i] == 0
                               ? (aux_shape[i] - 1) * std::log(x) - aux_rate[i] * x
                               : log_location_scale(x, aux_df[i], aux_loc[i], aux_scale[i]);
    return density + log_excess;
  }

  /** Log prior density of all log tau and of z_omega, in this order. */
  double log_prior_of_scales(const double* scales) const {
    double value = 0;
    for (int i = 0; i < n_tau; ++i)
      value += log_location_scale(std::exp(scales[i]), tau_df[i], tau_loc[i], tau_scale[i])
               + scales[i];
    const double* z = scales + n_tau;
    for (int g = 0; g < n_factors; ++g)
      for (int i = 1; i < full * n_varying[g]; ++i)
        for (int j = 0; j < i; ++j)  // hlm.stan: omega_power times log sech(z)^2
          value -= 2 * (lkj_shape + 0.5 * (n_varying[g] - 2 - j)) * std::log(std::cosh(*z++));
    return value;
  }

  /** P_g = Sigma_g^-1 of all factors, column by column. */
  Vector precisions(const double* scales) const {
    Vector all;
    const double* z = scales + n_tau;
    for (int g = 0; g < n_factors; ++g) {
      const int m = n_varying[g];
      const Eigen::Map<const Eigen::VectorXd> log_sd(scales + first_tau[g], m);
      Eigen::MatrixXd root = Eigen::MatrixXd::Identity(m, m);
      for (int i = 1; full && i < m; ++i) {
        double rest = 1;
        for (int j = 0; j < i; ++j, ++z) {
          root(i, j) = std::tanh(*z) * rest;
          rest /= std::cosh(*z);
        }
        root(i, i) = rest;
      }
      root = log_sd.array().exp().matrix().asDiagonal() * root;
      const Eigen::MatrixXd inverse = root.triangularView<Eigen::Lower>().solve(
          Eigen::MatrixXd::Identity(m, m));
      const Eigen::MatrixXd precision = inverse.transpose() * inverse;
      all.insert(all.end(), precision.data(), precision.data() + m * m);
    }
    return all;
  }

 private:
  static int integer(const stan::io::var_context& data, const std::string& name) {
    return data.vals_i(name)[0];
  }
};

}  // namespace hlm::mixture

#endif
