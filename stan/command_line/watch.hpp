#ifndef SKHLM_COMMAND_LINE_WATCH_HPP
#define SKHLM_COMMAND_LINE_WATCH_HPP

// Ends a run that nobody waits for any more. Stan's algorithms call the watch before every
// iteration; it throws when the parent process has died, when the output file is gone, or when
// another chain has failed. The first failure reported is the one that counts.

#include "failure.hpp"

#include <stan/callbacks/interrupt.hpp>

#ifndef _WIN32
#include <unistd.h>
#endif

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace command_line {

inline long parent_process() {
#ifdef _WIN32
  return 0;
#else
  return static_cast<long>(getppid());
#endif
}

// Says on standard error why the run ends: once, whichever thread is first.
inline void report(const Failure& failure) {
  static std::atomic_flag said = ATOMIC_FLAG_INIT;
  if (said.test_and_set()) return;
  std::fprintf(stderr, "Error: %s\n", failure.what());
  std::fflush(stderr);
}

class Watch : public stan::callbacks::interrupt {
 public:
  explicit Watch(long parent) : parent_(parent) {}

  void keep_eye_on(const std::string& output) { output_ = output; }

  void operator()() override {
    if (!failed_.load(std::memory_order_relaxed)) look();
    rethrow();
  }

  // Notes a failure; every chain stops before its next iteration.
  void give_up(const Failure& failure) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!failure_) failure_.emplace(failure);
    failed_ = true;
  }

  // Throws the failure noted, if there is one.
  void rethrow() const {
    if (!failed_) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    throw *failure_;
  }

 private:
  void look() {
    if (parent_process() != parent_)
      give_up({Exit::abandoned, "stopped because the parent process has died"});
    std::error_code ignored;
    if (!output_.empty() && !std::filesystem::exists(output_, ignored))
      give_up({Exit::abandoned, "stopped because the output file was removed: "
                                    + output_.string()});
  }

  long parent_;
  std::filesystem::path output_;
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::optional<Failure> failure_;
};

// For algorithms that seldom or never ask the watch, and iterations that take long: asks it ten
// times a second from a thread of its own and ends the process on the spot.
class Sentry {
 public:
  explicit Sentry(Watch& watch) : thread_([this, &watch] { stand(watch); }) {}

  ~Sentry() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      relieved_ = true;
    }
    bell_.notify_all();
    thread_.join();
  }

 private:
  void stand(Watch& watch) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!bell_.wait_for(lock, std::chrono::milliseconds(100), [this] { return relieved_; })) {
      try {
        watch();
      } catch (const Failure& failure) {
        report(failure);
        std::_Exit(static_cast<int>(failure.code()));
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable bell_;
  bool relieved_ = false;
  std::thread thread_;
};

}  // namespace command_line

#endif
