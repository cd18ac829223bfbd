// Where encoded events go.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shim/sinks/worker_thread.h"

namespace telinject {

class Sink {
 public:
  virtual ~Sink() = default;

  // Takes whole lines, each ended by '\n'; returns how many lines could not be written, of these or
  // of earlier ones: a sink may keep lines back for a second. A line is written whole or not at
  // all. May block as long as the destination does, up to its patience.
  virtual uint64_t write(std::string_view lines) = 0;

  // All that was taken is at the destination when this returns, and complete there: what a reader
  // finds is valid to its end. Returns how many lines could not be written.
  virtual uint64_t flush() { return 0; }

  // A text for the user: "file /var/log/app.jsonl", "standard error".
  virtual std::string describe() const = 0;

  // True if nothing can be written and the user knows why: no further line is due.
  virtual bool hopeless() const { return false; }

  // From now on give up after a short while rather than wait (the program has ended, telrun waits).
  virtual void hurry() {}

  // At the destination, as of the last flush().
  uint64_t bytes_written() const { return bytes_written_; }

 protected:
  uint64_t bytes_written_ = 0;
};

// Appends to a file, made with mode 0644 if it is not there; compresses if its name ends in .zst or
// .gz, with so many workers. Null, with one line of reason, if it cannot be opened; else *problem
// has what the user should know of what stands in the file already, if anything.
std::unique_ptr<Sink> open_file_sink(const std::string& path, std::string* problem,
                                     const Workers& workers = {});

std::unique_ptr<Sink> open_stderr_sink();
std::unique_ptr<Sink> open_stdout_sink();
// What an open descriptor stands for, held as stream.h has it; the descriptor may then be closed.
// Null if it cannot be written to.
std::unique_ptr<Sink> open_descriptor_sink(int fd, const std::string& name);

}  // namespace telinject
