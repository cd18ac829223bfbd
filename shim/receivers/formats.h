// The formats of event receivers: request bodies made of lines of v3 events, and readers of the
// answers.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shim/delivery/batch.h"
#include "shim/delivery/endpoint.h"

namespace telinject::receivers {

// Each of these appends one event in its format. `line`: without its line feed.
void append_hec(std::string_view line, std::string* body);          // Splunk's HTTP Event Collector
void append_datadog_log(std::string_view line, std::string* body);  // Datadog's logs, version 2
void append_ecs_document(std::string_view line, std::string* body);  // Elastic Common Schema

// Makes bodies of lines of v3 events; `what` is the format.
enum class BodyFormat : uint8_t { kEvent, kLines, kHec, kElasticsearch, kDatadogLogs };
std::shared_ptr<const delivery::Framing> make_event_framing(BodyFormat what);

// Elasticsearch's _bulk says 200 although some or all items failed, each in its own place.
class BulkAnswerReader final : public delivery::AnswerReader {
 public:
  delivery::Verdict read(const delivery::Answer& answer, size_t items) const override;
};

}  // namespace telinject::receivers
