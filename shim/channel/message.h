// Messages longer than one record: a kMessage control record and as many kMessageData records as
// it needs, reserved together so that nothing can come between them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject {

inline constexpr size_t kMessageDataBytes = 21;
inline constexpr size_t kMaxMessageBytes = 16 * 1024 + 512;

enum class MessageType : uint16_t {
  kThread = 1,      // ThreadMessage: a thread has claimed this lane
  kThreadName = 2,  // the thread's new name, without terminator
  kModule = 3,      // ModuleMessage and the path
  kModuleGone = 4,  // ModuleGoneMessage
  // http_message.h
  kHttpConnection = 16,   // HttpConnectionMessage
  kHttpRequest = 17,      // HttpRequestMessage
  kHttpResponse = 18,     // HttpResponseMessage
  kHttpHeaders = 19,      // HttpHeadersMessage
  kHttpEnd = 20,          // HttpEndMessage
  kHttpTransfer = 21,     // HttpTransferMessage
  kHttpTransferEnd = 22,  // HttpTransferEndMessage
  kTlsConnection = 23,    // TlsConnectionMessage
};

// First message of each owner of a lane.
struct ThreadMessage {
  int32_t pid, tid;             // as the program sees them
  uint64_t process;             // random, not 0: one a process (pids repeat), the same in its lanes
  uint64_t parent_process;      // for a forked child: its parent's; else 0
  TraceContext context;         // what the thread's roots continue, if valid
  RecordRef spawned_by;         // the kSpawn record of the parent, for the exact parent span
  uint64_t stack_lo, stack_hi;  // the thread's own stack
  char name[16];                // as the kernel has it, zero padded
};

inline constexpr size_t kBuildIdBytes = 20;

// An executable mapping of a file.
struct ModuleMessage {
  uint64_t start, end;   // addresses of the executable mapping
  uint64_t file_offset;  // of `start` in the file
  uint64_t inode;        // 0: not known
  uint32_t device_major, device_minor;
  uint32_t build_id_bytes;  // 0: not known
  uint8_t build_id[kBuildIdBytes];
  // followed by the path, not terminated
};

struct ModuleGoneMessage {
  uint64_t start, end;
};

constexpr size_t message_records(size_t bytes) {
  return 1 + (bytes + kMessageDataBytes - 1) / kMessageDataBytes;
}

// What the library sends with the memfd and a pidfd of its process (SCM_RIGHTS, in that order)
// when it joins a session; also when it cannot be traced, then without a memfd.
struct Hello {
  static constexpr uint32_t kMagic = 0x484c4554;  // "TELH"
  uint32_t magic;
  uint32_t layout_version;
  int32_t pid;
  uint32_t untraced_reason;  // 0: the memfd comes with this; else UntracedReason
};

enum class UntracedReason : uint32_t {
  kNone = 0,
  kNoMemory = 1,
  kFileSizeLimit = 2,
  kNoDescriptor = 3
};

}  // namespace telinject
