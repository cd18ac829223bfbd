#include "shim/views/span_logger.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "shim/channel/settings.h"

namespace telinject::views {

namespace {

struct OpenCall {
  uint32_t call;
  uint32_t node;  // in the tree
  uint64_t span;
  int64_t children_ns;
};

// Of a thread: its tracks, with the calls that are open on each.
struct OpenTrack {
  uint32_t track;
  std::vector<OpenCall> calls;
};
struct OpenThread {
  std::vector<OpenTrack> tracks;
  size_t last = 0;            // the track of the last event
  std::vector<size_t> empty;  // tracks without open calls
};

std::string_view text_of(Attributes attributes, std::string_view name) {
  for (const Attribute& each : attributes) {
    const auto* text = std::get_if<std::string_view>(&each.value);
    if (each.name == name && text != nullptr) return *text;
  }
  return {};
}

int64_t number_of(Attributes attributes, std::string_view name, int64_t otherwise) {
  for (const Attribute& each : attributes) {
    if (each.name != name) continue;
    if (const auto* number = std::get_if<int64_t>(&each.value)) return *number;
    if (const auto* number = std::get_if<uint64_t>(&each.value)) {
      return static_cast<int64_t>(*number);
    }
  }
  return otherwise;
}

class SpanLogger final : public EventOutput {
 public:
  SpanLogger(SpanLog* log, uint64_t most_calls);
  ~SpanLogger() override { end_open(); }

  void introduce(const ProcessInfo& process, const Metadata&, int64_t, Places*) override;
  void introduce(const FunctionInfo& function, const ProcessInfo&, int64_t, Places*) override;
  void forget(const ProcessInfo&) override {}
  void forget(const FunctionInfo&) override {}
  void start(const SpanStart& event) override;
  void end(const SpanEnd& event) override;
  void note(const PointEvent& event) override;
  void pass_on() override {}
  void flush() override { end_open(); }
  std::string describe() const override { return "the report"; }
  uint64_t bytes_written() const override { return 0; }
  std::string_view kind() const override { return "views"; }
  std::string save() const override { return {}; }
  bool restore(std::string_view, const std::vector<const ProcessInfo*>&) override { return false; }

 private:
  struct Found {
    OpenThread* thread = nullptr;
    OpenTrack* track = nullptr;
    size_t at = 0;  // in its calls
  };

  void see(int64_t ns);
  uint32_t process_of(const ProcessInfo& process) const { return processes_[process.number]; }
  static bool is_shown(const OpenTrack& open);
  OpenThread* thread_of(const ProcessInfo& process, const ThreadInfo& thread);
  OpenTrack* track_for(OpenThread* thread, const SpanStart& event);
  OpenTrack* new_track(OpenThread* thread, const SpanStart& event);
  Found find(uint64_t span);
  CallRef call_of(uint64_t span);
  Found ending(const SpanEnd& event);
  void end_call(const SpanEnd& event);
  void count(const SpanEnd& event, const OpenCall& open);
  static void mark(const SpanEnd& event, uint32_t call, Track* track);
  void start_exchange(const SpanStart& event);
  void end_exchange(const SpanEnd& event);
  void end_open();

