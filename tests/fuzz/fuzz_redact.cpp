// Command lines without their secrets, as JSON.
#include <nlohmann/json.hpp>
#include <string>

#include "shim/events/json/json_text.h"
#include "shim/events/redact_arguments.h"
#include "shim/events/secrets.h"
#include "tests/fuzz/input.h"

using telinject::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 8192) return 0;  // the library sends 4096 bytes
  std::string text(reinterpret_cast<const char*>(data), size);
  std::string escaped = telinject::json_escaped(text);
  require(escaped.find('\n') == std::string::npos);
  require(nlohmann::json::accept("\"" + escaped + "\""));
  std::string redacted = telinject::redact_joined_arguments(text);
  require(nlohmann::json::accept("\"" + telinject::json_escaped(redacted) + "\""));
  // Whatever the rest, the password in a URL behind it is gone.
  if (text.find("hunter2") != std::string::npos) return 0;
  std::string arguments = text + '\0' + "https://user:hunter2@host/";
  require(telinject::redact_joined_arguments(arguments).find("hunter2") == std::string::npos);
  std::string urls = text + " https://user:hunter2@host/";
  telinject::redact_users(&urls);
  require(urls.find("hunter2") == std::string::npos);
  return 0;
}
