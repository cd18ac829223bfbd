// What redactors make of messages takes their places in batches.
#include <catch2/catch.hpp>

#include "http_program.h"
#include "shim/drain/collect/message_gate.h"
#include "shim/drain/records/lane_merge.h"

namespace telinject::test::message_gate_test {
using namespace drain;

namespace {

// Function names and message types, in order; and all bytes.
struct Seen {
  std::string story, bytes;
  std::vector<uint64_t> positions;
};

Seen look(const Batch& batch) {
  Seen seen;
  LaneStream stream;
  for (const LaneRun& run : batch.runs) {
    seen.bytes.append(reinterpret_cast<const char*>(run.run.bytes.data()), run.run.bytes.size());
    stream.append(run.run);
  }
  while (const uint64_t* record = stream.peek()) {
    if (is_exit(*record)) {
      seen.story += '-';
    } else if (!is_control(record[1])) {
      seen.story += static_cast<char>(record[1]);
      seen.positions.push_back(stream.position());
    } else if (control_kind(record[1]) == ControlKind::kMessage) {
      seen.story += "(" + std::to_string(control_a(record[1])) + ")";
      seen.positions.push_back(stream.position());
    }
    stream.next();
  }
  return seen;
}

std::vector<Run> runs_of(TestSegment* segment) {
  std::string problem;
  auto view = SegmentView::open(segment->descriptor(), &problem);
  REQUIRE(problem == "");
  static RecordMemory memory;
  ChunkPool pool(view.get());
  LaneReader reader(view.get(), 0, &pool, &memory);
  std::vector<Run> runs;
  reader.read(&runs, nullptr, LaneReader::Take::kAll);
  return runs;
}

}  // namespace

TEST_CASE("messages are replaced, wherever they are cut; all else stays where it is") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  uint64_t a = p.enter(&lane, 'a', 0);
  uint64_t place =
      p.request(&lane, 1, 1, get("/", "Cookie: SECRET-COOKIE\r\n"), HttpProgram::own_trace(1));
  uint64_t b = p.enter(&lane, 'b', 1);
  p.leave(&lane, 'b', 1);
  std::vector<Run> runs = runs_of(&p.segment);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].messages);
  const RecordBytes& all = runs[0].bytes;
  for (size_t cut = kUnitBytes; cut < all.size(); cut += kUnitBytes) {
    const auto* word = reinterpret_cast<const uint64_t*>(all.data() + cut);
    if (is_second_unit(*word)) continue;  // not between records
    RecordMemory memory;
    MessageGate gate(http_redactors(), &memory);
    std::string bytes, story;
    std::vector<uint64_t> positions;
    for (size_t part = 0; part < 2; part++) {
      size_t from = part == 0 ? 0 : cut, size = part == 0 ? cut : all.size() - cut;
      Batch batch;
      batch.runs.push_back({1, 0, {runs[0].position + from, all.part(from, size), true}});
      gate.pass(&batch, 0);
      Seen seen = look(batch);
      size_t total = 0;
      for (const LaneRun& run : batch.runs) total += run.run.bytes.size();
      CHECK(batch.bytes == total);
      bytes += seen.bytes;
      story += seen.story;
      positions.insert(positions.end(), seen.positions.begin(), seen.positions.end());
    }
    CHECK(story == "(1)a(17)b-");
    CHECK(positions == std::vector<uint64_t>{runs[0].position, a, place, b});
    CHECK(bytes.find("SECRET") == std::string::npos);
  }
}

TEST_CASE("pieces without a beginning, and messages that are too long, go no further") {
  HttpProgram p;
  LaneWriter lane(&p.segment, 0);
  lane.control(++p.ticks, ControlKind::kMessageData, 0x544552434553, 0x544552434553, 0x54455243);
  lane.control(++p.ticks, ControlKind::kMessage, static_cast<uint64_t>(MessageType::kHttpRequest),
               kMaxAssembledBytes + 1);
  lane.control(++p.ticks, ControlKind::kMessageData, 0x544552434553, 0x544552434553, 0x54455243);
  p.enter(&lane, 'a', 0);
  RecordMemory memory;
  MessageGate gate(http_redactors(), &memory);
  Batch batch;
  for (Run& run : runs_of(&p.segment)) batch.runs.push_back({1, 0, std::move(run)});
  gate.pass(&batch, 0);
  Seen seen = look(batch);
  CHECK(seen.story == "a");
  CHECK(seen.bytes.find("SECRET") == std::string::npos);
}

namespace {

// Another kind of operation than HTTP: it has no secrets but those in capitals.
class LowerCase final : public MessageRedactor {
 public:
  static constexpr auto kType = static_cast<MessageType>(100);
  bool takes(MessageType type) const override { return type == kType; }
  bool take(LaneMessage message, std::vector<LaneMessage>* out) override {
    std::erase_if(message.bytes, [](char c) { return c >= 'A' && c <= 'Z'; });
    out->push_back(std::move(message));
    return true;
  }
  void give_up(uint32_t, uint32_t, std::vector<LaneMessage>*) override {}
  void forget(uint32_t) override {}
};

constexpr uint64_t kLater = uint64_t{1} << 60;

// One lane at a time, as a collector reads it.
struct Lanes {
  Lanes() {
    std::string problem;
    view = SegmentView::open(p.segment.descriptor(), &problem);
    REQUIRE(problem == "");
    pool = std::make_unique<ChunkPool>(view.get());
    for (uint32_t lane = 0; lane < 2; lane++) {
      readers.emplace_back(view.get(), lane, pool.get(), &memory);
    }
  }
  // What has been written to the lane since it was read last.
  Batch batch(uint32_t lane, uint64_t watermark) {
    Batch batch;
    batch.watermark = watermark;
    std::vector<Run> runs;
    readers[lane].read(&runs, nullptr, LaneReader::Take::kAll);
    for (Run& run : runs) batch.runs.push_back({1, lane, std::move(run)});
    return batch;
  }

