// Chrome's trace event format, as JSON: one complete event ("X") for each call.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "shim/views/exports.h"
#include "shim/views/names.h"

namespace telinject::views {

namespace {

// Microseconds with three decimals.
void append_us(int64_t ns, std::string* out) {
  absl::StrAppendFormat(out, "%d.%03d", ns / 1000, ns % 1000);
}

class Writer {
 public:
  Writer(const SpanLog& log, ViewWriter* out) : log_(log), out_(out) {
    for (const FunctionTotals& each : log.functions) names_.push_back(json_string(each.name));
  }

  void write() {
    out_->text() += "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
    for (const ProcessRow& each : log_.processes) {
      describe("process_name", each.pid, 0, plain_name(each.name));
    }
    for (const Track& each : log_.tracks) {
      describe("thread_name", log_.processes[each.process].pid, id_of(each), track_name(each));
    }
    for (const Track& each : log_.tracks) write_track(each);
    for (const Exchange& each : log_.exchanges) write_exchange(each);
    out_->text() += "\n]}\n";
  }

 private:
  // A thread's second stack has a number that is no thread's.
  static int64_t id_of(const Track& track) {
    constexpr int64_t kBeyond = int64_t{1} << 32;
    return track.tid + kBeyond * track.stack;
  }
  void begin() {
    out_->row();
    out_->text() += first_ ? "\n{" : ",\n{";
    first_ = false;
  }
  void describe(const char* what, int pid, int64_t tid, const std::string& name) {
    begin();
    absl::StrAppend(&out_->text(), "\"ph\":\"M\",\"name\":\"", what, "\",\"pid\":", pid,
                    ",\"tid\":", tid, ",\"args\":{\"name\":", json_string(name), "}}");
  }
  void write_track(const Track& track) {
    std::string start = absl::StrCat("\"ph\":\"X\",\"pid\":", log_.processes[track.process].pid,
                                     ",\"tid\":", id_of(track), ",\"ts\":");
    for (uint32_t call = 0; call < track.size(); call++) {
      begin();
      std::string& text = out_->text();
      text += start;
      append_us(track.start_ns(call), &text);
      text += ",\"dur\":";
      append_us(track.length_ns(call), &text);
      absl::StrAppend(&text, ",\"name\":", names_[log_.sites[track.site(call)].function]);
      auto mark = track.marks().find(call);
      if (mark != track.marks().end()) append_args(mark->second);
      text += '}';
    }
  }
  void append_args(const Mark& mark) {
    absl::StrAppend(&out_->text(), ",\"args\":{\"exit\":", json_string(mark.exit_kind),
                    ",\"error.type\":", json_string(mark.type),
                    ",\"error.message\":", json_string(mark.message), "}");
  }
  // As an asynchronous pair: exchanges overlap.
  void write_exchange(const Exchange& exchange) {
    std::string name = json_string(absl::StrCat(exchange.method, " ", exchange.url));
    for (bool end : {false, true}) {
      begin();
      std::string& text = out_->text();
      absl::StrAppend(&text, "\"ph\":\"", end ? "e" : "b", "\",\"cat\":\"http.",
                      exchange.server ? "server" : "client", "\",\"id\":\"0x",
                      absl::Hex(exchange.id), "\",\"pid\":", log_.processes[exchange.process].pid,
                      ",\"tid\":", exchange.tid, ",\"ts\":");
      append_us(end ? exchange.end_ns : exchange.start_ns, &text);
      absl::StrAppend(&text, ",\"name\":", name, ",\"args\":{\"status\":", exchange.status,
                      ",\"error.type\":", json_string(exchange.error_type), "}}");
    }
  }

  const SpanLog& log_;
  ViewWriter* out_;
  std::vector<std::string> names_;  // by function, as JSON
  bool first_ = true;
};

}  // namespace

void write_chrome(const SpanLog& log, ViewWriter* out) {
  Writer(log, out).write();
}

}  // namespace telinject::views
