#include "preload/net/socket_traceparent.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "hooks/http/descriptors.h"
#include "hooks/http/http1_head.h"
#include "hooks/http/request_context.h"
#include "hooks/http/tracestate.h"
#include "preload/net/socket_call.h"
#include "preload/net/transfers.h"
#include "preload/start/startup.h"
#include "shim/channel/clock.h"

namespace telinject::program {

namespace {

constexpr char kName[] = "traceparent: ";
constexpr size_t kNameBytes = sizeof kName - 1;
// Both lines.
constexpr size_t kMaxLines =
    kNameBytes + sizeof IssuedId{}.traceparent + 2 + kTracestateNameBytes + kMaxTracestate + 2;
constexpr size_t kMaxParts = 16;
constexpr int kUnderstood = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE;

// A client's socket, at a place where a request may begin.
bool is_between_requests(int fd) {
  if (descriptor_tag(fd) == kConnected) return true;
  Connection* connection = connection_of(fd);
  return connection != nullptr && connection->protocol.load() == Protocol::kHttp1 &&
         connection->role.load() == HttpRole::kClient &&
         direction_of(*connection, Way::kSent).stage == Stage::kBetween;
}

// What the socket takes of the line it takes whole: it waits for room, or has all of it.
bool takes_whole(int fd, int flags) {
  if (g_process.restricted.load(std::memory_order_relaxed) != 0) return false;
  long status = sys::call(SYS_fcntl, fd, F_GETFL);
  if (sys::failed(status)) return false;
  if ((status & O_NONBLOCK) == 0 && (flags & MSG_DONTWAIT) == 0) return true;
  int waiting = 1;
  return !sys::failed(sys::call(SYS_ioctl, fd, TIOCOUTQ, sys::arg(&waiting))) && waiting == 0;
}

// A signal may have ended the call within the line. The program would go on behind it.
size_t send_rest(int fd, const char* rest, size_t size) {
  constexpr int kPatienceMs = 1000;
  size_t done = 0;
  while (done < size) {
    long sent = sys::call(SYS_sendto, fd, sys::arg(rest + done), static_cast<long>(size - done),
                          MSG_NOSIGNAL);
    if (!sys::failed(sent)) {
      done += static_cast<size_t>(sent);
    } else if (sent == -EAGAIN) {
      pollfd room = {fd, POLLOUT, 0};
      if (sys::call(SYS_poll, sys::arg(&room), 1, kPatienceMs) <= 0) break;
    } else if (sent != -EINTR) {
      break;
    }
  }
  return done;
}

size_t write_lines(char lines[kMaxLines], const IssuedId& id, const Block& block) {
  size_t size = 0;
  auto add = [&](const char* text, size_t bytes) {
    __builtin_memcpy(lines + size, text, bytes);
    size += bytes;
  };
  add(kName, kNameBytes);
  add(id.traceparent, sizeof id.traceparent);
  add("\r\n", 2);
  bool has_state = false;
  each_field(block, "tracestate", [&](const uint8_t*, size_t) {
    has_state = true;
    return false;
  });
  char state[kMaxTracestate];
  size_t state_bytes = has_state ? 0 : tracestate_of(id.trace, state);
  if (state_bytes == 0) return size;
  add(kTracestateName, kTracestateNameBytes);
  add(state, state_bytes);
  add("\r\n", 2);
  return size;
}

}  // namespace

bool send_with_traceparent(int fd, const iovec* parts, size_t count, int flags, ssize_t* result) {
  if (count == 0 || count > kMaxParts || (flags & ~kUnderstood) != 0) return false;
  if (!is_between_requests(fd)) return false;
  const auto* data = static_cast<const uint8_t*>(parts[0].iov_base);
  Http1Head head;
  if (!read_http1_head(data, parts[0].iov_len, HTTP_REQUEST, &head)) return false;
  if (head.may_have_traceparent || head.size > kMaxBlockBytes || !takes_whole(fd, flags)) {
    return false;
  }
  uint64_t began = read_ticks();
  IssuedId id;
  if (!issue_id(nullptr, 0, reinterpret_cast<uintptr_t>(__builtin_frame_address(0)), &id)) {
    return false;
  }
  char lines[kMaxLines];
  Block block = {data, static_cast<uint32_t>(head.size), false};
  size_t more = write_lines(lines, id, block);
  size_t before = head.size - (data[head.size - 2] == '\r' ? 2 : 1);
  iovec all[kMaxParts + 2];
  all[0] = {parts[0].iov_base, before};
  all[1] = {lines, more};
  all[2] = {const_cast<uint8_t*>(data) + before, parts[0].iov_len - before};
  for (size_t i = 1; i < count; i++) all[i + 2] = parts[i];
  msghdr message = {};
  message.msg_iov = all;
  message.msg_iovlen = count + 2;
  ssize_t sent = real<ssize_t (*)(int, const msghdr*, int)>(kReal_sendmsg)(fd, &message, flags);
  auto passed = static_cast<size_t>(sent > 0 ? sent : 0);
  if (passed > before && passed < before + more) {
    passed += send_rest(fd, lines + (passed - before), before + more - passed);
  }
  bool made = passed >= before + more;
  end_issued_id(id, made);
  if (passed == 0) {
    if (sent < 0) call_failed(fd, Way::kSent);
    *result = sent;
    return true;
  }
  descriptor_traffic_vector(fd, Way::kSent, all, count + 2, passed, began);
  *result = static_cast<ssize_t>(made ? passed - more : passed < before ? passed : before);
  return true;
}

}  // namespace telinject::program
