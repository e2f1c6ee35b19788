#ifndef SKHLM_COMMAND_LINE_ARGUMENTS_HPP
#define SKHLM_COMMAND_LINE_ARGUMENTS_HPP

// The command line, in CmdStan's grammar: key=value pairs and bare words that open a section,
//
//     hlm id=1 random seed=7 data file=d.json output file=o.csv method=sample adapt delta=0.9
//
// One table names every argument, its preset value and its domain: what skhlm sends and no more. A
// key is looked up in the open section, then in the method, then among the arguments that serve
// every method.

#include "failure.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace command_line {

struct Domain {
  enum class Kind { text, choice, integer, real } kind;
  std::string_view words;  // what a wrong value is told; the choices themselves for a choice
  double lower = 0;
  double upper = std::numeric_limits<double>::infinity();
  bool may_lack = false;
};

inline constexpr double tiny = std::numeric_limits<double>::epsilon();

inline constexpr Domain text{Domain::Kind::text, "any text"};
inline constexpr Domain file{Domain::Kind::text, "the path of a file"};
inline constexpr Domain no_file_or_one{Domain::Kind::text, "the path of a file", 0, 0, true};
inline constexpr Domain natural{Domain::Kind::integer, "an integer >= 0", 0, 2147483647.0};
inline constexpr Domain word{Domain::Kind::integer, "an integer from 0 to 2^32 - 1", 0,
                             4294967295.0};
inline constexpr Domain positive{Domain::Kind::integer, "an integer > 0", 1, 2147483647.0};
inline constexpr Domain digits{Domain::Kind::integer, "an integer from 1 to 18", 1, 18};
inline constexpr Domain above_zero{Domain::Kind::real, "a number > 0", tiny};
inline constexpr Domain fraction{Domain::Kind::real, "a number between 0 and 1", tiny, 1 - tiny};

constexpr Domain one_of(std::string_view choices) { return {Domain::Kind::choice, choices}; }
inline constexpr Domain flag = one_of("0|1");

struct Argument {
  std::string_view path;  // method.section.key; without a method it serves every method
  std::string_view preset;  // CmdStan's; empty where that would ask for what is not done here
  Domain domain;
};

inline constexpr std::array methods = {
    std::string_view("sample"),  std::string_view("optimize"), std::string_view("variational"),
    std::string_view("laplace"), std::string_view("pathfinder"), std::string_view("log_prob"),
    std::string_view("info")};

inline constexpr Argument table[] = {
    {"sample.num_samples", "1000", natural},
    {"sample.num_warmup", "1000", natural},
    {"sample.num_chains", "1", positive},
    {"sample.algorithm", "hmc", one_of("hmc")},
    {"sample.engine", "nuts", one_of("nuts")},
    {"sample.max_depth", "10", positive},
    {"sample.metric", "diag_e", one_of("diag_e|unit_e")},
    {"sample.stepsize", "1", above_zero},
    {"sample.adapt.engaged", "1", flag},
    {"sample.adapt.delta", "0.8", fraction},
    {"optimize.algorithm", "lbfgs", one_of("lbfgs")},
    {"optimize.history_size", "5", positive},
    {"optimize.jacobian", "", one_of("1")},
    {"variational.algorithm", "meanfield", one_of("meanfield")},
    {"variational.grad_samples", "1", positive},
    {"variational.adapt.engaged", "1", one_of("1")},
    {"variational.eval_elbo", "100", positive},
    {"variational.output_samples", "1000", positive},
    {"laplace.mode", "", file},
    {"laplace.draws", "1000", positive},
    {"pathfinder.history_size", "5", positive},
    {"pathfinder.num_paths", "4", positive},
    {"pathfinder.num_draws", "1000", positive},
    {"pathfinder.psis_resample", "", one_of("0")},
    {"log_prob.unconstrained_params", "", file},
    {"id", "1", natural},
    {"data.file", "", file},
    {"init", "2", text},
    {"random.seed", "1", word},
    {"output.file", "output.csv", file},
    {"output.diagnostic_file", "", no_file_or_one},
    {"output.refresh", "100", natural},
    {"output.sig_figs", "8", digits},
};

inline bool starts_with(std::string_view whole, std::string_view head) {
  return whole.substr(0, head.size()) == head;
}

// The number `value` spells, or NaN where it spells none.
inline double number(const std::string& value) {
  char* end = nullptr;
  const double result = std::strtod(value.c_str(), &end);
  const bool whole = !value.empty() && *end == '\0';
  return whole ? result : std::numeric_limits<double>::quiet_NaN();
}

