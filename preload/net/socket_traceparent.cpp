#include "preload/net/socket_traceparent.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "hooks/http/descriptors.h"
#include "hooks/http/http1_head.h"
#include "hooks/http/pools.h"
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
// Parts of a message; beyond kPartsHere their list, with two more, is of the pool of blocks.
constexpr size_t kPartsHere = 16;
constexpr size_t kMaxParts = kMaxBlockBytes / sizeof(iovec) - 2;
constexpr int kUnderstood = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE;

// A client's socket, at a place where a request may begin.
bool is_between_requests(int fd) {
  if (descriptor_tag(fd) == kConnected) return true;
  Connection* connection = connection_of(fd);
  if (connection == nullptr) return false;
  if (is_before_first(*connection)) return true;
  return connection->protocol.load() == Protocol::kHttp1 &&
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
  constexpr int kTries = 100, kPatienceMs = 10;  // a second in all
  size_t done = 0;
  for (int i = 0; i < kTries && done < size; i++) {
    long sent = sys::call(SYS_sendto, fd, sys::arg(rest + done), static_cast<long>(size - done),
                          MSG_NOSIGNAL | MSG_DONTWAIT);
    if (!sys::failed(sent)) {
      done += static_cast<size_t>(sent);
    } else if (sent == -EAGAIN) {
      pollfd room = {fd, POLLOUT, 0};
      sys::call(SYS_poll, sys::arg(&room), 1, kPatienceMs);
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

// A block of the pool, once it is needed.
class PoolBlock {
 public:
  PoolBlock() = default;
  ~PoolBlock() { free_block(bytes_); }
  PoolBlock(const PoolBlock&) = delete;
  PoolBlock& operator=(const PoolBlock&) = delete;
  // Null if there is none left.
  uint8_t* get() {
    if (bytes_ == nullptr) bytes_ = new_block();
    return bytes_;
  }

 private:
  uint8_t* bytes_ = nullptr;
};

// What is to be sent.
struct Message {
  const iovec* parts;
  size_t count;
};

// What it begins with, in one piece, as far as it fits. Null if there is no memory.
const uint8_t* join(const Message& message, PoolBlock* memory, size_t* size) {
  uint8_t* joined = memory->get();
  if (joined == nullptr) return nullptr;
  *size = 0;
  for (size_t i = 0; i < message.count && *size < kMaxBlockBytes; i++) {
    size_t room = kMaxBlockBytes - *size;
    size_t bytes = message.parts[i].iov_len < room ? message.parts[i].iov_len : room;
    if (bytes > 0) __builtin_memcpy(joined + *size, message.parts[i].iov_base, bytes);
    *size += bytes;
  }
  return joined;
}

// The header block that the message begins with: where it lies, or, if it is in several parts, put
// together in `memory`. Null if it does not begin with one, or with one that is left alone.
const uint8_t* find_head(const Message& message, PoolBlock* memory, Http1Head* head) {
  const auto* data = static_cast<const uint8_t*>(message.parts[0].iov_base);
  bool found = read_http1_head(data, message.parts[0].iov_len, HTTP_REQUEST, head);
  if (!found && message.count > 1) {
    size_t size;
    data = join(message, memory, &size);
    found = data != nullptr && read_http1_head(data, size, HTTP_REQUEST, head);
  }
  bool fits = found && head->size <= kMaxBlockBytes && !head->may_have_traceparent;
  return fits ? data : nullptr;
}

// The message with `lines` behind its first `before` bytes, in `parts`; returns how many these are.
size_t insert(const Message& message, size_t before, const iovec& lines, iovec* parts) {
  size_t count = 0;
  bool inserted = false;
  for (size_t i = 0; i < message.count; i++) {
    iovec part = message.parts[i];
    if (!inserted && part.iov_len >= before) {
      parts[count++] = {part.iov_base, before};
      parts[count++] = lines;
      part = {static_cast<char*>(part.iov_base) + before, part.iov_len - before};
      inserted = true;
    }
    if (!inserted) before -= part.iov_len;
    parts[count++] = part;
  }
  return count;
}

// Sends it and looks at what passed. Returns how many bytes of the program's own that were; as the
// call does, if none.
ssize_t send_with_lines(int fd, const msghdr& message, int flags, size_t before, const iovec& lines,
                        const IssuedId& id) {
  uint64_t began = read_ticks();
  ssize_t sent = real<ssize_t (*)(int, const msghdr*, int)>(kReal_sendmsg)(fd, &message, flags);
  auto passed = static_cast<size_t>(sent > 0 ? sent : 0);
  size_t with_lines = before + lines.iov_len;
  if (passed > before && passed < with_lines) {
    const char* rest = static_cast<const char*>(lines.iov_base) + (passed - before);
    passed += send_rest(fd, rest, with_lines - passed);
  }
  bool made = passed >= with_lines;
  end_issued_id(id, made);
  if (passed == 0) {
    if (sent < 0) call_failed(fd, Way::kSent);
    return sent;
  }
  descriptor_traffic_vector(fd, Way::kSent, message.msg_iov, message.msg_iovlen, passed, began);
  return static_cast<ssize_t>(made ? passed - lines.iov_len : passed < before ? passed : before);
}

}  // namespace

bool send_with_traceparent(int fd, const iovec* parts, size_t count, int flags, ssize_t* result) {
  if (count == 0 || count > kMaxParts || (flags & ~kUnderstood) != 0) return false;
  if (!is_between_requests(fd)) return false;
  PoolBlock head_memory, parts_memory;
  Http1Head head;
  const uint8_t* data = find_head({parts, count}, &head_memory, &head);
  if (data == nullptr || !takes_whole(fd, flags)) return false;
  iovec here[kPartsHere + 2];
  auto* all = count <= kPartsHere ? here : reinterpret_cast<iovec*>(parts_memory.get());
  IssuedId id;
  Connection* connection = connection_of(fd);
  uint32_t number = connection != nullptr ? connection->asked + 1 : 1;
  if (all == nullptr ||
      !issue_id(nullptr, 0, reinterpret_cast<uintptr_t>(__builtin_frame_address(0)), &id,
                connection, number)) {
    return false;
  }
  char lines[kMaxLines];
  size_t bytes = write_lines(lines, id, {data, static_cast<uint32_t>(head.size), false});
  size_t before = head.size - (data[head.size - 2] == '\r' ? 2 : 1);
  msghdr message = {};
  message.msg_iov = all;
  message.msg_iovlen = insert({parts, count}, before, {lines, bytes}, all);
  *result = send_with_lines(fd, message, flags, before, {lines, bytes}, id);
  return true;
}

}  // namespace telinject::program
