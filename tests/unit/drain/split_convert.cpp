// split_convert RECORDING RECORDS (alone|relay) [full|lean] [MIN_DURATION_NS [THREADS]]
// split_convert RECORDING RECORDS leave INTO
//
// The events of a recording on standard output. Between every so many records, as they come by
// time, a relay's processor leaves its state to a new one, which goes on: as `telinject convert`
// does after an interrupt (tests/cases/test_interrupted_anywhere.py). Alone one does all, in the
// same steps. The events must be the same, byte for byte.
//
// The second form leaves what comes after the first so many records as another recording, which
// begins with the state: as the drain does at an interrupt. A small one is a seed for
// fuzz_recording.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "shim/drain/main/recorded_facts.h"
#include "shim/drain/recording/recording.h"
#include "test_drain.h"

using namespace telinject;
using namespace telinject::drain;
using namespace telinject::test;

namespace {

class Relay {
 public:
  Relay(const RecordedFacts& facts, const std::vector<ClockAnchor>& anchors, bool lean,
        int64_t min_duration_ns, size_t threads)
      : facts_(facts),
        anchors_(anchors),
        lean_(lean),
        min_duration_ns_(min_duration_ns),
        threads_(threads) {
    start();
  }

  void anchor(const ClockAnchor& anchor) {
    if (anchor.ticks > anchors_[1].ticks) clock_->add_anchor(anchor);
  }
  void take(Batch batch) { processor_->replay(std::move(batch)); }
  std::pair<std::string, Batch> leave() {
    Batch flush;
    flush.notices.emplace_back(Notice::Kind::kIdle);
    take(std::move(flush));
    std::string state = processor_->save();
    return {std::move(state), processor_->take_rest()};
  }
  bool pass_on() {
    auto [state, rest] = leave();
    start();
    if (!processor_->restore(state)) return false;
    take(std::move(rest));
    return true;
  }
  const std::string& finish() {
    processor_->finish_replay();
    return lines_;
  }

 private:
  void start() {
    processor_.reset();
    clock_ =
        std::make_unique<ClockKeeper>(facts_.clock, anchors_[0], facts_.realtime_ns, anchors_[1]);
    Processor::Options options;
    options.metadata = facts_.metadata;
    options.sample_rate = facts_.sample_rate;
    options.exact_totals = facts_.exact_totals;
    options.replay = true;
    options.filter.min_duration_ns = min_duration_ns_;
    Processor::Hooks hooks = {[](SegmentId, int) {}, [] {}, &progress_};
    EventOutputs outputs = memory_output(&lines_, {lean_, {.most = threads_}});
    processor_ = std::make_unique<Processor>(nullptr, clock_.get(), std::move(outputs),
                                             std::move(options), std::move(hooks));
  }

  const RecordedFacts facts_;
  const std::vector<ClockAnchor> anchors_;
  const bool lean_;
  const int64_t min_duration_ns_;
  const size_t threads_;
  std::string lines_;
  std::unique_ptr<ClockKeeper> clock_;
  std::unique_ptr<Processor> processor_;
  std::atomic<uint64_t> progress_{0};
};

// The times behind every so many records.
std::vector<uint64_t> cuts(const Batch& batch, size_t records) {
  std::vector<uint64_t> ticks, cuts;
  for (const LaneRun& run : batch.runs) {
    LaneStream stream;
    stream.append(run.run);
    for (; stream.peek() != nullptr; stream.next()) ticks.push_back(stream.ticks());
  }
  std::sort(ticks.begin(), ticks.end());
  for (size_t i = records; i < ticks.size(); i += records) {
    if (ticks[i - 1] < batch.watermark) cuts.push_back(ticks[i - 1]);
  }
  return cuts;
}

// Writes the rest of `reader` behind `state`.
bool write_rest(const char* path, RecordedFacts facts, const std::vector<ClockAnchor>& anchors,
                std::pair<std::string, Batch> state, RecordingReader* reader) {
  std::string problem;
  auto writer = RecordingWriter::create(path, &problem);
  facts.goes_on.emplace();
  bool good = writer != nullptr && writer->facts(facts_to_json(facts));
  for (const ClockAnchor& anchor : anchors) good = good && writer->anchor(anchor);
  good = good && writer->state(state.first) && writer->batch(state.second);
  while (auto frame = reader->next()) {
    if (frame->anchor.has_value()) good = good && writer->anchor(*frame->anchor);
    if (frame->batch.has_value()) good = good && writer->batch(*frame->batch);
  }
  return good && writer->end();
}

int fail(const char* what) {
  fprintf(stderr, "%s\n", what);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string problem;
  if (argc < 4) return fail("split_convert RECORDING RECORDS (alone|relay|leave) ...");
  auto reader = RecordingReader::open(argv[1], &problem);
  if (reader == nullptr) return fail(problem.c_str());
  auto facts = facts_from_json(reader->last_facts());
  std::vector<ClockAnchor> anchors = reader->first_anchors();
  if (!facts.has_value() || anchors.size() < 2) return fail("no recording");
  size_t records = std::max<size_t>(strtoul(argv[2], nullptr, 10), 1), changes = 0;
  bool relay = std::string(argv[3]) == "relay", leaves = std::string(argv[3]) == "leave";
  Relay all(*facts, anchors, argc > 4 && std::string(argv[4]) == "lean",
            argc > 5 ? atoll(argv[5]) : 0, argc > 6 ? strtoul(argv[6], nullptr, 10) : 1);
  while (auto frame = reader->next()) {
    if (frame->anchor.has_value()) all.anchor(*frame->anchor);
    if (!frame->batch.has_value()) continue;
    Batch& last = *frame->batch;
    for (uint64_t until : cuts(last, records)) {
      Batch first;
      first.watermark = until;
      first.runs = std::exchange(last.runs, {});
      all.take(std::move(first));
      changes++;
      if (relay && !all.pass_on()) return fail("the state was not taken");
      if (!leaves) continue;
      auto left = all.leave();
      left.second.notices = std::move(last.notices);
      left.second.watermark = last.watermark;
      bool good = write_rest(argv[4], *facts, anchors, std::move(left), reader.get());
      return good ? 0 : fail("cannot write it");
    }
    all.take(std::move(last));
    changes++;
    if (relay && !all.pass_on()) return fail("the state was not taken");
  }
  if (leaves) return fail("it has no more records than that");
  const std::string& lines = all.finish();
  fwrite(lines.data(), 1, lines.size(), stdout);
  fprintf(stderr, "%zu\n", changes);
  return 0;
}
