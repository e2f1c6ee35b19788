/*
 * The hierarchical linear model, in the coordinates in which it samples well.
 *
 * MODEL (hlm_plain.stan says the same line by line; both have the same posterior)
 *
 *   y_i ~ student_t(nu, x_i' beta_i, sigma)  or  normal(x_i' beta_i, sigma),  or, with
 *   eta_i = x_i' beta_i + row_offset_i, binomial, poisson, negative_binomial or gamma; weighted by w_i
 *   beta_i = kappa + sum_g delta_{g, level of row i in factor g}
 *   delta_{g,l} ~ MVN(0, Sigma_g),  Sigma_g = diag(tau_g) Omega_g diag(tau_g),  Omega_g = I or
 *                                   LKJ(lkj_shape); delta_g has the K_g coefficients that vary by g
 *   kappa_k ~ student_t(df, loc, scale);  tau_gk likewise, cut at 0
 *   the family's auxiliary parameters, such as sigma and nu: student_t(df, loc, scale) or
 *   gamma(shape, rate), cut at aux_min
 *
 * MAP. The parameters below are z, near N(0, I) under the posterior. Constants in the data block
 * describe a quick first fit; whatever they are, the posterior of the model is exact.
 *
 *   log tau, log(aux - aux_min):  a + b z + c (sqrt(1 + z^2) - 1),      |c| < b: increasing;
 *   an auxiliary parameter leans on those after it, + lean z
 *   Omega_g by its canonical partial correlations tanh(z_omega)
 *
 *   Factors form trees, each a chain of nested factors, coarse to fine. With P_g = Sigma_g^-1, A_g
 *   the selection of the K_g coefficients, and c = c(aux) / c(first fit), c(aux) the expected
 *   information of a row where it is the same for all, else 1 (families/):
 *
 *   up, children first: F = c leaf_information, s = c leaf_score at the leaves, sums of messages
 *   above:    A F A' + P = R R',  Q = R^-1,  M = I - F A' Q'Q A,  message M F and M s
 *   root t:   F = R R',  q_t = Q'(Q s + z_root_t)       (root 1 also has the prior of kappa and
 *                                                        what no factor stands above)
 *   down, parents first, B = q_t on top:
 *             delta_l = Q'(Q A (s - F B_parent) + z_l),  B_l = B_parent + A' delta_l
 *   t >= 2:   e_t = sum over leaves W_l (B_l - q_t)     (W: contrast_weight)
 *             kappa = q_1 - sum_t e_t
 *
 *   The later roots q_t are auxiliary: q_t | effects ~ MVN(ybar_t - e_t, (c S_t)^-1), which
 *   integrates to 1, so the posterior of the model's own parameters is untouched.
 *
 * LOG DENSITY = log p(y | ...) + sum_g sum_l log MVN(delta_l | 0, Sigma_g) + log p(kappa)
 *               + sum_{t>=2} log MVN(q_t | ...)  - sum over levels and roots log|R|     [C++]
 *               + log priors of the scales and correlations with their Jacobians        [below]
 *
 * One tree and normal residuals: all of it is quadratic in the effects, the map exact, z_delta N(0, I)
 * and independent of the rest. Collapsed, the density is that of the rest alone.
 *
 * Rows may be replaced by fewer ones with the same likelihood but for a constant. Normal family: by
 * ones with the same squares plus rss.
 * The draws are those of z; kappa and delta follow from them by the same map.
 */
