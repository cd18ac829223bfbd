// Names for views. Names of functions, threads and files come from the traced program: they may be
// any bytes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "shim/views/span_log.h"

namespace telinject::views {

// In one line; what is no UTF-8 is replaced.
std::string json_text(const nlohmann::json& value);
// The same of a text, with its quotes.
std::string json_string(std::string_view text);

// One line of printable text: whole, for files; and cut, for people.
std::string plain_name(std::string_view text);
std::string short_name(std::string_view text);

// "worker 1234", "worker 1234, stack 2".
std::string track_name(const Track& track);

// "file:///home/me/my%20app.html", of an absolute path.
std::string file_url(std::string_view path);

// Stands below a function for the time that it waited for responses.
inline constexpr char kHttpWait[] = "[waiting for HTTP]";

}  // namespace telinject::views
