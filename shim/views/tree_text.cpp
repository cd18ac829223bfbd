#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_format.h"
#include "shim/drain/base/figures.h"
#include "shim/views/names.h"
#include "shim/views/texts.h"

namespace telinject::views {

namespace {

using drain::duration_text;
using drain::grouped;

// The calls of a track as a tree: calls [call + 1, end[call]) are below a call. Two calls have the
// same shape if they call the same functions in the same order, all the way down.
struct Shape {
  std::vector<uint32_t> end;
  std::vector<uint64_t> hash;
};

Shape shape_of(const SpanLog& log, const Track& track) {
  Shape shape;
  shape.end.resize(track.size());
  shape.hash.resize(track.size());
  std::vector<uint64_t> below;  // by depth: the hash of the calls there, from the end
  std::vector<uint32_t> later;  // calls of which each is less deep than the one before it
  for (uint32_t call = track.size(); call-- > 0;) {
    uint32_t depth = track.depth(call);
    if (below.size() <= depth + 1) below.resize(depth + 2);
    while (!later.empty() && track.depth(later.back()) > depth) later.pop_back();
    shape.end[call] = later.empty() ? track.size() : later.back();
    later.push_back(call);
    uint32_t function = log.sites[track.site(call)].function;
    // A call that failed is like no other.
    auto mark = track.marks().find(call);
    bool failed = mark != track.marks().end() && mark->second.failed;
    uint64_t own = absl::HashOf(function, below[depth + 1], failed ? call + 1 : 0);
    shape.hash[call] = own;
    below[depth + 1] = 0;
    below[depth] = absl::HashOf(own, below[depth]);
  }
  return shape;
}

class Writer {
 public:
  Writer(const SpanLog& log, const TextOptions& options, ViewWriter* out)
      : log_(log), options_(options), out_(out) {}

  void write() {
    for (const Track& track : log_.tracks) {
      if (track.size() > 0) write_track(track);
    }
  }

 private:
  void write_track(const Track& track) {
    track_ = &track;
    shape_ = shape_of(log_, track);
    heading_due_ = true;
    write_calls(0, track.size(), options_.focus.empty() ? 0 : kUnfocused);
  }
  void write_heading() {
    if (!heading_due_) return;
    heading_due_ = false;
    const ProcessRow& process = log_.processes[track_->process];
    if (options_.json) return;
    absl::StrAppend(&out_->text(), "# ", short_name(process.name), " ", process.pid, ", ",
                    track_name(*track_), "\n");
  }

  // Calls [from, to), which are next to each other or within each other.
  void write_calls(uint32_t from, uint32_t to, uint32_t base) {
    std::vector<uint32_t> bases = {base};  // depths that are printed without indent
    std::vector<uint32_t> ends = {to};
    for (uint32_t call = from; call < to;) {
      while (ends.size() > 1 && call >= ends.back()) {
        ends.pop_back();
        bases.pop_back();
      }
      bool unfocused = bases.back() == kUnfocused;
      if (unfocused && options_.focus.match(log_.function_of(*track_, call).name)) {
        bases.push_back(track_->depth(call));
        ends.push_back(shape_.end[call]);
        unfocused = false;
      }
      if (unfocused) {
        call++;
        continue;
      }
      if (track_->duration_ns(call) < options_.min_duration_ns) {
        call = shape_.end[call];
        continue;
      }
      write_call(call, track_->depth(call) - bases.back());
      uint32_t repeated = skip_repetitions(call, track_->depth(call) - bases.back());
      call = repeated != call ? repeated : call + 1;
    }
  }

  // Calls of the same shape that follow this one are told in a line. Returns where to go on: behind
  // them, or `call` if there are too few.
  uint32_t skip_repetitions(uint32_t call, uint32_t indent) {
    constexpr uint64_t kFew = 2;
    if (options_.json) return call;
    uint64_t count = 0;
    int64_t sum = 0;
    uint32_t next = shape_.end[call];
    while (next < track_->size() && track_->depth(next) == track_->depth(call) &&
           shape_.hash[next] == shape_.hash[call]) {
      count++;
      drain::add_ns(&sum, track_->duration_ns(next));
      next = shape_.end[next];
    }
    if (count <= kFew) return call;
    // What is below the first of them is shown once.
    for (uint32_t below = call + 1; below < shape_.end[call];) {
      if (track_->duration_ns(below) < options_.min_duration_ns) {
        below = shape_.end[below];
        continue;
      }
      write_call(below, indent + track_->depth(below) - track_->depth(call));
      uint32_t behind =
          skip_repetitions(below, indent + track_->depth(below) - track_->depth(call));
      below = behind != below ? behind : below + 1;
    }
    absl::StrAppendFormat(&out_->text(), "%12s  %*s... %s times more like this\n",
                          duration_text(static_cast<double>(sum)), indent_of(indent), "",
                          grouped(count));
    out_->row();
    return next;
  }

  void write_call(uint32_t call, uint32_t indent) {
    write_heading();
    const FunctionTotals& function = log_.function_of(*track_, call);
    auto mark = track_->marks().find(call);
    const Mark* failed = mark == track_->marks().end() ? nullptr : &mark->second;
    if (options_.json) return write_json(call, function, failed);
    absl::StrAppendFormat(&out_->text(), "%12s  %*s%s",
                          duration_text(static_cast<double>(track_->duration_ns(call))),
                          indent_of(indent), "", short_name(function.name));
    if (failed != nullptr) append_mark(*failed);
    out_->text() += '\n';
    out_->row();
  }
  void append_mark(const Mark& mark) {
    std::string& text = out_->text();
    if (!mark.exit_kind.empty()) absl::StrAppend(&text, "  [", mark.exit_kind, "]");
    if (!mark.type.empty()) absl::StrAppend(&text, "  ", short_name(mark.type));
    if (!mark.message.empty()) absl::StrAppend(&text, ": ", short_name(mark.message));
    if (mark.lost_calls > 0) {
      absl::StrAppend(&text, "  (", grouped(mark.lost_calls), " calls below were not recorded)");
    }
  }
  void write_json(uint32_t call, const FunctionTotals& function, const Mark* mark) {
    using nlohmann::json;
    const ProcessRow& process = log_.processes[track_->process];
    json line = {{"pid", process.pid},
                 {"tid", track_->tid},
                 {"stack", track_->stack},
                 {"depth", track_->depth(call)},
                 {"start_ns", track_->start_ns(call)},
                 {"duration_ns", track_->duration_ns(call)},
                 {"function", function.name}};
    if (mark != nullptr) {
      line["exit"] = mark->exit_kind;
      line["error_type"] = mark->type;
      line["error_message"] = mark->message;
    }
    out_->text() += json_text(line) + "\n";
    out_->row();
  }
  static int indent_of(uint32_t depth) {
    constexpr uint32_t kMost = 100;
    return static_cast<int>(2 * std::min(depth, kMost));
  }

  static constexpr uint32_t kUnfocused = std::numeric_limits<uint32_t>::max();
  const SpanLog& log_;
  const TextOptions& options_;
  ViewWriter* out_;
  const Track* track_ = nullptr;
  Shape shape_;
  bool heading_due_ = true;
};

}  // namespace

void write_tree(const SpanLog& log, const TextOptions& options, ViewWriter* out) {
  Writer(log, options, out).write();
}

}  // namespace telinject::views
