#include "shim/views/exports.h"

#include <array>
#include <utility>

namespace telinject::views {

namespace {

constexpr std::array<std::pair<std::string_view, Format>, 7> kNames = {{
    {"perfetto", Format::kPerfetto},
    {"chrome", Format::kChrome},
    {"folded", Format::kFolded},
    {"speedscope", Format::kSpeedscope},
    {"speedscope-calls", Format::kSpeedscopeCalls},
    {"callgrind", Format::kCallgrind},
    {"csv", Format::kCsv},
}};

}  // namespace

std::optional<Format> parse_format(std::string_view name) {
  for (const auto& [each, format] : kNames) {
    if (each == name) return format;
  }
  return std::nullopt;
}

std::string format_names() {
  std::string names;
  for (const auto& [each, format] : kNames) {
    if (!names.empty()) names += ", ";
    names += each;
  }
  return names;
}

bool is_binary(Format format) {
  return format == Format::kPerfetto;
}

void write_export(const SpanLog& log, Format format, ViewWriter* out) {
  switch (format) {
    case Format::kPerfetto:
      return write_perfetto(log, out);
    case Format::kChrome:
      return write_chrome(log, out);
    case Format::kFolded:
      return write_folded(log, out);
    case Format::kSpeedscope:
      return write_speedscope(log, /*every_call=*/false, out);
    case Format::kSpeedscopeCalls:
      return write_speedscope(log, /*every_call=*/true, out);
    case Format::kCallgrind:
      return write_callgrind(log, out);
    case Format::kCsv:
      return write_csv(log, out);
  }
}

}  // namespace telinject::views
