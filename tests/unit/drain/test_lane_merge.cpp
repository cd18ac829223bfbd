// Lanes merged by time.
#include <catch2/catch.hpp>

#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include "shim/channel/record.h"
#include "shim/drain/records/lane_merge.h"

namespace telinject::test::lane_merge_test {
using namespace drain;
namespace {

Run run_of(std::initializer_list<uint64_t> first_words, uint64_t position = 0, size_t cut = 0) {
  static RecordMemory memory;
  std::vector<std::byte> bytes;
  for (uint64_t word : first_words) {
    size_t at = bytes.size();
    bytes.resize(at + record_bytes(word));
    std::memcpy(&bytes[at], &word, sizeof word);
  }
  bytes.resize(bytes.size() - cut);
  return {position, memory.copy(bytes.data(), bytes.size())};
}

// Streams by name, in the order in which their records come: "a1 b2 a3".
std::string merged(const std::vector<LaneStream*>& streams, uint64_t watermark) {
  std::string order;
  merge_lanes(streams, watermark, [&](size_t i, uint64_t until) {
    while (streams[i]->peek() != nullptr && streams[i]->ticks() <= until) {
      order += static_cast<char>('a' + i) + std::to_string(streams[i]->ticks()) + " ";
      streams[i]->next();
    }
  });
  return order;
}

}  // namespace

TEST_CASE("records of all lanes come by time, up to the watermark") {
  LaneStream a, b, c;
  a.append(run_of({1, 4 | kExitBit, 9}));
  b.append(run_of({2, 3}));
  b.append(run_of({5, 20}));
  c.append(run_of({4}));
  CHECK(merged({&a, &b, &c}, 9) == "a1 b2 b3 a4 c4 b5 a9 ");
  CHECK(merged({&a, &b, &c}, 19) == "");
  b.append(run_of({21}));
  CHECK(merged({&a, &b, &c}, ~uint64_t{0}) == "b20 b21 ");
}

TEST_CASE("nothing to merge") {
  LaneStream empty;
  CHECK(merged({}, 10) == "");
  CHECK(merged({&empty}, 10) == "");
}

TEST_CASE("within a lane the order of records stays, and time never goes back") {
  // A signal handler's records lie behind those of the hook that it interrupted.
  LaneStream a;
  a.append(run_of({5, 3, 7}));
  CHECK(merged({&a}, 10) == "a5 a5 a7 ");
}

TEST_CASE("voids and stray second halves are passed over") {
  LaneStream a;
  a.append(run_of({kVoid, 7 | kSecondUnit, 1, kVoid, kVoid, 2 | kExitBit, kVoid}));
  CHECK(merged({&a}, 10) == "a1 a2 ");
}

TEST_CASE("positions are the run's and the place in it") {
  LaneStream a;
  a.append(run_of({1, 2 | kExitBit, 3}, 1 << 20));
  a.append(run_of({4}, 5 << 21));
  std::vector<uint64_t> positions;
  while (a.peek() != nullptr) {
    positions.push_back(a.position());
    a.next();
  }
  CHECK(positions == std::vector<uint64_t>{1 << 20, (1 << 20) + 32, (1 << 20) + 48, 5 << 21});
}

TEST_CASE("a run that ends within a record gives what is whole") {
  LaneStream a;
  a.append(run_of({1, 2}, 0, /*cut=*/8));
  a.append(run_of({3}));
  CHECK(merged({&a}, 10) == "a1 a3 ");
}

TEST_CASE("a message in one piece comes in its turn, and once") {
  static RecordMemory memory;
  std::string text = "hello";
  Run run = {77, memory.copy(reinterpret_cast<const std::byte*>(text.data()), text.size()), true};
  run.message = {static_cast<MessageType>(100), 3};
  LaneStream a, b;
  a.append(run_of({1, 2}));
  a.append(run);
  a.append(run_of({5}));
  b.append(run_of({4}));
  CHECK_FALSE(a.message().has_value());
  std::string order;
  merge_lanes(std::vector<LaneStream*>{&a, &b}, 9, [&](size_t i, uint64_t until) {
    LaneStream& stream = i == 0 ? a : b;
    while (stream.peek() != nullptr && stream.ticks() <= until) {
      auto message = stream.message();
      order += message.has_value() ? message->bytes + "@" + std::to_string(message->position)
                                   : std::to_string(stream.ticks());
      order += ' ';
      stream.next();
    }
  });
  CHECK(order == "1 2 hello@77 4 5 ");
  // What is left has it, too, wherever the reader has come to.
  LaneStream c;
  c.append(run_of({1}));
  c.append(run);
  c.peek();
  c.next();
  c.peek();
  std::vector<Run> rest = c.rest();
  REQUIRE(rest.size() == 1);
  REQUIRE(rest[0].message.has_value());
  CHECK(rest[0].message->ticks == 3);
  CHECK(rest[0].bytes.size() == text.size());
}

}  // namespace telinject::test::lane_merge_test