// A value as it stands in a comment: what is not printable ASCII could end the line, or be in no
// encoding that its reader knows.
inline std::string printable(std::string value) {
  for (char& character : value)
    if (character < ' ' || character > '~') character = '?';
  return value;
}

inline bool admits(const Domain& domain, const std::string& value) {
  const double real = number(value);
  switch (domain.kind) {
    case Domain::Kind::text: return true;
    case Domain::Kind::choice: {
      const std::string choices = "|" + std::string(domain.words) + "|";
      return value.find('|') == std::string::npos
             && choices.find("|" + value + "|") != std::string::npos;
    }
    case Domain::Kind::integer:
      return real >= domain.lower && real <= domain.upper
             && value.find_first_not_of("+-0123456789") == std::string::npos;
    case Domain::Kind::real: return real >= domain.lower && real <= domain.upper;
  }
  return false;
}

class Arguments {
 public:
  Arguments(int count, char** words) {
    for (int position = 1; position < count; ++position) read(words[position]);
    if (method_.empty()) throw Failure(Exit::usage, "no method given, such as method=sample");
    if (method_ != "info") require_all();
  }

  const std::string& method() const { return method_; }

  const std::string& text(std::string_view path) const { return values_.at(std::string(path)); }
  double real(std::string_view path) const { return number(text(path)); }
  int integer(std::string_view path) const { return static_cast<int>(real(path)); }
  unsigned natural(std::string_view path) const { return static_cast<unsigned>(real(path)); }
  bool flag(std::string_view path) const { return text(path) == "1"; }

  // A copy in which one argument has another value.
  Arguments with(std::string_view path, const std::string& value) const {
    Arguments changed(*this);
    changed.values_.at(std::string(path)) = value;
    return changed;
  }

  // The configuration as cmdstanpy reads it, a line each: "num_samples = 1000".
  std::vector<std::string> describe() const {
    std::vector<std::string> lines = {"method = " + method_};
    for (const Argument& argument : table) {
      const std::string_view key = argument.path.substr(argument.path.rfind('.') + 1);
      if (serves(argument))
        lines.push_back(std::string(key) + " = " + printable(text(argument.path)));
    }
    return lines;
  }

 private:
  std::string method_;
  std::string section_;  // with its dots and a dot at the end; empty: none is open
  std::map<std::string, std::string> values_ = presets();

  static std::map<std::string, std::string> presets() {
    std::map<std::string, std::string> values;
    for (const Argument& argument : table) values.emplace(argument.path, argument.preset);
    return values;
  }

  static bool is_method(std::string_view word) {
    return std::find(methods.begin(), methods.end(), word) != methods.end();
  }

  static const Argument* find(const std::string& path) {
    for (const Argument& argument : table)
      if (argument.path == path) return &argument;
    return nullptr;
  }

  static bool is_section(const std::string& name) {
    return std::any_of(std::begin(table), std::end(table), [&](const Argument& argument) {
      return starts_with(argument.path, name);
    });
  }

  void read(const std::string& word) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) return enter(word);
    const std::string key = word.substr(0, equals);
    const std::string value = word.substr(equals + 1);
    if (key == "method") return choose(value);
    set(key, value);
  }

  void enter(const std::string& word) {
    if (is_method(word)) return choose(word);
    for (const std::string& name : {method_ + "." + word + ".", word + "."})
      if (is_section(name)) {
        section_ = name;
        return;
      }
    throw Failure(Exit::usage, "unknown argument '" + word + "'");
  }

  void choose(const std::string& method) {
    if (!is_method(method)) throw Failure(Exit::usage, "unknown method '" + method + "'");
    method_ = method;
    section_.clear();
  }

  void set(const std::string& key, const std::string& value) {
    for (const std::string& path : {section_ + key, method_ + "." + key, key}) {
      const Argument* argument = find(path);
      if (!argument) continue;
      if (!admits(argument->domain, value))
        throw Failure(Exit::usage, "bad argument '" + key + "=" + value + "', must be "
                                       + std::string(argument->domain.words));
      values_[path] = value;
      return;
    }
    throw Failure(Exit::usage, "unknown argument '" + key + "=" + value + "'");
  }

  bool serves(const Argument& argument) const {
    const auto dot = argument.path.find('.');
    return dot == std::string_view::npos || !is_method(argument.path.substr(0, dot))
           || argument.path.substr(0, dot) == method_;
  }

  void require_all() const {
    for (const Argument& argument : table)
      if (serves(argument) && !argument.domain.may_lack && text(argument.path).empty())
        throw Failure(Exit::usage, "missing argument '" + std::string(argument.path)
                                       + "', must be " + std::string(argument.domain.words));
  }
};

}  // namespace command_line

#endif