  SpanLog* log_;
  const uint64_t most_calls_;
  std::vector<uint32_t> processes_;  // by the number of a ProcessInfo: its row
  std::vector<uint32_t> sites_;      // by the number of a FunctionInfo: its row
  // Functions by name, module and place.
  absl::flat_hash_map<std::tuple<std::string, std::string, std::string, uint64_t>, uint32_t>
      functions_;
  // By process and tid.
  absl::flat_hash_map<std::pair<uint32_t, int>, std::unique_ptr<OpenThread>> threads_;
  absl::flat_hash_map<uint64_t, std::pair<OpenThread*, size_t>> open_;  // by span id: its track
  absl::flat_hash_map<uint64_t, uint32_t> exchanges_;                   // open ones, by span id
};

template <typename T>
void put(std::vector<T>* rows, size_t at, T value) {
  if (rows->size() <= at) rows->resize(at + 1);
  (*rows)[at] = value;
}

SpanLogger::SpanLogger(SpanLog* log, uint64_t most_calls) : log_(log), most_calls_(most_calls) {
  for (uint32_t i = 0; i < log->functions.size(); i++) {
    const FunctionTotals& each = log->functions[i];
    functions_[{each.name, each.module, each.file, each.line}] = i;
  }
}

void SpanLogger::see(int64_t ns) {
  if (log_->first_ns == 0 || ns < log_->first_ns) log_->first_ns = ns;
  log_->last_ns = std::max(log_->last_ns, ns);
}

void SpanLogger::introduce(const ProcessInfo& process, const Metadata&, int64_t, Places*) {
  ProcessRow row;
  row.pid = process.pid;
  row.command_line = process.command_line;
  row.name = process.executable.substr(process.executable.rfind('/') + 1);
  if (row.name.empty()) row.name = absl::StrCat("process ", process.pid);
  if (process.sample_rate != 0) {
    double rate = static_cast<double>(process.sample_rate) / static_cast<double>(kRateOne);
    log_->sample_rate = std::min(log_->sample_rate, rate);
  }
  put(&processes_, process.number, static_cast<uint32_t>(log_->processes.size()));
  log_->processes.push_back(std::move(row));
}

void SpanLogger::introduce(const FunctionInfo& function, const ProcessInfo&, int64_t, Places*) {
  auto [found, is_new] = functions_.try_emplace(
      {function.name, function.module, function.file, function.line}, log_->functions.size());
  if (is_new) {
    FunctionTotals& totals = log_->functions.emplace_back();
    totals.name = function.name;
    totals.module = function.module;
    totals.file = function.file;
    totals.line = function.line;
    log_->own_times.emplace_back();
  }
  put(&sites_, function.number, static_cast<uint32_t>(log_->sites.size()));
  log_->sites.push_back({found->second, function.caller_file, function.caller_line});
}

OpenTrack* SpanLogger::new_track(OpenThread* thread, const SpanStart& event) {
  Track& track = log_->tracks.emplace_back();
  track.process = process_of(*event.process);
  track.tid = event.thread->tid;
  track.thread_name = event.thread->name;
  track.stack = static_cast<uint32_t>(thread->tracks.size());
  thread->tracks.push_back({static_cast<uint32_t>(log_->tracks.size() - 1), {}});
  thread->last = thread->tracks.size() - 1;
  return &thread->tracks.back();
}

// What lies below a call that is not shown has no place.
bool SpanLogger::is_shown(const OpenTrack& open) {
  return open.calls.empty() || open.calls.back().call != kNone;
}

OpenThread* SpanLogger::thread_of(const ProcessInfo& process, const ThreadInfo& thread) {
  std::unique_ptr<OpenThread>& found = threads_[{process_of(process), thread.tid}];
  if (found == nullptr) found = std::make_unique<OpenThread>();
  return found.get();
}

// The track that the call is on: for the first call on a stack one without open calls, else the one
// whose innermost call is the parent. A call that serves a request has the request as its parent:
// it is on the track of the call that took the request, the thread's last one.
OpenTrack* SpanLogger::track_for(OpenThread* thread, const SpanStart& event) {
  if (!event.outermost && thread->last < thread->tracks.size()) {
    uint64_t parent = event.place.parent_span_id;
    OpenTrack* last = &thread->tracks[thread->last];
    if (!last->calls.empty() && last->calls.back().span == parent) return last;
    Found found = find(parent);
    if (found.thread == thread && found.at + 1 == found.track->calls.size()) {
      thread->last = static_cast<size_t>(found.track - thread->tracks.data());
      return found.track;
    }
    if (!last->calls.empty()) return last;
  }
  while (!thread->empty.empty()) {
    size_t track = thread->empty.back();
    thread->empty.pop_back();
    if (!thread->tracks[track].calls.empty()) continue;
    thread->last = track;
    return &thread->tracks[track];
  }
  return new_track(thread, event);
}

// The call with that span id, if it is open.
SpanLogger::Found SpanLogger::find(uint64_t span) {
  auto found = open_.find(span);
  if (found == open_.end()) return {};
  OpenThread* thread = found->second.first;
  OpenTrack* track = &thread->tracks[found->second.second];
  for (size_t i = track->calls.size(); i-- > 0;) {
    if (track->calls[i].span == span) return {thread, track, i};
  }
  return {};
}

CallRef SpanLogger::call_of(uint64_t span) {
  if (span == 0) return {};
  Found found = find(span);
  if (found.track == nullptr) return {};
  uint32_t call = found.track->calls[found.at].call;
  return call == kNone ? CallRef{} : CallRef{found.track->track, call};
}

void SpanLogger::start(const SpanStart& event) {
  see(event.place.timestamp_ns);
  if (event.operation != nullptr) return start_exchange(event);
  OpenThread* thread = thread_of(*event.process, *event.thread);
  OpenTrack* open = track_for(thread, event);
  Track& track = log_->tracks[open->track];
  uint32_t site = sites_[event.function->number];
  auto depth = static_cast<uint32_t>(open->calls.size());
  bool shown = log_->calls - log_->unshown_calls < most_calls_ && is_shown(*open);
  uint32_t call = shown ? track.add(event.place.timestamp_ns, site, depth) : kNone;
  if (!shown) log_->unshown_calls++;
  uint32_t parent_node = CallTree::kRoot;
  if (!open->calls.empty()) {
    parent_node = open->calls.back().node;
  } else if (CallRef from = shown ? call_of(event.place.parent_span_id) : CallRef{}; from.known()) {
    track.set_origin(call, from);
  }
  uint32_t node = log_->tree.child(parent_node, log_->sites[site].function);
  if (log_->tree[node].site == kNone) log_->tree[node].site = site;
  open->calls.push_back({call, node, event.place.span_id, 0});
  open_[event.place.span_id] = {thread, thread->last};
  log_->calls++;
}

void SpanLogger::end(const SpanEnd& event) {
  see(event.place.timestamp_ns);
  if (event.operation != nullptr) return end_exchange(event);
  end_call(event);
}

// The call that ends: almost always the innermost one of the thread's last track.
SpanLogger::Found SpanLogger::ending(const SpanEnd& event) {
  OpenThread* thread = thread_of(*event.process, *event.thread);
  if (thread->last < thread->tracks.size()) {
    OpenTrack* last = &thread->tracks[thread->last];
    if (!last->calls.empty() && last->calls.back().span == event.place.span_id) {
      return {thread, last, last->calls.size() - 1};
    }
  }
  return find(event.place.span_id);
}

void SpanLogger::end_call(const SpanEnd& event) {
  Found found = ending(event);
  if (found.track == nullptr) return;
  std::vector<OpenCall>& calls = found.track->calls;
  OpenCall open = calls[found.at];
  calls.erase(calls.begin() + static_cast<ptrdiff_t>(found.at));
  open_.erase(event.place.span_id);
  if (calls.empty()) {
    found.thread->empty.push_back(static_cast<size_t>(found.track - found.thread->tracks.data()));
  }
  if (found.at > 0) drain::add_ns(&calls[found.at - 1].children_ns, event.duration_ns);
  Track& track = log_->tracks[found.track->track];
  count(event, open);
  if (open.call == kNone) {
    if (event.error != nullptr) log_->unshown_failures++;
    return;
  }
  track.end(open.call, event.place.timestamp_ns - event.start_ns, event.duration_ns);
  mark(event, open.call, &track);
}

void SpanLogger::count(const SpanEnd& event, const OpenCall& open) {
  int64_t http_ns = event.note != nullptr ? event.note->http_wait_ns : 0;
  TreeNode& node = log_->tree[open.node];
  log_->functions[node.function].add(event.duration_ns, open.children_ns, http_ns);
  int64_t own = std::max<int64_t>(event.duration_ns - open.children_ns, 0);
  http_ns = std::min(http_ns, own);
  log_->own_times[node.function].add(static_cast<uint64_t>(own - http_ns));
  node.calls++;
  drain::add_ns(&node.own_ns, own - http_ns);
  drain::add_ns(&node.http_ns, http_ns);
  node.max_ns = std::max(node.max_ns, event.duration_ns);
}

void SpanLogger::mark(const SpanEnd& event, uint32_t call, Track* track) {
  Mark mark;
  if (event.note != nullptr) {
    mark.exit_kind = event.note->exit_kind;
    mark.lost_calls = event.note->lost_calls;
  }
  mark.failed = event.error != nullptr || mark.exit_kind == "killed" || mark.exit_kind == "unknown";
  if (event.error != nullptr) {
    mark.type = event.error->type;
    mark.message = event.error->message;
    mark.stack = event.error->stack;
  }
  track->unmark(call);
  bool plain = mark.exit_kind.empty() && event.error == nullptr && mark.lost_calls == 0;
  if (!plain) track->mark(call, std::move(mark));
}

void SpanLogger::start_exchange(const SpanStart& event) {
  if (event.operation->request == nullptr) return;
  Exchange exchange;
  exchange.process = process_of(*event.process);
  exchange.tid = event.thread != nullptr ? event.thread->tid : 0;
  exchange.id = event.place.span_id;
  exchange.parent = event.place.parent_span_id;
  exchange.caller = call_of(exchange.parent);
  exchange.server = text_of(event.operation->attributes, "span.kind") == "server";
  exchange.method = event.operation->request->method;
  exchange.url = event.operation->request->url;
  exchange.start_ns = exchange.end_ns = event.place.timestamp_ns;
  exchanges_[exchange.id] = static_cast<uint32_t>(log_->exchanges.size());
  log_->exchanges.push_back(std::move(exchange));
}

void SpanLogger::end_exchange(const SpanEnd& event) {
  auto found = exchanges_.find(event.place.span_id);
  if (found == exchanges_.end()) return;
  Exchange& exchange = log_->exchanges[found->second];
  exchanges_.erase(found);
  exchange.end_ns = std::max(exchange.start_ns, event.place.timestamp_ns);
  Attributes attributes = event.operation->attributes;
  exchange.first_byte_ns = number_of(attributes, "telinject.http.first_byte_ns", -1);
  if (event.operation->response != nullptr) {
    exchange.status = event.operation->response->status;
    exchange.response_bytes = event.operation->response->body_bytes;
  }
  if (event.error == nullptr) return;
  exchange.error_type = event.error->type;
}

void SpanLogger::note(const PointEvent& event) {
  if (event.kind == PointKind::kException) {
    log_->exceptions++;
    return;
  }
  int64_t calls = number_of(event.attributes, "telinject.lost_calls", -1);
  if (calls < 0) log_->loss_unknown = true;
  log_->lost_calls += static_cast<uint64_t>(std::max<int64_t>(calls, 0));
}

// What is open now, for example because the recording breaks off.
void SpanLogger::end_open() {
  for (auto& [key, thread] : threads_) {
    for (OpenTrack& open : thread->tracks) {
      Track& track = log_->tracks[open.track];
      for (const OpenCall& call : open.calls) {
        if (call.call == kNone) continue;
        int64_t length = log_->last_ns - track.start_ns(call.call);
        track.end(call.call, length, length);
        Mark mark;
        mark.exit_kind = "open";
        track.mark(call.call, std::move(mark));
      }
    }
  }
  for (auto& [id, row] : exchanges_) log_->exchanges[row].end_ns = log_->last_ns;
}

}  // namespace

std::unique_ptr<EventOutput> make_span_logger(SpanLog* log, uint64_t most_calls) {
  return std::make_unique<SpanLogger>(log, most_calls);
}

uint64_t most_calls(uint64_t memory_bytes) {
  constexpr uint64_t kEach = 40, kShare = 4;
  return memory_bytes / kShare / kEach;
}

}  // namespace telinject::views
