#ifndef SKHLM_COMMAND_LINE_APPROXIMATE_HPP
#define SKHLM_COMMAND_LINE_APPROXIMATE_HPP

// Everything else that is not sampling: optimize, variational, pathfinder, log_prob.

#include "console.hpp"
#include "inputs.hpp"
#include "log_density.hpp"
#include "output.hpp"
#include "watch.hpp"

#include <stan/callbacks/structured_writer.hpp>
#include <stan/services/experimental/advi/meanfield.hpp>
#include <stan/services/optimize/lbfgs.hpp>
#include <stan/services/pathfinder/multi.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace command_line {

// Runs an algorithm. A failure of the watch, what it throws or a code but zero ends the run.
template <class Algorithm>
void finish(const Console& console, const Watch& watch, Algorithm&& algorithm) {
  const int code = or_fail(Exit::numerical, "the algorithm failed", algorithm);
  watch.rethrow();
  if (code != 0) throw Failure(Exit::numerical, console.complaint("the algorithm failed"));
}

// CmdStan's presets for quasi-Newton searches: where a line search begins, when to stop.
namespace search {
inline constexpr double init_alpha = 0.001, objective = 1e-12, relative_objective = 1e4,
                        gradient = 1e-8, relative_gradient = 1e7, parameters = 1e-8;
}

// The mode in unconstrained coordinates.
inline void optimize(const Arguments& arguments, Model& model, Console& console, Watch& watch) {
  constexpr int iterations = 2000;
  const auto csv = open_output(arguments, model, watch);
  const unsigned id = arguments.natural("id");
  const Start start = read_start(model, arguments.text("init"), id, false);
  stan::callbacks::writer nowhere;
  const Sentry sentry(watch);
  finish(console, watch, [&] {
    return stan::services::optimize::lbfgs<Model, true>(
        model, *start.values, arguments.natural("random.seed"), id, start.radius,
        arguments.integer("optimize.history_size"), search::init_alpha, search::objective,
        search::relative_objective, search::gradient, search::relative_gradient, search::parameters,
        iterations, false, arguments.integer("output.refresh"), watch, console, nowhere, *csv);
  });
}

// Independent normal distributions, with CmdStan's presets.
inline void variational(const Arguments& arguments, Model& model, Console& console, Watch& watch) {
  constexpr int elbo_samples = 100, iterations = 10000, adapt_iterations = 50;
  constexpr double relative_objective = 0.01, eta = 1;
  const auto csv = open_output(arguments, model, watch);
  const unsigned id = arguments.natural("id");
  const Start start = read_start(model, arguments.text("init"), id, false);
  stan::callbacks::writer nowhere;
  const Sentry sentry(watch);
  finish(console, watch, [&] {
    return stan::services::experimental::advi::meanfield(
        model, *start.values, arguments.natural("random.seed"), id, start.radius,
        arguments.integer("variational.grad_samples"), elbo_samples, iterations, relative_objective,
        eta, true, adapt_iterations, arguments.integer("variational.eval_elbo"),
        arguments.integer("variational.output_samples"), watch, console, nowhere, *csv, nowhere);
  });
}

// All draws of all paths, not resampled.
inline void pathfinder(const Arguments& arguments, Model& model, Console& console, Watch& watch) {
  constexpr int iterations = 1000, elbo_draws = 25, resampled = 0;
  const int paths = arguments.integer("pathfinder.num_paths");
  const unsigned id = arguments.natural("id");
  const Start start = read_start(model, arguments.text("init"), id, false);
  const auto csv = open_output(arguments, model, watch);
  const std::vector<Context> starts(paths, start.values);
  std::vector<stan::callbacks::writer> nowhere(paths);
  std::vector<stan::callbacks::structured_writer> no_record(paths);
  const Sentry sentry(watch);
  finish(console, watch, [&] {
    return stan::services::pathfinder::pathfinder_lbfgs_multi(
        model, starts, arguments.natural("random.seed"), id, start.radius,
        arguments.integer("pathfinder.history_size"), search::init_alpha, search::objective,
        search::relative_objective, search::gradient, search::relative_gradient, search::parameters,
        iterations, elbo_draws, arguments.integer("pathfinder.num_draws"), resampled, paths, false,
        arguments.integer("output.refresh"), watch, console, nowhere, nowhere, no_record, *csv,
        no_record[0], true, false);
  });
}

// The log density and its gradient at given points, a row each.
inline void log_prob(const Arguments& arguments, Model& model, Watch& watch) {
  const Eigen::MatrixXd points
      = read_points(model, arguments.text("log_prob.unconstrained_params"));
  const auto csv = open_output(arguments, model, watch);
  std::vector<std::string> names;
  model.unconstrained_param_names(names, false, false);
  for (std::string& name : names) name = "g_" + name;
  names.insert(names.begin(), "lp__");
  (*csv)(names);
  const LogDensity log_density{model, &std::cout};
  Eigen::VectorXd gradient;
  for (Eigen::Index index = 0; index < points.cols(); ++index) {
    watch();
    std::vector<double> row{or_fail(Exit::numerical, "no log density at the point given",
                                    [&] { return log_density(points.col(index), gradient); })};
    row.insert(row.end(), gradient.begin(), gradient.end());
    (*csv)(row);
  }
  watch.rethrow();
}

}  // namespace command_line

#endif
