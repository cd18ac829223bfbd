// Collector and processor on a segment that was written beforehand: one round, one thread, events
// into memory.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "segment.h"
#include "shim/drain/collect/collector.h"
#include "shim/drain/spans/processor.h"
#include "shim/events/json/json_lines.h"
#include "shim/http/digest.h"

namespace telinject::test {
using namespace drain;

class MemorySink final : public Sink {
 public:
  explicit MemorySink(std::string* out) : out_(out) {}
  uint64_t write(std::string_view lines) override {
    out_->append(lines);
    bytes_written_ += lines.size();
    return 0;
  }
  std::string describe() const override { return "memory"; }

 private:
  std::string* out_;
};

inline EventOutputs memory_output(std::string* lines, const JsonLines::Options& options = {}) {
  EventOutputs outputs;
  outputs.push_back(std::make_unique<JsonLines>(std::make_unique<MemorySink>(lines), options));
  return outputs;
}

inline MessageRedactors http_redactors() {
  return operation_redactors(redaction::Redactor());
}

inline constexpr int kTestOsPid = 4711;

struct DrainRun {
  std::string lines;
  std::string problem;       // of the segment, if it was refused
  std::vector<int> watched;  // processes whose end the processor asked for
};

// The program has unmapped its segment; `ends` are told in this order, the first for its process.
// `samples` come with the records. `totals`: a file for them, or "".
inline DrainRun drain(TestSegment* segment, std::vector<std::pair<int, ProcessEnd>> ends,
                      std::vector<RunDelaySample> samples = {}, const std::string& totals = "") {
  DrainRun result;
  CollectorCommand opened;
  opened.notice.kind = Notice::Kind::kSegmentOpened;
  opened.notice.os_pid = kTestOsPid;
  opened.segment = SegmentView::open(segment->descriptor(), &result.problem);
  if (opened.segment == nullptr) return result;
  segment->unmap();

  BatchQueue queue(64 << 20, nullptr);
  std::atomic<uint64_t> progress{0};
  Collector collector(&queue, ClockKind::kMonotonic, {128 << 20, true}, &progress,
                      http_redactors());
  SegmentId id = collector.tell(std::move(opened));
  for (auto& [pid, end] : ends) {
    CollectorCommand command;
    command.notice.kind = Notice::Kind::kProcessEnded;
    command.notice.segment = id;
    command.notice.os_pid = pid;
    command.notice.end = end;
    collector.tell(std::move(command));
  }
  CollectorCommand last;
  last.notice.kind = Notice::Kind::kLastWords;
  collector.tell(std::move(last));
  collector.run();
  BatchQueue sampled(64 << 20, nullptr);
  while (!queue.empty()) {
    Batch batch = queue.pop();
    if (!batch.runs.empty() && !samples.empty()) {
      batch.notices.emplace_back(Notice::Kind::kRunDelay).run_delay = std::exchange(samples, {});
    }
    sampled.push(std::move(batch));
  }

  ClockKeeper clock(ClockKind::kMonotonic);
  Processor::Options options;
  options.metadata.service = {"shop", "1", "dev"};
  Processor::Hooks hooks = {[&](SegmentId, int pid) { result.watched.push_back(pid); }, [] {},
                            &progress};
  if (!totals.empty()) options.totals = DocumentFile::open(totals, &result.problem);
  Processor processor(&sampled, &clock, memory_output(&result.lines), std::move(options), hooks);
  processor.run();
  return result;
}

}  // namespace telinject::test
