// How the parts of a session find each other: TELINJECT_SESSION in the environment.
//
//   TELINJECT_SESSION=2:<mode>:<clock>:<memory>:<uid>:<secret>:<directory>
//
//   2          version of this text
//   mode       r: telrun started the drain; p: a preloaded library did
//   clock      t: the TSC may be used; m: CLOCK_MONOTONIC
//   memory     bytes of records that may wait, in lanes and drain together, in decimal
//   uid        of the drain, in decimal
//   secret     32 hex digits, random: a process that knows it may join; Hello (hello.h) contains it
//   directory  absolute, mode 0711. May be empty.
//
// The drain listens on two addresses:
//   - the abstract name "telinject-<name>", for programs that cannot reach the directory any more;
//   - <directory>/<file>, mode 0666: the file's name cannot be listed.
// Name and file are hashes of the secret. /proc/net/unix shows every user the name, from which
// neither the secret nor the file follows. It does not show the file, which got its name by
// rename(2) after it was bound.
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

inline constexpr size_t kSecretBytes = 16;
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
  uint8_t secret[kSecretBytes];
  char name[kSessionNameDigits + 1];       // of the abstract address
  char file[kSessionNameDigits + 1];       // in the directory
  char directory[kSessionDirectoryBytes];  // "" if there is none
};

bool parse_session(const char* text, Session* out);
void format_session(const Session& session, char out[kSessionTextBytes]);

// Sets the secret, and the names that follow from it.
void set_session_secret(const uint8_t secret[kSecretBytes], Session* session);
// In the same time whatever differs.
bool is_session_secret(const Session& session, const uint8_t secret[kSecretBytes]);

bool parse_record_ref(const char* text, RecordRef* out);
void format_record_ref(const RecordRef& ref, char out[kParentTextBytes]);

// Fill an address; return its length for bind(2) and connect(2), or 0 if the session has no
// directory.
uint32_t session_path_address(const Session& session, sockaddr_un* out);
uint32_t session_abstract_address(const Session& session, sockaddr_un* out);

}  // namespace telinject
