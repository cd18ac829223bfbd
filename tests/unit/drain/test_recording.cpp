// Recordings: what is written is read back; a file that broke off is good up to there.
#include <catch2/catch.hpp>

#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "shim/channel/record.h"
#include "shim/drain/recording/recording.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::recording_test {
using namespace drain;
namespace {

constexpr ClockAnchor kFirst = {1000, 2000}, kSecond = {5000, 20002000};

Batch batch_of(uint64_t watermark, const std::string& bytes, RecordMemory* memory) {
  Batch batch;
  batch.watermark = watermark;
  batch.bytes = bytes.size();
  Run run = {lane_position(3, 64),
             memory->copy(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size())};
  batch.runs.push_back({7, 5, run});
  return batch;
}

Notice opened() {
  Notice notice(Notice::Kind::kSegmentOpened);
  notice.segment = 7;
  notice.os_pid = 4711;
  auto info = std::make_shared<SegmentInfo>();
  info->key = {11, 12};
  info->pid = 4711;
  info->clock = ClockKind::kMonotonic;
  info->path = "/bin/x";
  info->command_line = std::string("x a\0b", 5);
  info->inherited = {1, 2, 3, 1, 1};
  notice.info = info;
  return notice;
}

std::string make_recording(const std::string& path) {
  std::string problem;
  auto writer = RecordingWriter::create(path, &problem);
  REQUIRE(problem == "");
  RecordMemory memory;
  REQUIRE(writer->facts(R"({"a":1})"));
  REQUIRE(writer->anchor(kFirst));
  REQUIRE(writer->anchor(kSecond));
  Batch first = batch_of(1, std::string(64, 'r'), &memory);
  first.notices.push_back(opened());
  Notice ended(Notice::Kind::kProcessEnded);
  ended.end = {true, 9};
  ended.text = "exec";
  ended.lost[2] = 3;
  first.notices.push_back(ended);
  REQUIRE(writer->batch(first));
  Batch second = batch_of(2, std::string(16, 's'), &memory);
  second.notices.emplace_back(Notice::Kind::kRunDelay).run_delay = {{7, 5, 1, 2, 3, 4},
                                                                    {7, 6, 5, 6, 7, 8}};
  REQUIRE(writer->batch(second));
  REQUIRE(writer->end());
  CHECK(writer->bytes() == read_file(path).size());
  return read_file(path);
}

// Watermarks of the batches that can be read, and the problem.
std::pair<std::string, std::string> batches_in(const std::string& path) {
  std::string problem, marks;
  auto reader = RecordingReader::open(path, &problem);
  if (reader == nullptr) return {"", problem};
  while (auto frame = reader->next()) {
    if (frame->batch.has_value()) marks += std::to_string(frame->batch->watermark) + " ";
  }
  return {marks, reader->problem()};
}

}  // namespace

TEST_CASE("a recording is read back as it was written") {
  Workshop workshop;
  std::string path = workshop.path("recording");
  make_recording(path);
  std::string problem;
  auto reader = RecordingReader::open(path, &problem);
  REQUIRE(problem == "");
  std::vector<ClockAnchor> anchors = reader->first_anchors();
  REQUIRE(anchors.size() == 2);
  CHECK(anchors[1].ticks == kSecond.ticks);
  CHECK(reader->next()->facts == R"({"a":1})");
  CHECK(reader->next()->anchor->monotonic_ns == kFirst.monotonic_ns);
  CHECK(reader->next()->anchor->ticks == kSecond.ticks);
  auto frame = reader->next();
  REQUIRE(frame.has_value());
  REQUIRE(frame->batch.has_value());
  const Batch& batch = *frame->batch;
  CHECK(batch.bytes == 64);
  REQUIRE(batch.runs.size() == 1);
  CHECK(batch.runs[0].segment == 7);
  CHECK(batch.runs[0].lane == 5);
  CHECK(batch.runs[0].run.position == lane_position(3, 64));
  CHECK(std::memcmp(batch.runs[0].run.bytes.data(), std::string(64, 'r').data(), 64) == 0);
  REQUIRE(batch.notices.size() == 2);
  CHECK(batch.notices[0].os_pid == 4711);
  REQUIRE(batch.notices[0].info != nullptr);
  CHECK(batch.notices[0].info->key.k1 == 12);
  CHECK(batch.notices[0].info->path == "/bin/x");
  CHECK(batch.notices[0].info->command_line == std::string("x a\0b", 5));
  CHECK(batch.notices[0].info->inherited.span_id == 3);
  CHECK(batch.notices[1].end.known);
  CHECK(batch.notices[1].end.status == 9);
  CHECK(batch.notices[1].text == "exec");
  CHECK(batch.notices[1].lost[2] == 3);
  frame = reader->next();
  CHECK(frame->batch->watermark == 2);
  REQUIRE(frame->batch->notices.size() == 1);
  const std::vector<RunDelaySample>& samples = frame->batch->notices[0].run_delay;
  REQUIRE(samples.size() == 2);
  CHECK(samples[1].lane == 6);
  CHECK(samples[1].after == 6);
  CHECK(samples[1].delayed_ns == 8);
  CHECK_FALSE(reader->next().has_value());
  CHECK(reader->problem() == "");
}

