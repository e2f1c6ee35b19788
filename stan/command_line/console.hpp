#ifndef SKHLM_COMMAND_LINE_CONSOLE_HPP
#define SKHLM_COMMAND_LINE_CONSOLE_HPP

// What Stan says goes to standard output, line by line and never two chains in one line. Standard
// error is kept for the one line that says why a run failed; the console remembers what that is.

#include "failure.hpp"

#include <stan/callbacks/logger.hpp>

#include <cstdio>
#include <mutex>
#include <sstream>
#include <string>

namespace command_line {

class Console : public stan::callbacks::logger {
 public:
  void info(const std::string& message) override { say(message); }
  void info(const std::stringstream& message) override { say(message.str()); }
  void warn(const std::string& message) override { complain(warning_, message); }
  void warn(const std::stringstream& message) override { complain(warning_, message.str()); }
  void error(const std::string& message) override { complain(error_, message); }
  void error(const std::stringstream& message) override { complain(error_, message.str()); }
  void fatal(const std::string& message) override { complain(error_, message); }
  void fatal(const std::stringstream& message) override { complain(error_, message.str()); }

  // The errors said so far and the last reason for rejecting a starting point, or else `otherwise`.
  std::string complaint(const std::string& otherwise) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (error_.empty()) return warning_.empty() ? otherwise : warning_;
    return warning_.empty() ? error_ : error_ + " (" + warning_ + ")";
  }

 private:
  void say(const std::string& message) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::fputs((message + "\n").c_str(), stdout);
    std::fflush(stdout);
  }

  void complain(std::string& complaint, const std::string& message) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (message == "Rejecting initial value:") complaint.clear();
      else complaint = one_line(complaint + " " + message);
    }
    say(message);
  }

  mutable std::mutex mutex_;
  std::string error_;
  std::string warning_;
};

}  // namespace command_line

#endif
