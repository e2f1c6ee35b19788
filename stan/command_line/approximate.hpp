#ifndef SKHLM_COMMAND_LINE_APPROXIMATE_HPP
#define SKHLM_COMMAND_LINE_APPROXIMATE_HPP

// Everything else that is not sampling: optimize, variational, pathfinder, log_prob.

#include "console.hpp"
#include "inputs.hpp"
#include "log_density.hpp"
#include "output.hpp"
#include "watch.hpp"

#include <stan/callbacks/structured_writer.hpp>
#include <stan/services/experimental/advi/fullrank.hpp>
#include <stan/services/experimental/advi/meanfield.hpp>
#include <stan/services/optimize/bfgs.hpp>
#include <stan/services/optimize/lbfgs.hpp>
#include <stan/services/optimize/newton.hpp>
#include <stan/services/pathfinder/multi.hpp>
#include <stan/services/pathfinder/single.hpp>

#include <string>
#include <vector>

namespace command_line {

// A failure of the watch, or else a code that is not zero, ends the run.
inline void check(int code, const Console& console, const Watch& watch) {
  watch.rethrow();
  if (code != 0) throw Failure(Exit::numerical, console.complaint("the algorithm failed"));
}

// When a quasi-Newton search has converged.
struct Tolerance {
  Tolerance(const Arguments& arguments, const std::string& method)
      : init_alpha(arguments.real(method + ".init_alpha")),
        objective(arguments.real(method + ".tol_obj")),
        relative_objective(arguments.real(method + ".tol_rel_obj")),
        gradient(arguments.real(method + ".tol_grad")),
        relative_gradient(arguments.real(method + ".tol_rel_grad")),
        parameters(arguments.real(method + ".tol_param")) {}

