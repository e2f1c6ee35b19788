#ifndef SKHLM_COMMAND_LINE_SAMPLE_HPP
#define SKHLM_COMMAND_LINE_SAMPLE_HPP

// Hamiltonian Monte Carlo with no U-turns, every chain in one process. A chain depends on the seed
// and its own id alone, so its draws are the same on any number of threads.
//
// A unit metric stays as it is and only the step size is adapted: it is for coordinates near N(0, I),
// and so are its steps. A diagonal one is learned too, by the NUTS of Stan.
// Where the data ask for a sampler that the program brings along, it takes the place of NUTS.

#include "console.hpp"
#include "inputs.hpp"
#include "output.hpp"
#include "own_sampler.hpp"
#include "standard_nuts.hpp"
#include "watch.hpp"

#include <stan/mcmc/hmc/nuts/adapt_diag_e_nuts.hpp>
#include <stan/services/util/create_rng.hpp>
#include <stan/services/util/generate_transitions.hpp>
#include <stan/services/util/initialize.hpp>
#include <stan/services/util/mcmc_writer.hpp>

#include <tbb/parallel_for.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace command_line {

using Random = decltype(stan::services::util::create_rng(0, 0));

using UnitNuts = StandardNuts<Model, Random>;
using DiagonalNuts = stan::mcmc::adapt_diag_e_nuts<Model, Random>;

// What all chains share.
struct Run {
  const Arguments& arguments;
  Model& model;
  Console& console;
  Watch& watch;
  unsigned chains;
  OpenChain open_own;  // empty: chains are of NUTS
};

struct Chain {
  unsigned id;
  Random random;
  std::vector<double> start;  // unconstrained
  std::unique_ptr<OwnChain> own;
  std::unique_ptr<CsvWriter> draws;
};

inline Chain open_chain(const Run& run, unsigned id) {
  Arguments arguments = run.arguments.with("id", std::to_string(id));
  for (const char* file : {"output.file", "output.diagnostic_file"})
    if (run.chains > 1 && !arguments.text(file).empty())
      arguments = arguments.with(file, with_suffix(arguments.text(file), "_" + std::to_string(id)));
  return {id, stan::services::util::create_rng(arguments.natural("random.seed"), id), {}, {},
          open_csv(arguments, run.model, run.watch)};
}

inline void find_start(const Run& run, Chain& chain) {
  const Start start = read_start(run.model, run.arguments.text("init"), chain.id,
                                 run.chains > 1);
  if (run.open_own) {
    const unsigned seed = run.arguments.natural("random.seed");
    chain.own = or_fail(Exit::bad_input, "chain " + std::to_string(chain.id) + " cannot start",
                        [&] { return run.open_own(*start.values, seed, chain.id); });
    return;
  }
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
  sampler.set_max_depth(arguments.integer("sample.max_depth"));
  auto& adaptation = sampler.get_stepsize_adaptation();
  adaptation.set_delta(arguments.real("sample.adapt.delta"));
  if constexpr (std::is_same_v<Sampler, DiagonalNuts>) {
    adaptation.set_mu(std::log(10 * step_size));
    constexpr unsigned init_buffer = 75, term_buffer = 50, window = 25;  // CmdStan's presets
    sampler.set_window_params(arguments.natural("sample.num_warmup"), init_buffer, term_buffer,
                              window, console);
  }
}

// Warm-up, then draws, from the chain's starting point.
template <class Sampler>
void run_nuts(const Run& run, Chain& chain) {
  const Arguments& arguments = run.arguments;
  const int warmup = arguments.integer("sample.num_warmup");
  const int draws = arguments.integer("sample.num_samples");
  const Eigen::VectorXd start = Eigen::Map<Eigen::VectorXd>(chain.start.data(), chain.start.size());
  Sampler sampler(run.model, chain.random);
  configure(sampler, arguments, run.console);
  stan::mcmc::sample state(start, 0, 0);
  stan::callbacks::writer nowhere;
  stan::services::util::mcmc_writer writer(*chain.draws, nowhere, run.console);
  const auto iterate = [&](int count, int from, bool warming_up) {
    const Stopwatch stopwatch;
    stan::services::util::generate_transitions(
        sampler, count, from, warmup + draws, 1, arguments.integer("output.refresh"), !warming_up,
        warming_up, writer, state, run.model, chain.random, run.watch, run.console, chain.id,
        run.chains);
    return stopwatch.seconds();
  };

  writer.write_sample_names(state, sampler, run.model);
  if (arguments.flag("sample.adapt.engaged")) {
    sampler.engage_adaptation();
    sampler.z().q = start;
    sampler.init_stepsize(run.console);
  }
  const double warmup_seconds = iterate(warmup, 0, true);
  if (sampler.adapting()) sampler.disengage_adaptation();
  writer.write_adapt_finish(sampler);
  sampler.write_sampler_state(*chain.draws);
  writer.write_timing(warmup_seconds, iterate(draws, warmup, false));
}

inline void report_iteration(const Run& run, const Chain& chain, int done, int all) {
  const int refresh = run.arguments.integer("output.refresh");
  if (refresh == 0 || (done != 1 && done != all && done % refresh != 0)) return;
  const std::string of = run.chains > 1 ? "Chain [" + std::to_string(chain.id) + "] " : "";
  run.console.info(of + "Iteration: " + std::to_string(done) + " / " + std::to_string(all));
}

// The same by the program's own sampler; of what Stan says beside a draw nothing applies.
inline void run_own(const Run& run, Chain& chain) {
  const int warmup = run.arguments.integer("sample.num_warmup");
  const int all = warmup + run.arguments.integer("sample.num_samples");
  std::vector<std::string> names{"lp__",         "accept_stat__", "stepsize__", "treedepth__",
                                 "n_leapfrog__", "divergent__",   "energy__"};
  const std::size_t n_statistics = names.size();
  for (std::string& name : chain.own->names()) names.push_back(std::move(name));
  (*chain.draws)(names);
  const auto iterate = [&](int from, int to) {
    const Stopwatch stopwatch;
    std::vector<double> row;
    for (int i = from; i < to; ++i) {
      run.watch();
      report_iteration(run, chain, i + 1, all);
      chain.own->draw(i, warmup);
      if (i < warmup) continue;
      row.assign(n_statistics, 0.0);
      chain.own->write(row);
      (*chain.draws)(row);
    }
    return stopwatch.seconds();
  };
  const double warmup_seconds = iterate(0, warmup);
  for (const char* line : {"Adaptation terminated", "Step size = 1", "No free parameters"})
    (*chain.draws)(std::string(line));
  stan::callbacks::writer nowhere;
  stan::services::util::mcmc_writer(*chain.draws, nowhere, run.console)
      .write_timing(warmup_seconds, iterate(warmup, all));
}

inline void run_chain(const Run& run, Chain& chain) {
  if (chain.own) return run_own(run, chain);
  if (run.arguments.text("sample.metric") == "unit_e") return run_nuts<UnitNuts>(run, chain);
  run_nuts<DiagonalNuts>(run, chain);
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

inline void sample(const Arguments& arguments, Model& model, const stan::io::var_context& data,
                   Console& console, Watch& watch) {
  const unsigned count = arguments.natural("sample.num_chains");
  const Run run{arguments, model, console, watch, count, find_own_sampler(data)};
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
