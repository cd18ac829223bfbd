#include "shim/drain/spans/spawn_contexts.h"

namespace telinject::drain {

void SpawnContexts::add(uint64_t segment_key, uint32_t lane, uint64_t position,
                        const ParentContext& context) {
  Place place = {segment_key, position, lane};
  contexts_[place] = context;
  by_age_.push_back(place);
  if (by_age_.size() <= kMost) return;
  contexts_.erase(by_age_.front());
  by_age_.pop_front();
}

std::optional<ParentContext> SpawnContexts::context_of(const SegmentInfo& segment,
                                                       const ThreadMessage& message) const {
  if (message.context.valid == 0) return std::nullopt;
  ParentContext context = {{message.context.trace_hi, message.context.trace_lo},
                           message.context.span_id,
                           message.context.sampled != 0};
  // The main thread of a program that was executed within the session: by the exec wrapper's
  // record.
  RecordRef ref = message.spawned_by.segment != 0 ? message.spawned_by : segment.parent;
  if (ref.segment == 0) return context;
  auto found = contexts_.find(Place{ref.segment, ref.position, ref.lane});
  bool same_trace = found != contexts_.end() && found->second.trace.hi == context.trace.hi &&
                    found->second.trace.lo == context.trace.lo;
  return same_trace ? found->second : context;
}

}  // namespace telinject::drain
