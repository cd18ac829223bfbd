// What one processor leaves to another, that goes on with the records behind: when the user has
// interrupted the drain, `telinject convert` does.
//
// All that decides over an event to come is in it: each part saves its own. Left out is what can be
// found again (names of addresses, prepared text), what is the next processor's own (sink, options,
// metadata) and what the collector keeps, which lives on.
#include "shim/drain/spans/archive.h"
#include "shim/drain/spans/operation_kinds.h"
#include "shim/drain/spans/processor.h"

namespace telinject::drain {

namespace {

// The first number is to be raised with each change of what is written here; kinds of operations
// have a version of their own.
constexpr uint64_t kFormat =
    15 + OperationKinds::kFormat +
    ((sizeof(SegmentKey) + sizeof(ParentContext) + sizeof(TraceContext)) << 8);

}  // namespace

template <typename Archive>
void Processor::io(Archive& a) {
  uint64_t format = kFormat;
  a(format);
  if (format != kFormat) return a.fail();
  SharedCounters counters;
  a(*clock_, time_, operations_, modules_, sites_);
  events_.io(a, &counters);
  table_.io(a, &counters);
  a(ends_);
  events_.io_outputs(a, table_.processes());
  a(spawn_contexts_);
}

std::string Processor::save() {
  events_.count_bytes();
  events_.facts().bytes_before = events_.facts().bytes;
  ArchiveWriter writer;
  io(writer);
  return writer.take();
}

bool Processor::restore(std::string_view state) {
  ArchiveReader reader(state);
  io(reader);
  return reader.good() && reader.at_end();
}

}  // namespace telinject::drain
