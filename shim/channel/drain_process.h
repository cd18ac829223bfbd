// What the drain's process is made of, the same under telrun and in a bare preload: its
// environment, its arguments, its descriptors (control.h), its signals. shim/cli/README.md has the
// contract.
//
// Raw system calls only, no heap, no lock, errno untouched: in a bare preload this runs in the
// traced program, in both in a child that shares its parent's memory.
#pragma once

#include <cstddef>

#include "shim/channel/session.h"

namespace telinject {

// The environment that a drain is started with: the given one without what is meant for the
// program's loader, allocator or sanitizers and would change or break the drain, and with this
// session. Entries are shared with `envp`, which must stay.
class DrainEnvironment {
 public:
  DrainEnvironment(char* const* envp, const char* session_text);
  ~DrainEnvironment();
  DrainEnvironment(const DrainEnvironment&) = delete;
  DrainEnvironment& operator=(const DrainEnvironment&) = delete;

  // Null if there was no memory.
  char* const* entries() const { return entries_; }

 private:
  char** entries_ = nullptr;  // in pages of their own: there may be thousands
  size_t bytes_ = 0;
  char session_[kSessionTextBytes + 32];  // name=value
};

// How a drain is started. Descriptors are those of the process that starts it, -1 for none.
struct DrainLaunch {
  const char* file;
  SessionMode mode;
  char* const* envp;
  int control_or_segment = -1;
  int path_listener = -1;
  int abstract_listener = -1;
  int pidfd = -1;
  int output = -1;
};

// Turns the calling process, a child whose descriptors are its own, into the drain. Returns only if
// that cannot be done: a negative errno, EMFILE if a descriptor cannot be had where the drain wants
// it.
long become_drain(const DrainLaunch& launch);

}  // namespace telinject
