// Files of events, as telinject validate reads them: whatever is in them, each fault has a line
// that is there, and the counts agree.
#include <cstdint>
#include <cstdio>
#include <string>

#include "shim/validate/event_file.h"

using telinject::validate::EventFile;
using telinject::validate::Fault;

namespace {

void check(bool good) {
  if (!good) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  FILE* file = fmemopen(bytes.data(), bytes.size(), "r");
  check(file != nullptr);
  EventFile events;
  std::string problem;
  bool read = events.read(file, &problem);
  fclose(file);
  check(read == problem.empty());
  if (!read) return 0;
  check(events.first_faults().size() == events.faults().size());
  uint64_t before = 0;
  for (const Fault& fault : events.first_faults()) {
    check(fault.line >= before && fault.line > 0 && !fault.text.empty());
    check(events.faults().contains(fault.rule));
    before = fault.line;
  }
  check(events.notes().never_ended <= events.notes().spans);
  return 0;
}
