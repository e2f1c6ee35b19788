/*
 * The hierarchical linear model, written the way it is read.
 *
 * Row i has an outcome y_i, predictors x_i (the first is usually the constant 1), a frequency
 * weight w_i and one level of each of G grouping factors. Its coefficient vector is the population's
 * plus one effect for each factor:
 *
 *   y_i ~ student_t(nu, eta_i, sigma)   or   normal(eta_i, sigma),      counted w_i times
 *   or  w_i y_i ~ binomial(w_i, inv_logit(eta_i)):  y_i is the share of successes in w_i trials
 *   or  y_i ~ poisson(exp(eta_i)),
 *       y_i ~ neg_binomial_2(exp(eta_i), 1/overdispersion^2),
 *       y_i ~ gamma(shape, shape/exp(eta_i)), shape = 1/cv^2,             counted w_i times
 *   eta_i = offset_i + x_i' beta_i,    beta_i = kappa + sum_g delta_{g, level of row i in factor g}
 *
 *   delta_{g,l} ~ MVN(0, Sigma_g),    Sigma_g = diag(tau_g) Omega_g diag(tau_g)
 *   Omega_g = I  (diagonal covariance)   or   Omega_g ~ LKJ(lkj_shape)  (full)
 *
 *   kappa_k ~ student_t(df, loc, scale);   tau_gk likewise, cut at 0
 *   sigma ~ student_t(df, loc, scale), cut at aux_min, and nu ~ gamma(shape, rate), cut at 1, so that
 *   the expected value exists; overdispersion and cv ~ student_t(df, loc, scale), cut at 0: the
 *   family's auxiliary parameters
 *
 * df infinite means normal. Only the coefficients listed in `varying` vary by a factor; the other
 * entries of its delta are 0. A nested factor is a factor like any other: its levels are whole paths.
 *
 * This program is what tests and benchmarks measure hlm.stan against. It is not the one that runs.
 */
