// How the parts of a session find each other: TELINJECT_SESSION in the environment.
//
//   TELINJECT_SESSION=1:<mode>:<clock>:<memory>:<uid>:<name>:<directory>
//
//   1          version of this text
//   mode       r: telrun started the drain; p: a preloaded library did
//   clock      t: the TSC may be used; m: CLOCK_MONOTONIC
//   memory     bytes of records that may wait, in lanes and drain together, in decimal
//   uid        of the drain, in decimal
//   name       32 hex digits, random: knowing it is what lets a process in
//   directory  absolute; the drain listens on <directory>/<name> (mode 0666, in a directory of mode
//              0711: the name cannot be listed) and on the abstract name "telinject-<name>", for
//              programs that cannot reach the directory any more. May be empty.
//
// libc only, no heap, async-signal-safe.
#pragma once

#include <sys/un.h>

#include <cstddef>
#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject {

inline constexpr const char* kSessionVariable = "TELINJECT_SESSION";
inline constexpr const char* kParentVariable =
    "TELINJECT_PARENT";  // <segment:16x>:<lane:3x>:<position:16x>
inline constexpr const char* kTraceparentVariable = "TRACEPARENT";
inline constexpr const char* kTracestateVariable = "TRACESTATE";

inline constexpr size_t kSessionNameDigits = 32;
inline constexpr size_t kSessionDirectoryBytes = 64;
inline constexpr size_t kSessionTextBytes = 160;
inline constexpr size_t kParentTextBytes = 48;

enum class SessionMode : char { kTelrun = 'r', kPreload = 'p' };

struct Session {
  SessionMode mode;
  ClockKind clock;
  uint64_t waiting_bytes;
  uint32_t uid;
  char name[kSessionNameDigits + 1];
  char directory[kSessionDirectoryBytes];  // "" if there is none
};

bool parse_session(const char* text, Session* out);
void format_session(const Session& session, char out[kSessionTextBytes]);

bool parse_record_ref(const char* text, RecordRef* out);
void format_record_ref(const RecordRef& ref, char out[kParentTextBytes]);

// Fill an address; return its length for bind(2) and connect(2), or 0 if the session has no
// directory.
uint32_t session_path_address(const Session& session, sockaddr_un* out);
uint32_t session_abstract_address(const Session& session, sockaddr_un* out);

}  // namespace telinject
