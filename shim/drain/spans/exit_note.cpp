#include "shim/drain/spans/exit_note.h"

#include <algorithm>

namespace telinject::drain {

std::string_view exit_kind_name(ExitKind kind) {
  switch (kind) {
    case ExitKind::kReturned:
      return "";
    case ExitKind::kUnwound:
      return "unwound";
    case ExitKind::kLongjmp:
      return "longjmp";
    case ExitKind::kThreadEnd:
      return "thread_end";
    case ExitKind::kProcessExit:
      return "process_exit";
    case ExitKind::kExec:
      return "exec";
    case ExitKind::kKilled:
      return "killed";
    case ExitKind::kVforkEnd:
      return "vfork_end";
    case ExitKind::kUnknown:
      return "unknown";
  }
  return "";
}

ExitNote time_note(const Frame& frame, int64_t duration_ns) {
  ExitNote note;
  note.waited_ns = frame.waited_ns;
  note.preempted_ns = frame.preempted_ns;
  note.lost_calls = frame.lost_calls;
  note.not_running_ns = std::min(frame.delayed_ns, duration_ns);
  int64_t own_ns = std::max<int64_t>(duration_ns - frame.children_ns, 0);
  note.http_wait_ns = std::min(frame.requests.waited_ns, own_ns);
  return note;
}

}  // namespace telinject::drain
