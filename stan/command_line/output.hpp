#ifndef SKHLM_COMMAND_LINE_OUTPUT_HPP
#define SKHLM_COMMAND_LINE_OUTPUT_HPP

// Stan CSV: comment lines, a header, rows of numbers. Where a second file is given, rows are
// divided: the algorithm's own columns, whose names end in __, stay in the CSV, and the others are
// float64 in that file, row after row. A row reaches a file in one write or not at all: what a full
// disk cuts short is cut off again, and the run stops.

#include "arguments.hpp"
#include "watch.hpp"

#include <stan/callbacks/writer.hpp>
#include <stan/math/prim/fun/Eigen.hpp>
#include <stan/model/model_base.hpp>
#include <stan/version.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace command_line {

// Numbers as text: the shortest that reads back to the same bits from 17 digits on, else rounded.
class NumberFormat {
 public:
  explicit NumberFormat(int digits) : digits_(digits) {}

  void append(std::string& line, double value) const {
    if (std::isnan(value)) {
      line += "nan";
      return;
    }
    char text[32];
#ifdef __cpp_lib_to_chars
    const auto end = digits_ >= 17
                         ? std::to_chars(text, text + sizeof text, value)
                         : std::to_chars(text, text + sizeof text, value,
                                         std::chars_format::general, digits_);
    line.append(text, end.ptr);
#else
    line.append(text, std::snprintf(text, sizeof text, "%.*g", std::min(digits_, 17), value));
#endif
  }

 private:
  int digits_;
};

class OutputFile {
 public:
  OutputFile(std::string path, Watch& watch)
      : path_(std::move(path)),
        watch_(watch),
        stream_(std::fopen(path_.c_str(), "wb"), std::fclose) {
    if (!stream_)
      throw Failure(Exit::cannot_create, "cannot create " + path_ + ": " + std::strerror(errno));
    std::setvbuf(stream_.get(), nullptr, _IONBF, 0);
  }

  const std::string& path() const { return path_; }

  // Appends whole rows in one write; whether they are there. After a write has failed nothing more
  // is written.
  bool append(std::string_view rows) {
    if (damaged_) return false;
    if (std::fwrite(rows.data(), 1, rows.size(), stream_.get()) == rows.size()) {
      whole_ += rows.size();
      return true;
    }
    const std::string reason = std::strerror(errno);
    damaged_ = true;
    std::error_code ignored;
    std::filesystem::resize_file(path_, whole_, ignored);
    watch_.give_up({Exit::cannot_write, "cannot write " + path_ + ": " + reason});
    return false;
  }

 private:
  std::string path_;
  Watch& watch_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream_;
  std::uintmax_t whole_ = 0;
  bool damaged_ = false;
};

class CsvWriter : public stan::callbacks::writer {
 public:
  CsvWriter(const std::string& path, int digits, Watch& watch)
      : file_(path, watch), format_(digits) {}

  const std::string& path() const { return file_.path(); }

  // From now on columns that are not the algorithm's own go to another file.
  void divide(const std::string& path, Watch& watch) {
    others_ = std::make_unique<OutputFile>(path, watch);
  }

  void operator()(const std::vector<std::string>& names) override {
    const auto is_other = [](const std::string& name) {
      return name.size() < 2 || name.compare(name.size() - 2, 2, "__") != 0;
    };
    if (others_) own_ = std::find_if(names.begin(), names.end(), is_other) - names.begin();
    line_.clear();
    for (std::size_t column = 0; column < std::min(own_, names.size()); ++column)
      (line_ += names[column]) += ',';
    finish();
  }

  void operator()(const std::vector<double>& values) override { row(values); }

  void operator()() override { file_.append("#\n"); }

  void operator()(const std::string& comment) override { file_.append("# " + comment + "\n"); }

#if __has_include(<stan/callbacks/concurrent_writer.hpp>)
  bool is_valid() const noexcept override { return true; }
  void operator()(const Eigen::MatrixXd& draws) override { columns(draws); }
  void operator()(const Eigen::VectorXd& values) override { row(values); }
  void operator()(const Eigen::RowVectorXd& values) override { row(values); }
#else
  void operator()(const Eigen::Ref<Eigen::MatrixXd>& draws) override { columns(draws); }
#endif

 private:
  template <class Values>
  void row(const Values& values) {
    const std::size_t size = values.size(), own = std::min(own_, size);
    if (others_ && !others_->append(bytes(values.data() + own, size - own))) return;
    line_.clear();
    for (std::size_t column = 0; column < own; ++column) {
      format_.append(line_, values[column]);
      line_ += ',';
    }
    finish();
  }

  template <class Draws>
  void columns(const Draws& draws) {
    for (Eigen::Index draw = 0; draw < draws.cols(); ++draw) row(draws.col(draw));
  }

  static std::string_view bytes(const double* numbers, std::size_t count) {
    return {reinterpret_cast<const char*>(numbers), count * sizeof(double)};
  }

  // The last comma becomes the end of the line.
  void finish() {
    if (line_.empty()) line_ += '\n';
    line_.back() = '\n';
    file_.append(line_);
  }

  OutputFile file_;
  std::unique_ptr<OutputFile> others_;  // none: all columns are in the CSV
  std::size_t own_ = std::numeric_limits<std::size_t>::max();  // how many columns stay in the CSV
  NumberFormat format_;
  std::string line_;
};

inline std::vector<std::string> version_lines() {
  return {"stan_version_major = " + stan::MAJOR_VERSION,
          "stan_version_minor = " + stan::MINOR_VERSION,
          "stan_version_patch = " + stan::PATCH_VERSION};
}

// Opens the output of a method and writes its head: versions, the model's name, the whole
// configuration. Where a diagnostic file is named (cmdstanpy's save_diagnostics does) that has
// the draws of all parameters.
inline std::unique_ptr<CsvWriter> open_csv(const Arguments& arguments,
                                           const stan::model::model_base& model, Watch& watch) {
  auto csv = std::make_unique<CsvWriter>(arguments.text("output.file"),
                                         arguments.integer("output.sig_figs"), watch);
  const std::string& others = arguments.text("output.diagnostic_file");
  if (!others.empty()) csv->divide(others, watch);
  for (const std::string& line : version_lines()) (*csv)(line);
  (*csv)("model = " + model.model_name());
  for (const std::string& line : arguments.describe()) (*csv)(line);
  for (const std::string& line : model.model_compile_info()) (*csv)(line);
  return csv;
}

// The one output of a method, without which it need not go on.
inline std::unique_ptr<CsvWriter> open_output(const Arguments& arguments,
                                              const stan::model::model_base& model, Watch& watch) {
  auto csv = open_csv(arguments, model, watch);
  watch.keep_eye_on(csv->path());
  return csv;
}

// "draws.csv" with the suffix "_2" is "draws_2.csv".
inline std::string with_suffix(const std::string& path, const std::string& suffix) {
  const std::filesystem::path whole(path);
  return (whole.parent_path() / (whole.stem().string() + suffix + whole.extension().string()))
      .string();
}

}  // namespace command_line

#endif
