// Whatever a request line and Host say, the result is a URL without a user and without secrets.
#include "shim/http/url.h"
#include "shim/redaction/redactor.h"
#include "tests/fuzz/input.h"

using namespace telinject;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  uint8_t choice = input.byte();
  std::string authority = input.bytes(input.byte()), text = input.rest();
  static redaction::Redactor redactor;
  std::string target, again;
  redactor.url(text, &target);
  redactor.url(target, &again);
  UrlParts parts;
  parts.method = choice % 8 == 0 ? "CONNECT" : "GET";
  parts.scheme = (choice & 16) != 0 ? "https" : "http";
  parts.target = target;
  parts.authority = authority;
  parts.fallback_host = (choice & 32) != 0 ? "::1" : "10.0.0.1";
  Url url = make_url(parts);
  fuzz::require(url.text.starts_with("http://") || url.text.starts_with("https://"));
  fuzz::require(!url.host.empty() && url.port != 0);
  for (char c : url.text) fuzz::require(c > ' ' && c < 0x7f);
  fuzz::require(url.path_at + url.path_bytes <= url.text.size());
  size_t start = url.text.find("//") + 2;
  std::string place = url.text.substr(start, url.path_at - start);
  size_t sign = place.rfind('@');
  std::string user = sign == std::string::npos ? "" : place.substr(0, sign);
  fuzz::require(user.empty() || user == "REDACTED" || user == "REDACTED:REDACTED");
  // A secret behind it is hidden, whatever comes before.
  if (text.find("hunter2") == std::string::npos) {
    redactor.url(text + "?token=hunter2&a=b", &target);
    bool joined = !text.empty() && target.find("hunter2") != std::string::npos;
    // Unless it has become part of another value.
    fuzz::require(!joined || text.find('=') != std::string::npos ||
                  text.find_last_of("\"<> \t\r\n?&;#") != std::string::npos);
    redactor.url("http://user:hunter2@host/" + text, &target);
    fuzz::require(target.find("hunter2") == std::string::npos);
  }
  return 0;
}
