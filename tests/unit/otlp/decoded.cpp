#include "decoded.h"

#include <catch2/catch.hpp>
#include <protozero/pbf_reader.hpp>
#include <utility>

#include "shim/events/utf8.h"

namespace telinject::test {

namespace {

using protozero::pbf_reader;

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

std::string valid(std::string text) {
  std::string again;
  append_utf8(&again, text, text.size());
  REQUIRE(again == text);
  return text;
}

std::string value_text(pbf_reader value) {
  std::string text;
  while (value.next()) {
    switch (value.tag()) {
      case 1:
        text = valid(value.get_string());
        break;
      case 2:
        text = value.get_bool() ? "true" : "false";
        break;
      case 3:
        text = std::to_string(value.get_int64());
        break;
      case 4:
        text = std::to_string(value.get_double());
        break;
      case 5: {
        pbf_reader list = value.get_message();
        while (list.next()) text += "[" + value_text(list.get_message()) + "]";
        break;
      }
      default:
        FAIL("an unknown kind of value");
    }
  }
  return text;
}

void add_attribute(pbf_reader attribute, std::map<std::string, std::string>* to) {
  std::string key, value;
  while (attribute.next()) {
    if (attribute.tag() == 1) {
      key = valid(attribute.get_string());
    } else {
      value = value_text(attribute.get_message());
    }
  }
  INFO(key);
  REQUIRE(to->emplace(key, value).second);
}

std::map<std::string, std::string> decode_event(pbf_reader event) {
  std::map<std::string, std::string> attributes;
  while (event.next()) {
    if (event.tag() == 1) {
      attributes["time"] = std::to_string(event.get_fixed64());
    } else if (event.tag() == 2) {
      attributes["name"] = event.get_string();
    } else if (event.tag() == 3) {
      add_attribute(event.get_message(), &attributes);
    } else {
      event.skip();
    }
  }
  return attributes;
}

DecodedSpan decode_span(pbf_reader reader) {
  DecodedSpan span;
  while (reader.next()) {
    switch (reader.tag()) {
      case 1:
        span.trace = hex(reader.get_bytes());
        break;
      case 2:
        span.id = hex(reader.get_bytes());
        break;
      case 3:
        span.trace_state = valid(reader.get_string());
        break;
      case 4:
        span.parent = hex(reader.get_bytes());
        break;
      case 5:
        span.name = valid(reader.get_string());
        break;
      case 6:
        span.kind = reader.get_enum();
        break;
      case 7:
        span.start = reader.get_fixed64();
        break;
      case 8:
        span.end = reader.get_fixed64();
        break;
      case 9:
        add_attribute(reader.get_message(), &span.attributes);
        break;
      case 10:
        span.dropped_attributes = reader.get_uint32();
        break;
      case 12:
        span.dropped_events = reader.get_uint32();
        break;
      case 11:
        span.events.push_back(decode_event(reader.get_message()));
        break;
      case 15: {
        pbf_reader status = reader.get_message();
        while (status.next()) {
          if (status.tag() == 2) {
            span.status_message = valid(status.get_string());
          } else {
            span.status = status.get_enum();
          }
        }
        break;
      }
      case 16:
        span.flags = reader.get_fixed32();
        break;
      default:
        reader.skip();
    }
  }
  return span;
}

}  // namespace

std::vector<DecodedSpan> decode(std::string_view request) {
  std::vector<DecodedSpan> spans;
  pbf_reader reader(request.data(), request.size());
  while (reader.next(1)) {
    pbf_reader resource = reader.get_message();
    std::map<std::string, std::string> attributes;
    while (resource.next()) {
      if (resource.tag() == 1) {
        pbf_reader all = resource.get_message();
        while (all.next(1)) add_attribute(all.get_message(), &attributes);
      } else if (resource.tag() == 2) {
        pbf_reader scope = resource.get_message();
        std::string name;
        while (scope.next()) {
          if (scope.tag() == 1) {
            pbf_reader about = scope.get_message();
            about.next(1);
            name = about.get_string();
          } else if (scope.tag() == 2) {
            DecodedSpan span = decode_span(scope.get_message());
            span.scope = name;
            span.resource = attributes;
            spans.push_back(std::move(span));
          } else {
            scope.skip();
          }
        }
      } else {
        resource.skip();
      }
    }
  }
  return spans;
}

void Receiver::add(const std::shared_ptr<const delivery::Framing>& framing, std::string_view item,
                   TraceId trace, uint32_t group) {
  if (batch_->framing != nullptr && batch_->framing != framing) pass_on();
  batch_->framing = framing;
  batch_->add(item, trace, group);
}

void Receiver::pass_on() {
  if (batch_->size() == 0) return;
  std::string body;
  batch_->framing->append_body(*batch_, 0, batch_->size(), &body);
  requests_->push_back(std::move(body));
  *batch_ = {};
}

void Receiver::flush() {
  pass_on();
}

Bench::Bench(otlp::SpanBudget::Limits budget, otlp::Format format,
             otlp::ExceptionSignal exceptions) {
  process.pid = 42;
  process.sample_rate = 1000000000;
  process.executable = "/usr/bin/app";
  process.language = "cpp";
  metadata.service.name = "shop";
  metadata.service.version = "1.2";
  metadata.service.environment = "dev";
  metadata.host.name = "box";
  metadata.host.ip = "10.0.0.1";
  otlp::OtlpOutput::Options options;
  options.traces = std::make_unique<Receiver>(&batch, &requests);
  options.traces_format = format;
  options.budget = budget;
  options.exceptions = exceptions;
  if (exceptions != otlp::ExceptionSignal::kSpanEvents) {
    options.logs = std::make_unique<Receiver>(&log_batch, &log_requests);
  }
  output = std::make_unique<otlp::OtlpOutput>(std::move(options));
  output->introduce(process, metadata, 1, nullptr);
}

FunctionInfo* Bench::function(const std::string& name) {
  auto made = std::make_unique<FunctionInfo>();
  made->number = static_cast<uint32_t>(functions.size());
  made->name = name;
  functions.push_back(std::move(made));
  return functions.back().get();
}

void Bench::start(uint64_t id, uint64_t parent, int64_t ns, FunctionInfo* f, ThreadInfo* on,
                  TraceId trace) {
  SpanStart event;
  event.place = {1, ns, trace, id, parent};
  event.process = &process;
  event.thread = on != nullptr ? on : &thread;
  event.function = f;
  output->start(event);
}

void Bench::end(uint64_t id, uint64_t parent, int64_t start_ns, int64_t ns, FunctionInfo* f,
                const ExitNote* note, const ErrorInfo* error, ThreadInfo* on, TraceId trace) {
  SpanEnd event;
  event.place = {2, ns, trace, id, parent};
  event.process = &process;
  event.thread = on != nullptr ? on : &thread;
  event.function = f;
  event.start_ns = start_ns;
  event.duration_ns = ns - start_ns;
  event.note = note;
  event.error = error;
  event.severity = error != nullptr ? Severity::kError : Severity::kInfo;
  output->end(event);
}

std::vector<DecodedSpan> Bench::spans() {
  output->flush();
  std::vector<DecodedSpan> all;
  for (const std::string& request : requests) {
    std::vector<DecodedSpan> more = decode(request);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace telinject::test