TEST_CASE("a recording cut short anywhere is good up to there, and says so") {
  Workshop workshop;
  std::string whole = make_recording(workshop.path("recording"));
  std::string no_end;
  for (size_t bytes = 0; bytes < whole.size(); bytes++) {
    auto [marks, problem] = batches_in(workshop.write("cut", whole.substr(0, bytes)));
    CAPTURE(bytes);
    CHECK((marks == "" || marks == "1 " || marks == "1 2 "));
    CHECK_FALSE(problem.empty());
    if (bytes < 8) CHECK(problem.find("is no recording") != std::string::npos);
    if (problem.starts_with("it has no end")) no_end += std::to_string(bytes) + " ";
  }
  // Between frames.
  size_t end = whole.size() - 16;
  CHECK(no_end.starts_with("8 "));
  CHECK(no_end.ends_with(" " + std::to_string(end) + " "));
  auto [marks, problem] = batches_in(workshop.write("cut", whole.substr(0, whole.size() - 1)));
  CHECK(problem.starts_with("it breaks off at byte " + std::to_string(end)));
  CHECK(batches_in(workshop.write("cut", whole)).second.empty());
}

TEST_CASE("of a batch that breaks off the records that are there are read, and no notice") {
  Workshop workshop;
  std::string problem, path = workshop.path("recording");
  {
    auto writer = RecordingWriter::create(path, &problem);
    RecordMemory memory;
    Batch batch = batch_of(9, std::string(64, 'a'), &memory);
    batch.runs.push_back(
        {7,
         6,
         {lane_position(1, 32),
          memory.copy(reinterpret_cast<const std::byte*>("0123456789abcdef"), 16)}});
    batch.bytes += 16;
    batch.notices.push_back(opened());
    REQUIRE(writer->batch(batch));
  }
  std::string whole = read_file(path);
  // Records are the last that is in a frame; these are such as are not packed.
  for (size_t missing = 0; missing <= 80; missing++) {
    CAPTURE(missing);
    auto reader = RecordingReader::open(
        workshop.write("cut", whole.substr(0, whole.size() - missing)), &problem);
    REQUIRE(reader != nullptr);
    auto frame = reader->next();
    REQUIRE(frame.has_value());
    REQUIRE(frame->batch.has_value());
    CHECK(frame->batch->bytes == (80 - missing) / 16 * 16);
    CHECK(frame->batch->notices.empty() == (missing > 0));
    CHECK_FALSE(reader->next().has_value());
    CHECK(reader->problem().starts_with(missing == 0 ? "it has no end" : "it breaks off"));
  }
}

TEST_CASE("a message in one piece is read back, or not at all") {
  Workshop workshop;
  std::string problem, path = workshop.path("recording"), text = "a message of 25 bytes, 25";
  {
    auto writer = RecordingWriter::create(path, &problem);
    RecordMemory memory;
    Batch batch = batch_of(9, std::string(64, 'a'), &memory);
    Run run = {lane_position(1, 32),
               memory.copy(reinterpret_cast<const std::byte*>(text.data()), text.size())};
    run.message = {static_cast<MessageType>(100), 7};
    batch.runs.push_back({7, 6, run});
    batch.bytes += text.size();
    REQUIRE(writer->batch(batch));
  }
  std::string whole = read_file(path);
  for (size_t missing : {0, 1, 24, 25}) {
    CAPTURE(missing);
    auto reader = RecordingReader::open(
        workshop.write("cut", whole.substr(0, whole.size() - missing)), &problem);
    auto frame = reader->next();
    REQUIRE(frame.has_value());
    REQUIRE(frame->batch.has_value());
    const std::vector<LaneRun>& runs = frame->batch->runs;
    REQUIRE(runs.size() == (missing == 0 ? 2 : 1));
    if (missing > 0) continue;
    const Run& run = runs[1].run;
    REQUIRE(run.message.has_value());
    CHECK(run.message->type == static_cast<MessageType>(100));
    CHECK(run.message->ticks == 7);
    CHECK(std::string(reinterpret_cast<const char*>(run.bytes.data()), run.bytes.size()) == text);
  }
}

TEST_CASE("a recording that is still being written is waited for, and read as far as it is there") {
  Workshop workshop;
  std::string problem, path = workshop.path("recording");
  auto writer = RecordingWriter::create(path, &problem);
  RecordMemory memory;
  REQUIRE(writer->batch(batch_of(1, std::string(16, 'r'), &memory)));
  auto [marks, words] = batches_in(path);
  CHECK(marks == "1 ");
  CHECK(words.starts_with("it is still being written"));
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    writer->batch(batch_of(2, std::string(16, 's'), &memory));
    writer->end();
    writer.reset();
  });
  auto whole = batches_in(path);
  later.join();
  CHECK(whole.first == "1 2 ");
  CHECK(whole.second.empty());
}

TEST_CASE("a recording with any byte changed is survived") {
  Workshop workshop;
  std::string whole = make_recording(workshop.path("recording"));
  for (size_t at = 0; at < whole.size(); at++) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0xff);
    batches_in(workshop.write("changed", changed));
  }
}

TEST_CASE("what is no recording is said to be none, and of which kind one is that cannot be read") {
  Workshop workshop;
  CHECK(batches_in(workshop.write("other", "TELREC1\n")).second.find("another version") !=
        std::string::npos);
  CHECK(batches_in(workshop.path("nothing")).second.find("No such file") != std::string::npos);
  CHECK(batches_in(workshop.directory()).second.find("is no recording") != std::string::npos);
  CHECK(batches_in(workshop.write("text", "hello, world")).second.find("is no recording") !=
        std::string::npos);
}

TEST_CASE("a file that is there is never written over, nor followed to") {
  Workshop workshop;
  std::string problem;
  CHECK(RecordingWriter::create(workshop.write("there", "x"), &problem) == nullptr);
  CHECK(problem.find("File exists") != std::string::npos);
  CHECK(read_file(workshop.path("there")) == "x");
}

}  // namespace telinject::test::recording_test
