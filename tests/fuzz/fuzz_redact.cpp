// Whatever the text: what comes out is valid JSON and UTF-8 as far as it was, a secret in a known
// carrier is gone, and nothing grows without bound. (Time is linear: -timeout, and
// tests/unit/redaction/test_long_texts.cpp.)
#include <nlohmann/json.hpp>
#include <string>

#include "shim/events/json/json_text.h"
#include "shim/redaction/redactor.h"
#include "tests/fuzz/input.h"

using telinject::fuzz::require;
using telinject::redaction::Redactor;

namespace {

constexpr std::string_view kSecret = "hunter2hunter2";

// Lines of their own, so that what comes before can only hide more of them.
constexpr std::string_view kCarriers[] = {
    "https://user:hunter2hunter2@host/",
    "https://host/?token=hunter2hunter2&a=b",
    "https://host/a?next=https%3A%2F%2Fi%2F%3Fapi_key%3Dhunter2hunter2",
    "https://host/a;jsessionid=hunter2hunter2?b",
    "https://api.host/bot123:hunter2hunter2/x",
    "password=hunter2hunter2",
    "password: hunter2hunter2",
    "x {\"api_key\": \"hunter2hunter2\"}",
    "Authorization: Bearer hunter2hunter2",
    "Server=h;Password=hunter2hunter2;Database=d",
    "<password>hunter2hunter2</password>",
    "PGPASSWORD=hunter2hunter2 psql",
    "Bearer hunter2hunter2",
    "ghp_hunter2hunter20123456789",
    "user[password]=hunter2hunter2",
    "me:hunter2hunter2@tcp(127.0.0.1:3306)/db",
};

void check(const std::string& redacted, size_t before) {
  require(redacted.size() <= 9 * before + 64);
  require(nlohmann::json::accept("\"" + telinject::json_escaped(redacted) + "\""));
}

bool is_utf8(const std::string& text) {
  return nlohmann::json(text)
             .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
             .find("\xef\xbf\xbd") == std::string::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 8192) return 0;  // the library sends 4096 bytes
  std::string text(reinterpret_cast<const char*>(data), size);
  std::string escaped = telinject::json_escaped(text);
  require(escaped.find('\n') == std::string::npos);
  require(nlohmann::json::accept("\"" + escaped + "\""));
  Redactor redactor;
  std::string url, header, as_text = redactor.text(text);
  redactor.url(text, &url);
  redactor.header("x-custom", text, &header);
  std::string line = redactor.joined_arguments(text), path = redactor.path(text);
  for (const std::string& out : {url, header, as_text, line, path}) check(out, size);
  if (is_utf8(text)) require(is_utf8(as_text) && is_utf8(line) && is_utf8(path));
  if (text.find("unter2") != std::string::npos) return 0;
  for (std::string_view carrier : kCarriers) {
    std::string behind = text + "\n" + std::string(carrier);
    require(redactor.text(behind).find(kSecret) == std::string::npos);
    require(redactor.path(behind).find(kSecret) == std::string::npos);
    redactor.url(behind, &url);
    require(url.find(kSecret) == std::string::npos);
    std::string before = std::string(carrier) + "\n" + text;
    require(redactor.text(before).find(kSecret) == std::string::npos);
    std::string arguments = text + '\0' + std::string(carrier);
    require(redactor.joined_arguments(arguments).find(kSecret) == std::string::npos);
  }
  std::string options = text + '\0' + "--password" + '\0' + std::string(kSecret);
  require(redactor.joined_arguments(options).find(kSecret) == std::string::npos);
  return 0;
}
