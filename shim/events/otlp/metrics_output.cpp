#include "shim/events/otlp/metrics_output.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "shim/events/otlp/metric_points.h"
#include "shim/events/otlp/resource.h"
#include "shim/events/registry/metrics.h"
#include "shim/events/registry/registry.h"

namespace telinject::otlp {

namespace {

using registry::otel_name;
using std::chrono::steady_clock;

constexpr std::string_view kOthers = "others";
constexpr size_t kMostKept = 1 << 20;  // functions that a saved state names
// Of a saved state.
constexpr field::Tag kResourceField = 1, kFunctionField = 2;

// A function's calls, of all rows that have its name.
struct Function {
  std::string_view name, module, file;
  uint64_t calls = 0;
  int64_t self_ns = 0, total_ns = 0, max_ns = 0;
  int64_t min_ns = std::numeric_limits<int64_t>::max();
  // Only those of more than one row are joined, which copies them.
  const DurationHistogram* durations = nullptr;
  std::optional<DurationHistogram> joined;
  std::map<std::string_view, uint64_t> errors;

  void add(const FunctionCounts& counts) {
    add_times(counts);
    for (const auto& [type, count] : *counts.errors) errors[type] += count;
  }
  // All but the errors.
  void add_times(const FunctionCounts& counts) {
    calls += counts.calls;
    add_ns(&self_ns, counts.self_ns);
    add_ns(&total_ns, counts.total_ns);
    min_ns = std::min(min_ns, counts.min_ns);
    max_ns = std::max(max_ns, counts.max_ns);
    if (durations == nullptr) {
      durations = counts.durations;
    } else {
      if (!joined.has_value()) joined = *durations;
      joined->join(*counts.durations);
    }
  }
  const DurationHistogram* all_durations() const {
    return joined.has_value() ? &*joined : durations;
  }
};

std::string key_of(const FunctionCounts& counts) {
  return absl::StrCat(std::string(counts.name), "\n", std::string(counts.module), "\n",
                      std::string(counts.file));
}

void add_some(AttributeSet* attributes, std::string_view name, std::string_view value) {
  if (!value.empty()) attributes->text(name, value);
}

AttributeSet attributes_of(const Function& function) {
  AttributeSet attributes;
  attributes.text(otel_name("function_name"), function.name);
  add_some(&attributes, otel_name("module"), function.module);
  add_some(&attributes, otel_name("function_file"), function.file);
  return attributes;
}

AttributeSet attributes_of(const RequestCounts& counts) {
  AttributeSet attributes;
  attributes.text(otel_name("http.request.method"), counts.method);
  add_some(&attributes, otel_name("url.scheme"), counts.scheme);
  if (!counts.server) {
    add_some(&attributes, otel_name("server.address"), counts.host);
    if (counts.port != 0) attributes.number(otel_name("server.port"), counts.port);
  }
  if (counts.status != 0) {
    attributes.number(otel_name("http.response.status_code"), counts.status);
  }
  add_some(&attributes, otel_name("error.type"), counts.error);
  add_some(&attributes, otel_name("network.protocol.version"), counts.version);
  return attributes;
}

}  // namespace

// Makes data points of what the totals tell.
class MetricsOutput::Sender final : public TotalsReader {
 public:
  Sender(MetricsOutput* output, const TotalsSource& totals)
      : output_(output),
        times_{static_cast<uint64_t>(totals.started_ns()), static_cast<uint64_t>(totals.now_ns())},
        rate_(totals.sample_rate()) {}

  void function(const FunctionCounts& counts) override {
    Function& known = functions_[key_of(counts)];
    known.name = counts.name;
    known.module = counts.module;
    known.file = counts.file;
    known.add(counts);
  }
  void requests(const RequestCounts& counts) override {
    registry::MetricId metric =
        counts.server ? registry::kServerDuration : registry::kClientDuration;
    duration(metric, attributes_of(counts),
             {kRateOne, counts.total_ns, counts.min_ns, counts.max_ns, counts.durations});
    if (!counts.error.empty()) failed_requests_[counts.error] += counts.requests;
  }
  void errors(std::string_view source, std::string_view type, uint64_t number) override {
    AttributeSet attributes;
    attributes.text(otel_name("error.type"), type);
    attributes.text(otel_name("telinject.error.source"), source);
    count(registry::kErrors, attributes, number);
  }
  void lost_calls(std::string_view reason, uint64_t number) override {
    count_of(registry::kLostCalls, otel_name("telinject.loss_reason"), reason, number);
  }
  void filtered_calls(std::string_view filter, uint64_t number) override {
    count_of(registry::kFilteredCalls, otel_name("telinject.filter"), filter, number);
  }
  void left_out_spans(uint64_t number) override {
    if (number > 0) count(registry::kLeftOutSpans, AttributeSet(), number);
  }
  void exported(std::string_view signal, std::string_view outcome, uint64_t number) {
    AttributeSet attributes;
    attributes.text(otel_name("telinject.signal"), signal);
    attributes.text(otel_name("telinject.outcome"), outcome);
    count(registry::kExportedItems, attributes, number);
  }

  // What is known when all was read.
  void finish() {
    for (const auto& [type, number] : failed_requests_) errors("http", type, number);
    choose();
    Function others;
    others.name = kOthers;
    for (const auto& [key, function] : functions_) {
      if (output_->chosen_.contains(key)) {
        send(function);
      } else {
        join(function, &others);
      }
    }
    if (others.calls > 0) send(others);
  }