  double init_alpha, objective, relative_objective, gradient, relative_gradient, parameters;
};

template <bool jacobian>
int search_mode(const Arguments& arguments, Model& model, Console& console, Watch& watch,
                CsvWriter& csv) {
  namespace optimize = stan::services::optimize;
  const std::string& algorithm = arguments.text("optimize.algorithm");
  const unsigned seed = arguments.natural("random.seed");
  const unsigned id = arguments.natural("id");
  const Start start = read_start(model, arguments.text("init"), id, false);
  const Tolerance tolerance(arguments, "optimize");
  const int iterations = arguments.integer("optimize.iter");
  const bool save = arguments.flag("optimize.save_iterations");
  const int refresh = arguments.integer("output.refresh");
  stan::callbacks::writer nowhere;
  if (algorithm == "newton")
    return optimize::newton<Model, jacobian>(model, *start.values, seed, id, start.radius,
                                             iterations, save, watch, console, nowhere, csv);
  if (algorithm == "bfgs")
    return optimize::bfgs<Model, jacobian>(
        model, *start.values, seed, id, start.radius, tolerance.init_alpha, tolerance.objective,
        tolerance.relative_objective, tolerance.gradient, tolerance.relative_gradient,
        tolerance.parameters, iterations, save, refresh, watch, console, nowhere, csv);
  return optimize::lbfgs<Model, jacobian>(
      model, *start.values, seed, id, start.radius, arguments.integer("optimize.history_size"),
      tolerance.init_alpha, tolerance.objective, tolerance.relative_objective, tolerance.gradient,
      tolerance.relative_gradient, tolerance.parameters, iterations, save, refresh, watch, console,
      nowhere, csv);
}

inline void optimize(const Arguments& arguments, Model& model, Console& console, Watch& watch) {
  const auto csv = open_output(arguments, model, watch);
  const Sentry sentry(watch);
  const int code = with_constant(arguments.flag("optimize.jacobian"), [&](auto jacobian) {
    return search_mode<jacobian.value>(arguments, model, console, watch, *csv);
  });
  check(code, console, watch);
}

inline void variational(const Arguments& arguments, Model& model, Console& console, Watch& watch) {
  namespace advi = stan::services::experimental::advi;
  const auto csv = open_output(arguments, model, watch);
  const unsigned id = arguments.natural("id");
  const Start start = read_start(model, arguments.text("init"), id, false);
  const std::string& diagnostic_file = arguments.text("output.diagnostic_file");
  stan::callbacks::writer nowhere;
  const auto diagnostics = diagnostic_file.empty()
                               ? nullptr
                               : open_csv(diagnostic_file, arguments, model, watch);
  const Sentry sentry(watch);
  const auto fit = arguments.text("variational.algorithm") == "meanfield" ? &advi::meanfield<Model>
                                                                         : &advi::fullrank<Model>;
  check(fit(model, *start.values, arguments.natural("random.seed"), id, start.radius,
            arguments.integer("variational.grad_samples"),
            arguments.integer("variational.elbo_samples"), arguments.integer("variational.iter"),
            arguments.real("variational.tol_rel_obj"), arguments.real("variational.eta"),
            arguments.flag("variational.adapt.engaged"),
            arguments.integer("variational.adapt.iter"),
            arguments.integer("variational.eval_elbo"),
            arguments.integer("variational.output_samples"), watch, console, nowhere, *csv,
            diagnostics ? *diagnostics : nowhere),
        console, watch);
}

// One path draws from its own approximation; several are pooled and resampled by importance.
inline void pathfinder(const Arguments& arguments, Model& model, Console& console, Watch& watch) {
  namespace pathfinder = stan::services::pathfinder;
  const int paths = arguments.integer("pathfinder.num_paths");
  const unsigned seed = arguments.natural("random.seed");
  const unsigned id = arguments.natural("id");
  std::vector<Context> starts;
  double radius = 0;
  for (int path = 0; path < paths; ++path) {
    const Start start = read_start(model, arguments.text("init"), id + path, paths > 1);
    starts.push_back(start.values);
    radius = start.radius;
  }
  const Tolerance tolerance(arguments, "pathfinder");
  const int history_size = arguments.integer("pathfinder.history_size");
  const int iterations = arguments.integer("pathfinder.max_lbfgs_iters");
  const int elbo_draws = arguments.integer("pathfinder.num_elbo_draws");
  const int draws = arguments.integer("pathfinder.num_draws");
  const int refresh = arguments.integer("output.refresh");
  const bool calculate_lp = arguments.flag("pathfinder.calculate_lp");
  const auto csv = open_output(arguments, model, watch);
  std::vector<stan::callbacks::writer> nowhere(paths);
  std::vector<stan::callbacks::structured_writer> no_record(paths);
  const Sentry sentry(watch);
  const int code
      = paths == 1
            ? pathfinder::pathfinder_lbfgs_single(
                model, *starts[0], seed, id, radius, history_size, tolerance.init_alpha,
                tolerance.objective, tolerance.relative_objective, tolerance.gradient,
                tolerance.relative_gradient, tolerance.parameters, iterations, elbo_draws, draws,
                false, refresh, watch, console, nowhere[0], *csv, no_record[0], calculate_lp)
            : pathfinder::pathfinder_lbfgs_multi(
                model, starts, seed, id, radius, history_size, tolerance.init_alpha,
                tolerance.objective, tolerance.relative_objective, tolerance.gradient,
                tolerance.relative_gradient, tolerance.parameters, iterations, elbo_draws, draws,
                arguments.integer("pathfinder.num_psis_draws"), paths, false, refresh, watch,
                console, nowhere, nowhere, no_record, *csv, no_record[0], calculate_lp,
                arguments.flag("pathfinder.psis_resample"));
  check(code, console, watch);
}

// The log density and its gradient at given points, a row each.
inline void log_prob(const Arguments& arguments, Model& model, Watch& watch) {
  const std::string& constrained = arguments.text("log_prob.constrained_params");
  const std::string& unconstrained = arguments.text("log_prob.unconstrained_params");
  if (constrained.empty() == unconstrained.empty())
    throw Failure(Exit::usage,
                  "log_prob needs either constrained_params=FILE or unconstrained_params=FILE");
  const Eigen::MatrixXd points
      = constrained.empty()
            ? read_points(unconstrained, static_cast<Eigen::Index>(model.num_params_r()))
            : Eigen::MatrixXd(unconstrain_json(model, constrained));
  const auto csv = open_output(arguments, model, watch);
  std::vector<std::string> names;
  model.unconstrained_param_names(names, false, false);
  for (std::string& name : names) name = "g_" + name;
  names.insert(names.begin(), "lp__");
  (*csv)(names);
  const LogDensity log_density{model, arguments.flag("log_prob.jacobian"), &std::cout};
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
