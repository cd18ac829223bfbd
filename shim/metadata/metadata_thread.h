// Finding the metadata in a thread of its own, while events wait.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "shim/metadata/metadata.h"

namespace telinject {

class MetadataThread {
 public:
  // `warn` gets lines for the user, `debug` one line on how it went; both from the thread.
  using Say = std::function<void(const std::string&)>;
  MetadataThread(MetadataOptions options, Say warn, Say debug);
  // Does not wait for a thread that does not end: it is left alone.
  ~MetadataThread();
  MetadataThread(const MetadataThread&) = delete;
  MetadataThread& operator=(const MetadataThread&) = delete;

  // The first call starts it; the time limit runs from there.
  void start();
  // Waits at most that long; true once nothing is left to wait for: all is found, or the time is
  // over.
  bool wait(std::chrono::milliseconds patience);
  // True if it was never started, or has ended; waits a moment for that.
  bool finished();
  // What is known by now.
  Metadata current() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  bool started_ = false;
};

}  // namespace telinject
