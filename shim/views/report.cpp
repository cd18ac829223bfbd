#include "shim/views/report.h"

#include <zlib.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "shim/channel/sha256.h"
#include "shim/views/kept_calls.h"
#include "shim/views/names.h"
#include "shim/views/page.h"

namespace telinject::views {

namespace {

using nlohmann::json;

// In a file of many calls: measured on SQLite and others.
constexpr uint64_t kBytesOfACall = 2;

std::string hash_of(std::string_view text) {
  Sha256Digest digest = sha256(text.data(), text.size());
  return absl::Base64Escape(std::string(std::begin(digest.bytes), std::end(digest.bytes)));
}

// One track's calls, each as numbers of variable length: time since the start of the call before
// it, length, function + 1, change of depth (zigzag). A run of calls that are left out has function
// 0, and behind the others how many they are and how long together.
class Columns {
 public:
  Columns(const SpanLog& log, const Track& track, const std::vector<bool>& kept)
      : log_(log), track_(track), kept_(kept), numbers_(track.size(), kNone) {}

  void encode() {
    for (uint32_t call = 0; call < track_.size(); call++) {
      if (kept_[call]) {
        end_run();
        numbers_[call] = count_;
        uint32_t function = log_.sites[track_.site(call)].function;
        put(track_.start_ns(call), end_of(call), function + 1, track_.depth(call));
        open_.resize(track_.depth(call));
        open_.push_back(end_of(call));
      } else if (track_.depth(call) <= open_.size()) {
        // Whatever is below a call that is left out is part of it.
        add_to_run(call);
      } else {
        run_.count++;
      }
    }
    end_run();
  }
  const std::string& bytes() const { return bytes_; }
  uint32_t count() const { return count_; }
  int64_t first_ns() const { return first_ns_; }
  // By call: its number among those that are kept, or kNone.
  const std::vector<uint32_t>& numbers() const { return numbers_; }

 private:
  struct Run {
    int64_t start_ns = 0, end_ns = 0, sum_ns = 0;
    uint64_t count = 0;
    uint32_t depth = 0;
  };

  // Not beyond that of the call around it.
  int64_t end_of(uint32_t call) const {
    int64_t end = track_.end_ns(call);
    uint32_t depth = track_.depth(call);
    return depth > 0 && depth <= open_.size() ? std::min(end, open_[depth - 1]) : end;
  }
  void add_to_run(uint32_t call) {
    if (run_.count > 0 && run_.depth != track_.depth(call)) end_run();
    // Calls that lie below another one than those before it.
    open_.resize(std::min<size_t>(open_.size(), track_.depth(call)));
    if (run_.count == 0) {
      run_.start_ns = track_.start_ns(call);
      run_.depth = track_.depth(call);
    }
    run_.end_ns = std::max(run_.end_ns, end_of(call));
    run_.sum_ns += end_of(call) - track_.start_ns(call);
    run_.count++;
  }
  void end_run() {
    if (run_.count > 0) {
      put(run_.start_ns, run_.end_ns, 0, run_.depth);
      put_number(run_.count);
      put_number(static_cast<uint64_t>(run_.sum_ns));
    }
    run_ = {};
  }
  void put(int64_t start, int64_t end, uint32_t function, uint32_t depth) {
    if (count_ == 0) first_ns_ = last_ns_ = start;
    put_number(static_cast<uint64_t>(std::max<int64_t>(start - last_ns_, 0)));
    put_number(static_cast<uint64_t>(std::max<int64_t>(end - start, 0)));
    put_number(function);
    int64_t step = static_cast<int64_t>(depth) - last_depth_;
    put_number(step < 0 ? static_cast<uint64_t>(-step) * 2 - 1 : static_cast<uint64_t>(step) * 2);
    last_ns_ = std::max(last_ns_, start);
    last_depth_ = depth;
    count_++;
  }
  void put_number(uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
  }

  const SpanLog& log_;
  const Track& track_;
  const std::vector<bool>& kept_;
  std::vector<uint32_t> numbers_;
  std::vector<int64_t> open_;  // ends of the kept calls that are open
  Run run_;
  std::string bytes_;
  uint32_t count_ = 0;
  int64_t first_ns_ = 0, last_ns_ = 0, last_depth_ = 0;
};

// "" if there is no memory.
std::string packed(std::string_view bytes) {
  constexpr int kLevel = 3;  // twice as fast as 6, and a tenth larger
  uLongf size = compressBound(bytes.size());
  std::string out(size, 0);
  if (compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), kLevel) != Z_OK) {
    return "";
  }
  out.resize(size);
  return absl::Base64Escape(out);
}

// [[power, calls], ...]: calls that took 2^power seconds to twice as long; null: that took no time.
// All calls, also those that are in no track.
json histogram_of(const DurationHistogram& durations) {
  std::map<int32_t, uint64_t> doublings;  // by the power of two of a second
  durations.each_bucket([&](int32_t bucket, uint64_t calls) {
    doublings[bucket >> DurationHistogram::kScale] += calls;
  });
  json rows = json::array();
  if (durations.zeros() > 0) rows.push_back({nullptr, durations.zeros()});
  for (const auto& [power, calls] : doublings) rows.push_back({power, calls});
  return rows;
}

class Report {
 public:
  Report(const SpanLog& log, const ReportOptions& options, ViewWriter* out)
      : log_(log), out_(out), chosen_(choose_calls(log, options.budget_bytes / kBytesOfACall)) {}

