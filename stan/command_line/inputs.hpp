#ifndef SKHLM_COMMAND_LINE_INPUTS_HPP
#define SKHLM_COMMAND_LINE_INPUTS_HPP

// What a run reads: data, initial values and points as JSON, with long arrays in a binary file
// beside it; a mode as the CSV file of an optimize run.

#include "binary_arrays.hpp"
#include "failure.hpp"
#include "output.hpp"

#include <stan/io/array_var_context.hpp>
#include <stan/io/empty_var_context.hpp>
#include <stan/model/model_base.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

stan::model::model_base& new_model(stan::io::var_context& data, unsigned int seed,
                                   std::ostream* messages);

namespace command_line {

using Model = stan::model::model_base;
using Context = std::shared_ptr<stan::io::var_context>;

// The variables in a JSON file and, if that says so, in the binary one beside it.
inline Context read_variables(const std::string& path) { return std::make_shared<Variables>(path); }

inline std::unique_ptr<Model> build_model(const Context& data, unsigned seed) {
  auto model = or_fail(Exit::bad_input, "the data do not fit the program", [&] {
    return std::unique_ptr<Model>(&new_model(*data, seed, &std::cout));
  });
  if (model->num_params_r() == 0)
    throw Failure(Exit::bad_input, "the program has no parameters with the data given");
  return model;
}

// The file of one chain out of several: "inits_2.json" where it exists, else "inits.json".
inline std::string of_chain(const std::string& path, unsigned id, bool several) {
  const std::string own = with_suffix(path, "_" + std::to_string(id));
  std::error_code ignored;
  return several && std::filesystem::exists(own, ignored) ? own : path;
}

// Where a chain or path starts: values from a file, the rest uniform in (-radius, radius).
struct Start {
  Context values;
  double radius;
};

inline void check_shapes(const Model& model, const stan::io::var_context& values) {
  std::vector<std::string> names;
  std::vector<std::vector<std::size_t>> shapes;
  model.get_param_names(names, false, false);
  model.get_dims(shapes, false, false);
  for (std::size_t index = 0; index < names.size(); ++index)
    if (values.contains_r(names[index]))
      values.validate_dims("initial values", names[index], "double", shapes[index]);
}

inline Start read_start(const Model& model, const std::string& init, unsigned id, bool several) {
  const double radius = number(init);
  if (radius >= 0) return {std::make_shared<stan::io::empty_var_context>(), radius};
  const std::string path = of_chain(init, id, several);
  const Context values = read_variables(path);
  or_fail(Exit::bad_input, "bad initial values in " + path, [&] { check_shapes(model, *values); });
  return {values, 2};
}

inline std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  return cells;
}

// Unconstrained parameters from the last row of an optimize run's CSV file.
inline Eigen::VectorXd read_mode(const Model& model, const std::string& path) {
  std::ifstream stream = open_input(path);
  std::vector<std::string> names, last;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line[0] == '#') continue;
    (names.empty() ? names : last) = split(line);
  }
  std::vector<std::string> wanted;
  model.constrained_param_names(wanted, false, false);
  Eigen::VectorXd values(wanted.size());
  for (std::size_t index = 0; index < wanted.size(); ++index) {
    const auto column = std::find(names.begin(), names.end(), wanted[index]) - names.begin();
    if (static_cast<std::size_t>(column) >= last.size())
      throw Failure(Exit::bad_input, path + " has no value of the parameter " + wanted[index]);
    values[index] = number(last[column]);
  }
  return or_fail(Exit::bad_input, "the mode in " + path + " does not fit the program", [&] {
    Eigen::VectorXd unconstrained;
    model.unconstrain_array(values, unconstrained, &std::cout);
    return unconstrained;
  });
}

// The points of "params_r" in a JSON file, an array of vectors of unconstrained parameters: one a
// column.
inline Eigen::MatrixXd read_points(const Model& model, const std::string& path) {
  const Context context = read_variables(path);
  const std::vector<double> values = context->vals_r("params_r");
  const std::vector<std::size_t> dims = context->dims_r("params_r");
  if (dims.size() != 2 || dims[1] != model.num_params_r())
    throw Failure(Exit::bad_input, path + " must give params_r as vectors of length "
                                       + std::to_string(model.num_params_r()));
  // Stan keeps arrays column by column: the point varies fastest.
  return Eigen::Map<const Eigen::MatrixXd>(values.data(), dims[0], dims[1]).transpose();
}

}  // namespace command_line

#endif
