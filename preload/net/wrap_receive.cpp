// Receiving: what came is looked at when the call has returned. Async-signal-safe; errno is the
// call's. Where a descriptor carries no HTTP they jump to the real functions; but a message may
// bring descriptors (SCM_RIGHTS), whatever it came by.
#include <sys/socket.h>
#include <sys/uio.h>

#include "preload/net/socket_call.h"
#include "preload/real/export.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

size_t Parts::size() const {
  const auto* parts = static_cast<const iovec*>(data);
  size_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += parts[i].iov_len;
  return sum;
}

void call_failed(int fd, Way way) {
  switch (int error = last_error()) {
    case 5:    // EIO
    case 32:   // EPIPE
    case 100:  // ENETDOWN
    case 101:  // ENETUNREACH
    case 103:  // ECONNABORTED
    case 104:  // ECONNRESET
    case 110:  // ETIMEDOUT
    case 111:  // ECONNREFUSED
    case 112:  // EHOSTDOWN
    case 113:  // EHOSTUNREACH
      return descriptor_failed(fd, way, error);
    default:
      return;
  }
}

namespace {

// MSG_PEEK: the bytes come again. MSG_OOB, MSG_ERRQUEUE: they are not of the stream.
bool is_looked_at(int flags) {
  constexpr int kErrorQueue = 0x2000;
  return (flags & (MSG_PEEK | MSG_OOB | kErrorQueue)) == 0;
}

// MSG_TRUNC: of a TCP stream the bytes were thrown away.
const void* where(const void* data, int flags) {
  return (flags & MSG_TRUNC) != 0 ? nullptr : data;
}

[[gnu::noinline]] void received(int fd, const void* data, size_t wanted, ssize_t result) {
  if (result > 0) {
    return descriptor_traffic(fd, Way::kReceived, data, static_cast<uint64_t>(result), 0);
  }
  if (wanted == 0) return;
  if (result == 0) return descriptor_failed(fd, Way::kReceived, 0);
  call_failed(fd, Way::kReceived);
}

[[gnu::noinline]] void received(int fd, const Parts& parts, ssize_t result) {
  if (result <= 0) return received(fd, nullptr, parts.size(), result);
  descriptor_traffic_vector(fd, Way::kReceived, parts.data, parts.count,
                            static_cast<uint64_t>(result), 0);
}

[[gnu::noinline]] void descriptors_arrived(const char* control, size_t left) {
  while (left >= sizeof(cmsghdr)) {
    cmsghdr head;
    __builtin_memcpy(&head, control, sizeof head);
    if (head.cmsg_len < sizeof head || head.cmsg_len > left) return;
    bool brings = head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS;
    for (size_t at = sizeof head; brings && at + sizeof(int) <= head.cmsg_len; at += sizeof(int)) {
      int fd;
      __builtin_memcpy(&fd, control + at, sizeof fd);
      descriptor_arrived(fd);
    }
    size_t bytes = (head.cmsg_len + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1);
    if (bytes >= left) return;
    control += bytes;
    left -= bytes;
  }
}

// Descriptors that came with a message. MSG_PEEK opens them, too.
inline void descriptors_arrived(const msghdr& message) {
  if (TELINJECT_LIKELY(message.msg_controllen == 0) || g_descriptor_limit == 0) return;
  descriptors_arrived(static_cast<const char*>(message.msg_control), message.msg_controllen);
}

[[gnu::noinline]] ssize_t looked_at_read(int fd, void* data, size_t size) {
  auto function = real<ssize_t (*)(int, void*, size_t)>(kReal_read);
  descriptor_awaited(fd);
  ssize_t result = function(fd, data, size);
  received(fd, data, size, result);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_read_chk(int fd, void* data, size_t size, size_t room) {
  auto function = real<ssize_t (*)(int, void*, size_t, size_t)>(kReal___read_chk);
  descriptor_awaited(fd);
  ssize_t result = function(fd, data, size, room);
  received(fd, data, size, result);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_readv(int fd, const iovec* parts, int count) {
  auto function = real<ssize_t (*)(int, const iovec*, int)>(kReal_readv);
  descriptor_awaited(fd);
  ssize_t result = function(fd, parts, count);
  received(fd, {parts, static_cast<size_t>(count > 0 ? count : 0)}, result);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_recv(int fd, void* data, size_t size, int flags) {
  auto function = real<ssize_t (*)(int, void*, size_t, int)>(kReal_recv);
  descriptor_awaited(fd);
  ssize_t result = function(fd, data, size, flags);
  if (is_looked_at(flags)) received(fd, where(data, flags), size, result);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_recv_chk(int fd, void* data, size_t size, size_t room,
                                             int flags) {
  auto function = real<ssize_t (*)(int, void*, size_t, size_t, int)>(kReal___recv_chk);
  descriptor_awaited(fd);
  ssize_t result = function(fd, data, size, room, flags);
  if (is_looked_at(flags)) received(fd, where(data, flags), size, result);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_recvfrom(int fd, void* data, size_t size, int flags,
                                             void* address, uint32_t* address_size) {
  auto function = real<ssize_t (*)(int, void*, size_t, int, void*, uint32_t*)>(kReal_recvfrom);
  descriptor_awaited(fd);
  ssize_t result = function(fd, data, size, flags, address, address_size);
  if (is_looked_at(flags)) received(fd, where(data, flags), size, result);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_recvfrom_chk(int fd, void* data, size_t size, size_t room,
                                                 int flags, void* address, uint32_t* address_size) {
  auto function =
      real<ssize_t (*)(int, void*, size_t, size_t, int, void*, uint32_t*)>(kReal___recvfrom_chk);
  descriptor_awaited(fd);
  ssize_t result = function(fd, data, size, room, flags, address, address_size);
  if (is_looked_at(flags)) received(fd, where(data, flags), size, result);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_recvmsg(int fd, msghdr* message, int flags) {
  auto function = real<ssize_t (*)(int, msghdr*, int)>(kReal_recvmsg);
  descriptor_awaited(fd);
  ssize_t result = function(fd, message, flags);
  if (is_looked_at(flags)) received(fd, {message->msg_iov, message->msg_iovlen}, result);
  if (result >= 0) descriptors_arrived(*message);
  return result;
}

[[gnu::noinline]] int looked_at_recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags,
                                         void* timeout) {
  auto function = real<int (*)(int, mmsghdr*, unsigned, int, void*)>(kReal_recvmmsg);
  descriptor_awaited(fd);
  int result = function(fd, messages, count, flags, timeout);
  for (int i = 0; is_looked_at(flags) && i < result; i++) {
    const msghdr& message = messages[i].msg_hdr;
    received(fd, {message.msg_iov, message.msg_iovlen}, messages[i].msg_len);
  }
  for (int i = 0; i < result; i++) descriptors_arrived(messages[i].msg_hdr);
  if (result < 0) call_failed(fd, Way::kReceived);
  return result;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(ssize_t, read, int fd, void* data, size_t size) {
  auto function = known<ssize_t (*)(int, void*, size_t)>(kReal_read);
  if (function != nullptr && passes_by(fd)) return function(fd, data, size);
  return looked_at_read(fd, data, size);
}

TELINJECT_WRAPPER(ssize_t, __read_chk, int fd, void* data, size_t size, size_t room) {
  auto function = known<ssize_t (*)(int, void*, size_t, size_t)>(kReal___read_chk);
  if (function != nullptr && passes_by(fd)) return function(fd, data, size, room);
  return looked_at_read_chk(fd, data, size, room);
}

TELINJECT_WRAPPER(ssize_t, readv, int fd, const iovec* parts, int count) {
  auto function = known<ssize_t (*)(int, const iovec*, int)>(kReal_readv);
  if (function != nullptr && passes_by(fd)) return function(fd, parts, count);
  return looked_at_readv(fd, parts, count);
}

TELINJECT_WRAPPER(ssize_t, recv, int fd, void* data, size_t size, int flags) {
  auto function = known<ssize_t (*)(int, void*, size_t, int)>(kReal_recv);
  if (function != nullptr && passes_by(fd)) return function(fd, data, size, flags);
  return looked_at_recv(fd, data, size, flags);
}

TELINJECT_WRAPPER(ssize_t, __recv_chk, int fd, void* data, size_t size, size_t room, int flags) {
  auto function = known<ssize_t (*)(int, void*, size_t, size_t, int)>(kReal___recv_chk);
  if (function != nullptr && passes_by(fd)) return function(fd, data, size, room, flags);
  return looked_at_recv_chk(fd, data, size, room, flags);
}

TELINJECT_WRAPPER(ssize_t, recvfrom, int fd, void* data, size_t size, int flags, void* address,
                  uint32_t* address_size) {
  auto function = known<ssize_t (*)(int, void*, size_t, int, void*, uint32_t*)>(kReal_recvfrom);
  if (function != nullptr && passes_by(fd))
    return function(fd, data, size, flags, address, address_size);
  return looked_at_recvfrom(fd, data, size, flags, address, address_size);
}

TELINJECT_WRAPPER(ssize_t, __recvfrom_chk, int fd, void* data, size_t size, size_t room, int flags,
                  void* address, uint32_t* address_size) {
  auto function =
      known<ssize_t (*)(int, void*, size_t, size_t, int, void*, uint32_t*)>(kReal___recvfrom_chk);
  if (function != nullptr && passes_by(fd))
    return function(fd, data, size, room, flags, address, address_size);
  return looked_at_recvfrom_chk(fd, data, size, room, flags, address, address_size);
}

TELINJECT_WRAPPER(ssize_t, recvmsg, int fd, msghdr* message, int flags) {
  auto function = known<ssize_t (*)(int, msghdr*, int)>(kReal_recvmsg);
  if (function == nullptr || !passes_by(fd)) return looked_at_recvmsg(fd, message, flags);
  ssize_t result = function(fd, message, flags);
  if (result >= 0) descriptors_arrived(*message);
  return result;
}

TELINJECT_WRAPPER(int, recvmmsg, int fd, mmsghdr* messages, unsigned count, int flags,
                  void* timeout) {
  auto function = known<int (*)(int, mmsghdr*, unsigned, int, void*)>(kReal_recvmmsg);
  if (function == nullptr || !passes_by(fd)) {
    return looked_at_recvmmsg(fd, messages, count, flags, timeout);
  }
  int result = function(fd, messages, count, flags, timeout);
  for (int i = 0; i < result; i++) descriptors_arrived(messages[i].msg_hdr);
  return result;
}