 private:
  // Those that took most time themselves, as long as there is room. Once chosen they stay, for
  // sums must not shrink.
  void choose() {
    auto& chosen = output_->chosen_;
    size_t most = output_->options_.most_functions;
    std::vector<std::pair<int64_t, const std::string*>> fresh;
    for (const auto& [key, function] : functions_) {
      if (!chosen.contains(key)) fresh.emplace_back(function.self_ns, &key);
    }
    size_t room = most == 0 ? fresh.size() : most - std::min(most, chosen.size());
    if (fresh.size() > room) {
      std::sort(fresh.begin(), fresh.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : *a.second < *b.second;
      });
      fresh.resize(room);
    }
    for (const auto& [self_ns, key] : fresh) chosen.insert(*key);
  }

  static void join(const Function& function, Function* others) {
    FunctionCounts counts;
    counts.calls = function.calls;
    counts.self_ns = function.self_ns;
    counts.total_ns = function.total_ns;
    counts.min_ns = function.min_ns;
    counts.max_ns = function.max_ns;
    counts.durations = function.all_durations();
    others->add_times(counts);
    for (const auto& [type, number] : function.errors) others->errors[type] += number;
  }

  void send(const Function& function) {
    AttributeSet attributes = attributes_of(function);
    uint64_t good = estimated(function.calls, rate_);
    for (const auto& [type, number] : function.errors) {
      AttributeSet with_error = attributes;
      with_error.text(otel_name("error.type"), type);
      uint64_t failed = std::min(estimated(number, rate_), good);
      count(registry::kFunctionCalls, with_error, failed);
      good -= failed;
    }
    if (good > 0) count(registry::kFunctionCalls, attributes, good);
    duration(
        registry::kFunctionDuration, attributes,
        {rate_, function.total_ns, function.min_ns, function.max_ns, function.all_durations()});
    item_.clear();
    append_seconds(&item_, times_, attributes, estimated_ns(function.self_ns, rate_));
    add(registry::kFunctionSelfTime);
  }

  void count_of(registry::MetricId metric, std::string_view name, std::string_view value,
                uint64_t number) {
    AttributeSet attributes;
    attributes.text(name, value);
    count(metric, attributes, number);
  }
  void count(registry::MetricId metric, const AttributeSet& attributes, uint64_t number) {
    item_.clear();
    append_count(&item_, times_, attributes, number);
    add(metric);
  }
  void duration(registry::MetricId metric, const AttributeSet& attributes,
                const DurationPoint& point) {
    item_.clear();
    bool explicit_buckets = output_->options_.how.explicit_buckets;
    (explicit_buckets ? append_explicit : append_exponential)(&item_, times_, attributes, point);
    add(metric);
  }
  void add(registry::MetricId metric) {
    output_->options_.stream->add(output_->framing_, item_, TraceId{}, metric);
  }

  MetricsOutput* output_;
  const PointTimes times_;
  const uint64_t rate_;
  absl::flat_hash_map<std::string, Function> functions_;
  std::map<std::string_view, uint64_t> failed_requests_;
  std::string item_;
};

MetricsOutput::MetricsOutput(Options options)
    : options_(std::move(options)), due_(steady_clock::now() + options_.how.interval) {}

void MetricsOutput::introduce(const ProcessInfo& process, const Metadata& metadata, int64_t,
                              Places*) {
  if (resource_.empty()) resource_ = make_session_resource(metadata, process);
}

void MetricsOutput::take_totals(const TotalsSource& totals) {
  due_ = steady_clock::now() + options_.how.interval;
  if (totals.empty() || hopeless()) return;
  if (resource_.empty()) {
    ProcessInfo process;
    process.pid = totals.pid();
    resource_ = make_session_resource(totals.metadata(), process);
  }
  if (framing_ == nullptr) {
    framing_ =
        std::make_shared<MetricsFraming>(options_.format, resource_, options_.how.explicit_buckets);
  }
  Sender sender(this, totals);
  totals.read(&sender);
  sender.finish();
  if (options_.exported) {
    options_.exported([&](std::string_view signal, std::string_view outcome, uint64_t items) {
      sender.exported(signal, outcome, items);
    });
  }
  options_.stream->pass_on_now();
}

std::string MetricsOutput::outcome() const {
  return unwanted() ? "the receiver takes no metrics" : options_.stream->outcome();
}

std::string MetricsOutput::save() const {
  std::string state;
  protozero::pbf_writer writer(state);
  writer.add_bytes(kResourceField, resource_);
  for (const std::string& key : chosen_) writer.add_bytes(kFunctionField, key);
  return state;
}

bool MetricsOutput::restore(std::string_view state, const std::vector<const ProcessInfo*>&) {
  try {
    protozero::pbf_reader reader(state.data(), state.size());
    while (reader.next()) {
      if (reader.tag() == kResourceField) {
        resource_ = reader.get_bytes();
      } else if (reader.tag() != kFunctionField || chosen_.size() == kMostKept) {
        return false;
      } else {
        chosen_.insert(reader.get_bytes());
      }
    }
  } catch (const protozero::exception&) {
    return false;
  }
  return true;
}

}  // namespace telinject::otlp
