#include "shim/drain/spans/passed_on.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "shim/channel/traceparent.h"
#include "shim/drain/spans/http_state.h"
#include "shim/http/fields.h"

namespace telinject::drain {

namespace {

// Names in lower case.
constexpr std::string_view kIdentifiers[] = {
    "x-request-id", "x-correlation-id", "request-id",       "correlation-id",
    "b3",           "x-amzn-trace-id",  "x-b3-spanid",      "x-cloud-trace-context",
    "traceparent",  "uber-trace-id",    "x-client-trace-id"};
constexpr size_t kLeastIdentifier = 8;  // characters: shorter ones are numbers and the like

// What each hop writes anew, or appends to.
constexpr std::string_view kOfOneHop[] = {"connection",
                                          "keep-alive",
                                          "proxy-connection",
                                          "te",
                                          "trailer",
                                          "transfer-encoding",
                                          "upgrade",
                                          "content-length",
                                          "host",
                                          "via",
                                          "forwarded",
                                          "expect",
                                          "max-forwards",
                                          "x-real-ip",
                                          "http2-settings",
                                          "accept-encoding",
                                          "cache-control",
                                          "pragma",
                                          "priority",
                                          "x-forwarded-for",
                                          "x-forwarded-host",
                                          "x-forwarded-proto",
                                          "x-forwarded-port",
                                          "x-forwarded-server"};

template <size_t kCount>
bool is_one_of(std::string_view name, const std::string_view (&names)[kCount]) {
  return std::any_of(std::begin(names), std::end(names),
                     [&](std::string_view each) { return equal_ignoring_case(name, each); });
}

// Of what stood there nothing is known but that it was a secret.
bool is_redacted(std::string_view text) {
  return text.find("REDACTED") != text.npos;
}

bool is_identifier(std::string_view name, std::string_view value) {
  return value.size() >= kLeastIdentifier && !is_redacted(value) && is_one_of(name, kIdentifiers);
}

// The same in every process: keys are saved.
class Key {
 public:
  explicit Key(char kind) { add(std::string_view(&kind, 1)); }
  Key& add(std::string_view text) {
    for (char c : text) step(static_cast<uint8_t>(c));
    step(0x100);  // which no text has
    return *this;
  }
  Key& add_name(std::string_view name) {
    for (char c : name) step(static_cast<uint8_t>(c) | 0x20u);
    step(0x100);
    return *this;
  }
  uint64_t get() const { return value_; }

 private:
  void step(uint64_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
  uint64_t value_ = 0xcbf29ce484222325;
};

std::string_view value_of(const NameValues& fields, std::string_view name) {
  for (const auto& [known, value] : fields) {
    if (equal_ignoring_case(known, name)) return value;
  }
  return {};
}

bool has_target(const HttpExchange& http) {
  return http.url.path_bytes != 0 && !is_redacted(http.url.path()) &&
         !is_redacted(http.url.query());
}
bool same_target(const HttpExchange& a, const HttpExchange& b) {
  return a.method == b.method && a.url.path() == b.url.path() && a.url.query() == b.url.query();
}
uint64_t target_key(const HttpExchange& http) {
  return Key('t').add(http.method).add(http.url.path()).add(http.url.query()).get();
}
uint64_t identifier_key(std::string_view name, std::string_view value) {
  return Key('i').add_name(name).add(value).get();
}
uint64_t trace_key(const TraceContext& trace) {
  uint64_t ids[] = {trace.trace_hi, trace.trace_lo, trace.span_id};
  return Key('c').add({reinterpret_cast<const char*>(ids), sizeof ids}).get();
}

template <typename Take>
void each_key(const HttpExchange& served, Take&& take) {
  if (has_target(served)) take(target_key(served));
  for (const auto& [name, value] : served.request_headers) {
    if (!is_identifier(name, value)) continue;
    take(identifier_key(name, value));
    TraceContext trace = {};
    if (equal_ignoring_case(name, "traceparent") && parse_traceparent(value.c_str(), &trace)) {
      take(trace_key(trace));
    }
  }
}

// True if it has what the served request had of fields that go from end to end: the client's name,
// if it told one, or the host that it asked for, and nothing that contradicts.
bool repeats_fields(const HttpExchange& asked, const HttpExchange& served) {
  std::string_view agent = value_of(served.request_headers, "user-agent");
  std::string_view host = value_of(served.request_headers, "host");
  bool repeats = !host.empty() && value_of(asked.request_headers, "host") == host;
  for (const auto& [name, value] : served.request_headers) {
    if (is_one_of(name, kOfOneHop) || is_redacted(value)) continue;
    std::string_view there = value_of(asked.request_headers, name);
    if (there.data() == nullptr) continue;
    if (there != value) return false;
    repeats = repeats || !equal_ignoring_case(name, "accept");
  }
  return repeats && value_of(asked.request_headers, "user-agent") == agent;
}

}  // namespace

PassedOn::Entry& PassedOn::entry_of(uint64_t key) {
  auto [entry, made] = by_key_.try_emplace(key);
  if (!made) return entry->second;
  by_age_.push_back(key);
  for (size_t i = 0; i < by_age_.size() && by_age_.size() > kRemembered; i++) {
    uint64_t oldest = by_age_.front();
    by_age_.pop_front();
    auto found = by_key_.find(oldest);
    if (found->second.open.empty() && oldest != key) {
      by_key_.erase(found);
    } else {
      by_age_.push_back(oldest);
    }
  }
  return by_key_.find(key)->second;
}

void PassedOn::serve(OpenExchange* served) {
  if (!active_) return;
  each_key(served->http, [&](uint64_t key) {
    bool known = by_key_.contains(key);
    Entry& entry = entry_of(key);
    entry.several = entry.several || known;
    entry.open.push_back(served);
  });
}

void PassedOn::serve_again(OpenExchange* served) {
  if (!active_) return;
  each_key(served->http, [&](uint64_t key) { entry_of(key).open.push_back(served); });
}

void PassedOn::over(const OpenExchange* served) {
  if (!active_) return;
  each_key(served->http, [&](uint64_t key) {
    auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    auto& open = found->second.open;
    open.erase(std::remove(open.begin(), open.end(), served), open.end());
  });
}

OpenExchange* PassedOn::only(uint64_t key) const {
  auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second.several || found->second.open.size() != 1) {
    return nullptr;
  }
  return found->second.open.front();
}

OpenExchange* PassedOn::cause(const HttpExchange& asked) const {
  OpenExchange* cause = nullptr;
  for (const auto& [name, value] : asked.request_headers) {
    if (!is_identifier(name, value)) continue;
    OpenExchange* had = only(identifier_key(name, value));
    if (had == nullptr || value_of(had->http.request_headers, name) != value) continue;
    if (cause != nullptr && cause != had) return nullptr;
    cause = had;
  }
  if (cause != nullptr || !has_target(asked)) return cause;
  OpenExchange* same = only(target_key(asked));
  bool proven =
      same != nullptr && same_target(asked, same->http) && repeats_fields(asked, same->http);
  return proven ? same : nullptr;
}

OpenExchange* PassedOn::bearer(const TraceContext& sent, const HttpExchange& asked) const {
  auto found = by_key_.find(trace_key(sent));
  if (found == by_key_.end()) return nullptr;
  const auto& open = found->second.open;
  if (open.size() == 1) return open.front();
  OpenExchange* bearer = nullptr;
  for (OpenExchange* served : open) {
    if (!same_target(asked, served->http)) continue;
    if (bearer != nullptr) return nullptr;
    bearer = served;
  }
  return bearer;
}

}  // namespace telinject::drain
