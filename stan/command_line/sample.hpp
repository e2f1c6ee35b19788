#ifndef SKHLM_COMMAND_LINE_SAMPLE_HPP
#define SKHLM_COMMAND_LINE_SAMPLE_HPP

// Hamiltonian Monte Carlo with no U-turns, every chain in one process. A chain depends on the seed
// and its own id alone, so its draws are the same on any number of threads.
//
// With window=0 only the step size is adapted and the metric stays as supplied.

#include "console.hpp"
#include "inputs.hpp"
#include "output.hpp"
#include "watch.hpp"

#include <stan/callbacks/json_writer.hpp>
#include <stan/mcmc/fixed_param_sampler.hpp>
#include <stan/mcmc/hmc/nuts/adapt_dense_e_nuts.hpp>
#include <stan/mcmc/hmc/nuts/adapt_diag_e_nuts.hpp>
#include <stan/mcmc/hmc/nuts/dense_e_nuts.hpp>
#include <stan/mcmc/hmc/nuts/diag_e_nuts.hpp>
#include <stan/mcmc/hmc/nuts/unit_e_nuts.hpp>
#include <stan/mcmc/stepsize_adapter.hpp>
#include <stan/services/util/create_rng.hpp>
#include <stan/services/util/generate_transitions.hpp>
#include <stan/services/util/initialize.hpp>
#include <stan/services/util/mcmc_writer.hpp>

#include <tbb/parallel_for.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace command_line {

using Random = decltype(stan::services::util::create_rng(0, 0));

// A sampler that learns its step size and leaves its metric alone.
template <class Nuts>
class StepSizeAdapted final : public Nuts, public stan::mcmc::stepsize_adapter {
 public:
  using Nuts::Nuts;

  stan::mcmc::sample transition(stan::mcmc::sample& state,
                                stan::callbacks::logger& logger) override {
    stan::mcmc::sample next = Nuts::transition(state, logger);
    if (adapting())
      stepsize_adaptation_.learn_stepsize(this->nom_epsilon_, next.accept_stat());
    return next;
  }

  void disengage_adaptation() noexcept override {
    stan::mcmc::base_adapter::disengage_adaptation();
    stepsize_adaptation_.complete_adaptation(this->nom_epsilon_);
  }
};

using UnitNuts = StepSizeAdapted<stan::mcmc::unit_e_nuts<Model, Random>>;
using DiagonalNuts = StepSizeAdapted<stan::mcmc::diag_e_nuts<Model, Random>>;
using DenseNuts = StepSizeAdapted<stan::mcmc::dense_e_nuts<Model, Random>>;
using AdaptiveDiagonalNuts = stan::mcmc::adapt_diag_e_nuts<Model, Random>;
using AdaptiveDenseNuts = stan::mcmc::adapt_dense_e_nuts<Model, Random>;

template <class Sampler>
inline constexpr bool adapts_metric = std::is_same_v<Sampler, AdaptiveDiagonalNuts>
                                      || std::is_same_v<Sampler, AdaptiveDenseNuts>;

// What all chains share.
struct Run {
  const Arguments& arguments;
  Model& model;
  Console& console;
  Watch& watch;
  unsigned chains;
};

struct Chain {
  unsigned id;
  Random random;
  std::vector<double> start;  // unconstrained
  std::unique_ptr<CsvWriter> draws;
  std::unique_ptr<stan::callbacks::writer> dynamics;  // momenta and gradients, where asked for
  std::string metric_file;
};

inline Chain open_chain(const Run& run, unsigned id) {
  const bool several = run.chains > 1;
  const auto own = [&](std::string_view path) {
    const std::string& file = run.arguments.text(path);
    return several && !file.empty() ? with_suffix(file, "_" + std::to_string(id)) : file;
  };
  const Arguments arguments = run.arguments.with("id", std::to_string(id));
  Chain chain{id, stan::services::util::create_rng(arguments.natural("random.seed"), id), {},
              nullptr, std::make_unique<stan::callbacks::writer>(),
              of_chain(arguments.text("sample.metric_file"), id, several)};
  chain.draws = open_csv(own("output.file"), arguments, run.model, run.watch);
  const std::string dynamics = own("output.diagnostic_file");
  if (!dynamics.empty()) chain.dynamics = open_csv(dynamics, arguments, run.model, run.watch);
  return chain;
}

