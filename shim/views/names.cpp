#include "shim/views/names.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "shim/sinks/printable_text.h"

namespace telinject::views {

std::string json_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

std::string json_string(std::string_view text) {
  return json_text(text);
}

std::string plain_name(std::string_view text) {
  constexpr size_t kMost = 1 << 16;
  return printable(text, kMost);
}

std::string short_name(std::string_view text) {
  return printable(text);
}

std::string track_name(const Track& track) {
  std::string name = plain_name(track.thread_name);
  absl::StrAppend(&name, name.empty() ? "thread " : " ", track.tid);
  if (track.stack > 0) absl::StrAppend(&name, ", stack ", track.stack + 1);
  return name;
}

std::string file_url(std::string_view path) {
  std::string url = "file://";
  for (char c : path) {
    bool plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                 std::string_view("/-_.~+@,=:").find(c) != std::string_view::npos;
    if (plain) {
      url += c;
    } else {
      absl::StrAppend(&url, "%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  return url;
}

}  // namespace telinject::views
