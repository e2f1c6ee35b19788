#ifndef HLM_HPP
#define HLM_HPP

#include "collapsed.hpp"
#include "families/families.hpp"
#include "patience.hpp"
#include "rows.hpp"
#include "tree_map.hpp"

#include <stan/math/rev.hpp>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <stdexcept>
#include <vector>

/*
 * The function that hlm.stan declares and does not define: everything between the scales and the
 * log density, fused, with its gradient written by hand. tree_map.hpp takes z to coefficients and
 * effects, rows.hpp and families/ take those to the likelihood, and each hands back the adjoints.
 */
namespace hlm {

/** student_t(df, loc, scale) priors of kappa without constants; df infinite is normal. */
struct KappaPrior {
  const double *df, *loc, *scale;

  /** Returns the log density at kappa (k numbers) and fills its derivatives. */
  double operator()(int k, const double* kappa, double* d_kappa) const {
    double log_density = 0;
    for (int i = 0; i < k; ++i) {
      const double x = (kappa[i] - loc[i]) / scale[i];
      if (std::isinf(df[i])) {
        log_density -= 0.5 * x * x;
        d_kappa[i] = -x / scale[i];
      } else {
        log_density -= 0.5 * (df[i] + 1) * std::log1p(x * x / df[i]);
        d_kappa[i] = -(df[i] + 1) * x / ((df[i] + x * x) * scale[i]);
      }
    }
    return log_density;
  }
};

/** Derivatives of the fused log density by its four arguments. */
struct Gradient {
  MapAdjoint map;  // and by c, which the auxiliary parameters' hold already
  double aux[MAX_AUX];
};

/** Value of the fused log density and, if asked for, its gradient. */
inline double log_density(const double* z_root, const double* z_delta, const double* precision,
                          const double* aux, double log_c, const Forest& forest,
                          const MapConstants& constants, const Rows& rows, int family,
                          const KappaPrior& prior, Gradient* gradient) {
  static thread_local TreeMap map;  // of the one model that the program has
  static thread_local std::vector<double> d_kappa, d_shift;
  d_kappa.resize(rows.n_coefficients);
  d_shift.resize(rows.n_coefficients);
  map.set_up(forest, constants);
  return with_family(family, aux, [&](const auto& likelihood) {
    const double unit = std::exp(-log_c);
    double value = map.forward(z_root, z_delta, precision, likelihood.information() * unit);
    value += prior(rows.n_coefficients, map.kappa(), d_kappa.data());
    const RowsResult result = sweep_rows(rows, likelihood, map.shift(), map.totals(),
                                         map.n_totals(), d_shift.data(), map.d_totals());
    value += result.log_density;
    if (!std::isfinite(value)) throw std::domain_error("hlm: log density is not finite");
    if (gradient) {
      map.reverse(d_kappa.data(), d_shift.data(), gradient->map);
      std::copy(result.d_aux, result.d_aux + MAX_AUX, gradient->aux);
      likelihood.add_d_information(gradient->map.c * unit, gradient->aux);
    }
    return value;
  });
}

/** The same with the effects of one tree integrated out, all rows being normal. */
inline double collapsed_log_density(const double* z_root, const double* precision,
                                    const double* aux, double log_c, const Forest& forest,
                                    const MapConstants& constants, const Rows& rows,
                                    const KappaPrior& prior, Gradient* gradient) {
  static thread_local Collapsed map;  // of the one model that the program has
  static thread_local std::vector<double> d_kappa;
  d_kappa.resize(rows.n_coefficients);
  map.set_up(forest, constants, rows);
  Normal likelihood(aux);
  const double unit = std::exp(-log_c);
  double value = map.rise(z_root, precision, likelihood.information() * unit);
  value += prior(rows.n_coefficients, map.kappa(), d_kappa.data());
  const Squares squares = map.descend(d_kappa.data());
  likelihood.add_squares(squares.of_rows);
  value += likelihood.log_density(rows) - 0.5 * squares.of_effects;
  if (!std::isfinite(value)) throw std::domain_error("hlm: log density is not finite");
  if (gradient) {
    map.copy_adjoint(gradient->map);
    likelihood.d_aux(rows, gradient->aux);
    likelihood.add_d_information(gradient->map.c * unit, gradient->aux);
  }
  return value;
}

}  // namespace hlm

/**
 * hlm.stan's log density of rows, group effects, population-level coefficients and auxiliary roots
 * with the map's log Jacobian; see there for the arguments. The first four share one scalar type
 * Real: double where only the value is asked for, else var. Parameters are matrices in Stan 2.35
 * and maps of the sampler's memory in later versions.
 */
template <class Roots, class Deltas, class Real, class RowMatrix, class RowVector, class KMatrix,
          class KVector>