functions {
  array[] int to_counts(data vector y) {
    array[size(y)] int count;
    for (i in 1 : size(y)) count[i] = to_int(y[i]);
    return count;
  }

  // The families: log p(y | eta), where aux are sigma (and nu), the overdispersion, or cv.
  real outcome_lpdf(data vector y, data int family, vector eta, vector aux) {
    if (family == 0) return normal_lpdf(y | eta, aux[1]);
    if (family == 1) return student_t_lpdf(y | aux[2], eta, aux[1]);
    if (family == 2) {
      return dot_product(y, log_inv_logit(eta)) + dot_product(1 - y, log1m_inv_logit(eta));
    }
    if (family == 3) return poisson_log_lpmf(to_counts(y) | eta);
    if (family == 4) return neg_binomial_2_log_lpmf(to_counts(y) | eta, inv_square(aux[1]));
    if (family == 5) return gamma_lpdf(y | inv_square(aux[1]), inv_square(aux[1]) * exp(-eta));
    reject("no family has the number ", family);
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

  // Cholesky factor of a correlation matrix from its canonical partial correlations (strict lower
  // triangle row by row from partial[first]): L_ij = p_ij sqrt(1 - sum_{j' < j} L_ij'^2).
  matrix correlation_cholesky(vector partial, int first, int m) {
    matrix[m, m] L = identity_matrix(m);
    int at = first;
    for (i in 2 : m) {
      real rest = 1;
      for (j in 1 : i - 1) {
        L[i, j] = partial[at] * sqrt(rest);
        rest -= square(L[i, j]);
        at += 1;
      }
      L[i, i] = sqrt(rest);
    }
    return L;
  }

  // log|d L / d partial| of the above: every L_ij is p_ij times a function of those before it.
  real correlation_log_volume(matrix L) {
    real log_volume = 0;
    for (i in 2 : rows(L)) {
      real rest = 1;
      for (j in 1 : i - 1) {
        log_volume += 0.5 * log(rest);
        rest -= square(L[i, j]);
      }
    }
    return log_volume;
  }
}
data {
  int<lower=0> N; // rows
  int<lower=0> K; // coefficients
  int<lower=0> G; // grouping factors
  array[G] int<lower=1> J; // levels of each factor
  array[G] int<lower=0, upper=K> n_varying; // coefficients that vary by it, K_g
  array[sum(n_varying)] int<lower=1, upper=K> varying; // and which, factor by factor
  array[N, G] int<lower=1> level;
  matrix[N, K] X;
  vector[N] y;
  vector[N] row_offset; // offset_i
  vector<lower=0>[N] weight;
  int<lower=0> family; // 0 normal, 1 student_t, 2 binomial, 3 poisson, 4 negative_binomial, 5 gamma
  int<lower=0> n_aux; // its auxiliary parameters
  int<lower=0, upper=1> full; // covariance: 1 full, 0 diagonal
  vector<lower=0>[K] kappa_df;
  vector[K] kappa_loc;
  vector<lower=0>[K] kappa_scale;
  vector<lower=0>[sum(n_varying)] tau_df;
  vector[sum(n_varying)] tau_loc;
  vector<lower=0>[sum(n_varying)] tau_scale;
  vector[n_aux] aux_min; // where they are cut
  vector<lower=0>[n_aux] aux_df; // student_t(df, loc, scale), or where df is 0
  vector[n_aux] aux_loc;
  vector<lower=0>[n_aux] aux_scale;
  vector<lower=0>[n_aux] aux_shape; // gamma(shape, rate)
  vector<lower=0>[n_aux] aux_rate;
  real<lower=0> lkj_shape;
}
transformed data {
  array[G] int n_partial; // partial correlations of each factor
  int n_delta = 0;
  for (g in 1 : G) {
    n_partial[g] = full * (n_varying[g] * (n_varying[g] - 1)) %/% 2;
    n_delta += J[g] * n_varying[g];
  }
  int unweighted = N == 0 || (min(weight) == 1 && max(weight) == 1);
}
parameters {
  vector[K] kappa;
  vector<lower=0>[sum(n_varying)] tau;
  vector<lower=aux_min>[n_aux] aux;
  vector<lower=-1, upper=1>[sum(n_partial)] partial; // partial correlations, factor by factor
  vector[n_delta] z_delta; // standardised effects: factor by factor, level by level
}
model {
  kappa ~ location_scale(kappa_df, kappa_loc, kappa_scale);
  tau ~ location_scale(tau_df, tau_loc, tau_scale);
  for (i in 1 : n_aux) {
    if (aux_df[i] == 0) aux[i] ~ gamma(aux_shape[i], aux_rate[i]);
    else aux[{i}] ~ location_scale(aux_df[{i}], aux_loc[{i}], aux_scale[{i}]);
  }
  z_delta ~ std_normal();

  matrix[K, N] beta = rep_matrix(kappa, N);
  int at_tau = 1;
  int at_partial = 1;
  int at_delta = 1;
  for (g in 1 : G) {
    int m = n_varying[g];
    matrix[m, m] L = identity_matrix(m);
    if (full) {
      L = correlation_cholesky(partial, at_partial, m);
      L ~ lkj_corr_cholesky(lkj_shape);
      target += correlation_log_volume(L);
    }
    matrix[m, J[g]] z = to_matrix(segment(z_delta, at_delta, m * J[g]), m, J[g]);
    matrix[m, J[g]] delta = diag_pre_multiply(segment(tau, at_tau, m), L) * z;
    beta[segment(varying, at_tau, m)] += delta[ : , level[ : , g]];
    at_tau += m;
    at_partial += n_partial[g];
    at_delta += m * J[g];
  }

  vector[N] eta = row_offset + rows_dot_product(X, beta');
  if (unweighted) {
    y ~ outcome(family, eta, aux);
  } else {
    for (i in 1 : N) target += weight[i] * outcome_lpdf(y[{i}] | family, eta[{i}], aux);
  }
}
