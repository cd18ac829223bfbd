// Where encoded events go.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shim/sinks/rotation.h"
#include "shim/sinks/worker_thread.h"

namespace telinject {

inline uint64_t count_lines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

class Sink {
 public:
  virtual ~Sink() = default;

  // Takes whole lines, each ended by '\n'; returns how many lines could not be written, of these or
  // of earlier ones: a sink may keep lines back for a second. A line is written whole or not at
  // all. May block as long as the destination does, up to its patience.
  virtual uint64_t write(std::string_view lines) = 0;

  // When this returns, everything taken so far is at the destination, which is valid to its end.
  // Returns how many lines could not be written.
  virtual uint64_t flush() { return 0; }

  // A text for the user: "file /var/log/app.jsonl", "standard error".
  virtual std::string describe() const = 0;

  // True if nothing can be written any more and the user was told why.
  virtual bool hopeless() const { return false; }

  // From now on, give up after a short while (the program has ended, and telrun waits).
  virtual void hurry() {}

  // From now on, do not wait at all (the user interrupted). From any thread.
  virtual void stop() {}
  // Nothing more will be written. Returns how many lines were not written, including lines that are
  // kept elsewhere (the user was told).
  virtual uint64_t finish() { return flush(); }

  // True if the sink itself tells the user of lines that could not be written.
  virtual bool tells_losses() const { return false; }
  // What became of the lines, for the user: "12 sent, 3 rejected"; "" if there is nothing to say.
  virtual std::string outcome() const { return ""; }

  // Bytes at the destination, as of the last flush().
  uint64_t bytes_written() const { return bytes_written_; }

 protected:
  uint64_t bytes_written_ = 0;
};

// Appends to a file, and creates it if it does not exist (permissions: new_file.h). Compresses with
// `workers` threads if the name ends in .zst or .gz. Null if it cannot be opened; *problem then has
// the reason in one line. Otherwise *problem may have a warning about the file's present content.
std::unique_ptr<Sink> open_file_sink(const std::string& path, std::string* problem,
                                     const Workers& workers = {}, Rotation rotation = {});

std::unique_ptr<Sink> open_stderr_sink();
std::unique_ptr<Sink> open_stdout_sink();
// Writes to the file behind an open descriptor, which may be closed afterwards (stream.h). Null if
// it cannot be written to.
std::unique_ptr<Sink> open_descriptor_sink(int fd, const std::string& name);

}  // namespace telinject
