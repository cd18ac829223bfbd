// Digests take the messages' places in batches.
#include <catch2/catch.hpp>

#include "http_program.h"
#include "shim/drain/collect/http_records.h"
#include "shim/drain/records/lane_merge.h"

namespace telinject::test {
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
    HttpRecords records(redaction::Redactor(), &memory);
    std::string bytes, story;
    std::vector<uint64_t> positions;
    for (size_t part = 0; part < 2; part++) {
      size_t from = part == 0 ? 0 : cut, size = part == 0 ? cut : all.size() - cut;
      Batch batch;
      batch.runs.push_back({1, 0, {runs[0].position + from, all.part(from, size), true}});
      records.digest(&batch);
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
  HttpRecords records(redaction::Redactor(), &memory);
  Batch batch;
  for (Run& run : runs_of(&p.segment)) batch.runs.push_back({1, 0, std::move(run)});
  records.digest(&batch);
  Seen seen = look(batch);
  CHECK(seen.story == "a");
  CHECK(seen.bytes.find("SECRET") == std::string::npos);
}

}  // namespace telinject::test
