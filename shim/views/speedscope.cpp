// speedscope's file format: https://www.speedscope.app/file-format-schema.json
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shim/views/exports.h"
#include "shim/views/names.h"

namespace telinject::views {

namespace {

class Writer {
 public:
  Writer(const SpanLog& log, ViewWriter* out) : log_(log), out_(out) {}

  void write(bool every_call) {
    std::string& text = out_->text();
    text +=
        "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\","
        "\"exporter\":\"telinject\",\"shared\":{\"frames\":[";
    for (const FunctionTotals& each : log_.functions) {
      absl::StrAppend(&text, "\n{\"name\":", json_string(each.name));
      if (!each.file.empty()) absl::StrAppend(&text, ",\"file\":", json_string(each.file));
      if (each.line != 0) absl::StrAppend(&text, ",\"line\":", each.line);
      text += "},";
      out_->row();
    }
    absl::StrAppend(&text, "\n{\"name\":", json_string(kHttpWait), "}]},\"profiles\":[");
    if (every_call) {
      write_calls();
    } else {
      write_sums();
    }
    text += "]}\n";
  }

 private:
  size_t http_frame() const { return log_.functions.size(); }

  void write_calls() {
    bool first = true;
    for (const Track& track : log_.tracks) {
      if (track.size() == 0) continue;
      if (!std::exchange(first, false)) out_->text() += ',';
      write_track(track);
    }
  }
  void write_track(const Track& track) {
    std::string& text = out_->text();
    int64_t base = track.start_ns(0), end = base;
    for (uint32_t call = 0; call < track.size(); call++) end = std::max(end, track.end_ns(call));
    absl::StrAppend(&text, "\n{\"type\":\"evented\",\"name\":", json_string(track_name(track)),
                    ",\"unit\":\"nanoseconds\",\"startValue\":0,\"endValue\":", end - base,
                    ",\"events\":[");
    bool first = true;
    int64_t last = 0;
    auto put = [&](char type, uint32_t call, int64_t ns) {
      last = std::max(last, ns - base);
      absl::StrAppend(&text, first ? "" : ",", "{\"type\":\"", std::string(1, type),
                      "\",\"frame\":", log_.sites[track.site(call)].function, ",\"at\":", last,
                      "}");
      first = false;
      out_->row();
    };
    walk(
        track, [&](uint32_t call) { put('O', call, track.start_ns(call)); },
        [&](uint32_t call, int64_t end_ns) { put('C', call, end_ns); });
    text += "]}";
  }

  // Each node of the tree with time of its own is a sample.
  void write_sums() {
    std::string& text = out_->text();
    std::string weights;
    int64_t sum = 0;
    text +=
        "\n{\"type\":\"sampled\",\"name\":\"all threads\",\"unit\":\"nanoseconds\",\"samples\":[";
    std::vector<uint32_t> path;
    for (uint32_t i = 1; i < log_.tree.size(); i++) {
      const TreeNode& node = log_.tree[i];
      path.clear();
      for (uint32_t up = i; up != CallTree::kRoot; up = log_.tree[up].parent) {
        path.push_back(log_.tree[up].function);
      }
      std::reverse(path.begin(), path.end());
      auto put = [&](int64_t ns) {
        if (ns == 0) return;
        absl::StrAppend(&text, weights.empty() ? "" : ",", "[", absl::StrJoin(path, ","), "]");
        absl::StrAppend(&weights, weights.empty() ? "" : ",", ns);
        sum += ns;
      };
      put(node.own_ns);
      path.push_back(static_cast<uint32_t>(http_frame()));
      put(node.http_ns);
      out_->row();
    }
    absl::StrAppend(&text, "],\"weights\":[", weights, "],\"startValue\":0,\"endValue\":", sum,
                    "}");
  }

  const SpanLog& log_;
  ViewWriter* out_;
};

}  // namespace

void write_speedscope(const SpanLog& log, bool every_call, ViewWriter* out) {
  Writer(log, out).write(every_call);
}

}  // namespace telinject::views
