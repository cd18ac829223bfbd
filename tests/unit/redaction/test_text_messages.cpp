// Messages of a program with texts in them: redacted in place, and all else as it was.
#include <catch2/catch.hpp>

#include <cstring>
#include <string>
#include <vector>

#include "shim/messages/text_messages.h"

namespace telinject::test::text_messages_test {

namespace {

template <typename Head>
std::string message(const Head& head, const std::string& rest) {
  return std::string(reinterpret_cast<const char*>(&head), sizeof head) + rest;
}

// What goes on, or "none".
std::string taken(MessageType type, const std::string& bytes) {
  TextMessages texts;
  REQUIRE(texts.takes(type));
  std::vector<LaneMessage> out;
  CHECK(texts.take({1, 2, 3, 4, type, bytes}, &out));
  if (out.empty()) return "none";
  CHECK(out.size() == 1);
  CHECK((out[0].segment == 1 && out[0].lane == 2 && out[0].position == 3 && out[0].ticks == 4));
  return out[0].bytes;
}

ThrowMessage thrown(size_t frames, const std::string& type, const std::string& text) {
  ThrowMessage head = {};
  head.exception = 0x1230;
  head.frames = static_cast<uint16_t>(frames);
  head.type_bytes = static_cast<uint16_t>(type.size());
  head.text_bytes = static_cast<uint16_t>(text.size());
  return head;
}

}  // namespace

TEST_CASE("exceptions: the text is redacted, stack and type stay") {
  std::string stack(16, 'f'), type = "St13runtime_error", text = "password=x y";
  std::string out = taken(MessageType::kThrow, message(thrown(2, type, text), stack + type + text));
  std::string wanted = "password=REDACTED y";
  CHECK(out == message(thrown(2, type, wanted), stack + type + wanted));
  std::string ordinary = "vector::at";
  std::string as_it_was = message(thrown(2, type, ordinary), stack + type + ordinary);
  CHECK(taken(MessageType::kThrow, as_it_was) == as_it_was);
}

TEST_CASE("what libc said before it aborted") {
  CrashMessage head = {};
  head.frames = 1;
  std::string stack(8, 'f'), text = "a: Assertion `strcmp(token, \"abc\")' failed.";
  head.text_bytes = static_cast<uint16_t>(text.size());
  std::string out = taken(MessageType::kCrash, message(head, stack + text));
  text = "a: Assertion `strcmp(token, \"REDACTED\")' failed.";
  head.text_bytes = static_cast<uint16_t>(text.size());
  CHECK(out == message(head, stack + text));
}

TEST_CASE("names of threads, paths of modules") {
  CHECK(taken(MessageType::kThreadName, "pw=s3cr3tV4lu3") == "pw=REDACTED");
  ThreadMessage thread = {};
  thread.tid = 7;
  std::memcpy(thread.name, "token=abcdefghi", 15);
  std::string out = taken(MessageType::kThread, message(thread, ""));
  std::memset(thread.name, 0, sizeof thread.name);
  std::memcpy(thread.name, "token=REDACTED", 14);
  CHECK(out == message(thread, ""));
  ModuleMessage module = {};
  module.start = 1;
  CHECK(taken(MessageType::kModule, message(module, "/a/token=x/lib.so")) ==
        message(module, "/a/token=REDACTED"));
  CHECK(taken(MessageType::kModule, message(module, "/a/lib.so")) == message(module, "/a/lib.so"));
}

TEST_CASE("messages that make no sense go no further; texts behind their end neither") {
  std::string text = "password=x";
  ThrowMessage head = thrown(100, "", text);
  CHECK(taken(MessageType::kThrow, message(head, text)) == "none");
  CHECK(taken(MessageType::kThrow, "short") == "none");
  CHECK(taken(MessageType::kThread, "short") == "none");
  head = thrown(0, "", "");
  CHECK(taken(MessageType::kThrow, message(head, text)) == message(head, ""));
  head = thrown(0, "", text);
  head.text_bytes = 60000;
  CHECK(taken(MessageType::kThrow, message(head, text)) ==
        message(thrown(0, "", "password=REDACTED"), "password=REDACTED"));
}

}  // namespace telinject::test::text_messages_test
