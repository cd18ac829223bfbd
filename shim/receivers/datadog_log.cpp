// Datadog's logs: flat, with the names that its pipelines know. All values but the timestamp are
// texts: others that take this format want it so, and numbers are doubles there, which cannot have
// nanoseconds since 1970.
#include "shim/receivers/event_line.h"
#include "shim/receivers/formats.h"

namespace telinject::receivers {

namespace {

class FlatWriter {
 public:
  explicit FlatWriter(std::string* out) : out_(out) { out_->push_back('{'); }
  // Of an object or a list nothing is put: they are not flat.
  void put(std::string_view name, std::string_view value) {
    if (value.empty() || value.front() == '{' || value.front() == '[') return;
    if (!first_) out_->push_back(',');
    first_ = false;
    bool text = value.front() == '"';
    out_->append("\"").append(name).append(text ? "\":" : "\":\"").append(value);
    if (!text) out_->append("\"");
  }
  void put_text(std::string_view name, std::string_view plain) {
    if (!plain.empty()) put(name, std::string("\"").append(plain).append("\""));
  }
  void put_number(std::string_view name, std::string_view digits) {
    if (!first_) out_->push_back(',');
    first_ = false;
    out_->append("\"").append(name).append("\":").append(digits);
  }
  // Each plain member of an object, as "prefix.name".
  void put_members(std::string_view prefix, const RawObject& object) {
    for (const auto& [name, value] : object.members()) {
      if (value != "null") put(std::string(prefix).append(name), value);
    }
  }
  void end() { out_->push_back('}'); }

 private:
  std::string* out_;
  bool first_ = true;
};

void put_http(const RawObject& http, FlatWriter* out) {
  RawObject request = http.object("request"), response = http.object("response");
  out->put("http.method", request.get("method"));
  out->put("http.url", request.get("url"));
  out->put("http.useragent", request.get("user_agent"));
  out->put("http.status_code", response.get("status_code"));
  out->put("http.request.body_bytes", request.get("body_bytes"));
  out->put("http.response.body_bytes", response.get("body_bytes"));
  out->put("http.response.content_type", response.get("content_type"));
  out->put_members("http.request.headers.", request.object("headers"));
  out->put_members("http.response.headers.", response.object("headers"));
}

// JSON's numbers have no zeros in front.
std::string json_number(const std::string& digits) {
  size_t first = digits.find_first_not_of('0');
  return first == std::string::npos ? "0" : digits.substr(first);
}

// "env:dev,version:1.2": tags end at a comma.
std::string tags_of(const RawObject& event, const RawObject& service) {
  auto tag = [](std::string_view value) {
    std::string text(within_quotes(value));
    for (char& c : text) {
      if (c == ',') c = '_';
    }
    return text;
  };
  return "\"env:" + tag(event.get("environment")) + ",version:" + tag(service.get("version")) +
         "\"";
}

}  // namespace

void append_datadog_log(std::string_view line, std::string* body) {
  RawObject event(line);
  RawObject service = event.object("service"), error = event.object("error");
  FlatWriter out(body);
  out.put_text("ddsource", "telinject");
  out.put("ddtags", tags_of(event, service));
  out.put("hostname", event.object("host").get("name"));
  out.put("service", service.get("name"));
  out.put("message", event.get("message"));
  out.put_text("status", lower_case(within_quotes(event.get("severity"))));
  std::string_view ns = event.get("timestamp_ns"), seconds;
  std::string fraction;
  constexpr size_t kMsDigits = 3;
  if (split_time(ns, &seconds, &fraction)) {
    out.put_number("timestamp", json_number(std::string(seconds) + fraction.substr(0, kMsDigits)));
    out.put_text("timestamp_ns", ns);
  }
  out.put("dd.trace_id", event.get("trace_id"));
  out.put_text("dd.span_id", decimal_of_hex(within_quotes(event.get("span_id"))));
  out.put("span_id", event.get("span_id"));
  out.put("parent_span_id", event.get("parent_span_id"));
  for (const char* name : {"event_type", "sequence", "function_name", "sample_rate", "trace_flags",
                           "correlation_id"}) {
    out.put(name, event.get(name));
  }
  out.put("duration", event.get("duration_ns"));
  out.put("error.kind", error.get("type"));
  out.put("error.message", error.get("message"));
  out.put("error.stack", error.get("stacktrace"));
  put_http(event.object("http"), &out);
  out.put_members("", event.object("attributes"));
  for (const char* name : {"process", "resource", "cloud", "k8s", "event"}) {
    out.put_members(std::string(name) + ".", event.object(name));
  }
  out.end();
}

}  // namespace telinject::receivers