inline void find_start(const Run& run, Chain& chain) {
  const Start start = read_start(run.model, run.arguments.text("init"), chain.id,
                                 run.chains > 1);
  stan::callbacks::writer nowhere;
  try {
    chain.start = stan::services::util::initialize(run.model, *start.values, chain.random,
                                                   start.radius, true, run.console, nowhere);
  } catch (const std::exception& error) {
    throw Failure(Exit::numerical, "chain " + std::to_string(chain.id)
                                       + " found no starting point: "
                                       + run.console.complaint(error.what()));
  }
}

class Stopwatch {
 public:
  double seconds() const {
    const auto passed = std::chrono::steady_clock::now() - start_;
    return std::chrono::duration_cast<std::chrono::milliseconds>(passed).count() / 1000.0;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

template <class Sampler>
void configure(Sampler& sampler, const Arguments& arguments, Console& console) {
  const double step_size = arguments.real("sample.stepsize");
  sampler.set_nominal_stepsize(step_size);
  sampler.set_stepsize_jitter(arguments.real("sample.stepsize_jitter"));
  sampler.set_max_depth(arguments.integer("sample.max_depth"));
  auto& adaptation = sampler.get_stepsize_adaptation();
  adaptation.set_mu(std::log(10 * step_size));
  adaptation.set_delta(arguments.real("sample.adapt.delta"));
  adaptation.set_gamma(arguments.real("sample.adapt.gamma"));
  adaptation.set_kappa(arguments.real("sample.adapt.kappa"));
  adaptation.set_t0(arguments.real("sample.adapt.t0"));
  if constexpr (adapts_metric<Sampler>)
    sampler.set_window_params(arguments.natural("sample.num_warmup"),
                              arguments.natural("sample.adapt.init_buffer"),
                              arguments.natural("sample.adapt.term_buffer"),
                              arguments.natural("sample.adapt.window"), console);
}

// Step size and inverse metric, for metric_file: "draws_metric.json" beside "draws.csv".
template <class Sampler>
void save_metric(Sampler& sampler, const Chain& chain, Watch& watch) {
  struct Borrowed {
    void operator()(std::stringstream*) const {}
  };
  std::stringstream text;
  text.precision(17);
  stan::callbacks::json_writer<std::stringstream, Borrowed> json(
      std::unique_ptr<std::stringstream, Borrowed>{&text});
  sampler.write_sampler_state_struct(json);
  std::filesystem::path path = with_suffix(chain.draws->path(), "_metric");
  OutputFile(path.replace_extension("json").string(), watch).append(text.str());
}

// Warm-up, then draws, from the chain's starting point.
template <class Sampler>
void run_chain(const Run& run, Chain& chain, Sampler& sampler) {
  const Arguments& arguments = run.arguments;
  const int warmup = arguments.integer("sample.num_warmup");
  const int draws = arguments.integer("sample.num_samples");
  const Eigen::VectorXd start = Eigen::Map<Eigen::VectorXd>(chain.start.data(), chain.start.size());
  stan::mcmc::sample state(start, 0, 0);
  stan::services::util::mcmc_writer writer(*chain.draws, *chain.dynamics, run.console);
  const auto iterate = [&](int count, int from, bool keep, bool warming_up) {
    const Stopwatch stopwatch;
    stan::services::util::generate_transitions(
        sampler, count, from, warmup + draws, arguments.integer("sample.thin"),
        arguments.integer("output.refresh"), keep, warming_up, writer, state, run.model,
        chain.random, run.watch, run.console, chain.id, run.chains);
    return stopwatch.seconds();
  };

  writer.write_sample_names(state, sampler, run.model);
  writer.write_diagnostic_names(state, sampler, run.model);
  if (arguments.flag("sample.adapt.engaged")) {
    sampler.engage_adaptation();
    sampler.z().q = start;
    sampler.init_stepsize(run.console);
  }
  const double warmup_seconds = iterate(warmup, 0, arguments.flag("sample.save_warmup"), true);
  if (sampler.adapting()) sampler.disengage_adaptation();
  writer.write_adapt_finish(sampler);
  sampler.write_sampler_state(*chain.draws);
  if (arguments.flag("sample.adapt.save_metric")) save_metric(sampler, chain, run.watch);
  writer.write_timing(warmup_seconds, iterate(draws, warmup, true, false));
}

template <class Sampler, class... Metric>
void run_nuts(const Run& run, Chain& chain, const Metric&... metric) {
  Sampler sampler(run.model, chain.random);
  (sampler.set_metric(metric), ...);
  configure(sampler, run.arguments, run.console);
  run_chain(run, chain, sampler);
}

// Repeats the starting point: for programs that only generate quantities.
inline void run_fixed(const Run& run, Chain& chain) {
  const int draws = run.arguments.integer("sample.num_samples");
  stan::mcmc::fixed_param_sampler sampler;
  const Eigen::VectorXd start = Eigen::Map<Eigen::VectorXd>(chain.start.data(), chain.start.size());
  stan::mcmc::sample state(start, 0, 0);
  stan::services::util::mcmc_writer writer(*chain.draws, *chain.dynamics, run.console);
  writer.write_sample_names(state, sampler, run.model);
  writer.write_diagnostic_names(state, sampler, run.model);
  const Stopwatch stopwatch;
  stan::services::util::generate_transitions(
      sampler, draws, 0, draws, run.arguments.integer("sample.thin"),
      run.arguments.integer("output.refresh"), true, false, writer, state, run.model, chain.random,
      run.watch, run.console, chain.id, run.chains);
  writer.write_timing(0, stopwatch.seconds());
}

// Chooses the sampler: its metric, and whether that is learned.
inline void run_chain(const Run& run, Chain& chain) {
  const Arguments& arguments = run.arguments;
  const std::size_t size = run.model.num_params_r();
  const bool learn_metric
      = arguments.flag("sample.adapt.engaged") && arguments.natural("sample.adapt.window") > 0;
  if (arguments.text("sample.algorithm") == "fixed_param") return run_fixed(run, chain);
  if (arguments.text("sample.metric") == "unit_e") return run_nuts<UnitNuts>(run, chain);
  if (arguments.text("sample.metric") == "diag_e") {
    const Eigen::VectorXd metric = read_diagonal_metric(chain.metric_file, size, run.console);
    return learn_metric ? run_nuts<AdaptiveDiagonalNuts>(run, chain, metric)
                        : run_nuts<DiagonalNuts>(run, chain, metric);
  }
  const Eigen::MatrixXd metric = read_dense_metric(chain.metric_file, size, run.console);
  return learn_metric ? run_nuts<AdaptiveDenseNuts>(run, chain, metric)
                      : run_nuts<DenseNuts>(run, chain, metric);
}

inline void run_chains(const Run& run, std::vector<Chain>& chains) {
  const auto guarded = [&](Chain& chain) {
    try {
      or_fail(Exit::numerical, "chain " + std::to_string(chain.id),
              [&] { run_chain(run, chain); });
    } catch (const Failure& failure) {
      run.watch.give_up(failure);
    } catch (const std::bad_alloc&) {
      run.watch.give_up({Exit::internal, "out of memory"});
    }
  };
  tbb::parallel_for(
      tbb::blocked_range<std::size_t>(0, chains.size(), 1),
      [&](const tbb::blocked_range<std::size_t>& range) {
        for (std::size_t index = range.begin(); index != range.end(); ++index)
          guarded(chains[index]);
      },
      tbb::simple_partitioner());
}

inline void sample(const Arguments& given, Model& model, Console& console, Watch& watch) {
  const bool fixed = model.num_params_r() == 0;
  const Arguments arguments = fixed ? given.with("sample.algorithm", "fixed_param") : given;
  if (fixed)
    console.info("Model contains no parameters, running fixed_param sampler, no updates to Markov"
                 " chain.");
  const unsigned count = arguments.natural("sample.num_chains");
  const Run run{arguments, model, console, watch, count};
  std::vector<Chain> chains;
  for (unsigned index = 0; index < count; ++index)
    chains.push_back(open_chain(run, arguments.natural("id") + index));
  watch.keep_eye_on(chains.front().draws->path());
  const Sentry sentry(watch);
  for (Chain& chain : chains) find_start(run, chain);
  run_chains(run, chains);
}

}  // namespace command_line

#endif
