#include "shim/cli/convert.h"

#include <algorithm>
#include <filesystem>

#include "shim/cli/recorded_facts.h"
#include "shim/drain/complain.h"
#include "shim/drain/recording.h"
#include "shim/sinks/standard_error.h"

namespace telinject {

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

// "\r" and a few words, on a terminal only, a few times a second at most.
class Progress {
 public:
  Progress(const std::string& path, bool shown) : path_(path), shown_(shown) {}
  ~Progress() {
    if (percent_ > 0) StandardError::get().write("\r\033[K", 0);
  }
  void show(uint64_t done, uint64_t all) {
    int percent = all == 0 ? 100 : static_cast<int>(done * 100 / all);
    if (!shown_ || percent == percent_) return;
    percent_ = percent;
    StandardError::get().write(absl::StrCat("\rtelinject: ", path_, ": ", percent, " %"), 0);
  }

 private:
  std::string path_;
  bool shown_;
  int percent_ = 0;
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
    complain(problem);
    return false;
  }
  std::optional<RecordedFacts> facts = facts_from_json(reader->last_facts());
  std::vector<ClockAnchor> anchors = reader->first_anchors();
  if (!facts.has_value() || anchors.size() < 2) {
    complain(path, ": nothing was recorded, or its beginning is damaged");
    return false;
  }
  ClockKeeper clock(facts->clock, anchors[0], facts->realtime_ns, anchors[1]);
  Processor::Options options;
  options.metadata = facts->metadata;
  options.sample_rate = facts->sample_rate;
  options.summary = wanted->summary;
  options.lean = wanted->lean;
  options.slow_http_ns = wanted->slow_http_ns;
  options.filter = wanted->filter;
  options.totals = std::move(wanted->totals);
  options.replay = true;
  options.output = wanted->output;
  std::atomic<uint64_t> progress_count{0};
  Processor processor(nullptr, &clock, std::make_unique<SharedSink>(sink), std::move(options),
                      {[](int) {}, [] {}, &progress_count});
  Progress progress(path, wanted->progress);
  while (auto frame = reader->next()) {
    if (frame->anchor.has_value() && frame->anchor->ticks > anchors[1].ticks) {
      clock.add_anchor(*frame->anchor);
    }
    if (frame->batch.has_value()) processor.replay(std::move(*frame->batch));
    progress.show(reader->offset(), reader->size());
  }
  processor.finish_replay();
  if (!reader->problem().empty()) complain(path, ": ", reader->problem());
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
      complain(path, ": no recording (", kSuffix, ") is in that folder");
      good = false;
    }
    all.insert(all.end(), files.begin(), files.end());
  }
  if (all.size() > 1 && options.totals != nullptr) {
    complain("totals are those of one recording, and these are ", all.size(),
             "; none are written: convert them one by one");
    options.totals = nullptr;
    good = false;
  }
  for (const std::string& file : all) good = convert_one(file, sink.get(), &options) && good;
  return good ? 0 : 1;
}

}  // namespace telinject
