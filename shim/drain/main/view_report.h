// telrun --report: a report of the run, when the program has ended.
#pragma once

#include <memory>
#include <string>

#include "shim/channel/settings.h"
#include "shim/events/event_output.h"
#include "shim/views/span_log.h"

namespace telinject::drain {

class LiveReport {
 public:
  // Null if the settings want none. `directory`: that of the program, for a relative path.
  static std::unique_ptr<LiveReport> make(const Settings& settings, const std::string& directory);

  // Keeps the events; to be made once. Both are for the processor's thread.
  std::unique_ptr<EventOutput> make_output();
  // Writes all that happened so far, and tells the user where; again if more has happened since.
  void write();

 private:
  LiveReport(std::string path, std::string directory)
      : path_(std::move(path)), directory_(std::move(directory)) {}

  std::string path_, directory_;  // path "auto": named after the program
  views::SpanLog log_;
  EventOutput* output_ = nullptr;
  uint64_t written_calls_ = 0, written_exchanges_ = 0;
};

}  // namespace telinject::drain
