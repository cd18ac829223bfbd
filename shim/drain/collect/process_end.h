// How a process ended, and whether it still runs where there is no pidfd to say so: before Linux
// 5.3, or under a seccomp filter that does not know pidfd_open(2).
#pragma once

#include <cstdint>

#include "shim/drain/queue/batch_queue.h"

namespace telinject::drain {

// A pidfd of a process in our own PID namespace; -1 if there is none to be had.
int open_pidfd(int pid);
// True if it is a pidfd, and of the process that has this number in our PID namespace (0: one that
// cannot be seen from it), or of one that is gone.
bool is_pidfd_of(int fd, int pid);
// False if the process of this pidfd is gone, so that its number may be another's by now. True also
// if that cannot be told.
bool has_its_number(int pidfd, int pid);
// True if the process of this pidfd has ended, all its threads included.
bool pidfd_has_ended(int pidfd);
// False if these two pidfds are known to be of different processes: a pid may be in use again.
bool may_be_same_process(int pidfd, int other);

// A pidfd (or -1) tells the end of a process once its parent has asked for it, /proc until then.
ProcessEnd end_of(int pidfd, int pid);

// When a process started, in the kernel's units; with its pid that names it as long as the machine
// runs, whatever it executes. 0 if it is gone, or /proc does not show it.
uint64_t start_of(int pid);
// `start` is what start_of() has said, 0 if nothing. True if that process has ended: its number is
// free, in use for another, or kept for its parent alone.
bool has_ended(int pid, uint64_t start);

// The PID namespace that a process lives in, 0 if it cannot be told.
uint64_t pid_namespace_of(int pid);

}  // namespace telinject::drain
