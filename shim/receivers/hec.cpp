// Splunk's HTTP Event Collector: objects one after another, never an array. The event stays as it
// is; `fields` are indexed and must be flat.
#include "shim/receivers/event_line.h"
#include "shim/receivers/formats.h"

namespace telinject::receivers {

void append_hec(std::string_view line, std::string* body) {
  RawObject event(line);
  RawObject service = event.object("service");
  NestedWriter out(body);
  std::string_view seconds;
  std::string fraction;
  if (split_time(event.get("timestamp_ns"), &seconds, &fraction)) {
    out.put_text("time", std::string(seconds) + "." + fraction);
  }
  out.put("host", event.object("host").get("name"));
  out.put("source", service.get("name"));
  out.put_text("sourcetype", "telemetry:v3");
  out.put("event", line);
  out.put("fields.trace_id", event.get("trace_id"));
  out.put("fields.span_id", event.get("span_id"));
  out.put("fields.service", service.get("name"));
  out.put("fields.environment", event.get("environment"));
  out.put("fields.severity", event.get("severity"));
  out.put("fields.event_type", event.get("event_type"));
  out.end();
}

}  // namespace telinject::receivers
