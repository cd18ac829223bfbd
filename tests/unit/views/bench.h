// Events by hand, into a SpanLog.
#pragma once

#include <unistd.h>

#include <deque>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "shim/views/span_logger.h"
#include "shim/views/view_writer.h"

namespace telinject::views::test {

struct Bench {
  SpanLog log;
  std::unique_ptr<EventOutput> output = make_span_logger(&log, 1000);
  ProcessInfo process;
  Metadata metadata;
  std::deque<FunctionInfo> functions;
  std::deque<ThreadInfo> threads;

  Bench() {
    process.pid = 42;
    process.executable = "/usr/bin/app";
    output->introduce(process, metadata, 1, nullptr);
  }
  FunctionInfo* function(const std::string& name) {
    for (FunctionInfo& each : functions) {
      if (each.name == name) return &each;
    }
    FunctionInfo& made = functions.emplace_back();
    made.number = static_cast<uint32_t>(functions.size() - 1);
    made.name = name;
    output->introduce(made, process, 1, nullptr);
    return &made;
  }
  ThreadInfo* thread(int tid) {
    for (ThreadInfo& each : threads) {
      if (each.tid == tid) return &each;
    }
    ThreadInfo& made = threads.emplace_back();
    made.tid = tid;
    made.name = "worker";
    return &made;
  }
  void start(uint64_t id, uint64_t parent, int64_t ns, const std::string& name, int tid = 1,
             bool outermost = false) {
    SpanStart event;
    event.place = {0, ns, {0, 1}, id, parent};
    event.process = &process;
    event.thread = thread(tid);
    event.function = function(name);
    event.outermost = outermost || parent == 0;
    output->start(event);
  }
  void end(uint64_t id, int64_t from, int64_t to, const std::string& name, int tid = 1,
           int64_t away_ns = 0, const ErrorInfo* error = nullptr, const ExitNote* note = nullptr) {
    SpanEnd event;
    event.place = {0, to, {0, 1}, id, 0};
    event.process = &process;
    event.thread = thread(tid);
    event.function = function(name);
    event.start_ns = from;
    event.duration_ns = to - from - away_ns;
    event.error = error;
    event.note = note;
    output->end(event);
  }
  // A call of its own trace.
  void call(const std::string& name, int64_t from, int64_t length) {
    uint64_t id = ++last_id_;
    start(id, 0, from, name);
    end(id, from, from + length, name);
  }

 private:
  uint64_t last_id_ = 1000;
};

// What `write` writes.
template <typename Write>
std::string text_of(Write write) {
  std::string path = "view-text-" + std::to_string(getpid()), problem;
  auto out = ViewWriter::open(path, &problem);
  write(out.get());
  if (!out->finish(&problem)) return problem;
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  unlink(path.c_str());
  return text.str();
}

}  // namespace telinject::views::test
