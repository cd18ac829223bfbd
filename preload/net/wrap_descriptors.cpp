// What descriptors are: sockets that are made, connected, accepted, duplicated, taken from another
// process, closed.
//
// Async-signal-safe where the functions themselves are; errno is theirs. In the child of vfork they
// change nothing of ours (descriptors.cpp).
#include <fcntl.h>
#include <sys/socket.h>

#include "hooks/http/descriptors.h"
#include "hooks/http/turns.h"
#include "preload/net/socket_call.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

DescriptorTag tag_of(int family, int type) {
  constexpr int kTypes = 0xf;  // below SOCK_NONBLOCK, SOCK_CLOEXEC
  bool stream = (type & kTypes) == SOCK_STREAM;
  bool known = family == AF_INET || family == AF_INET6 || family == AF_UNIX;
  return stream && known ? kSocket : kNothing;
}

void accepted(int listening, int fd) {
  if (fd < 0) return;
  descriptor_opened(fd, kAccepted);
  turn_accepts(listening, fd);
}

int duplicate_with(RealSymbol symbol, int fd, int command, long argument) {
  int result = real<int (*)(int, int, long)>(symbol)(fd, command, argument);
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) descriptor_duplicated(fd, result);
  return result;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int, socket, int family, int type, int protocol) {
  int fd = real<int (*)(int, int, int)>(kReal_socket)(family, type, protocol);
  descriptor_opened(fd, tag_of(family, type));
  return fd;
}

TELINJECT_WRAPPER(int, socketpair, int family, int type, int protocol, int* fds) {
  int result = real<int (*)(int, int, int, int*)>(kReal_socketpair)(family, type, protocol, fds);
  if (result == 0) {
    descriptor_opened(fds[0], tag_of(family, type));
    descriptor_opened(fds[1], tag_of(family, type));
  }
  return result;
}

TELINJECT_WRAPPER(int, connect, int fd, const void* address, uint32_t size) {
  int result = real<int (*)(int, const void*, uint32_t)>(kReal_connect)(fd, address, size);
  if (descriptor_tag(fd) != kNothing && (result == 0 || last_error() == kInProgress)) {
    descriptor_connected(fd);
  }
  return result;
}

TELINJECT_WRAPPER(int, accept, int fd, void* address, uint32_t* size) {
  int result = real<int (*)(int, void*, uint32_t*)>(kReal_accept)(fd, address, size);
  accepted(fd, result);
  return result;
}

TELINJECT_WRAPPER(int, accept4, int fd, void* address, uint32_t* size, int flags) {
  int result = real<int (*)(int, void*, uint32_t*, int)>(kReal_accept4)(fd, address, size, flags);
  accepted(fd, result);
  return result;
}

TELINJECT_WRAPPER(int, shutdown, int fd, int how) {
  int result = real<int (*)(int, int)>(kReal_shutdown)(fd, how);
  if (result == 0 && how != SHUT_RD && descriptor_tag(fd) >= kLookedAt) descriptor_finished(fd);
  return result;
}

// Before the call: afterwards the number may be another thread's.
TELINJECT_WRAPPER(int, close, int fd) {
  if (TELINJECT_UNLIKELY(descriptor_tag(fd) != kNothing)) descriptor_closed(fd);
  return real<int (*)(int)>(kReal_close)(fd);
}

TELINJECT_WRAPPER(int, close_range, unsigned first, unsigned last, int flags) {
  constexpr int kOnlyCloexec = 4;  // CLOSE_RANGE_CLOEXEC
  if ((flags & kOnlyCloexec) == 0 && first <= last) descriptors_closed(first, last);
  // Older libcs have none, and a program that asks for it finds ours.
  auto function = known<int (*)(unsigned, unsigned, int)>(kReal_close_range);
  if (function != nullptr) return function(first, last, flags);
  return returned(sys::call(SYS_close_range, first, last, flags));
}

TELINJECT_WRAPPER(void, closefrom, int first) {
  descriptors_closed(first > 0 ? static_cast<uint32_t>(first) : 0, ~0u);
  auto function = known<void (*)(int)>(kReal_closefrom);
  if (function != nullptr) return function(first);
  sys::call(SYS_close_range, first > 0 ? first : 0, ~0u, 0);
}

TELINJECT_WRAPPER(int, dup, int fd) {
  int result = real<int (*)(int)>(kReal_dup)(fd);
  descriptor_duplicated(fd, result);
  return result;
}

TELINJECT_WRAPPER(int, dup2, int from, int to) {
  int result = real<int (*)(int, int)>(kReal_dup2)(from, to);
  descriptor_duplicated(from, result);
  return result;
}

TELINJECT_WRAPPER(int, dup3, int from, int to, int flags) {
  int result = real<int (*)(int, int, int)>(kReal_dup3)(from, to, flags);
  descriptor_duplicated(from, result);
  return result;
}

// Variadic; on x86-64 the one argument that there may be is in the third register.
TELINJECT_WRAPPER(int, fcntl, int fd, int command, long argument) {
  return duplicate_with(kReal_fcntl, fd, command, argument);
}

TELINJECT_WRAPPER(int, fcntl64, int fd, int command, long argument) {
  return duplicate_with(kReal_fcntl64, fd, command, argument);
}

TELINJECT_WRAPPER(int, pidfd_getfd, int process, int fd, unsigned flags) {
  auto function = known<int (*)(int, int, unsigned)>(kReal_pidfd_getfd);
  // From glibc 2.36 on.
  int result = function != nullptr ? function(process, fd, flags)
                                   : returned(sys::call(SYS_pidfd_getfd, process, fd, flags));
  descriptor_arrived(result);
  return result;
}
