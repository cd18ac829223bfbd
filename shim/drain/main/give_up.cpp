#include "shim/drain/main/give_up.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>

#include "shim/channel/control.h"
#include "shim/channel/layout.h"
#include "shim/channel/printable.h"
#include "shim/channel/text.h"
#include "shim/sinks/standard_error.h"

namespace telinject::drain {

namespace {

constexpr int kPatienceMs = 1000;
constexpr int kHighDescriptor = 16;

const Session* g_session;
int g_segment = -1;

// By a write to the file: it is not mapped yet.
void tell_producers() {
  if (g_segment < 0) return;
  uint32_t word = kOwnerDied;
  constexpr off_t kPlace = offsetof(SegmentHeader, drain) + offsetof(RobustOwner, word);
  [[maybe_unused]] ssize_t n = pwrite(g_segment, &word, sizeof word, kPlace);
}

}  // namespace

void remove_session_files() {
  if (g_session == nullptr || g_session->directory[0] == 0) return;
  char path[kSessionTextBytes];
  TextBuffer text(path, sizeof path);
  text.add(g_session->directory).add('/').add(g_session->file);
  if (!text.overflow()) unlink(path);
  rmdir(g_session->directory);
}

namespace {

[[noreturn]] void out_of_memory() {
  give_up(
      "out of memory; events from here on are lost, the program runs on: raise its limit "
      "(ulimit -v, ulimit -d, the cgroup's) or trace less");
}

// Not every library asks operator new's handler before it throws.
[[noreturn]] void terminate() {
  try {
    if (std::current_exception() != nullptr) std::rethrow_exception(std::current_exception());
  } catch (const std::bad_alloc&) {
    out_of_memory();
  } catch (...) {
  }
  abort();
}

}  // namespace

void prepare_to_give_up(const Session& session, int segment) {
  g_session = &session;
  if (segment >= 0) g_segment = fcntl(segment, F_DUPFD_CLOEXEC, kHighDescriptor);
  std::set_new_handler(out_of_memory);
  std::set_terminate(terminate);
}

void has_started() {
  int segment = g_segment;
  g_segment = -1;
  if (segment >= 0) close(segment);
}

void give_up(std::string_view why) {
  static std::atomic<bool> begun{false};
  if (begun.exchange(true)) {
    for (;;) pause();  // another thread is at it
  }
  tell_producers();
  char line[512];
  TextBuffer text(line, sizeof line);
  text.add("telinject: ");
  add_printable(&text, why.data(), why.size());
  text.add("\n");
  StandardError::get().tell_printable({line, text.size()}, kPatienceMs);
  remove_session_files();
  _exit(kDrainGaveUp);
}

}  // namespace telinject::drain