  HttpProgram p;
  std::unique_ptr<SegmentView> view;
  std::unique_ptr<ChunkPool> pool;
  RecordMemory memory;
  std::vector<LaneReader> readers;
};

// Lane 1 has a block that needs the one of lane 0, with calls around it.
struct TwoBlocks : Lanes {
  TwoBlocks() : one(&p.segment, 0), two(&p.segment, 1) {
    Deflater out;
    std::string first = out.block({{":method", "GET"}, {"x-new", "v"}});
    std::string second = out.block({{":method", "GET"}, {"x-new", "v"}});
    p.headers(&one, 1, 1, 0, first, 0);
    p.enter(&two, 'a', 0);
    before = p.ticks;
    p.headers(&two, 1, 3, 1, second, 0);
    p.enter(&two, 'b', 1);
    p.leave(&two, 'b', 1);
  }
  LaneWriter one, two;
  uint64_t before;
  RecordMemory passed;
  MessageGate gate{http_redactors(), &passed};
};

Notice lane_ended(uint32_t lane) {
  Notice notice(Notice::Kind::kLaneEnded);
  notice.segment = 1;
  notice.lane = lane;
  return notice;
}

bool undecoded(const LaneRun& run) {
  HttpHeadersMessage head;
  REQUIRE(run.run.bytes.size() >= sizeof head);
  std::memcpy(&head, run.run.bytes.data(), sizeof head);
  return (head.flags & kHttpUndecoded) != 0;
}

}  // namespace

TEST_CASE("any kind of operation may have a redactor; without one its messages go no further") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  std::string bytes = "hello SECRET";
  lane.message(++p.ticks, LowerCase::kType, bytes.data(), bytes.size());
  p.enter(&lane, 'a', 0);
  for (bool known : {false, true}) {
    RecordMemory memory;
    MessageRedactors redactors;
    if (known) redactors.push_back(std::make_unique<LowerCase>());
    MessageGate gate(std::move(redactors), &memory);
    Batch batch;
    for (Run& run : runs_of(&p.segment)) batch.runs.push_back({1, 0, std::move(run)});
    gate.pass(&batch, 0);
    Seen seen = look(batch);
    CHECK(seen.story == (known ? "(1)(100)a" : "(1)a"));
    CHECK((seen.bytes.find("hello ") != std::string::npos) == known);
    CHECK(seen.bytes.find("SECRET") == std::string::npos);
  }
}

TEST_CASE("what follows a message that waits is kept back, and comes in its order") {
  TwoBlocks t;
  Batch batch = t.batch(1, kLater);
  t.gate.pass(&batch, 0);
  CHECK(look(batch).story == "a");
  CHECK(batch.watermark > t.before);
  CHECK(batch.watermark < t.p.ticks);  // nothing is vouched for that is kept back
  // More of the same lane waits, too.
  t.p.enter(&t.two, 'c', 1);
  batch = t.batch(1, kLater);
  t.gate.pass(&batch, 0);
  CHECK(look(batch).story == "");
  batch = t.batch(0, kLater);
  t.gate.pass(&batch, 0);
  CHECK(look(batch).story == "(19)(19)b-c");
  CHECK(batch.watermark == kLater);
  REQUIRE(batch.runs.size() >= 2);
  CHECK(batch.runs[0].lane == 0);
  CHECK(batch.runs[1].lane == 1);
  CHECK_FALSE(undecoded(batch.runs[0]));
  CHECK_FALSE(undecoded(batch.runs[1]));
}

TEST_CASE("a lane is kept back for a while only") {
  TwoBlocks t;
  Batch batch = t.batch(1, kLater);
  t.gate.pass(&batch, 1);
  CHECK(look(batch).story == "a");
  Batch next;
  next.watermark = kLater;
  SECTION("until the time is over") {
    t.gate.pass(&next, MessageGate::kMostNs);
    CHECK(next.runs.empty());
    next.watermark = kLater;
    t.gate.pass(&next, MessageGate::kMostNs + 2);
  }
  SECTION("until it ends") {
    next.notices.push_back(lane_ended(1));
    t.gate.pass(&next, 2);
  }
  SECTION("until somebody waits for all of it") {
    next.notices.emplace_back(Notice::Kind::kFlush);
    t.gate.pass(&next, 2);
  }
  CHECK(look(next).story == "(19)b-");
  CHECK(next.watermark == kLater);
  REQUIRE_FALSE(next.runs.empty());
  CHECK(undecoded(next.runs[0]));
}

TEST_CASE("a lane that ends keeps no other back") {
  TwoBlocks t;
  Batch batch = t.batch(1, kLater);
  batch.notices.push_back(lane_ended(0));
  t.gate.pass(&batch, 0);
  CHECK(look(batch).story == "a");
  batch = t.batch(0, kLater);
  t.gate.pass(&batch, 0);
  CHECK(look(batch).story == "(19)(19)b-");
}

}  // namespace telinject::test::message_gate_test