  bool write() {
    std::vector<Columns> columns;
    columns.reserve(log_.tracks.size());
    for (size_t t = 0; t < log_.tracks.size(); t++) {
      columns.emplace_back(log_, log_.tracks[t], chosen_.kept[t]).encode();
    }
    std::string head = packed(head_json(columns));
    if (head.empty()) return false;
    std::string page = absl::StrReplaceAll(k_page, {{"{{STYLE}}", k_style},
                                                    {"{{SCRIPT_HASH}}", hash_of(k_script)},
                                                    {"{{STYLE_HASH}}", hash_of(k_style)}});
    size_t data = page.find("{{DATA}}"), script = page.find("{{SCRIPT}}");
    out_->text() += page.substr(0, data);
    put_data("head", head);
    for (size_t t = 0; t < columns.size(); t++) {
      if (columns[t].count() == 0) continue;
      std::string bytes = packed(columns[t].bytes());
      if (bytes.empty()) return false;
      put_data(absl::StrCat("track", t), bytes);
    }
    out_->text() += page.substr(data + 8, script - data - 8);
    out_->text() += k_script;
    out_->text() += page.substr(script + 10);
    return true;
  }

 private:
  void put_data(const std::string& id, const std::string& text) {
    absl::StrAppend(&out_->text(), "<script type=\"text/plain\" id=\"", id, "\">", text,
                    "</script>\n");
    out_->row();
  }
  int64_t since(int64_t ns) const { return ns - log_.first_ns; }

  std::string head_json(const std::vector<Columns>& columns) const {
    json head = {{"version", TELINJECT_VERSION},
                 {"first", log_.first_ns},
                 {"length", std::max<int64_t>(log_.last_ns - log_.first_ns, 1)},
                 {"calls", log_.calls},
                 {"kept", chosen_.count},
                 {"unshown", log_.unshown_calls},
                 {"lost", log_.lost_calls},
                 {"lossUnknown", log_.loss_unknown},
                 {"unshownFailures", log_.unshown_failures},
                 {"exceptions", log_.exceptions},
                 {"threshold", chosen_.threshold_ns},
                 {"sampleRate", log_.sample_rate},
                 {"processes", json::array()},
                 {"functions", functions()},
                 {"tracks", json::array()},
                 {"tree", tree()},
                 {"exchanges", exchanges()}};
    for (const ProcessRow& each : log_.processes) {
      head["processes"].push_back(
          {{"pid", each.pid}, {"name", plain_name(each.name)}, {"command", each.command_line}});
    }
    for (size_t t = 0; t < columns.size(); t++) head["tracks"].push_back(track(t, columns));
    return json_text(head);
  }

  json functions() const {
    json rows = json::array();
    for (size_t i = 0; i < log_.functions.size(); i++) {
      const FunctionTotals& row = log_.functions[i];
      rows.push_back({{"name", row.name},
                      {"module", row.module},
                      {"file", row.file},
                      {"line", row.line},
                      {"calls", row.calls},
                      {"own", row.self_ns},
                      {"total", row.total_ns},
                      {"p50", row.percentile_ns(.5)},
                      {"p90", row.percentile_ns(.9)},
                      {"p99", row.percentile_ns(.99)},
                      {"max", row.max_ns},
                      {"ownP50", log_.own_times[i].percentile(.5)},
                      {"ownP99", log_.own_times[i].percentile(.99)},
                      {"ownMax", log_.own_times[i].percentile(1)},
                      {"histogram", histogram_of(row.durations)}});
    }
    return rows;
  }

  json tree() const {
    json rows = json::array();
    for (uint32_t i = 0; i < log_.tree.size(); i++) {
      const TreeNode& node = log_.tree[i];
      int64_t function = node.function == kNone ? -1 : int64_t{node.function};
      rows.push_back({{"parent", node.parent},
                      {"function", function},
                      {"calls", node.calls},
                      {"own", node.own_ns},
                      {"http", node.http_ns}});
    }
    return rows;
  }

  json track(size_t number, const std::vector<Columns>& columns) const {
    const Track& track = log_.tracks[number];
    const Columns& own = columns[number];
    json marks = json::array(), origins = json::array();
    for (const auto& [call, mark] : track.marks()) {
      if (own.numbers()[call] == kNone) continue;
      marks.push_back({{"call", own.numbers()[call]},
                       {"failed", mark.failed},
                       {"kind", mark.exit_kind},
                       {"type", mark.type},
                       {"message", mark.message},
                       {"stack", mark.stack},
                       {"lost", mark.lost_calls}});
    }
    for (const auto& [call, from] : track.origins()) {
      if (own.numbers()[call] == kNone) continue;
      uint32_t at = columns[from.track].numbers()[from.call];
      origins.push_back({own.numbers()[call], from.track, at == kNone ? -1 : int64_t{at}});
    }
    return {{"process", track.process},
            {"tid", track.tid},
            {"name", plain_name(track.thread_name)},
            {"stack", track.stack},
            {"count", own.count()},
            {"start", since(own.first_ns())},
            {"marks", std::move(marks)},
            {"origins", std::move(origins)}};
  }

  json exchanges() const {
    json rows = json::array();
    for (const Exchange& each : log_.exchanges) {
      rows.push_back({{"process", each.process},
                      {"tid", each.tid},
                      {"id", absl::StrCat(absl::Hex(each.id, absl::kZeroPad16))},
                      {"parent", absl::StrCat(absl::Hex(each.parent, absl::kZeroPad16))},
                      {"server", each.server},
                      {"method", each.method},
                      {"url", each.url},
                      {"status", each.status},
                      {"error", each.error_type},
                      {"start", since(each.start_ns)},
                      {"end", since(each.end_ns)},
                      {"first", each.first_byte_ns},
                      {"response", each.response_bytes}});
    }
    return rows;
  }

  const SpanLog& log_;
  ViewWriter* out_;
  KeptCalls chosen_;
};

}  // namespace

bool write_report(const SpanLog& log, const ReportOptions& options, ViewWriter* out) {
  return Report(log, options, out).write();
}

}  // namespace telinject::views
