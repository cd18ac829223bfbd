#include "shim/drain/process_model.h"

#include <sys/wait.h>

#include <cstring>

#include "shim/events/json/json_text.h"

namespace telinject {

Thread::Thread(Process* owner, SegmentKey key, uint32_t lane, const ThreadMessage& message,
               std::optional<ParentContext> context, SpanWriter* span_writer)
    : process(owner),
      writer(span_writer),
      tid(message.tid),
      tree(key, lane, message.stack_lo, message.stack_hi, context, &owner->stacks, &owner->sites,
           this) {
  set_name({message.name, strnlen(message.name, sizeof message.name)});
}

int Process::exit_status() const {
  if (said_status.has_value()) return *said_status;
  return end.known && WIFEXITED(end.status) ? WEXITSTATUS(end.status) : 0;
}

void Thread::set_name(const std::string& name) {
  attributes_json.clear();
  append_json_member(&attributes_json, "thread_id", static_cast<uint64_t>(tid));
  if (!name.empty()) append_json_member(&attributes_json, "thread_name", name);
  attributes_json.pop_back();
}

}  // namespace telinject
