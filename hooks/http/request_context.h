// Which trace a request belongs to.
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

// Calls take(value, size) with each value of the field, whose name is in small letters, until it
// returns false.
template <typename Take>
void each_field(const Block& block, const char* name, Take&& take) {
  const uint8_t* at = block.data;
  const uint8_t* end = at + block.size;
  while (at < end) {
    const uint8_t* line = at;
    while (at < end && *at != '\n') at++;
    const uint8_t* line_end = at;
    if (at < end) at++;
    const char* rest = name;
    while (*rest != 0 && line < line_end && (*line | 0x20) == *rest) line++, rest++;
    if (*rest != 0 || line == line_end || *line != ':') continue;
    line++;
    if (!take(line, static_cast<size_t>(line_end - line))) return;
  }
}

// The value of a field "traceparent" of an HTTP/1 header block, in any case, if it is valid and the
// only one.
bool find_traceparent(const Block& block, TraceContext* out);

// The context of a request that was received: what it brought, else a trace of its own.
bool server_context(uintptr_t sp, const TraceContext& incoming, HttpContext* context);
}  // namespace telinject::program
