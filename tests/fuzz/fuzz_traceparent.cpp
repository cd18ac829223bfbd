// traceparent: what is accepted comes back as it was.
#include <string>

#include "shim/channel/traceparent.h"
#include "tests/fuzz/input.h"

using namespace telinject;
using telinject::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Environment text(std::string(reinterpret_cast<const char*>(data), size));
  const char* header = text.get()[0];
  TraceContext context;
  if (!parse_traceparent(header, &context)) {
    require(context.valid == 0);
    return 0;
  }
  require(context.valid == 1 && context.span_id != 0);
  require(context.trace_hi != 0 || context.trace_lo != 0);
  char again[kTraceparentLength + 1];
  format_traceparent(context, again);
  // The same ids; version and the other flags are ours.
  require(std::string(header).substr(2, 51) == std::string(again).substr(2, 51));
  return 0;
}