Real hlm_log_density(const Roots& z_root, const Deltas& z_delta,
                     const Eigen::Matrix<Real, -1, 1>& precision,
                     const Eigen::Matrix<Real, -1, 1>& aux, double log_c,
                     const std::vector<int>& n_levels,
                     const std::vector<int>& n_varying, const std::vector<int>& varying,
                     const std::vector<int>& tree, const std::vector<int>& is_leaf,
                     const std::vector<int>& parent, const KMatrix& leaf_information,
                     const KMatrix& leaf_score, const KMatrix& contrast_weight,
                     const KMatrix& auxiliary_information, const KMatrix& auxiliary_mean,
                     const KMatrix& root_information, const KVector& root_score,
                     const KVector& prior_precision, const KVector& prior_score,
                     const std::vector<int>& leaf, const std::vector<int>& start,
                     const RowMatrix& X, const RowVector& y, const RowVector& row_offset,
                     const RowVector& weight, int weighted, double n_obs, double rss,
                     const RowVector& outcome, const RowVector& outcome_weight, int family,
                     const KVector& kappa_df, const KVector& kappa_loc,
                     const KVector& kappa_scale, std::ostream*) {
  using stan::math::value_of;
  const int k = X.rows();
  const int n_trees = tree.empty() ? 0 : tree.back();
  const hlm::Forest forest{k, n_trees, n_levels, n_varying, varying, tree, is_leaf, parent};
  const hlm::MapConstants constants{
      leaf_information.data(), leaf_score.data(), contrast_weight.data(),
      auxiliary_information.data(), auxiliary_mean.data(), root_information.data(),
      root_score.data(), prior_precision.data(), prior_score.data()};
  const hlm::Rows rows{k,
                       n_trees,
                       leaf,
                       start,
                       X.data(),
                       y.data(),
                       row_offset.data(),
                       weight.data(),
                       weighted != 0,
                       n_obs,
                       rss,
                       static_cast<int>(outcome.size()),
                       outcome.data(),
                       outcome_weight.data()};
  const hlm::KappaPrior prior{kappa_df.data(), kappa_loc.data(), kappa_scale.data()};
  const bool collapsed = z_delta.size() < forest.n_effects();
  if (collapsed && (n_trees != 1 || family != 0))
    throw std::domain_error("hlm: effects of one tree with normal rows alone can be left out");
  const auto evaluate = [&](const Eigen::MatrixXd& root, const Eigen::VectorXd& delta,
                            const Eigen::VectorXd& P, const Eigen::VectorXd& auxiliary,
                            hlm::Gradient* gradient) {
    if (collapsed)
      return hlm::collapsed_log_density(root.data(), P.data(), auxiliary.data(), log_c, forest,
                                        constants, rows, prior, gradient);
    return hlm::log_density(root.data(), delta.data(), P.data(), auxiliary.data(), log_c, forest,
                            constants, rows, family, prior, gradient);
  };
  if constexpr (std::is_same<Real, double>::value) {
    return hlm::within_patience([&] { return evaluate(z_root, z_delta, precision, aux, nullptr); });
  } else {
    using stan::arena_t;
    arena_t<Eigen::MatrixXd> d_root(z_root.rows(), z_root.cols());
    arena_t<Eigen::VectorXd> d_delta(z_delta.size()), d_precision(precision.size());
    arena_t<Eigen::VectorXd> d_aux(aux.size());
    hlm::Gradient d{{d_root.data(), d_delta.data(), d_precision.data(), 0}, {}};
    const double value = hlm::within_patience([&] {
      const double density
          = evaluate(value_of(z_root), value_of(z_delta), value_of(precision), value_of(aux), &d);
      d_aux = Eigen::Map<const Eigen::VectorXd>(d.aux, aux.size());
      if (!(d_root.allFinite() && d_delta.allFinite() && d_precision.allFinite()
            && d_aux.allFinite()))
        throw std::domain_error("hlm: gradient is not finite");
      return density;
    });
    arena_t<Eigen::Matrix<Real, -1, -1>> roots = z_root;
    arena_t<Eigen::Matrix<Real, -1, 1>> deltas = z_delta, precisions = precision, scales = aux;
    return stan::math::make_callback_var(value, [=](auto& result) mutable {
      const double adjoint = result.adj();
      roots.adj() += adjoint * d_root;
      deltas.adj() += adjoint * d_delta;
      precisions.adj() += adjoint * d_precision;
      scales.adj() += adjoint * d_aux;
    });
  }
}

/** kappa of one tree with normal rows whose effects are left out; see hlm.stan for the arguments. */
template <class Roots, class Scales, class KMatrix, class KVector>
Eigen::VectorXd hlm_kappa(const Roots& z_root, const Scales& precision, const Scales& aux,
                          double log_c, const std::vector<int>& n_levels,
                          const std::vector<int>& n_varying, const std::vector<int>& varying,
                          const std::vector<int>& tree, const std::vector<int>& is_leaf,
                          const std::vector<int>& parent, const KMatrix& leaf_information,
                          const KMatrix& leaf_score, const KMatrix& root_information,
                          const KVector& root_score, const KVector& prior_precision,
                          const KVector& prior_score, std::ostream*) {
  static thread_local hlm::Collapsed map;  // of the one model that the program has
  const int k = prior_score.size();
  const hlm::MapConstants constants{
      leaf_information.data(), leaf_score.data(), nullptr, nullptr, nullptr,
      root_information.data(), root_score.data(), prior_precision.data(), prior_score.data()};
  map.set_up({k, 1, n_levels, n_varying, varying, tree, is_leaf, parent}, constants);
  const Eigen::MatrixXd z = z_root;
  const Eigen::VectorXd P = precision, auxiliary = aux;
  map.rise(z.data(), P.data(), hlm::Normal(auxiliary.data()).information() * std::exp(-log_c));
  return Eigen::Map<const Eigen::VectorXd>(map.kappa(), k);
}

#endif
