// Messages of several records, put together again.
#include <catch2/catch.hpp>

#include <string>

#include "segment.h"
#include "shim/drain/records/message_assembler.h"

namespace telinject::test::message_assembler_test {
using namespace drain;
namespace {

// Writes a message as the library does and feeds the records to an assembler.
std::optional<AssembledMessage> round_trip(const std::string& bytes) {
  TestSegment segment;
  LaneWriter writer(&segment, 0);
  writer.message(1, MessageType::kModule, bytes.data(), bytes.size());
  MessageAssembler assembler;
  std::optional<AssembledMessage> message;
  for (uint64_t at = 0; at < writer.offset(); at += kControlBytes) {
    CHECK_FALSE(message.has_value());
    const auto* record = reinterpret_cast<const uint64_t*>(segment.chunk(0) + at);
    if (control_kind(record[1]) == ControlKind::kMessage) {
      assembler.begin(control_a(record[1]), control_b(record[2]));
    } else {
      message = assembler.add(record);
    }
  }
  return message;
}

const uint64_t kPiece[4] = {1, ~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}};

}  // namespace

TEST_CASE("messages of every length come back byte by byte") {
  for (size_t length : {1u, 20u, 21u, 22u, 42u, 43u, 1000u, 4608u}) {
    std::string bytes;
    for (size_t i = 0; i < length; i++) bytes += static_cast<char>(i * 37 + 255);
    std::optional<AssembledMessage> message = round_trip(bytes);
    REQUIRE(message.has_value());
    CHECK(message->type == MessageType::kModule);
    CHECK(message->bytes == bytes);
  }
}

TEST_CASE("lengths that no message has are refused") {
  MessageAssembler assembler;
  for (uint64_t bytes : {uint64_t{0}, uint64_t{kMaxMessageBytes + 1}, ~uint64_t{0}}) {
    assembler.begin(1, bytes);
    for (int i = 0; i < 300; i++) CHECK_FALSE(assembler.add(kPiece).has_value());
  }
}

TEST_CASE("pieces without a beginning, and a beginning without its pieces") {
  MessageAssembler assembler;
  CHECK_FALSE(assembler.add(kPiece).has_value());
  assembler.begin(1, 30);
  CHECK_FALSE(assembler.add(kPiece).has_value());
  assembler.begin(2, 5);  // the rest of the first was lost
  std::optional<AssembledMessage> message = assembler.add(kPiece);
  REQUIRE(message.has_value());
  CHECK(message->type == MessageType::kThreadName);
  CHECK(message->bytes == std::string(5, '\xff'));
  CHECK_FALSE(assembler.add(kPiece).has_value());
}

TEST_CASE("the fixed part is there or not, the rest may be empty") {
  AssembledMessage message{MessageType::kModuleGone, std::string(sizeof(ModuleGoneMessage), 1)};
  CHECK(message.head<ModuleGoneMessage>().has_value());
  CHECK(message.head<ModuleGoneMessage>()->start == 0x0101010101010101);
  CHECK(message.tail(sizeof(ModuleGoneMessage)) == "");
  CHECK(message.tail(10000) == "");
  message.bytes.pop_back();
  CHECK_FALSE(message.head<ModuleGoneMessage>().has_value());
}

}  // namespace telinject::test::message_assembler_test
