// Finds the metadata in its own thread while events wait.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "shim/metadata/metadata.h"

namespace telinject {

class MetadataThread {
 public:
  // `warn` receives lines for the user, `debug` one line about the search; both from the thread.
  using Say = std::function<void(const std::string&)>;
  MetadataThread(MetadataOptions options, Say warn, Say debug);
  // Does not wait for a thread that hangs.
  ~MetadataThread();
  MetadataThread(const MetadataThread&) = delete;
  MetadataThread& operator=(const MetadataThread&) = delete;

  // The first call starts it; the time limit runs from there.
  void start();
  // Waits at most that long; true once the search is over: all was found, or the time limit passed.
  bool wait(std::chrono::milliseconds patience);
  // True if it was never started, or has ended; waits a moment for that.
  bool finished();
  // The metadata known so far.
  Metadata current() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  bool started_ = false;
};

}  // namespace telinject
