#include "shim/drain/spans/span_placer.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "shim/drain/naming/sites.h"

namespace telinject::drain {

namespace {

// So far up a deep recursion the call is looked for that began before the operation.
constexpr size_t kFar = 256;

// The innermost call that began before the operation; and, in the same trace, its parent.
struct Around {
  const Frame* innermost = nullptr;
  const Frame* parent = nullptr;
};

Around look_around(const FrameStack* stack, const TraceContext& found, uint64_t start_ticks) {
  Around around;
  if (stack == nullptr) return around;
  size_t last = stack->frames.size() > kFar ? stack->frames.size() - kFar : 0;
  for (size_t i = stack->frames.size(); i-- > last && around.parent == nullptr;) {
    const Frame& frame = stack->frames[i];
    if (frame.ticks > start_ticks) continue;
    if (around.innermost == nullptr) around.innermost = &frame;
    if (fits(found, frame.trace)) around.parent = &frame;
  }
  return around;
}

// The innermost operation that the thread serves and that began before that time; or null.
const OpenOperation* served_by(const Thread& thread, const TraceContext& found,
                               uint64_t start_ticks) {
  for (size_t i = thread.servers.size(); i-- > 0;) {
    const OperationSpan& server = thread.servers[i]->span;
    if (fits(found, server.trace) && server.start_ticks <= start_ticks) return thread.servers[i];
  }
  return nullptr;
}

}  // namespace

uint64_t OperationPlace::id() const {
  return span_id(segment->info->key, lane, position);
}

uint64_t OperationPlace::start(uint64_t told) const {
  uint64_t ours = segment->info->our_ticks(told);
  return ours > ticks || ours < segment->info->start_ticks ? ticks : ours;
}

bool fits(const TraceContext& wanted, TraceId trace) {
  return wanted.valid == 0 || (wanted.trace_hi == trace.hi && wanted.trace_lo == trace.lo);
}

OperationSpan SpanPlacer::place(const OperationPlace& at, const OperationContext& context,
                                uint64_t start_ticks) {
  OperationSpan span;
  span.id = at.id();
  span.start_ticks = start_ticks;
  span.start_ns = calls_->to_ns(start_ticks);
  span.thread = at.thread->info;
  const TraceContext& found = context.trace;
  CallTree& tree = at.thread->tree;
  FrameStack* stack = tree.current_stack();
  Around around = look_around(stack, found, start_ticks);
  if (around.innermost != nullptr) span.function = &around.innermost->site->function;
  if (context.parent == OperationParent::kIncoming && found.valid != 0) {
    span.trace = {found.trace_hi, found.trace_lo};
    span.parent = found.span_id;
    return span;
  }
  TraceId own = trace_id(at.segment->info->key, at.lane, context.root_number);
  bool continues = context.parent == OperationParent::kThread ||
                   (context.parent == OperationParent::kHeaders && found.valid != 0);
  if (!continues) {
    span.trace = own;
  } else if (around.parent != nullptr) {
    calls_->needed(at.thread, stack);
    span.trace = around.parent->trace;
    span.parent = around.parent->parent_of_children();
  } else if (const OpenOperation* server = served_by(*at.thread, found, start_ticks)) {
    span.trace = server->span.trace;
    span.parent = server->span.id;
  } else if (tree.context().has_value() && fits(found, tree.context()->trace)) {
    span.trace = tree.context()->trace;
    span.parent = tree.context()->span_id;
  } else if (found.valid != 0) {
    // Its spans are lost. The trace was told to the peer, but no id goes out that is not written.
    span.trace = {found.trace_hi, found.trace_lo};
  } else {
    span.trace = own;
  }
  return span;
}

void SpanPlacer::ask(Thread* thread, OpenOperation* operation) {
  FrameStack* stack = thread->tree.current_stack();
  if (stack == nullptr) return;
  Frame& frame = stack->frames.back();
  if (frame.ticks > operation->span.start_ticks) return;
  operation->asked_by_call = frame.number;
  operation->asked_by_thread = thread->info.tid;
  frame.requests.begin(operation->span.start_ns, frame.not_own_ns());
}

void SpanPlacer::be_answered(const OpenOperation& operation, uint64_t end_ticks) {
  if (operation.asked_by_call == 0) return;
  for (auto& thread : operation.process->threads) {
    if (thread->info.tid != operation.asked_by_thread) continue;
    Frame* frame = thread->tree.open_call(operation.asked_by_call);
    if (frame == nullptr) continue;
    frame->requests.end(calls_->to_ns(end_ticks), frame->not_own_ns());
    return;
  }
}

void SpanPlacer::serve(Thread* thread, OpenOperation* operation, bool alone, uint64_t ticks) {
  operation->server_of = thread;
  thread->servers.push_back(operation);
  thread->serving = alone ? operation : nullptr;
  std::optional<ParentContext> context;
  if (alone) {
    context = ParentContext{operation->span.trace, operation->span.id, operation->sampled};
  }
  thread->tree.adopt(context, ticks);
}

void SpanPlacer::stop_serving(OpenOperation* operation) {
  Thread* thread = operation->server_of;
  if (thread == nullptr) return;
  operation->server_of = nullptr;
  std::erase(thread->servers, operation);
  if (thread->serving != operation) return;
  thread->serving = nullptr;
  thread->tree.adopt(std::nullopt, 0);
}

void SpanPlacer::forget(Thread* thread) {
  for (OpenOperation* operation : thread->servers) operation->server_of = nullptr;
  thread->servers.clear();
  thread->serving = nullptr;
}

int64_t SpanPlacer::end_of(const OperationSpan& span, uint64_t ticks) const {
  return std::max(calls_->to_ns(std::max(ticks, span.start_ticks)), span.start_ns);
}

}  // namespace telinject::drain
