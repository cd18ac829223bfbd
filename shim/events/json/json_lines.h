// The output of JSON lines: events of telemetry v3, one a line, into a sink.
//
// It owns all prepared text: of processes and functions by number, of threads in a cache, of
// seconds and traces in the encoders. With several threads, a pool encodes plain calls
// (encoder_pool.h); the bytes are the same.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shim/events/event_output.h"
#include "shim/events/json/encoder_pool.h"
#include "shim/events/json/event_encoder.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/worker_thread.h"

namespace telinject {

class JsonLines final : public EventOutput {
 public:
  struct Options {
    bool lean = false;  // TELEMETRY_DETAIL
    Workers encoders;   // the thread that writes events among them
  };

  JsonLines(std::unique_ptr<Sink> sink, const Options& options);

  void introduce(const ProcessInfo& process, const Metadata& metadata, int64_t timestamp_ns,
                 Places* places) override;
  void introduce(const FunctionInfo& function, const ProcessInfo& process, int64_t timestamp_ns,
                 Places* places) override;
  void forget(const ProcessInfo& process) override;
  void forget(const FunctionInfo& function) override;

  void start(const SpanStart& event) override;
  void end(const SpanEnd& event) override;
  void note(const PointEvent& event) override;

  void pass_on() override;
  void flush() override;
  void hurry() override { sink_->hurry(); }
  uint64_t take_lost() override;
  bool hopeless() const override { return sink_->hopeless(); }
  bool tells_losses() const override { return sink_->tells_losses(); }
  std::string describe() const override { return sink_->describe(); }
  std::string outcome() const override { return sink_->outcome(); }
  uint64_t bytes_written() const override { return sink_->bytes_written(); }

  std::string_view kind() const override { return lean_ ? "json-lean" : "json"; }
  std::string save() const override;
  bool restore(std::string_view state, const std::vector<const ProcessInfo*>& processes) override;

 private:
  struct FunctionSlot {
    uint64_t reference = 0;  // lean: the span id of its telemetry_function event
    FunctionJson text;       // empty before its first event
  };
  static constexpr uint32_t kBlockFunctions = 256;
  static constexpr size_t kFlushBytes = 1 << 20;
  // The most bytes of prepared function texts; beyond that, all are dropped and made again on
  // demand.
  static constexpr size_t kMostTextBytes = 64 << 20;
  struct ThreadSlot {
    uint64_t number = 0;
    std::string text;  // "thread_id":12,"thread_name":"worker"
  };

  const FunctionSlot& slot_of(const FunctionInfo& function) {
    FunctionSlot& slot = slot_at(function.number);
    if (slot.text.entry_head.empty()) make_text(&slot, function);
    return slot;
  }
  FunctionSlot& slot_at(uint32_t number) {
    if (number / kBlockFunctions >= functions_.size()) make_room(number);
    return functions_[number / kBlockFunctions][number % kBlockFunctions];
  }
  void make_room(uint32_t number);
  void make_text(FunctionSlot* slot, const FunctionInfo& function);
  std::string_view text_of(const ThreadInfo& thread) {
    ThreadSlot& slot = threads_[thread.number % threads_.size()];
    if (slot.number != thread.number || thread.number == 0) make_text(&slot, thread);
    return slot.text;
  }
  static void make_text(ThreadSlot* slot, const ThreadInfo& thread);
  const std::shared_ptr<const ProcessJson>& text_of(const ProcessInfo& process) const {
    return processes_[process.number];
  }
  void settle_pool();
  void forget_texts();
  void pool_lines();
  void pass_on_lines();
  void pass_on_if_large() {
    if (lines_.size() >= kFlushBytes) pass_on_lines();
  }

  std::unique_ptr<Sink> sink_;
  const bool lean_;
  uint64_t lost_ = 0;
  LineBuffer lines_;
  EventEncoder encoder_;
  std::vector<std::shared_ptr<const ProcessJson>> processes_;  // encoders share them
  // In blocks, which stay where they are: encoders refer to the texts.
  std::vector<std::unique_ptr<FunctionSlot[]>> functions_;
  size_t text_bytes_ = 0;                 // of them all
  std::array<ThreadSlot, 1024> threads_;  // by the end of their numbers
  // Null where one thread encodes. Goes first: it refers to the functions' texts.
  std::unique_ptr<EncoderPool> pool_;
};

}  // namespace telinject