functions {
  // Everything between the scales and the log density, with its gradient: hlm.hpp.
  real hlm_log_density(matrix z_root, vector z_delta, vector precision, vector aux, data real log_c,
                       data array[] int J, data array[] int n_varying, data array[] int varying,
                       data array[] int tree, data array[] int is_leaf, data array[] int parent,
                       data matrix leaf_information, data matrix leaf_score,
                       data matrix contrast_weight, data matrix auxiliary_information,
                       data matrix auxiliary_mean, data matrix root_information,
                       data vector root_score, data vector prior_precision,
                       data vector prior_score, data array[] int leaf, data array[] int start,
                       data matrix X, data vector y, data vector row_offset,
                       data vector weight, data int weighted, data real n_obs, data real rss,
                       data vector outcome, data vector outcome_weight, data int family,
                       data vector kappa_df, data vector kappa_loc, data vector kappa_scale);

  // kappa of one tree whose effects are left out.
  vector hlm_kappa(matrix z_root, vector precision, vector aux, data real log_c, data array[] int J,
                   data array[] int n_varying, data array[] int varying, data array[] int tree,
                   data array[] int is_leaf, data array[] int parent, data matrix leaf_information,
                   data matrix leaf_score, data matrix root_information, data vector root_score,
                   data vector prior_precision, data vector prior_score);

  // a + b z + c (sqrt(1 + z^2) - 1), elementwise: a line bent at 0, with slope b + c z/sqrt(1 + z^2)
  vector bend(vector z, vector a, vector b, vector c) {
    return a + b .* z + c .* (sqrt(1 + square(z)) - 1);
  }
  real bend_log_derivative(vector z, vector b, vector c) {
    return sum(log(b + c .* z ./ sqrt(1 + square(z))));
  }

  // Independent student_t(df, loc, scale) densities; df infinite is normal.
  real location_scale_lpdf(vector x, vector df, vector loc, vector scale) {
    real log_density = 0;
    for (i in 1 : size(x)) {
      log_density += is_inf(df[i]) ? normal_lpdf(x[i] | loc[i], scale[i])
                     : student_t_lpdf(x[i] | df[i], loc[i], scale[i]);
    }
    return log_density;
  }

  // Cholesky factor of the correlation matrix with canonical partial correlations tanh(z), z being
  // its strict lower triangle row by row from z[first]: L_ij = tanh(z_ij) prod_{j' < j} sech(z_ij').
  matrix correlation_cholesky(vector z, int first, int m) {
    matrix[m, m] L = identity_matrix(m);
    int at = first;
    for (i in 2 : m) {
      real rest = 1;
      for (j in 1 : i - 1) {
        L[i, j] = tanh(z[at]) * rest;
        rest /= cosh(z[at]);
        at += 1;
      }
      L[i, i] = rest;
    }
    return L;
  }

  // Inverse of diag(tau) L L' diag(tau)
  matrix precision_matrix(vector tau, matrix L) {
    int m = size(tau);
    return crossprod(mdivide_left_tri_low(diag_pre_multiply(tau, L), identity_matrix(m)));
  }

  // P_g = Sigma_g^-1, factor by factor, column by column
  vector precisions(vector tau, vector z_omega, array[] int n_varying, array[] int n_omega,
                    int full) {
    int n = 0;
    for (m in n_varying) n += m * m;
    vector[n] precision;
    int at = 1;
    int at_tau = 1;
    int at_omega = 1;
    for (g in 1 : size(n_varying)) {
      int m = n_varying[g];
      vector[m] tau_g = segment(tau, at_tau, m);
      precision[at : at + m * m - 1] = to_vector(
        full ? precision_matrix(tau_g, correlation_cholesky(z_omega, at_omega, m))
        : diag_matrix(inv_square(tau_g)));
      at += m * m;
      at_tau += m;
      at_omega += n_omega[g];
    }
    return precision;
  }

  // log(aux - aux_min): a, b, c of each bend its own z, and it leans on the z of those after it
  vector log_excesses(vector z, matrix log_aux, matrix lean) {
    int n = size(z);
    vector[n] log_excess = bend(z, log_aux[1]', log_aux[2]', log_aux[3]');
    for (i in 1 : n) log_excess[i] += dot_product(tail(lean[i], n - i), tail(z, n - i));
    return log_excess;
  }
}
data {
  int<lower=0> N; // rows
  int<lower=0> K; // coefficients
  int<lower=0> C; // cells: distinct combinations of levels
  int<lower=0> G; // grouping factors, in tree order: tree by tree, coarse to fine
  int<lower=0> T; // trees

  // Factors and their levels. Levels are numbered through all factors, "level number".
  array[G] int<lower=0> J;
  array[G] int<lower=0, upper=K> n_varying;
  array[sum(n_varying)] int<lower=1, upper=K> varying; // columns of the data, factor by factor
  array[G] int<lower=1, upper=T> tree;
  array[G] int<lower=0, upper=1> is_leaf;
  array[sum(J)] int<lower=0, upper=sum(J)> parent; // level number one factor up; 0 = the root
  array[C * T] int<lower=1, upper=sum(J)> leaf; // level number of the leaf: cell by cell, T each

  // Rows, sorted by cell
  array[C + 1] int<lower=1, upper=N + 1> start; // first row of each cell; N + 1
  matrix[K, N] X; // a column is a row of the data
  vector[N] y;
  vector[N] row_offset; // part of eta, of families that have it
  vector<lower=0>[N] weight;
  int<lower=0> family; // its number in families/families.hpp
  int<lower=0> n_aux; // its auxiliary parameters
  int<lower=0, upper=1> full; // covariance: 1 full, 0 diagonal
  int<lower=0, upper=1> collapsed; // 1: z_delta is left out, being N(0, I) whatever the rest is
  real<lower=0> n_obs; // sum of the weights
  real<lower=0> rss; // normal family: squares already integrated out of the rows
  int<lower=0> n_outcomes; // what the family's constants are sums over: negative_binomial the
  vector[n_outcomes] outcome; // distinct counts, gamma the mean of log y; others nothing
  vector<lower=0>[n_outcomes] outcome_weight;

  // Constants of the map
  matrix[K, K * sum(J)] leaf_information;
  matrix[K, sum(J)] leaf_score;
  matrix[K, K * sum(J)] contrast_weight;
  matrix[K, K * max(T, 1)] auxiliary_information; // S_t
  matrix[K, max(T, 1)] auxiliary_mean; // ybar_t
  matrix[K, K] root_information;
  vector[K] root_score;
  vector[K] prior_precision; // Gaussian stand-in for the prior of kappa
  vector[K] prior_score;
  matrix[3, sum(n_varying)] log_tau; // a, b, c of log tau
  matrix[3, n_aux] log_aux; // a, b, c of log(aux - aux_min)
  matrix[n_aux, n_aux] aux_lean; // its slope on the z of those that come later, above the diagonal
  real log_c; // log c(aux) of the first fit

  // Priors
  vector<lower=0>[K] kappa_df;
  vector[K] kappa_loc;
  vector<lower=0>[K] kappa_scale;
  vector<lower=0>[sum(n_varying)] tau_df;
  vector[sum(n_varying)] tau_loc;
  vector<lower=0>[sum(n_varying)] tau_scale;
  vector<lower=0>[n_aux] aux_min; // where they are cut
  vector<lower=0>[n_aux] aux_df; // student_t(df, loc, scale), or where df is 0
  vector[n_aux] aux_loc;
  vector<lower=0>[n_aux] aux_scale;
  vector<lower=0>[n_aux] aux_shape; // gamma(shape, rate)
  vector<lower=0>[n_aux] aux_rate;
  real<lower=0> lkj_shape;
}
transformed data {
  int weighted = N > 0 && (min(weight) != 1 || max(weight) != 1);
  array[G] int n_omega; // correlations of each factor
  for (g in 1 : G) n_omega[g] = full * (n_varying[g] * (n_varying[g] - 1)) %/% 2;
  int n_delta = 0;
  for (g in 1 : G) {
    n_delta += J[g] * n_varying[g];
  }
  // LKJ: a partial correlation p in column j has density (1 - p^2)^(lkj_shape + (K_g - 1 - j)/2 - 1)
  // and dp/dz = 1 - p^2 for p = tanh(z)
  vector[sum(n_omega)] omega_power;
  {
    int at = 1;
    for (g in 1 : G) {
      for (i in 2 : full * n_varying[g]) {
        for (j in 1 : i - 1) {
          omega_power[at] = lkj_shape + 0.5 * (n_varying[g] - 1 - j);
          at += 1;
        }
      }
    }
  }
}
parameters {
  vector[sum(n_varying)] z_tau;
  vector[n_aux] z_aux;
  vector[sum(n_omega)] z_omega; // factor by factor, strict lower triangle row by row
  matrix[K, max(T, 1)] z_root;
  vector[collapsed ? 0 : n_delta] z_delta; // factor by factor, level by level, coefficient fastest
}
model {
  vector[sum(n_varying)] tau = exp(bend(z_tau, log_tau[1]', log_tau[2]', log_tau[3]'));
  target += location_scale_lpdf(tau | tau_df, tau_loc, tau_scale);
  target += bend_log_derivative(z_tau, log_tau[2]', log_tau[3]') + sum(log(tau));

  vector[n_aux] log_excess = log_excesses(z_aux, log_aux, aux_lean);
  vector[n_aux] aux = aux_min + exp(log_excess);
  for (i in 1 : n_aux) {
    target += aux_df[i] == 0
              ? gamma_lpdf(aux[i] | aux_shape[i], aux_rate[i])
              : location_scale_lpdf(aux[{i}] | aux_df[{i}], aux_loc[{i}], aux_scale[{i}]);
    target += log_aux[3, i] == 0 // a straight map: its slope is a constant
              ? log_excess[i]
              : bend_log_derivative(z_aux[{i}], log_aux[2, {i}]', log_aux[3, {i}]') + log_excess[i];
  }

  // log sech(z)^2 = log 4 + log inv_logit(2z) + log(1 - inv_logit(2z))
  target += dot_product(omega_power,
                        log(4) + log_inv_logit(2 * z_omega) + log1m_inv_logit(2 * z_omega));
  target += hlm_log_density(z_root, z_delta,
                            precisions(tau, z_omega, n_varying, n_omega, full), aux, log_c, J,
                            n_varying, varying, tree, is_leaf, parent, leaf_information, leaf_score,
                            contrast_weight, auxiliary_information, auxiliary_mean,
                            root_information, root_score, prior_precision, prior_score, leaf, start,
                            X, y, row_offset, weight, weighted, n_obs, rss, outcome,
                            outcome_weight, family, kappa_df, kappa_loc, kappa_scale);
}
generated quantities {
  // Where all effects are left out the map's totals are not needed beside it.
  vector[collapsed && G == 1 ? K : 0] kappa;
  if (size(kappa) > 0) {
    vector[sum(n_varying)] tau = exp(bend(z_tau, log_tau[1]', log_tau[2]', log_tau[3]'));
    vector[n_aux] aux = aux_min + exp(log_excesses(z_aux, log_aux, aux_lean));
    kappa = hlm_kappa(z_root, precisions(tau, z_omega, n_varying, n_omega, full), aux, log_c, J,
                      n_varying, varying, tree, is_leaf, parent, leaf_information, leaf_score,
                      root_information, root_score, prior_precision, prior_score);
  }
}
