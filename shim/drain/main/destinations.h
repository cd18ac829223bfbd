// Where events go: one or several sinks, which outlive the processors that write to them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shim/channel/settings.h"
#include "shim/events/otlp/destination.h"
#include "shim/sinks/sink.h"

namespace telinject::drain {

class Destinations {
 public:
  enum class Of {
    kProgram,  // that is traced: sinks keep up with it
    kConvert,  // nobody waits for us: sinks may wait for their destinations
  };
  struct Options {
    std::string file;        // TELEMETRY_FILE, absolute if it can be
    Workers workers;         // that compress
    std::string directory;   // of spools, and of what is left
    bool to_stdout = false;  // in place of a file: telinject convert
    Of of = Of::kProgram;
  };

  // What the settings name. Each problem is one line, and events of that go nowhere, or to standard
  // error if nothing says where.
  static Destinations open(const Settings& settings, const Options& options);
  // Events go nowhere; each is counted as lost.
  static Destinations nowhere();

  struct One {
    std::unique_ptr<Sink> sink;
    bool full = false;  // its receivers want events in full detail
  };
  const std::vector<One>& all() const { return all_; }
  otlp::Destination* otlp() const { return otlp_.get(); }  // null if it is none of them

  // From any thread: nothing is waited for any more.
  void stop();
  // Nothing more will be written: all is sent, or kept. Returns how many lines were not written.
  uint64_t finish();

 private:
  void add(std::unique_ptr<Sink> sink, bool full = false) {
    all_.push_back({std::move(sink), full});
  }
  void add_file(const Settings& settings, const Options& options);
  void add_receiver(const Settings& settings, const Options& options);
  void add_otlp(const Settings& settings, const Options& options);
  void add_stderr();

  std::vector<One> all_;
  std::unique_ptr<otlp::Destination> otlp_;
  bool stderr_ = false;
};

}  // namespace telinject::drain
