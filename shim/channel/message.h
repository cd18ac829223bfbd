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
  kThrow = 5,       // ThrowMessage, stack, type, text
  kCrash = 6,       // CrashMessage, stack
  // From here on messages of operations, which leave the drain's collector only as a redactor has
  // made them (shim/messages/message_redactor.h). http_message.h:
  kHttpConnection = 16,   // HttpConnectionMessage
  kHttpRequest = 17,      // HttpRequestMessage
  kHttpResponse = 18,     // HttpResponseMessage
  kHttpHeaders = 19,      // HttpHeadersMessage
  kHttpEnd = 20,          // HttpEndMessage
  kHttpTransfer = 21,     // HttpTransferMessage
  kHttpTransferEnd = 22,  // HttpTransferEndMessage
  kTlsConnection = 23,    // TlsConnectionMessage
};

constexpr bool is_operation(MessageType type) {
  return type >= MessageType::kHttpConnection;
}

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

// An exception has been thrown and is looking for a handler. Followed by the addresses of the stack
// (the mark for exact ones is kExactAddress), the mangled name of the type, and the text: what()
// or, of other types, what is known of their value.
struct ThrowMessage {
  enum Flags : uint32_t { kRethrown = 1, kForeign = 2, kStackSkipped = 4, kHasText = 8 };
  uint64_t exception;  // address of the unwinder's header: names it until it is caught
  uint64_t sp;         // of who threw
  uint32_t flags;
  uint32_t stacks_skipped;  // of this thread, since the last one that was taken
  uint16_t frames, type_bytes, text_bytes, reserved;
};
inline constexpr size_t kMaxTypeBytes = 512;
inline constexpr size_t kMaxTextBytes = 800;  // 200 characters

// A signal that ends the process. Followed by the addresses of the stack, and what libc said before
// it aborted ("prog: a.c:3: f: Assertion ... failed.").
struct CrashMessage {
  int32_t signal, code;
  uint64_t address;  // si_addr, of a fault
  int32_t sender;    // the process that sent it, if it was sent; else 0
  uint16_t frames, text_bytes;
};

// In an address of a stack: of the instruction itself (a fault, an interrupted function), not one
// to return to.
inline constexpr uint64_t kExactAddress = uint64_t{1} << 63;
inline constexpr size_t kMaxStackFrames = 80;

constexpr size_t message_records(size_t bytes) {
  return 1 + (bytes + kMessageDataBytes - 1) / kMessageDataBytes;
}

}  // namespace telinject
