#include "shim/events/otlp/exporters.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "shim/delivery/header_list.h"
#include "shim/events/otlp/answers.h"
#include "shim/sinks/printable_text.h"

namespace telinject::otlp {

namespace {

using delivery::Compression;
using delivery::Endpoint;

struct SignalNames {
  const char* word;     // in names of variables
  const char* name;     // for the user
  const char* path;     // of OTLP/HTTP
  const char* service;  // of gRPC
};
constexpr SignalNames kTracesNames = {"TRACES", "otlp traces", "v1/traces",
                                      "opentelemetry.proto.collector.trace.v1.TraceService/Export"};
constexpr SignalNames kLogsNames = {"LOGS", "otlp logs", "v1/logs",
                                    "opentelemetry.proto.collector.logs.v1.LogsService/Export"};
constexpr SignalNames kMetricsNames = {
    "METRICS", "otlp metrics", "v1/metrics",
    "opentelemetry.proto.collector.metrics.v1.MetricsService/Export"};

struct Value {
  std::string name, text;  // of the variable that has it; "" if none has
};

// Reads what is about one signal.
class Reader {
 public:
  Reader(const GetVariable& get, const std::function<std::string(const std::string&)>& absolute,
         const Tell& tell, const SignalNames& signal)
      : get_(get), absolute_(absolute), tell_(tell), signal_(signal) {}

  Exporter read() {
    Exporter exporter;
    Endpoint& endpoint = exporter.endpoint;
    read_protocol(&exporter);
    endpoint.name = signal_.name;
    endpoint.output = "otlp";
    endpoint.url = endpoint.grpc ? grpc_url() : http_url();
    read_compression(&endpoint);
    add_content_type(&exporter);
    add_headers(&endpoint);
    read_timeout(&endpoint);
    endpoint.ca_file = file("CERTIFICATE");
    endpoint.client_certificate = file("CLIENT_CERTIFICATE");
    endpoint.client_key = file("CLIENT_KEY");
    endpoint.reader = endpoint.grpc ? grpc_answers() : http_answers(exporter.format);
    return exporter;
  }

 private:
  // The signal's own variable goes before the general one.
  Value find(std::string_view what) const {
    std::string own = absl::StrCat("OTEL_EXPORTER_OTLP_", signal_.word, "_", std::string(what));
    std::string general = absl::StrCat("OTEL_EXPORTER_OTLP_", std::string(what));
    std::string text = get_(own);
    if (!text.empty()) return {own, text};
    return {general, get_(general)};
  }

  void read_protocol(Exporter* exporter) const {
    Value value = find("PROTOCOL");
    if (value.text == "grpc") {
      exporter->endpoint.grpc = true;
    } else if (value.text == "http/json") {
      exporter->format = Format::kJson;
    } else if (!value.text.empty() && value.text != "http/protobuf") {
      tell_(absl::StrCat(value.name, "=", printable(value.text, kMostOfAValue),
                         " is not one of http/protobuf, http/json, grpc; using http/protobuf"));
    }
  }

  static bool has_scheme(std::string_view url) {
    return url.starts_with("http://") || url.starts_with("https://");
  }

  static std::string lower_scheme(const std::string& url) {
    size_t colon = std::min(url.find("://"), url.size());
    return absl::AsciiStrToLower(url.substr(0, colon)) + url.substr(colon);
  }

  std::string http_url() const {
    Value value = find("ENDPOINT");
    bool own = value.name.find(signal_.word) != std::string::npos;
    if (value.text.empty()) return absl::StrCat("http://localhost:4318/", signal_.path);
    std::string url = lower_scheme(value.text);
    if (!has_scheme(url)) {
      tell_(absl::StrCat(value.name, "=",
                         printable(delivery::url_to_tell(value.text), kMostOfAValue),
                         " has no http:// or https:// in front; using http://"));
      url = "http://" + url;
    }
    // A signal's own endpoint is taken as it is; without a path it is the root.
    if (own) {
      bool path = url.find('/', url.find("://") + 3) != std::string::npos;
      return path ? url : url + "/";
    }
    std::string query;
    if (size_t mark = url.find('?'); mark != std::string::npos) {
      query = url.substr(mark);
      url.erase(mark);
    }
    if (!url.ends_with('/')) url += '/';
    return absl::StrCat(url, signal_.path, query);
  }

