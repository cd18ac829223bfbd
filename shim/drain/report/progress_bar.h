// One line on a terminal that says how far the work has come, as users of curl and rsync expect:
//
//   telrun: writing events  43 % [########>           ] 1.2 GB left, 2.1 M events/s, 0:12
//
// Shown when the work takes longer than a moment, drawn a few times a second, and taken away at the
// end. Whatever else is written to standard error comes above it, and what the program has left
// standing in the last line stays there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace telinject::drain {

// All of them grow, but what is left.
struct Work {
  uint64_t done_bytes = 0, left_bytes = 0;
  uint64_t events = 0;  // 0: it is not about events
};

struct WorkRate {
  double bytes = 0, events = 0;  // a second; 0: not known
};

// The line, at most `columns` long; a bar in it if there is room.
std::string progress_text(const std::string& title, const Work& work, const WorkRate& rate,
                          size_t columns);

class ProgressBar {
 public:
  // `look` is asked from tick()'s thread.
  ProgressBar(std::string title, std::function<Work()> look);

  // From any thread. The work begins, what was done before does not count; it is over, the line is
  // taken away; the terminal may (not) be used, as from now.
  void begin();
  void end();
  void allow(bool allowed);
  // Draws, if it is time to. Call it often.
  void tick();

 private:
  const std::string title_;
  const std::function<Work()> look_;
  std::mutex mutex_;
  bool running_ = false, allowed_ = false, drawn_ = false;
  uint64_t began_ns_ = 0, drawn_ns_ = 0;
  Work first_, last_;
  WorkRate rate_;
};

}  // namespace telinject::drain
