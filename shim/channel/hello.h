// How a process joins a session: what its library sends to the drain.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shim/channel/session.h"

namespace telinject {

// Comes with the memfd and a pidfd of the process (SCM_RIGHTS, in that order). A process that
// cannot be traced sends it without either. One message on a connection. It counts only if the
// secret is right; and which process has sent it, the kernel tells: `pid` is not used.
struct Hello {
  static constexpr uint32_t kMagic = 0x324c4554;  // "TEL2"
  // From `telinject dump`, which is no program of the session: it asks for what the flight recorder
  // keeps. The drain answers with one message: a DumpAnswer (dump_command.h), then a text.
  static constexpr uint32_t kDumpMagic = 0x444c4554;  // "TELD"
  uint32_t magic;
  uint32_t layout_version;
  int32_t pid;
  uint32_t untraced_reason;      // 0: the memfd comes with this; else UntracedReason
  uint8_t secret[kSecretBytes];  // of the session
};

enum class UntracedReason : uint32_t {
  kNone = 0,
  kNoMemory = 1,
  kFileSizeLimit = 2,
  kNoDescriptor = 3,
  kNoMemoryFile = 4,  // memfd_create(2) is forbidden or not known
};

}  // namespace telinject
