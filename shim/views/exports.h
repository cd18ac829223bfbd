// Formats of other tools, each written from a SpanLog.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shim/views/span_log.h"
#include "shim/views/view_writer.h"

namespace telinject::views {

enum class Format : uint8_t {
  kPerfetto,         // Perfetto's protobuf: ui.perfetto.dev, trace_processor
  kChrome,           // Chrome's trace event JSON
  kFolded,           // one line for each stack, with its own time in ns: flamegraph.pl, inferno
  kSpeedscope,       // speedscope's JSON, calls of the same stack added up
  kSpeedscopeCalls,  // the same with every call
  kCallgrind,        // kcachegrind, callgrind_annotate
  kCsv,              // one line for each call
};

// "perfetto", "chrome", ...; nullopt if there is no such format.
std::optional<Format> parse_format(std::string_view name);
// The names, separated by commas.
std::string format_names();
bool is_binary(Format format);

void write_export(const SpanLog& log, Format format, ViewWriter* out);

// Each of them.
void write_perfetto(const SpanLog& log, ViewWriter* out);
void write_chrome(const SpanLog& log, ViewWriter* out);
void write_folded(const SpanLog& log, ViewWriter* out);
void write_speedscope(const SpanLog& log, bool every_call, ViewWriter* out);
void write_callgrind(const SpanLog& log, ViewWriter* out);
void write_csv(const SpanLog& log, ViewWriter* out);

}  // namespace telinject::views
