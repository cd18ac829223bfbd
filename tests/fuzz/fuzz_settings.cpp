// Settings and session texts, from an environment of any content.
#include <cstring>
#include <string>

#include "shim/channel/session.h"
#include "shim/channel/settings.h"
#include "tests/fuzz/input.h"

using namespace telinject;
using telinject::fuzz::require;

namespace {

void session(const char* text) {
  Session session;
  if (parse_session(text, &session)) {
    char again[kSessionTextBytes];
    format_session(session, again);
    Session second;
    require(parse_session(again, &second));
    require(std::memcmp(&session, &second, sizeof session) == 0);
    sockaddr_un address;
    require(session_path_address(session, &address) <= sizeof address);
    require(session_abstract_address(session, &address) <= sizeof address);
  }
  RecordRef ref;
  if (parse_record_ref(text, &ref)) {
    char again[kParentTextBytes];
    format_record_ref(ref, again);
    require(std::string(again) == text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Environment environment(std::string(reinterpret_cast<const char*>(data), size));
  Settings settings;
  SettingProblem problems[kSettingCount];
  size_t count = read_settings(environment.get(), &settings, problems, kSettingCount);
  require(count <= kSettingCount);
  for (size_t i = 0; i < count; i++) {
    char line[300];
    describe_problem(problems[i], line, sizeof line);
    require(std::strpbrk(line, "\n\r") == nullptr && std::strstr(line, "; using ") != nullptr);
  }
  for (uint32_t id = 0; id < kSettingCount; id++) require(settings.text[id] != nullptr);
  require(settings.number[kSampleRate] <= kRateOne);
  for (char** e = environment.get(); *e != nullptr; e++) session(*e);
  return 0;
}
