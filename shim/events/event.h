// Events as values: what happened, without a format. Outputs (event_output.h) write them down.
//
// A span has a start and an end; a point event has neither. Texts are unescaped and may be any
// bytes; outputs escape them as their format needs. An event points to its process, thread and
// function, which live at least as long as the call that passes the event.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "shim/channel/ids.h"

namespace telinject {

// A process while it executes one program.
struct ProcessInfo {
  // A small number, so outputs can keep per-process data in an array. It may be given to another
  // process after EventOutput::forget().
  uint32_t number = 0;
  int pid = 0;
  uint64_t sample_rate = 0;  // in billionths, as settings.h has it
  SegmentKey key = {};       // of its trace ids; not saved
  std::string executable;    // "" if not known
  std::string command_line;  // without secrets
  std::string language;      // "c", "cpp"
  std::string runtime_version;
  std::string build_id;  // in hexadecimal, "" if it has none

  template <typename Archive>
  void io(Archive& a) {
    a(number, pid, sample_rate, executable, command_line, language, runtime_version, build_id);
  }
};

struct ThreadInfo {
  // Unique among threads; a thread that changes its name gets a new number. 0: none.
  uint64_t number = 0;
  int tid = 0;
  std::string name;  // "" if it has none

  // Numbers are not saved, because they are valid in one drain only.
  template <typename Archive>
  void io(Archive& a) {
    a(tid, name);
  }
};

// A function as called from one place.
struct FunctionInfo {
  // Unique within a drain, from 0. May be given to another function after EventOutput::forget().
  uint32_t number = 0;
  std::string name;  // as a user reads it
  std::optional<std::string> parameters;
  // The caller; module: that the call lies in. "" if not known.
  std::string caller, caller_file, file, module, linkage_name;
  uint64_t caller_line = 0, line = 0;

  template <typename Archive>
  void io(Archive& a) {
    a(number, name, parameters, caller, caller_file, file, module, linkage_name, caller_line, line);
  }
};

// Time and ids of one event.
struct EventPlace {
  uint64_t sequence = 0;
  int64_t timestamp_ns = 0;  // since 1970
  TraceId trace = {};
  uint64_t span_id = 0;
  uint64_t parent_span_id = 0;  // 0: none
};

enum class Severity : uint8_t { kInfo, kWarn, kError };

struct ErrorInfo {
  std::string_view type, message;
  std::string_view stack = {};  // may be empty
};

using AttributeValue =
    std::variant<std::string_view, int64_t, uint64_t, bool, std::chrono::microseconds>;
struct Attribute {
  std::string_view name;  // one of ours: letters, digits, dots, underscores
  AttributeValue value;
};
using Attributes = std::span<const Attribute>;

// Headers, in their order.
using NameValues = std::vector<std::pair<std::string, std::string>>;

// Names of the events of a kind of operation. The texts are static.
struct OperationNames {
  std::string_view start, end;          // event types: "http_request"; one may be empty: no event
  std::string_view category;            // "network"
  std::string_view correlation_prefix;  // "http_"
};

struct HttpRequestInfo {
  std::string_view method, url, user_agent;
  const NameValues* headers;
  uint64_t body_bytes;
};
struct HttpResponseInfo {
  int status;  // 0 if none is known
  std::string_view content_type;
  const NameValues* headers;
  uint64_t body_bytes;
};

// Additional data of an operation's event: an HTTP request, a TLS connection.
struct Operation {
  OperationNames names;
  std::string_view name;     // "GET"
  std::string_view message;  // a line for people
  Attributes attributes;
  const HttpRequestInfo* request = nullptr;
  const HttpResponseInfo* response = nullptr;
};

struct SpanStart {
  EventPlace place;
  const ProcessInfo* process = nullptr;
  const ThreadInfo* thread = nullptr;
  const FunctionInfo* function =
      nullptr;                           // that is called; or that the operation is made in, if any
  const Operation* operation = nullptr;  // null: a call
  bool outermost = false;  // a call: the first on its stack (a thread's, a coroutine's)
};

// Additional data of an exit.
struct ExitNote {
  std::string_view exit_kind;  // how the call ended: "killed"; empty for a plain return
  bool upper_bound = false;    // it may have ended earlier
  int64_t waited_ns = 0;       // for room in the thread's lane
  int64_t preempted_ns = 0;
  uint64_t lost_calls = 0;     // that were not recorded while it was open
  int64_t not_running_ns = 0;  // at least
  int64_t http_wait_ns = 0;    // for responses to requests of its own
};

struct SpanEnd {
  EventPlace place;
  const ProcessInfo* process = nullptr;
  const ThreadInfo* thread = nullptr;
  const FunctionInfo* function = nullptr;
  const Operation* operation = nullptr;
  int64_t start_ns = 0;     // since 1970, as its SpanStart has it
  int64_t duration_ns = 0;  // less than the time since then, if it waited or was preempted
  Severity severity = Severity::kInfo;
  const ExitNote* note = nullptr;    // null: a plain return, or an operation
  const ErrorInfo* error = nullptr;  // null: none
};

// An exception in its span, or lost calls.
enum class PointKind : uint8_t { kException, kLoss };

struct PointEvent {
  EventPlace place;
  PointKind kind = PointKind::kLoss;
  const ProcessInfo* process = nullptr;
  const ThreadInfo* thread = nullptr;      // null: it is no thread's
  const FunctionInfo* function = nullptr;  // null: it is no function's
  std::string_view message;
  Attributes attributes;
  const ErrorInfo* error = nullptr;
};

}  // namespace telinject
