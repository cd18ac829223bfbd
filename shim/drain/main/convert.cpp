#include "shim/drain/main/convert.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "shim/delivery/left_file.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/main/outputs.h"
#include "shim/drain/main/recorded_facts.h"
#include "shim/drain/recording/recording.h"
#include "shim/drain/report/progress_bar.h"
#include "shim/receivers/event_line.h"
#include "shim/sinks/printable_text.h"
#include "shim/sinks/shell_word.h"

namespace telinject::drain {

namespace {

namespace fs = std::filesystem;

constexpr char kSuffix[] = ".telrec", kLeftSuffix[] = ".telleft";

// The destinations take no items of this kind.
void tell_other_kind(const std::string& path, const std::string& kind) {
  auto say = [&](const char* what, const char* output) {
    warn(path, ": has ", what, " for --output=", output,
         "; this sends them: telinject convert --output=", output, " ", shell_word(path));
  };
  if (kind == receivers::kEventLines) return say("events", "http");
  if (kind == "otlp-traces") return say("spans", "otlp");
  if (kind == "otlp-metrics") return say("metrics", "otlp");
  if (kind == "otlp-logs") {
    warn(path,
         ": has log records for OpenTelemetry; this sends them: OTEL_LOGS_EXPORTER=otlp "
         "telinject convert --output=otlp ",
         shell_word(path));
    return;
  }
  warn(path, ": has items of an unknown kind (", printable(kind),
       "); convert it with the release that wrote it");
}

// What could not be sent, to the destinations of today.
bool send_left(const std::string& path, const Destinations& destinations) {
  std::string problem;
  std::unique_ptr<delivery::LeftReader> reader = delivery::LeftReader::open(path, &problem);
  if (reader == nullptr) {
    warn(problem);
    return false;
  }
  uint64_t lost = 0;
  while (reader->next()) {
    if (reader->kind().starts_with("otlp-") && destinations.otlp() != nullptr &&
        destinations.otlp()->add_left(reader->kind(), reader->text(), reader->batch())) {
      continue;
    }
    if (reader->kind() != receivers::kEventLines || destinations.all().empty()) {
      tell_other_kind(path, reader->kind());
      return false;
    }
    for (const Destinations::One& one : destinations.all()) {
      lost += one.sink->write(reader->batch().encoded);
    }
  }
  for (const Destinations::One& one : destinations.all()) lost += one.sink->flush();
  if (!reader->problem().empty()) warn(path, ": ", reader->problem());
  return reader->problem().empty() && lost == 0;
}

bool convert_one(const std::string& path, const Destinations& destinations,
                 ConvertOptions* wanted) {
  if (delivery::LeftReader::is_left_file(path)) return send_left(path, destinations);
  auto outputs = [&](const OutputChoice& choice) {
    return make_outputs(destinations, choice, {.most = wanted->threads}, /*live=*/false);
  };
  return replay(path, outputs, wanted);
}

}  // namespace

std::vector<std::string> recordings_in(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    std::string suffix = entry.path().extension();
    if (suffix == kSuffix || suffix == kLeftSuffix) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool replay(const std::string& path, const MakeOutputs& make, ConvertOptions* wanted) {
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
  options.operations = choice.operations;
  options.totals = std::move(wanted->totals);
  options.replay = true;
  options.output = wanted->output;
  options.started_ns = facts->realtime_ns;
  std::atomic<uint64_t> progress_count{0};
  Processor processor(nullptr, &clock, make(choice), std::move(options),
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
           ": is damaged, or was written by another release of telinject: convert it with that "
           "release");
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

int convert(const std::vector<std::string>& paths, Destinations* destinations,
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
    warn("totals can be written for one recording only, and there are ", all.size(),
         "; no totals are written: convert the recordings one by one");
    options.totals = nullptr;
    good = false;
  }
  for (const std::string& file : all) good = convert_one(file, *destinations, &options) && good;
  if (destinations->finish() > 0) good = false;
  return good ? 0 : 1;
}

}  // namespace telinject::drain
