#include "shim/drain/base/warn.h"

#include <map>
#include <mutex>
#include <string>

#include "shim/sinks/printable_text.h"
#include "shim/sinks/standard_error.h"

namespace telinject::drain {

namespace {

constexpr int kRepeats = 1;
constexpr size_t kDifferent = 50;
constexpr int kPatienceMs = 1000;

}  // namespace

void warn_line(const std::string& line) {
  static std::mutex mutex;
  static std::map<std::string, int, std::less<>> made;
  std::lock_guard lock(mutex);
  auto found = made.find(line);
  if (found == made.end()) {
    if (made.size() >= kDifferent) return;
    found = made.emplace(line, 0).first;
  }
  if (++found->second > kRepeats) return;
  StandardError::get().tell(absl::StrCat("telinject: ", printable(line, kMostOfALine - 20), "\n"),
                            kPatienceMs);
}

}  // namespace telinject::drain