  std::string grpc_url() const {
    Value value = find("ENDPOINT");
    std::string url = lower_scheme(value.text.empty() ? "http://localhost:4317" : value.text);
    if (!has_scheme(url)) {
      bool plain = absl::AsciiStrToLower(find("INSECURE").text) == "true";
      url = (plain ? "http://" : "https://") + url;
    }
    // A path, as of OTLP/HTTP, has no meaning here.
    url.erase(std::min(url.find_first_of("/?", url.find("://") + 3), url.size()));
    return absl::StrCat(url, "/", signal_.service);
  }

  void read_compression(Endpoint* endpoint) const {
    Value value = find("COMPRESSION");
    endpoint->compression = Compression::kGzip;
    if (value.text == "none") {
      endpoint->compression = Compression::kNone;
    } else if (value.text == "zstd") {
      endpoint->compression = Compression::kZstd;
    } else if (!value.text.empty() && value.text != "gzip") {
      tell_(absl::StrCat(value.name, "=", printable(value.text, kMostOfAValue),
                         " is not one of gzip, zstd, none; using gzip"));
    }
  }

  static void add_content_type(Exporter* exporter) {
    auto& headers = exporter->endpoint.headers;
    if (!exporter->endpoint.grpc) {
      headers.push_back(exporter->format == Format::kJson ? "Content-Type: application/json"
                                                          : "Content-Type: application/x-protobuf");
      return;
    }
    headers.push_back("Content-Type: application/grpc+proto");
    headers.push_back("TE: trailers");
    if (exporter->endpoint.compression == Compression::kGzip) {
      headers.push_back("grpc-encoding: gzip");
    } else if (exporter->endpoint.compression == Compression::kZstd) {
      headers.push_back("grpc-encoding: zstd");
    }
  }

  void add_headers(Endpoint* endpoint) const {
    Value all = find("HEADERS");
    for (const std::string& problem : delivery::parse_header_list(all.text, &endpoint->headers)) {
      tell_(absl::StrCat(all.name, ": ", problem, "; it is not sent"));
    }
  }

  void read_timeout(Endpoint* endpoint) const {
    Value value = find("TIMEOUT");
    if (value.text.empty()) return;
    uint32_t ms = 0;
    const char* end = value.text.data() + value.text.size();
    auto read = std::from_chars(value.text.data(), end, ms);
    if (read.ec != std::errc() || read.ptr != end || ms == 0) {
      tell_(absl::StrCat(value.name, "=", printable(value.text, kMostOfAValue),
                         " is not a number of milliseconds above 0; using ",
                         endpoint->request_timeout.count()));
      return;
    }
    endpoint->request_timeout = delivery::milliseconds(ms);
    endpoint->connect_timeout = std::min(endpoint->connect_timeout, endpoint->request_timeout);
  }

  std::string file(std::string_view what) const {
    std::string path = find(what).text;
    return path.empty() ? path : absolute_(path);
  }

