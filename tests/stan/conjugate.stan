// A model whose posterior is known in closed form. Given the data, independently:
//   mu[1] is normal (a normal mean with known sigma), mu[2], ..., mu[K] have their prior,
//   and scale, where there is one, is exponential with mean 1/2.
data {
  int<lower=0> N, K;
  int<lower=0, upper=1> with_scale;
  vector[N] y;
  real<lower=0> sigma;
  vector[K] prior_mean;
  vector<lower=0>[K] prior_sd;
}
parameters {
  vector[K] mu;
  array[with_scale] real<lower=0> scale;
}
model {
  mu ~ normal(prior_mean, prior_sd);
  scale ~ exponential(2);
  if (K > 0) y ~ normal(mu[1], sigma);
}
generated quantities {
  real total = sum(mu) + sum(scale);
  real noise = normal_rng(0, 1);
}
