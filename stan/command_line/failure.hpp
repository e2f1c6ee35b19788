#ifndef SKHLM_COMMAND_LINE_FAILURE_HPP
#define SKHLM_COMMAND_LINE_FAILURE_HPP

// Why a run ends before its time: an exit code for programs and one line for people.

#include <stdexcept>
#include <string>

namespace command_line {

// The numbers follow sysexits.h where it has a name for the case.
enum class Exit : int {
  success = 0,
  usage = 64,          // an argument is unknown, missing, malformed or out of range
  bad_input = 65,      // data, initial values, points or mode: missing, damaged or not fitting
  numerical = 70,      // the algorithm failed: no starting point, line search, non-finite density
  internal = 71,       // anything unforeseen, such as no memory
  cannot_create = 73,  // an output file cannot be opened
  cannot_write = 74,   // no space left, quota or file size limit reached
  abandoned = 75       // the parent process has died, or the output file was removed
};

// `text` on one line: every run of white space becomes one blank.
inline std::string one_line(const std::string& text) {
  std::string line;
  for (unsigned char character : text) {
    const bool blank = character <= ' ';
    if (!blank) line += static_cast<char>(character);
    else if (!line.empty() && line.back() != ' ') line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

class Failure : public std::runtime_error {
 public:
  Failure(Exit code, const std::string& reason)
      : std::runtime_error(one_line(reason)), code_(code) {}

  Exit code() const noexcept { return code_; }

 private:
  Exit code_;
};

// Runs `work`; whatever it throws becomes a failure with this code, its text introduced by `what`.
template <class Work>
auto or_fail(Exit code, const std::string& what, Work&& work) {
  try {
    return work();
  } catch (const Failure&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw Failure(code, what + ": " + error.what());
  }
}

}  // namespace command_line

#endif
