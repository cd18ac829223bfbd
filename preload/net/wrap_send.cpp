// Sending: of what was to be sent, that part is looked at that the call says was sent; when it
// began is when a message begins. Async-signal-safe; errno is the call's. Where a descriptor
// carries no HTTP they jump to the real functions.
#include <sys/socket.h>
#include <sys/uio.h>

#include "preload/net/socket_call.h"
#include "preload/net/socket_traceparent.h"
#include "preload/real/export.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

[[gnu::noinline]] void sent(int fd, const void* data, ssize_t result, uint64_t began) {
  if (began == kUnread) return;
  if (result > 0) {
    return descriptor_traffic(fd, Way::kSent, data, static_cast<uint64_t>(result), began);
  }
  if (result < 0) call_failed(fd, Way::kSent);
}

[[gnu::noinline]] void sent(int fd, const Parts& parts, ssize_t result, uint64_t began) {
  if (result <= 0 || began == kUnread) return sent(fd, nullptr, result, began);
  descriptor_traffic_vector(fd, Way::kSent, parts.data, parts.count, static_cast<uint64_t>(result),
                            began);
}

[[gnu::noinline]] ssize_t looked_at_sendfile(RealSymbol symbol, int out, int in, long* offset,
                                             size_t size) {
  auto function = real<ssize_t (*)(int, int, long*, size_t)>(symbol);
  uint64_t began = descriptor_sends(out);
  ssize_t result = function(out, in, offset, size);
  sent(out, nullptr, result, began);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_write(int fd, const void* data, size_t size) {
  auto function = real<ssize_t (*)(int, const void*, size_t)>(kReal_write);
  iovec part = {const_cast<void*>(data), size};
  ssize_t done;
  if (sends_traceparents() && send_with_traceparent(fd, &part, 1, 0, &done)) return done;
  uint64_t began = descriptor_sends(fd);
  ssize_t result = function(fd, data, size);
  sent(fd, data, result, began);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_writev(int fd, const iovec* parts, int count) {
  auto function = real<ssize_t (*)(int, const iovec*, int)>(kReal_writev);
  auto parts_there = static_cast<size_t>(count > 0 ? count : 0);
  ssize_t done;
  if (sends_traceparents() && send_with_traceparent(fd, parts, parts_there, 0, &done)) return done;
  uint64_t began = descriptor_sends(fd);
  ssize_t result = function(fd, parts, count);
  sent(fd, {parts, parts_there}, result, began);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_send(int fd, const void* data, size_t size, int flags) {
  auto function = real<ssize_t (*)(int, const void*, size_t, int)>(kReal_send);
  if ((flags & MSG_OOB) != 0) return function(fd, data, size, flags);
  iovec part = {const_cast<void*>(data), size};
  ssize_t done;
  if (sends_traceparents() && send_with_traceparent(fd, &part, 1, flags, &done)) return done;
  uint64_t began = descriptor_sends(fd);
  ssize_t result = function(fd, data, size, flags);
  sent(fd, data, result, began);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_sendto(int fd, const void* data, size_t size, int flags,
                                           const void* address, uint32_t address_size) {
  auto function =
      real<ssize_t (*)(int, const void*, size_t, int, const void*, uint32_t)>(kReal_sendto);
  if ((flags & MSG_OOB) != 0) return function(fd, data, size, flags, address, address_size);
  // TCP fast open connects and sends at once.
  if ((flags & MSG_FASTOPEN) != 0) descriptor_connected(fd);
  iovec part = {const_cast<void*>(data), size};
  ssize_t done;
  if (sends_traceparents() && address == nullptr &&
      send_with_traceparent(fd, &part, 1, flags, &done))
    return done;
  uint64_t began = descriptor_sends(fd);
  ssize_t result = function(fd, data, size, flags, address, address_size);
  sent(fd, data, result, began);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_sendmsg(int fd, const msghdr* message, int flags) {
  auto function = real<ssize_t (*)(int, const msghdr*, int)>(kReal_sendmsg);
  if ((flags & MSG_OOB) != 0) return function(fd, message, flags);
  ssize_t done;
  bool plain = message != nullptr && message->msg_name == nullptr && message->msg_controllen == 0;
  if (sends_traceparents() && plain &&
      send_with_traceparent(fd, message->msg_iov, message->msg_iovlen, flags, &done)) {
    return done;
  }
  uint64_t began = descriptor_sends(fd);
  ssize_t result = function(fd, message, flags);
  sent(fd, {message->msg_iov, message->msg_iovlen}, result, began);
  return result;
}

[[gnu::noinline]] int looked_at_sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  auto function = real<int (*)(int, mmsghdr*, unsigned, int)>(kReal_sendmmsg);
  uint64_t began = descriptor_sends(fd);
  int result = function(fd, messages, count, flags);
  for (int i = 0; i < result; i++) {
    const msghdr& message = messages[i].msg_hdr;
    sent(fd, {message.msg_iov, message.msg_iovlen}, messages[i].msg_len, began);
  }
  if (result < 0) call_failed(fd, Way::kSent);
  return result;
}

[[gnu::noinline]] ssize_t looked_at_splice(int in, long* in_offset, int out, long* out_offset,
                                           size_t size, unsigned flags) {
  auto function = real<ssize_t (*)(int, long*, int, long*, size_t, unsigned)>(kReal_splice);
  uint64_t began = descriptor_sends(out);
  ssize_t result = function(in, in_offset, out, out_offset, size, flags);
  if (!passes_by(in)) {
    if (result > 0) {
      descriptor_traffic(in, Way::kReceived, nullptr, static_cast<uint64_t>(result), 0);
    } else if (result == 0 && size > 0) {
      descriptor_failed(in, Way::kReceived, 0);
    }
  }
  if (!passes_by(out)) sent(out, nullptr, result, began);
  return result;
}

inline ssize_t send_file_with(RealSymbol symbol, int out, int in, long* offset, size_t size) {
  auto function = known<ssize_t (*)(int, int, long*, size_t)>(symbol);
  if (function != nullptr && passes_by(out)) return function(out, in, offset, size);
  return looked_at_sendfile(symbol, out, in, offset, size);
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(ssize_t, write, int fd, const void* data, size_t size) {
  auto function = known<ssize_t (*)(int, const void*, size_t)>(kReal_write);
  if (function != nullptr && passes_by(fd)) return function(fd, data, size);
  return looked_at_write(fd, data, size);
}

TELINJECT_WRAPPER(ssize_t, writev, int fd, const iovec* parts, int count) {
  auto function = known<ssize_t (*)(int, const iovec*, int)>(kReal_writev);
  if (function != nullptr && passes_by(fd)) return function(fd, parts, count);
  return looked_at_writev(fd, parts, count);
}

TELINJECT_WRAPPER(ssize_t, send, int fd, const void* data, size_t size, int flags) {
  auto function = known<ssize_t (*)(int, const void*, size_t, int)>(kReal_send);
  if (function != nullptr && passes_by(fd)) return function(fd, data, size, flags);
  return looked_at_send(fd, data, size, flags);
}

TELINJECT_WRAPPER(ssize_t, sendto, int fd, const void* data, size_t size, int flags,
                  const void* address, uint32_t address_size) {
  auto function =
      known<ssize_t (*)(int, const void*, size_t, int, const void*, uint32_t)>(kReal_sendto);
  if (function != nullptr && passes_by(fd))
    return function(fd, data, size, flags, address, address_size);
  return looked_at_sendto(fd, data, size, flags, address, address_size);
}

TELINJECT_WRAPPER(ssize_t, sendmsg, int fd, const msghdr* message, int flags) {
  auto function = known<ssize_t (*)(int, const msghdr*, int)>(kReal_sendmsg);
  if (function != nullptr && passes_by(fd)) return function(fd, message, flags);
  return looked_at_sendmsg(fd, message, flags);
}

TELINJECT_WRAPPER(int, sendmmsg, int fd, mmsghdr* messages, unsigned count, int flags) {
  auto function = known<int (*)(int, mmsghdr*, unsigned, int)>(kReal_sendmmsg);
  if (function != nullptr && passes_by(fd)) return function(fd, messages, count, flags);
  return looked_at_sendmmsg(fd, messages, count, flags);
}

TELINJECT_WRAPPER(ssize_t, sendfile, int out, int in, long* offset, size_t size) {
  return send_file_with(kReal_sendfile, out, in, offset, size);
}

TELINJECT_WRAPPER(ssize_t, sendfile64, int out, int in, long* offset, size_t size) {
  return send_file_with(kReal_sendfile64, out, in, offset, size);
}

TELINJECT_WRAPPER(ssize_t, splice, int in, long* in_offset, int out, long* out_offset, size_t size,
                  unsigned flags) {
  auto function = known<ssize_t (*)(int, long*, int, long*, size_t, unsigned)>(kReal_splice);
  if (function != nullptr && passes_by(in) && passes_by(out))
    return function(in, in_offset, out, out_offset, size, flags);
  return looked_at_splice(in, in_offset, out, out_offset, size, flags);
}
