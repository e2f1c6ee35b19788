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

  // The errors said so far and the last reason for rejecting a starting point.
  std::string complaint() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return one_line(error_.empty() || warning_.empty() ? error_ + warning_
                                                       : error_ + " (" + one_line(warning_) + ")");
  }

 private:
  void say(const std::string& message) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::string line = message + "\n";
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
  }

  void complain(std::string& complaint, const std::string& message) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (message == "Rejecting initial value:") complaint.clear();
      else complaint += " " + message;
    }
    say(message);
  }

  mutable std::mutex mutex_;
  std::string error_;
  std::string warning_;
};

}  // namespace command_line

#endif
