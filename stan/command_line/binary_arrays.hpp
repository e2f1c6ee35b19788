#ifndef SKHLM_COMMAND_LINE_BINARY_ARRAYS_HPP
#define SKHLM_COMMAND_LINE_BINARY_ARRAYS_HPP

// Variables of which the long ones are numbers as the machine has them, in a file beside the JSON:
//
//     data.json   {"N": 3, "binary": {"bytes": 24, "adler32": 1234567890, "y": [8, 0, 3]}}
//     data.bin    24 bytes
//
// For each array its bytes a number, 8 for float64 and 4 for int32, both little-endian; at which
// byte it begins; its dimensions, the first varying fastest. A file of another length than the JSON
// says, or of another checksum (RFC 1950), is refused. Numbers are read when the program asks for
// them, straight into the vector that it is given.

#include "failure.hpp"

#include <stan/io/json/json_data.hpp>
#include <stan/io/validate_dims.hpp>
#include <stan/io/var_context.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace command_line {

static_assert(sizeof(int) == 4 && sizeof(double) == 8, "arrays are int32 and float64");

inline std::ifstream open_input(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Failure(Exit::bad_input, "cannot read " + path + ": " + std::strerror(errno));
  return stream;
}

inline std::uint32_t adler32(std::ifstream& stream) {
  constexpr std::size_t block = 5552;  // whose sums do not overflow
  constexpr std::uint32_t modulus = 65521;
  std::uint32_t first = 1, second = 0;
  char bytes[block];
  while (stream.read(bytes, block) || stream.gcount() > 0) {
    for (std::streamsize i = 0; i < stream.gcount(); ++i)
      second += first += static_cast<unsigned char>(bytes[i]);
    first %= modulus;
    second %= modulus;
  }
  return second << 16 | first;
}

class Variables : public stan::io::var_context {
 public:
  explicit Variables(const std::string& path) : json_(read(path)) {
    if (!json_.contains_r(prefix() + "bytes")) return;
    path_ = std::filesystem::path(path).replace_extension(".bin").string();
    bytes_ = number("bytes");
    check_file();
    std::vector<std::string> names, others;
    json_.names_i(names);
    json_.names_r(others);
    names.insert(names.end(), others.begin(), others.end());
    for (const std::string& name : names)
      if (name.compare(0, prefix().size(), prefix()) == 0) describe(name.substr(prefix().size()));
  }

  bool contains_r(const std::string& name) const override {
    return arrays_.count(name) || json_.contains_r(name);
  }
  bool contains_i(const std::string& name) const override {
    const Array* array = find(name);
    return array ? array->width == sizeof(int) : json_.contains_i(name);
  }
  std::vector<double> vals_r(const std::string& name) const override {
    const Array* array = find(name);
    if (!array) return json_.vals_r(name);
    if (array->width == sizeof(double)) return numbers<double>(*array);
    const std::vector<int> whole = numbers<int>(*array);
    return {whole.begin(), whole.end()};
  }
  std::vector<int> vals_i(const std::string& name) const override {
    const Array* array = find(name);
    return array ? numbers<int>(*array) : json_.vals_i(name);
  }
  std::vector<std::complex<double>> vals_c(const std::string& name) const override {
    return json_.vals_c(name);
  }
  std::vector<std::size_t> dims_r(const std::string& name) const override {
    const Array* array = find(name);
    return array ? array->dims : json_.dims_r(name);
  }
  std::vector<std::size_t> dims_i(const std::string& name) const override {
    const Array* array = find(name);
    return array ? array->dims : json_.dims_i(name);
  }
  void names_r(std::vector<std::string>& names) const override { json_.names_r(names); }
  void names_i(std::vector<std::string>& names) const override { json_.names_i(names); }
  void validate_dims(const std::string& stage, const std::string& name, const std::string& type,
                     const std::vector<std::size_t>& dims) const override {
    if (find(name)) stan::io::validate_dims(*this, stage, name, type, dims);
    else json_.validate_dims(stage, name, type, dims);
  }

 private:
  struct Array {
    std::uint64_t width, begin;
    std::vector<std::size_t> dims;
    std::uint64_t count = 1;
  };

  static const std::string& prefix() {
    static const std::string text = "binary.";
    return text;
  }

  static stan::json::json_data read(const std::string& path) {
    std::ifstream stream = open_input(path);
    return or_fail(Exit::bad_input, "cannot read " + path,
                   [&] { return stan::json::json_data(stream); });
  }

  static bool is_whole(double value) {
    return value >= 0 && value < 0x1p53 && value == std::floor(value);
  }

  // One number of what the JSON says about the binary file.
  std::uint64_t number(const std::string& key) const {
    const std::vector<double> values = json_.vals_r(prefix() + key);
    if (values.size() != 1 || !is_whole(values[0])) damaged(key);
    return static_cast<std::uint64_t>(values[0]);
  }

  [[noreturn]] void damaged(const std::string& key) const {
    throw Failure(Exit::bad_input, path_ + " has no array as '" + key + "' is described");
  }

  void check_file() const {
    std::ifstream stream = open_input(path_);
    std::error_code unknown;
    const std::uint64_t found = std::filesystem::file_size(path_, unknown);
    if (unknown || found != bytes_)
      throw Failure(Exit::bad_input, "cannot read " + path_ + ": it has " + std::to_string(found)
                                         + " bytes instead of " + std::to_string(bytes_));
    if (adler32(stream) != number("adler32"))
      throw Failure(Exit::bad_input, "cannot read " + path_ + ": its checksum is wrong");
  }

  // Takes down what the JSON says of an array, if that can be.
  void describe(const std::string& name) {
    if (name == "bytes" || name == "adler32") return;
    const std::vector<double> told = json_.vals_r(prefix() + name);
    if (told.size() < 3 || !std::all_of(told.begin(), told.end(), is_whole)) damaged(name);
    Array array{static_cast<std::uint64_t>(told[0]), static_cast<std::uint64_t>(told[1]),
                {told.begin() + 2, told.end()}};
    if (array.width != sizeof(int) && array.width != sizeof(double)) damaged(name);
    if (array.begin > bytes_) damaged(name);
    const std::uint64_t most = (bytes_ - array.begin) / array.width;
    for (const std::size_t dim : array.dims) {
      if (dim == 0 || array.count > most / dim) damaged(name);
      array.count *= dim;
    }
    arrays_.emplace(name, array);
  }

  const Array* find(const std::string& name) const {
    const auto found = arrays_.find(name);
    return found == arrays_.end() ? nullptr : &found->second;
  }

  template <class Number>
  std::vector<Number> numbers(const Array& array) const {
    std::ifstream stream = open_input(path_);
    std::vector<Number> values(array.count);
    stream.seekg(static_cast<std::streamoff>(array.begin));
    stream.read(reinterpret_cast<char*>(values.data()), array.count * sizeof(Number));
    if (!stream) throw Failure(Exit::bad_input, "cannot read " + path_ + ": it became shorter");
    return values;
  }

  stan::json::json_data json_;
  std::string path_;
  std::uint64_t bytes_ = 0;
  std::map<std::string, Array> arrays_;
};

}  // namespace command_line

#endif
