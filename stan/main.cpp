// The command line of a Stan program: links with what stanc makes of any .stan file.
//
// It speaks the dialect of CmdStan that cmdstanpy uses, so CmdStanModel(exe_file=...) drives it
// with no CmdStan on the machine:
//
//     hlm info
//     hlm data file=data.json output file=draws.csv method=sample num_chains=4
//
// Methods: sample (NUTS; all chains in this process), optimize, variational, laplace, pathfinder,
// log_prob at the vectors of an array "params_r", info. It takes what skhlm, its tests and its
// benchmarks send and nothing else; command_line/arguments.hpp lists every argument. Inputs are
// JSON, whose long arrays may lie in a binary file beside it (command_line/binary_arrays.hpp);
// outputs Stan CSV, whose parameters may (command_line/output.hpp). Chains and paths run on as many
// threads as STAN_NUM_THREADS says, or one.
// laplace draws also where the mode given is no maximum; laplace.hpp says how.
//
// A run stops within moments when its parent process has died or its output file is gone. If it
// fails, standard error has one line with the cause, and the exit code is
//
//      0  success
//     64  an argument is unknown, missing, malformed or out of range
//     65  data, initial values, points or mode: missing, damaged or not fitting the program
//     70  numerical failure: no starting point, line search failed, no density
//     71  anything unforeseen, such as no memory
//     73  an output file cannot be created
//     74  an output file cannot be written: disk full, quota or size limit reached
//     75  abandoned: the parent process has died or the output file was removed

#include "command_line/approximate.hpp"
#include "command_line/arguments.hpp"
#include "command_line/console.hpp"
#include "command_line/failure.hpp"
#include "command_line/inputs.hpp"
#include "command_line/laplace.hpp"
#include "command_line/output.hpp"
#include "command_line/own_sampler.hpp"
#include "command_line/sample.hpp"
#include "command_line/watch.hpp"

#include <stan/math/prim/core/init_threadpool_tbb.hpp>

#include <csignal>
#include <cstdio>
#include <new>
#include <string>

namespace command_line {

void print_info() {
  for (const std::string& line : version_lines()) std::printf("%s\n", line.c_str());
  std::printf("STAN_THREADS=true\nSTAN_MPI=false\nSTAN_OPENCL=false\n");
}

void run_method(const Arguments& arguments, stan::model::model_base& model, const Context& data,
                Watch& watch) {
  const std::string& method = arguments.method();
  Console console;
  if (method == "sample") return sample(arguments, model, *data, console, watch);
  if (method == "optimize") return optimize(arguments, model, console, watch);
  if (method == "variational") return variational(arguments, model, console, watch);
  if (method == "laplace") return laplace(arguments, model, watch);
  if (method == "pathfinder") return pathfinder(arguments, model, console, watch);
  log_prob(arguments, model, watch);
}

void run(const Arguments& arguments, Watch& watch) {
  if (arguments.method() == "info") return print_info();
  or_fail(Exit::usage, "bad number of threads",
          [] { stan::math::init_threadpool_tbb(); });
  const Context data = read_variables(arguments.text("data.file"));
  const auto model = build_model(data, arguments.natural("random.seed"));
  run_method(arguments, *model, data, watch);
  watch.rethrow();
}

// A file size limit is to fail the write, not to kill the process.
void let_writes_fail() {
#ifdef SIGXFSZ
  std::signal(SIGXFSZ, SIG_IGN);
#endif
}

int main(int count, char** words) {
  Watch watch(parent_process());
  let_writes_fail();
  try {
    run(Arguments(count, words), watch);
    return static_cast<int>(Exit::success);
  } catch (const Failure& failure) {
    report(failure);
    return static_cast<int>(failure.code());
  } catch (const std::bad_alloc&) {
    report({Exit::internal, "out of memory"});
  } catch (const std::exception& error) {
    report({Exit::internal, error.what()});
  }
  return static_cast<int>(Exit::internal);
}

}  // namespace command_line

int main(int count, char** words) { return command_line::main(count, words); }
