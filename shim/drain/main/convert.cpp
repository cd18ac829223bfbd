#include "shim/drain/main/convert.h"

#include <algorithm>
#include <filesystem>

#include "shim/drain/base/warn.h"
#include "shim/drain/main/outputs.h"
#include "shim/drain/main/recorded_facts.h"
#include "shim/drain/recording/recording.h"
#include "shim/drain/report/progress_bar.h"

namespace telinject::drain {

namespace {

namespace fs = std::filesystem;

constexpr char kSuffix[] = ".telrec";

// The same sink for several processors.
class SharedSink : public Sink {
 public:
  explicit SharedSink(Sink* sink) : sink_(sink), before_(sink->bytes_written()) {}
  uint64_t write(std::string_view lines) override {
    uint64_t lost = sink_->write(lines);
    bytes_written_ = sink_->bytes_written() - before_;
    return lost;
  }
  uint64_t flush() override {
    uint64_t lost = sink_->flush();
    bytes_written_ = sink_->bytes_written() - before_;
    return lost;
  }
  std::string describe() const override { return sink_->describe(); }
  bool hopeless() const override { return sink_->hopeless(); }

 private:
  Sink* sink_;
  uint64_t before_;
};

std::vector<std::string> recordings_in(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.path().extension() == kSuffix) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool convert_one(const std::string& path, Sink* sink, ConvertOptions* wanted) {
  std::string problem;
  std::unique_ptr<RecordingReader> reader = RecordingReader::open(path, &problem);
  if (reader == nullptr) {
    warn(problem);
    return false;
  }
  std::optional<RecordedFacts> facts = facts_from_json(reader->last_facts());
  std::vector<ClockAnchor> anchors = reader->first_anchors();
  if (!facts.has_value() || anchors.size() < 2) {
    warn(path, ": nothing was recorded, or its beginning is damaged");
    return false;
  }
  ClockKeeper clock(facts->clock, anchors[0], facts->realtime_ns, anchors[1]);
  Processor::Options options;
  options.metadata = facts->metadata;
  options.sample_rate = facts->sample_rate;
  options.exact_totals = facts->exact_totals;
  options.summary = wanted->summary;
  const OutputChoice& choice = facts->goes_on.has_value() ? *facts->goes_on : wanted->choice;
  options.filter = filter_of(choice);
  options.operations.slow_http_ns = static_cast<int64_t>(choice.slow_http_ns);
  options.totals = std::move(wanted->totals);
  options.replay = true;
  options.output = wanted->output;
  std::atomic<uint64_t> progress_count{0};
  EventOutputs outputs =
      make_outputs(std::make_unique<SharedSink>(sink), choice, {.most = wanted->threads});
  Processor processor(nullptr, &clock, std::move(outputs), std::move(options),
                      {[](SegmentId, int) {}, [] {}, &progress_count});
  ProgressBar progress(absl::StrCat("telinject: ", path), [&] {
    return Work{reader->offset(), reader->size() - reader->offset(), processor.events_written()};
  });
  progress.allow(wanted->progress);
  progress.begin();
  while (auto frame = reader->next()) {
    if (!frame->state.empty() && !processor.restore(frame->state)) {
      progress.end();
      warn(path,
           ": goes on where a drain of another release has stopped, or is damaged: only "
           "that release's telinject convert reads it");
      return false;
    }
    processor.lose_recorded(frame->lost);
    if (frame->anchor.has_value() && frame->anchor->ticks > anchors[1].ticks) {
      clock.add_anchor(*frame->anchor);
    }
    if (frame->batch.has_value()) processor.replay(std::move(*frame->batch));
    progress.tick();
  }
  progress.end();
  processor.finish_replay();
  if (!reader->problem().empty()) warn(path, ": ", reader->problem());
  return reader->problem().empty() && processor.lost_in_sink() == 0;
}

}  // namespace

int convert(const std::vector<std::string>& paths, std::unique_ptr<Sink> sink,
            ConvertOptions options) {
  bool good = true;
  std::vector<std::string> all;
  for (const std::string& path : paths) {
    std::vector<std::string> files = recordings_in(path);
    if (files.empty()) {
      warn(path, ": no recording (", kSuffix, ") is in that folder");
      good = false;
    }
    all.insert(all.end(), files.begin(), files.end());
  }
  if (all.size() > 1 && options.totals != nullptr) {
    warn("totals are those of one recording, and these are ", all.size(),
         "; none are written: convert them one by one");
    options.totals = nullptr;
    good = false;
  }
  for (const std::string& file : all) good = convert_one(file, sink.get(), &options) && good;
  return good ? 0 : 1;
}

}  // namespace telinject::drain
