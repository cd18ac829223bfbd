#include "shim/receivers/receiver.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "shim/delivery/header_list.h"
#include "shim/receivers/formats.h"

namespace telinject::receivers {

namespace {

using delivery::Compression;
using delivery::Endpoint;
using std::chrono::milliseconds;

struct Format {
  ReceiverFormat id;
  BodyFormat body;
  const char* content_type;
  const char* token_header;  // before the token
  const char* path;          // of a URL that has none; "": it stays without
  bool compressed;           // receivers of this format take gzip
  size_t most_items;
};

// Datadog takes 1,000 logs and 5 MB at a time.
constexpr Format kFormats[] = {
    {kReceiverEvent, BodyFormat::kEvent, "application/json", "Authorization: Bearer ", "", false,
     1},
    {kReceiverNdjson, BodyFormat::kLines, "application/x-ndjson", "Authorization: Bearer ", "",
     false, 4096},
    {kReceiverHec, BodyFormat::kHec, "application/json", "Authorization: Splunk ",
     "/services/collector/event", true, 4096},
    {kReceiverElasticsearch, BodyFormat::kElasticsearch, "application/x-ndjson",
     "Authorization: ApiKey ", "/logs-telinject-default/_bulk", true, 4096},
    {kReceiverDatadogLogs, BodyFormat::kDatadogLogs, "application/json",
     "DD-API-KEY: ", "/api/v2/logs", true, 1000},
};

const Format& format_of(const Settings& settings) {
  for (const Format& format : kFormats) {
    if (settings.number[kReceiverFormat] == format.id) return format;
  }
  return kFormats[0];
}

// With the path that the format's receivers have, if the URL has none, and what is asked of them.
std::string complete(std::string_view url, const Format& format) {
  std::string_view query;
  size_t mark = url.find_first_of("?#");
  if (mark != std::string_view::npos) {
    query = url.substr(mark);
    url = url.substr(0, mark);
  }
  size_t host = url.find("://") + 3, slash = url.find('/', host);
  bool no_path = slash == std::string_view::npos || slash + 1 == url.size();
  std::string whole(no_path ? url.substr(0, slash) : url);
  if (no_path) whole += format.path[0] != 0 ? format.path : "/";
  if (format.id == kReceiverElasticsearch) {
    if (!whole.ends_with("/_bulk")) whole += whole.ends_with('/') ? "_bulk" : "/_bulk";
    // Only what is of use of an answer that has a part for each event.
    whole.append(query.empty() ? "?" : query).append(query.empty() ? "" : "&");
    return whole.append(
        "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason");
  }
  return whole.append(query);
}

bool is_url(std::string_view url) {
  absl::string_view text(url.data(), url.size());
  bool scheme =
      absl::StartsWithIgnoreCase(text, "http://") || absl::StartsWithIgnoreCase(text, "https://");
  size_t host = url.find("://") + 3;
  return scheme && url.size() > host && url[host] != '/' && delivery::is_header_value(url) &&
         url.find(' ') == std::string_view::npos;
}

bool add_headers(const Settings& settings, const Format& format, Endpoint* endpoint,
                 std::string* problem) {
  endpoint->headers.push_back(absl::StrCat("Content-Type: ", format.content_type));
  std::string_view token = settings.text[kReceiverToken];
  if (!delivery::is_header_value(token)) {
    *problem = "TELEMETRY_RECEIVER_TOKEN has control characters";
    return false;
  }
  if (!token.empty()) {
    endpoint->headers.push_back(std::string(format.token_header).append(token));
  }
  auto problems = delivery::parse_header_list(settings.text[kReceiverHeaders], &endpoint->headers);
  if (problems.empty()) return true;
  *problem = absl::StrCat("TELEMETRY_RECEIVER_HEADERS: ", problems.front());
  return false;
}

Compression compression_of(const Settings& settings, const Format& format) {
  if (!settings.given[kReceiverCompression]) {
    return format.compressed ? Compression::kGzip : Compression::kNone;
  }
  switch (settings.number[kReceiverCompression]) {
    case kCompressGzip:
      return Compression::kGzip;
    case kCompressZstd:
      return Compression::kZstd;
    default:
      return Compression::kNone;
  }
}

}  // namespace

std::optional<Receiver> make_receiver(const Settings& settings, std::string* problem) {
  constexpr size_t kAnswerOfItems = 8 << 20;
  constexpr milliseconds kEventTimeout{500};
  const Format& format = format_of(settings);
  std::string_view url = settings.text[kReceiverUrl];
  if (url.empty()) {
    *problem = "TELEMETRY_OUTPUT=http needs RECEIVER_URL=http://host:port/path";
    return std::nullopt;
  }
  if (!is_url(url)) {
    *problem = "RECEIVER_URL is not an address like http://host:port/path";
    return std::nullopt;
  }
  Receiver receiver;
  Endpoint& endpoint = receiver.endpoint;
  endpoint.name = endpoint.output = "http";
  endpoint.url = complete(url, format);
  if (!add_headers(settings, format, &endpoint, problem)) return std::nullopt;
  endpoint.compression = compression_of(settings, format);
  endpoint.ca_file = settings.text[kReceiverCaFile];
  endpoint.client_certificate = settings.text[kReceiverCertificate];
  endpoint.client_key = settings.text[kReceiverKey];
  receiver.limits.body_items = format.most_items;
  if (format.id == kReceiverEvent) {
    endpoint.request_timeout = kEventTimeout;
    endpoint.retry_timeouts = false;
    receiver.limits.linger = milliseconds(0);
  }
  if (settings.given[kReceiverTimeout] && settings.number[kReceiverTimeout] > 0) {
    constexpr uint64_t kNsPerMs = 1000000, kMostMs = 3600000;
    uint64_t ms = settings.number[kReceiverTimeout] / kNsPerMs;
    endpoint.request_timeout = milliseconds(std::clamp<uint64_t>(ms, 1, kMostMs));
  }
  if (format.id == kReceiverElasticsearch) {
    endpoint.reader = std::make_shared<BulkAnswerReader>();
    endpoint.answer_bytes = kAnswerOfItems;
  } else {
    endpoint.reader = std::make_shared<delivery::StatusReader>();
  }
  receiver.framing = make_event_framing(format.body);
  return receiver;
}

}  // namespace telinject::receivers
