#include "shim/drain/spans/process_model.h"

#include <sys/wait.h>

#include <atomic>
#include <cstring>
#include <utility>

namespace telinject::drain {

Thread::Thread(Process* owner, SegmentKey key, uint32_t lane, const ThreadMessage& message,
               std::optional<ParentContext> context, SpanWriter* span_writer)
    : process(owner),
      writer(span_writer),
      tree(key, lane, message.stack_lo, message.stack_hi, context, &owner->stacks, &owner->sites,
           this) {
  info.tid = message.tid;
  set_name({message.name, strnlen(message.name, sizeof message.name)});
}

int Process::exit_status() const {
  if (said_status.has_value()) return *said_status;
  return end.known && WIFEXITED(end.status) ? WEXITSTATUS(end.status) : 0;
}

void Thread::set_name(std::string name) {
  static std::atomic<uint64_t> numbers = 0;
  info = {++numbers, info.tid, std::move(name)};
}

}  // namespace telinject::drain
