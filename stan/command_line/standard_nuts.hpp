#ifndef SKHLM_COMMAND_LINE_STANDARD_NUTS_HPP
#define SKHLM_COMMAND_LINE_STANDARD_NUTS_HPP

// NUTS for coordinates that are near N(0, I), such as those of the tree map. Its steps follow N(0, 1)
// exactly, on circles, where a coordinate is an effect's, and what the posterior is besides gives the
// momentum a kick before and after (a split of the Hamiltonian: Shahbaba, Lan, Johnson and Neal, 2014,
// doi:10.1007/s11222-012-9373-1). The error of a step comes from that remainder alone: effects that
// are N(0, 1) and independent add nothing to it, where they add to that of a leapfrog step, of which
// fifteen were needed where three now do. Scales are few, and wider and more skewed than N(0, 1): they
// go straight, as in Stan.

#include <stan/mcmc/hmc/hamiltonians/unit_e_metric.hpp>
#include <stan/mcmc/hmc/nuts/base_nuts.hpp>
#include <stan/mcmc/base_adapter.hpp>
#include <stan/mcmc/stepsize_adaptation.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace command_line {

// An adapted step turns N(0, I) by this many radians at most, however well it does; three by 137
// degrees. From 120 degrees on a trajectory is long enough, where Stan's ends at 180: ends that are
// half way round, of the opposite sign and the same square, make the squares of draws follow each
// other.
constexpr double LONGEST_STEP = 0.8, COSINE_OF_HALF_THE_TURN = 0.5;

// The Hamiltonian of the unit metric, which can be told that it knows a point's gradient already.
template <class Model, class Random>
class StandardMetric : public stan::mcmc::unit_e_metric<Model, Random> {
  using Base = stan::mcmc::unit_e_metric<Model, Random>;

 public:
  using Base::Base;

  void init(typename Base::PointType& z, stan::callbacks::logger& logger) {
    if (!is_known) this->update_potential_gradient(z, logger);
  }

  bool is_known = false;
};

// Half a kick, the way on, and half a kick: straight for the first coordinates, then in circles.
template <class Hamiltonian>
struct StandardStep {
  void evolve(typename Hamiltonian::PointType& z, Hamiltonian& hamiltonian, double epsilon,
              stan::callbacks::logger& logger) const {
    const double cosine = std::cos(epsilon), sine = std::sin(epsilon), half = 0.5 * epsilon;
    for (Eigen::Index i = 0; i < n_straight; ++i) {
      z.p[i] -= half * z.g[i];
      z.q[i] += epsilon * z.p[i];
    }
    for (Eigen::Index i = n_straight; i < z.q.size(); ++i) {
      const double q = z.q[i], p = z.p[i] - half * (z.g[i] - q);
      z.q[i] = cosine * q + sine * p;
      z.p[i] = cosine * p - sine * q;
    }
    hamiltonian.update_potential_gradient(z, logger);
    const Eigen::Index n_round = z.q.size() - n_straight;
    z.p -= half * z.g;
    z.p.tail(n_round) += half * z.q.tail(n_round);
  }

  Eigen::Index n_straight = 0;
};

// How many coordinates a model has before those of its effects, which are the last in hlm.stan.
inline Eigen::Index count_before_effects(const stan::model::model_base& model) {
  std::vector<std::string> names;
  model.unconstrained_param_names(names, false, false);
  const auto is_effect = [](const std::string& name) {
    return name.rfind("z_root", 0) == 0 || name.rfind("z_delta", 0) == 0;
  };
  return std::find_if(names.begin(), names.end(), is_effect) - names.begin();
}

// Stan's adaptation of the step size, but for steps that would be longer than the longest: what it
// learns from those that are taken in their place must not add up, or it would not hear of a need for
// shorter ones.
class LimitedAdaptation : public stan::mcmc::stepsize_adaptation {
 public:
  LimitedAdaptation() { set_mu(std::log(LONGEST_STEP)); }

  void learn_stepsize(double& epsilon, double accept_stat) {
    const double before = x_bar_;
    stepsize_adaptation::learn_stepsize(epsilon, accept_stat);
    if (epsilon <= LONGEST_STEP) return;
    epsilon = LONGEST_STEP;
    s_bar_ = (mu_ - std::log(epsilon)) * gamma_ / std::sqrt(counter_);
    const double share = std::pow(counter_, -kappa_);
    x_bar_ = (1 - share) * before + share * std::log(epsilon);
  }
};

template <class Model, class Random>
class StandardNuts : public stan::mcmc::base_nuts<Model, StandardMetric, StandardStep, Random>,
                     public stan::mcmc::base_adapter {
  using Base = stan::mcmc::base_nuts<Model, StandardMetric, StandardStep, Random>;

 public:
  StandardNuts(const Model& model, Random& random) : Base(model, random) {
    this->integrator_.n_straight = count_before_effects(model);
  }

  LimitedAdaptation& get_stepsize_adaptation() { return adaptation_; }

  stan::mcmc::sample transition(stan::mcmc::sample& from,
                                stan::callbacks::logger& logger) override {
    this->hamiltonian_.is_known = has_drawn_ && this->z_.q == from.cont_params();
    has_drawn_ = false;  // unless this ends well
    const stan::mcmc::sample to = Base::transition(from, logger);
    has_drawn_ = true;
    if (this->adapt_flag_) adaptation_.learn_stepsize(this->nom_epsilon_, to.accept_stat());
    return to;
  }

  // Halves the step from its first size until one is likely to be accepted.
  void init_stepsize(stan::callbacks::logger& logger) {
    this->hamiltonian_.is_known = has_drawn_ = false;
    this->nom_epsilon_ = std::min(LONGEST_STEP, this->nom_epsilon_);
    const Eigen::VectorXd start = this->z_.q;
    for (; !is_accepted(start, logger); this->nom_epsilon_ *= 0.5)
      if (this->nom_epsilon_ == 0)
        throw std::runtime_error("no step is small enough, from the starting point");
    this->z_.q = start;
  }

  void disengage_adaptation() noexcept override {
    stan::mcmc::base_adapter::disengage_adaptation();
    adaptation_.complete_adaptation(this->nom_epsilon_);
  }

 private:
  // Whether a trajectory, or a part of it, is to go on: rho is the sum of its momenta.
  bool compute_criterion(Eigen::VectorXd& first, Eigen::VectorXd& last,
                         Eigen::VectorXd& rho) override {
    const double least = COSINE_OF_HALF_THE_TURN * rho.norm();
    return first.dot(rho) > least * first.norm() && last.dot(rho) > least * last.norm();
  }

  bool is_accepted(const Eigen::VectorXd& start, stan::callbacks::logger& logger) {
    this->z_.q = start;
    this->hamiltonian_.sample_p(this->z_, this->rand_int_);
    this->hamiltonian_.init(this->z_, logger);
    const double before = this->hamiltonian_.H(this->z_);
    this->integrator_.evolve(this->z_, this->hamiltonian_, this->nom_epsilon_, logger);
    return before - this->hamiltonian_.H(this->z_) > std::log(0.8);
  }

  LimitedAdaptation adaptation_;
  bool has_drawn_ = false;
};

}  // namespace command_line

#endif
