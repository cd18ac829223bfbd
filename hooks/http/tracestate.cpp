#include "hooks/http/tracestate.h"

#include "hooks/http/request_context.h"
#include "hooks/lane/state.h"

namespace telinject::program {

namespace {

struct Kept {
  uint64_t trace_hi, trace_lo;
  uint32_t size;
  char text[kMaxTracestate];

  bool is_of(const TraceContext& trace) const {
    return size != 0 && trace_hi == trace.trace_hi && trace_lo == trace.trace_lo;
  }
};

// By lane; a page of it is touched where a tracestate came.
constinit Kept g_kept[kMaxLanes]{};
constinit Kept g_inherited{};

// Several fields are one, with commas between.
bool add(Kept* kept, const uint8_t* value, size_t size) {
  auto is_blank = [](uint8_t c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (size > 0 && is_blank(*value)) value++, size--;
  while (size > 0 && is_blank(value[size - 1])) size--;
  if (size == 0) return true;
  size_t comma = kept->size != 0 ? 1 : 0;
  if (kept->size + comma + size > kMaxTracestate) return false;
  if (comma != 0) kept->text[kept->size++] = ',';
  for (size_t i = 0; i < size; i++) {
    if (value[i] < ' ' || value[i] > '~') return false;
    kept->text[kept->size++] = static_cast<char>(value[i]);
  }
  return true;
}

}  // namespace

void keep_tracestate(const Block& block, const TraceContext& trace) {
  if (t_hook.lane == nullptr) return;
  Kept& kept = g_kept[t_hook.lane->index];
  if (kept.size != 0) kept.size = 0;
  each_field(block, "tracestate", [&](const uint8_t* value, size_t size) {
    if (add(&kept, value, size)) return true;
    kept.size = 0;
    return false;
  });
  if (kept.size == 0) return;
  kept.trace_hi = trace.trace_hi;
  kept.trace_lo = trace.trace_lo;
}

void inherit_tracestate(const char* text, const TraceContext& trace) {
  if (text == nullptr || trace.valid == 0) return;
  size_t size = 0;
  while (size <= kMaxTracestate && text[size] != 0) size++;
  if (!add(&g_inherited, reinterpret_cast<const uint8_t*>(text), size)) g_inherited.size = 0;
  g_inherited.trace_hi = trace.trace_hi;
  g_inherited.trace_lo = trace.trace_lo;
}

size_t tracestate_of(const TraceContext& trace, char out[kMaxTracestate]) {
  const Kept* kept = t_hook.lane != nullptr ? &g_kept[t_hook.lane->index] : &g_inherited;
  if (!kept->is_of(trace)) kept = &g_inherited;
  if (!kept->is_of(trace)) return 0;
  __builtin_memcpy(out, kept->text, kept->size);
  return kept->size;
}

}  // namespace telinject::program
