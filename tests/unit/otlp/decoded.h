// OTLP's requests, read back: through OtlpFraming, as a receiver gets them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shim/events/otlp/otlp_output.h"

namespace telinject::test {

struct DecodedSpan {
  std::string trace, id, parent, trace_state, name, status_message, scope;
  uint64_t start = 0, end = 0;
  int kind = 0, status = 0;
  uint32_t flags = 0, dropped_attributes = 0, dropped_events = 0;
  std::map<std::string, std::string> attributes;  // numbers, truths and lists as text
  std::map<std::string, std::string> resource;
  std::vector<std::map<std::string, std::string>> events;
};

// Throws what protozero throws if it is no protobuf; fails if a name occurs twice among attributes
// or a text is no UTF-8.
std::vector<DecodedSpan> decode(std::string_view request);

// Keeps what an output sends.
class Receiver final : public otlp::Stream {
 public:
  explicit Receiver(delivery::Batch* batch, std::vector<std::string>* requests)
      : batch_(batch), requests_(requests) {}
  void add(const std::shared_ptr<const delivery::Framing>& framing, std::string_view item,
           TraceId trace, uint32_t group) override;
  void pass_on() override;
  void flush() override;
  void hurry() override {}
  uint64_t take_lost() override { return 0; }
  bool hopeless() const override { return false; }
  std::string describe() const override { return "a test"; }
  std::string outcome() const override { return ""; }
  uint64_t bytes() const override { return 0; }

 private:
  delivery::Batch* batch_;
  std::vector<std::string>* requests_;
};

// An output, a process and a thread; spans are made by hand.
struct Bench {
  explicit Bench(otlp::SpanBudget::Limits budget = {0, 0}, otlp::Format format = {},
                 otlp::ExceptionSignal exceptions = {});

  FunctionInfo* function(const std::string& name);
  void start(uint64_t id, uint64_t parent, int64_t ns, FunctionInfo* f, ThreadInfo* on = nullptr,
             TraceId trace = {1, 2});
  void end(uint64_t id, uint64_t parent, int64_t start_ns, int64_t ns, FunctionInfo* f,
           const ExitNote* note = nullptr, const ErrorInfo* error = nullptr,
           ThreadInfo* on = nullptr, TraceId trace = {1, 2});
  std::vector<DecodedSpan> spans();  // after a flush

  ProcessInfo process;
  Metadata metadata;
  ThreadInfo thread{1, 77, "worker"};
  std::vector<std::unique_ptr<FunctionInfo>> functions;
  delivery::Batch batch, log_batch;
  std::vector<std::string> requests, log_requests;
  std::unique_ptr<otlp::OtlpOutput> output;
};

}  // namespace telinject::test
