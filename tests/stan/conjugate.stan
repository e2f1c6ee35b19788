// A normal mean with known scale: its posterior is normal, in closed form.
data {
  int<lower=0> N;
  vector[N] y;
  real<lower=0> sigma;
  vector[2] prior_mean;
  vector<lower=0>[2] prior_sd;
}
parameters {
  vector[2] mu;
  real<lower=0> scale;
}
model {
  mu ~ normal(prior_mean, prior_sd);
  scale ~ exponential(2);
  y ~ normal(mu[1], sigma);
}
