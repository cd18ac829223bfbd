#include "shim/channel/traceparent.h"

#include "shim/channel/text.h"

namespace telinject {

bool parse_traceparent(const char* text, TraceContext* out) {
  *out = {};
  for (size_t i = 0; i < kTraceparentLength; i++) {
    if (text[i] == 0) return false;
  }
  uint64_t version, hi, lo, span, flags;
  if (!parse_hex(text, 2, &version) || text[2] != '-' || !parse_hex(text + 3, 16, &hi) ||
      !parse_hex(text + 19, 16, &lo) || text[35] != '-' || !parse_hex(text + 36, 16, &span) ||
      text[52] != '-' || !parse_hex(text + 53, 2, &flags)) {
    return false;
  }
  char after = text[kTraceparentLength];
  if (version == 0xff || (after != 0 && (version == 0 || after != '-'))) return false;
  if ((hi == 0 && lo == 0) || span == 0) return false;
  *out = {hi, lo, span, 1, static_cast<uint32_t>(flags & 1)};
  return true;
}

void format_traceparent(const TraceContext& context, char out[kTraceparentLength + 1]) {
  TextBuffer text(out, kTraceparentLength + 1);
  text.add("00-").hex(context.trace_hi, 16).hex(context.trace_lo, 16).add('-');
  text.hex(context.span_id, 16).add(context.sampled != 0 ? "-01" : "-00");
}

}  // namespace telinject
