// Bodies of requests, of lines of events.
#include <utility>

#include "shim/receivers/event_line.h"
#include "shim/receivers/formats.h"

namespace telinject::receivers {

namespace {

using delivery::Batch;

std::string_view without_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  return line;
}

// The document's id is that of the event, so that one that is sent again is not there twice.
void append_create(std::string_view line, std::string* body) {
  RawObject event(line);
  std::string_view trace = within_quotes(event.get("trace_id"));
  std::string_view span = within_quotes(event.get("span_id")), sequence = event.get("sequence");
  body->append("{\"create\":{");
  if (!trace.empty() && !span.empty() && is_number(sequence)) {
    body->append("\"_id\":\"").append(trace).append("-").append(span);
    body->append("-").append(sequence).append("\"");
  }
  body->append("}}\n");
}

class EventFraming final : public delivery::Framing {
 public:
  explicit EventFraming(BodyFormat what) : what_(what) {}

  void append_body(const Batch& batch, size_t from, size_t to, std::string* body) const override {
    if (what_ == BodyFormat::kDatadogLogs) body->push_back('[');
    for (size_t i = from; i < to; i++) append(without_end(batch.item(i)), i == from, body);
    if (what_ == BodyFormat::kDatadogLogs) body->push_back(']');
  }
  // All formats are made of the same lines, so that another one can send them, too.
  std::string_view kind() const override { return kEventLines; }

 private:
  void append(std::string_view line, bool first, std::string* body) const {
    switch (what_) {
      case BodyFormat::kEvent:
        body->append(line);
        return;
      case BodyFormat::kLines:
        body->append(line).append("\n");
        return;
      case BodyFormat::kHec:
        return append_hec(line, body);
      case BodyFormat::kElasticsearch:
        append_create(line, body);
        append_ecs_document(line, body);
        body->append("\n");
        return;
      case BodyFormat::kDatadogLogs:
        if (!first) body->push_back(',');
        return append_datadog_log(line, body);
    }
  }

  BodyFormat what_;
};

}  // namespace

std::shared_ptr<const delivery::Framing> make_event_framing(BodyFormat what) {
  return std::make_shared<EventFraming>(what);
}

}  // namespace telinject::receivers