  const GetVariable& get_;
  const std::function<std::string(const std::string&)>& absolute_;
  const Tell& tell_;
  const SignalNames& signal_;
};

// Is OTLP among OTEL_..._EXPORTER's values? `otherwise`: if it is not set.
bool chosen(const char* name, bool otherwise, const GetVariable& get, const Tell& tell) {
  std::string value = get(name);
  if (value.empty()) return otherwise;
  bool otlp = false;
  for (absl::string_view part : absl::StrSplit(value, ',')) {
    absl::string_view word = absl::StripAsciiWhitespace(part);
    if (word == "otlp") {
      otlp = true;
    } else if (word != "none") {
      tell(absl::StrCat(name, "=", printable(value, kMostOfAValue),
                        ": only otlp and none have an effect here"));
    }
  }
  return otlp;
}

ExceptionSignal exception_signal(const GetVariable& get) {
  std::string value = get("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN");
  if (value == "logs") return ExceptionSignal::kLogs;
  return value == "logs/dup" ? ExceptionSignal::kBoth : ExceptionSignal::kSpanEvents;
}

void tell_unused(const GetVariable& get, const Tell& tell) {
  constexpr std::pair<const char*, const char*> kUnused[] = {
      {"OTEL_BSP_SCHEDULE_DELAY", "spans are sent at least once a second"},
      {"OTEL_BSP_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT limits a request"},
      {"OTEL_BSP_MAX_QUEUE_SIZE", "the queue is limited in bytes (docs/export.md)"},
  };
  for (const auto& [name, instead] : kUnused) {
    if (!get(name).empty()) tell(absl::StrCat(name, " has no effect: ", instead));
  }
  std::string sampler = get("OTEL_TRACES_SAMPLER");
  if (sampler == "traceidratio" || sampler == "always_on") {
    tell(absl::StrCat("OTEL_TRACES_SAMPLER=", sampler, " works as parentbased_", sampler,
                      ": if the caller has made a sampling decision, it is followed"));
  }
  std::string propagators = get("OTEL_PROPAGATORS");
  for (absl::string_view part : absl::StrSplit(propagators, ',', absl::SkipWhitespace())) {
    absl::string_view word = absl::StripAsciiWhitespace(part);
    if (word == "tracecontext" || word == "baggage") continue;
    tell(absl::StrCat("OTEL_PROPAGATORS=", printable(propagators, kMostOfAValue),
                      ": traces are passed on as tracecontext only"));
    break;
  }
}

size_t batch_items(const GetVariable& get, const Tell& tell) {
  std::string text = get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
  if (text.empty()) return 0;
  uint32_t number = 0;
  const char* end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, number);
  if (read.ec == std::errc() && read.ptr == end && number != 0) return number;
  tell(absl::StrCat("OTEL_BSP_MAX_EXPORT_BATCH_SIZE=", printable(text, kMostOfAValue),
                    " is not a number above 0; using the default"));
  return 0;
}

}  // namespace

Exporters read_exporters(const GetVariable& get,
                         const std::function<std::string(const std::string&)>& absolute,
                         const Tell& tell_user) {
  // What is wrong with a general variable is so for each signal.
  std::set<std::string> told;
  Tell tell = [&](const std::string& line) {
    if (told.insert(line).second) tell_user(line);
  };
  auto read = [&](const SignalNames& signal) { return Reader(get, absolute, tell, signal).read(); };
  Exporters all;
  all.exceptions = exception_signal(get);
  all.all_events = chosen("OTEL_LOGS_EXPORTER", false, get, tell);
  if (chosen("OTEL_TRACES_EXPORTER", true, get, tell)) all.traces = read(kTracesNames);
  if (all.all_events || all.exceptions != ExceptionSignal::kSpanEvents) all.logs = read(kLogsNames);
  if (chosen("OTEL_METRICS_EXPORTER", true, get, tell)) {
    all.metrics = read(kMetricsNames);
    all.metric_options = read_metric_options(get, tell);
  }
  if (!all.traces.has_value() && !all.logs.has_value() && !all.metrics.has_value()) {
    tell(
        "TELEMETRY_OUTPUT=otlp sends nothing: OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER "
        "switch spans and metrics off, and OTEL_LOGS_EXPORTER=otlp is not set");
  }
  all.batch_items = batch_items(get, tell);
  tell_unused(get, tell);
  return all;
}

}  // namespace telinject::otlp
