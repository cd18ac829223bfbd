// Records packed while they wait: they come back as they were, whatever they are, and a program's
// plain calls take an eighth of their room.
#include <catch2/catch.hpp>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "shim/drain/records/record_packing.h"

namespace telinject::test::record_packing_test {
using namespace drain;
namespace {

using Words = std::vector<uint64_t>;

void entry(Words* to, uint64_t ticks, uint64_t function, uint64_t site, uint64_t sp,
           uint64_t back) {
  to->insert(to->end(), {ticks, function, site | kSecondUnit, (sp & 0xffffffff) | back << 32});
}

void exit(Words* to, uint64_t ticks, uint64_t function, uint64_t sp) {
  to->insert(to->end(), {ticks | kExitBit, (function & 0xffffffff) | sp << 32});
}

std::string pack(RecordPacker* packer, const Words& words) {
  packer->pack(reinterpret_cast<const std::byte*>(words.data()), words.size() * 8);
  CHECK(packer->packed().size() <= words.size() * 8);
  return {reinterpret_cast<const char*>(packer->packed().data()), packer->packed().size()};
}

// The first `there` bytes of what is packed.
Words unpack(RecordUnpacker* unpacker, const std::string& packed, size_t size, size_t there) {
  Words words(size / 8);
  size_t unpacked =
      unpacker->unpack({reinterpret_cast<const std::byte*>(packed.data()), there}, packed.size(),
                       reinterpret_cast<std::byte*>(words.data()), size);
  REQUIRE(unpacked % kUnitBytes == 0);
  REQUIRE(unpacked <= size);
  words.resize(unpacked / 8);
  return words;
}

Words unpack(RecordUnpacker* unpacker, const std::string& packed, size_t size) {
  return unpack(unpacker, packed, size, packed.size());
}

// fib(n) at `sp`, each call from two places, frames of 48 bytes.
void fib(Words* to, int n, uint64_t* ticks, uint64_t sp, uint64_t site) {
  entry(to, *ticks += 31, 0x555555555189, site, sp, 0x555555550011);
  if (n > 1) {
    fib(to, n - 1, ticks, sp - 48, 0x5555555551c1);
    fib(to, n - 2, ticks, sp - 48, 0x5555555551d2);
  }
  exit(to, *ticks += 29, 0x555555555189, sp);
}

Words calls_of_fib(int n) {
  Words words;
  uint64_t ticks = uint64_t{1} << 50;
  fib(&words, n, &ticks, 0x7ffd12345678, 0x555555555222);
  return words;
}

}  // namespace

TEST_CASE("plain calls take an eighth of their room, and come back as they were") {
  RecordPacker packer;
  RecordUnpacker unpacker;
  Words words = calls_of_fib(18);
  std::string packed = pack(&packer, words);
  // Six bytes a call, but for the first ones.
  CHECK(packed.size() < words.size() / 6 * 6 + 300);
  CHECK(unpack(&unpacker, packed, words.size() * 8) == words);
}

TEST_CASE("no records are no bytes") {
  RecordPacker packer;
  RecordUnpacker unpacker;
  CHECK(pack(&packer, {}).empty());
  CHECK(unpack(&unpacker, "", 0).empty());
}

TEST_CASE("each run can be unpacked by itself") {
  RecordPacker packer;
  Words first = calls_of_fib(5), second = calls_of_fib(9);
  std::string a = pack(&packer, first), b = pack(&packer, second);
  RecordUnpacker unpacker;
  CHECK(unpack(&unpacker, b, second.size() * 8) == second);
  CHECK(unpack(&unpacker, a, first.size() * 8) == first);
}

TEST_CASE("of a lane what is written is packed, up to a hole or a message") {
  RecordPacker packer;
  RecordUnpacker unpacker;
  Words calls = calls_of_fib(4);
  auto packed_of = [&](const Words& lane, RecordPacker::Written expected) {
    RecordPacker::Written written =
        packer.pack_written(reinterpret_cast<const std::byte*>(lane.data()), lane.size() * 8);
    CHECK(written.size == expected.size);
    CHECK(written.message == expected.message);
    std::string packed(reinterpret_cast<const char*>(packer.packed().data()),
                       packer.packed().size());
    CHECK(unpack(&unpacker, packed, written.size) == calls);
  };
  size_t size = calls.size() * 8;
  packed_of(calls, {size, false});
  auto followed_by = [&](Words next) {
    Words lane = calls;
    lane.insert(lane.end(), next.begin(), next.end());
    uint64_t ticks = 100;
    fib(&lane, 3, &ticks, 0x1000, 1);
    return lane;
  };
  packed_of(followed_by({0, 0}), {size, false});
  packed_of(followed_by({5, control_word(ControlKind::kMessage, 1), kSecondUnit, 0}), {size, true});
  packed_of(followed_by({5, control_word(ControlKind::kMessageData, 1), kSecondUnit, 0}),
            {size, true});
  Words cut = calls;
  cut.insert(cut.end(), {7, 8});  // half an entry
  packed_of(cut, {size, false});
}

TEST_CASE("long pauses, times that go back, and exits without entries come back as they were") {
  Words words;
  exit(&words, 5, 0x1111, 0x2222);  // entered before the run
  entry(&words, uint64_t{1} << 40, 0x4000, 0x4100, 0x9000, 0x4001);
  entry(&words, (uint64_t{1} << 40) - 700, 0x5000, 0x4200, 0x8000, 0x5001);
  exit(&words, (uint64_t{1} << 40) + 0x7fff, 0x5000, 0x8000);
  entry(&words, (uint64_t{1} << 40) + 0xffff, 0x5000, 0x4200, 0x8000, 0x5001);
  exit(&words, (uint64_t{1} << 41), 0x5000, 0x8000);
  entry(&words, (uint64_t{1} << 41) + 0xffff, 0x5000, 0x4200, 0x8000, 0x5001);
  exit(&words, (uint64_t{1} << 41) + 0xffff + 0x8000, 0x5000, 0x8000);
  entry(&words, (uint64_t{1} << 41) + 0x1ffff + 0x8000, 0x5000, 0x4200, 0x8000, 0x5001);
  exit(&words, kTicksMask, 0x5000, 0x8000);
  exit(&words, 7, 0x4000, 0x9000);
  RecordPacker packer;
  RecordUnpacker unpacker;
  CHECK(unpack(&unpacker, pack(&packer, words), words.size() * 8) == words);
}

TEST_CASE("after an exception the outer frames' exits are known again") {
  Words words;
  uint64_t ticks = 100;
  for (int round = 0; round < 100; round++) {
    for (uint64_t depth = 0; depth < 5; depth++) {
      entry(&words, ticks += 10, 0x4000 + depth, 0x5000 + depth, 0x9000 - 64 * depth,
            0x6000 + depth);
    }
    // An unwind: the three innermost are gone.
    words.insert(words.end(), {ticks += 10, kControlBit | 4ull << 48, kSecondUnit, 0x8fc0});
    // And a wait for room.
    words.insert(words.end(), {ticks += 70000, control_word(ControlKind::kWaited, 0),
                               (ticks - 500) | kSecondUnit, 0});
    exit(&words, ticks += 10, 0x4001, 0x9000 - 64);
    exit(&words, ticks += 10, 0x4000, 0x9000);
  }
  RecordPacker packer;
  RecordUnpacker unpacker;
  std::string packed = pack(&packer, words);
  CHECK(unpack(&unpacker, packed, words.size() * 8) == words);
  // Five entries of 4 bytes, the control record of 34, an exit of 18 and one of 2.
  CHECK(packed.size() < 100 * (5 * 4 + 2 * 34 + 18 + 2) + 400);
}

TEST_CASE("anything comes back as it was") {
  std::mt19937_64 random(20261122);
  RecordPacker packer;
  RecordUnpacker unpacker;
  const uint64_t tops[] = {0, kExitBit, kSecondUnit, kExitBit | kSecondUnit};
  for (int round = 0; round < 2000; round++) {
    Words words;
    // Few values, so that much of it looks like what was there before.
    uint64_t few = 1 + random() % 6, ticks = random();
    while (words.size() < 200) {
      ticks += random() % (random() % 8 == 0 ? 1 << 20 : 100);
      if (random() % 3 == 0) {
        entry(&words, ticks & kTicksMask, random() % few, random() % few, random() % few,
              random() % few);
      } else if (random() % 3 != 0) {
        exit(&words, ticks & kTicksMask, random() % few, random() % few);
      } else {
        words.insert(words.end(), {random() | tops[random() % 4], random()});
        words[words.size() - 2] &= ~(tops[random() % 4]);
      }
    }
    words.resize(random() % 100 * 2);
    REQUIRE(unpack(&unpacker, pack(&packer, words), words.size() * 8) == words);
  }
}

TEST_CASE("functions by the thousand, many more than are remembered") {
  std::mt19937_64 random(7);
  Words words;
  uint64_t ticks = 1;
  for (int i = 0; i < 50000; i++) {
    uint64_t function = random() % 20000 * 16;
    entry(&words, ticks += 40, function, function + 0x100000, 0x9000, function + 4);
    exit(&words, ticks += 40, function, 0x9000);
  }
  RecordPacker packer;
  RecordUnpacker unpacker;
  CHECK(unpack(&unpacker, pack(&packer, words), words.size() * 8) == words);
}

TEST_CASE("of a run that was cut short the records that are there are unpacked") {
  RecordPacker packer;
  RecordUnpacker unpacker;
  Words words = calls_of_fib(6);
  std::string packed = pack(&packer, words);
  size_t before = 0;
  for (size_t there = 0; there <= packed.size(); there++) {
    CAPTURE(there);
    Words some = unpack(&unpacker, packed, words.size() * 8, there);
    REQUIRE(some.size() >= before);
    before = some.size();
    CHECK(std::equal(some.begin(), some.end(), words.begin()));
  }
  CHECK(before == words.size());
  // Stored as they are.
  Words other = {kSecondUnit, 1, kSecondUnit, 2, kSecondUnit, 3};
  packed = pack(&packer, other);
  CHECK(packed.size() == 48);
  for (size_t there = 0; there <= 48; there++) {
    Words some = unpack(&unpacker, packed, 48, there);
    CHECK(some.size() == there / 16 * 2);
    CHECK(std::equal(some.begin(), some.end(), other.begin()));
  }
}

TEST_CASE("what makes no sense ends the run") {
  RecordUnpacker unpacker;
  CHECK(unpack(&unpacker, std::string(16, '\0'), 1024).empty());  // an entry that was never seen
  CHECK(unpack(&unpacker, std::string("\xfc\xff\0\0", 4), 1024).empty());  // in no slot
  CHECK(
      unpack(&unpacker, std::string("\x0e\0", 2) + std::string(64, 'x'), 1024).empty());  // no code
  RecordPacker packer;
  Words words = calls_of_fib(6);
  std::string packed = pack(&packer, words);
  for (size_t size = (packed.size() + 16) & ~size_t{15}; size < words.size() * 8; size += 16) {
    CHECK(unpack(&unpacker, packed, size).size() * 8 <= size);  // says that they are fewer
  }
}

}  // namespace telinject::test::record_packing_test
