#include "hooks/http/descriptors.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include "hooks/http/at_work.h"
#include "hooks/http/http1_messages.h"
#include "hooks/http/open_descriptors.h"
#include "hooks/http/pools.h"
#include "hooks/http/preamble.h"
#include "hooks/http/report.h"
#include "hooks/http/turns.h"
#include "hooks/http/unsampled_responses.h"
#include "hooks/lane/state.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

uint32_t g_descriptor_limit;
std::atomic<uint32_t>* g_descriptors;

namespace {

std::atomic<uint32_t> g_highest;  // descriptor that was ever put into the table

// The child of vfork works on our memory, but not on our descriptors: nothing of what it does with
// its own may change the table. Asked only where there is something to change.
bool is_ours() {
  if (g_process.restricted.load(std::memory_order_relaxed) != 0) return true;
  return g_alive.mask == 0 || sys::getpid() == g_process.pid;
}

std::atomic<uint32_t>* entry_of(int fd) {
  return static_cast<uint32_t>(fd) < g_descriptor_limit ? &g_descriptors[fd] : nullptr;
}

Connection* connection_of_tag(uint32_t tag) {
  return tag > kConnection ? connection_by_number(tag - kConnection) : nullptr;
}

void note_highest(uint32_t fd) {
  uint32_t highest = g_highest.load(std::memory_order_relaxed);
  while (fd > highest && !g_highest.compare_exchange_weak(highest, fd)) {
  }
}

void set(int fd, uint32_t tag, HttpEndReason reason) {
  std::atomic<uint32_t>* entry = entry_of(fd);
  if (entry == nullptr) {
    if (tag == kAccepted) leave_out();
    return;
  }
  if (tag != kNothing) note_highest(static_cast<uint32_t>(fd));
  Connection* before = connection_of_tag(entry->exchange(tag, std::memory_order_acq_rel));
  if (before != nullptr) release_connection(before, reason);
}

HttpRole role_of(uint32_t tag) {
  return tag == kConnected  ? HttpRole::kClient
         : tag == kAccepted ? HttpRole::kServer
                            : HttpRole::kUnknown;
}

bool is_stream_socket(int fd) {
  int type = 0;
  uint32_t size = sizeof type;
  long asked = sys::call(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, sys::arg(&type), sys::arg(&size));
  return !sys::failed(asked) && type == SOCK_STREAM;
}

// Puts a connection in place of a tag; the one that is there if another thread was faster.
Connection* make_connection(int fd, uint32_t tag) {
  Connection* connection = open_connection(HttpLayer::kSocket);
  if (connection == nullptr) {
    if (tag != kConnected) leave_out();
    return nullptr;
  }
  connection->descriptor = fd;
  connection->references.store(1, std::memory_order_relaxed);
  connection->role.store(role_of(tag), std::memory_order_relaxed);
  uint32_t expected = tag;
  if (g_descriptors[fd].compare_exchange_strong(expected, connection->number + kConnection,
                                                std::memory_order_acq_rel)) {
    return connection;
  }
  free_connection(connection);
  return connection_of_tag(expected);
}

// The first bytes of a socket. Null if they are not looked at, nor are the next ones.
Connection* first_bytes(int fd, uint32_t tag, const uint8_t* data) {
  if (data == nullptr || !may_open(*data) || (*data == 0x16 && tls_without_descriptor(fd))) {
    uint32_t to = data != nullptr && *data == 0x16 ? kUnderTls : kIgnored;
    g_descriptors[fd].compare_exchange_strong(tag, to, std::memory_order_acq_rel);
    return nullptr;
  }
  return make_connection(fd, tag);
}

Connection* looked_at(int fd, const void* data) {
  uint32_t tag = descriptor_tag(fd);
  if (tag == kUnderTls && tls_scope() != nullptr) adopt_descriptor(fd, nullptr);
  if (tag < kLookedAt) return nullptr;
  Connection* connection = connection_of_tag(tag);
  if (connection != nullptr) pending_over(*connection);
  if (tls_scope() == nullptr) {
    return connection != nullptr ? connection
                                 : first_bytes(fd, tag, static_cast<const uint8_t*>(data));
  }
  // What a TLS library carries is told by its wrappers.
  adopt_descriptor(fd, connection);
  set(fd, kUnderTls, HttpEndReason::kClosed);
  return nullptr;
}

// Made when it was connected; nothing has passed.
bool is_unused_client(uint32_t tag) {
  const Connection* connection = connection_of_tag(tag);
  return connection != nullptr && is_before_first(*connection);
}

// No more of it, but for its tag.
void forget_other(int fd, Connection* connection) {
  if (connection->protocol.load(std::memory_order_relaxed) != Protocol::kOther) return;
  uint32_t tag = connection->number + kConnection;
  if (g_descriptors[fd].compare_exchange_strong(tag, kIgnored, std::memory_order_acq_rel)) {
    release_connection(connection, HttpEndReason::kClosed);
  }
}

}  // namespace

void capture_http() {
  constexpr long kBytes = kMaxDescriptors * sizeof(uint32_t);
  long table = sys::call(SYS_mmap, 0, kBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (sys::failed(table)) return;
  sys::call(SYS_madvise, table, kBytes, MADV_DONTDUMP);
  g_descriptors = reinterpret_cast<std::atomic<uint32_t>*>(table);
  g_descriptor_limit = kMaxDescriptors;
  prepare_turns();
  // What a super-server or a parent has left open for us.
  each_open_descriptor(descriptor_arrived);
}

void descriptor_opened(int fd, DescriptorTag tag) {
  if (fd < 0 || g_descriptor_limit == 0 || !is_ours()) return;
  descriptor_awaits_event(fd, 0);
  set(fd, tag, HttpEndReason::kReused);
}

void descriptor_arrived(int fd) {
  if (fd < 0 || g_descriptor_limit == 0 || !is_ours()) return;
  bool may_ask = g_process.restricted.load(std::memory_order_relaxed) == 0;
  if (!may_ask) leave_out();
  set(fd, may_ask && is_stream_socket(fd) ? kSocket : kNothing, HttpEndReason::kReused);
}

void descriptor_connected(int fd) {
  uint32_t tag = descriptor_tag(fd);
  if (tag < kLookedAt && tag != kIgnored) return;
  // A socket that is connected again (after AF_UNSPEC, or a failure) carries something new.
  if (!is_ours() || is_unused_client(tag)) return;
  if (tag != kConnected) set(fd, kConnected, HttpEndReason::kReused);
  if (notes_connections()) turn_connects(make_connection(fd, kConnected));
}

void descriptor_closed(int fd) {
  if (descriptor_tag(fd) == kNothing || !is_ours()) return;
  set(fd, kNothing, HttpEndReason::kClosed);
}

void descriptors_closed(uint32_t first, uint32_t last) {
  if (g_descriptor_limit == 0 || !is_ours()) return;
  uint32_t highest = g_highest.load(std::memory_order_relaxed);
  for (uint32_t fd = first; fd <= last && fd <= highest; fd++) {
    if (descriptor_tag(static_cast<int>(fd)) != kNothing) {
      set(static_cast<int>(fd), kNothing, HttpEndReason::kClosed);
    }
  }
}

void descriptor_duplicated(int from, int to) {
  if (from == to || to < 0) return;
  uint32_t tag = descriptor_tag(from);
  if ((tag == kNothing && descriptor_tag(to) == kNothing) || !is_ours()) return;
  Connection* connection = connection_of_tag(tag);
  // Both are one connection, whichever is used first.
  if (connection == nullptr && tag >= kLookedAt) connection = make_connection(from, tag);
  if (connection != nullptr) {
    connection->references.fetch_add(1, std::memory_order_relaxed);
    tag = connection->number + kConnection;
  }
  set(to, tag >= kLookedAt && connection == nullptr ? kIgnored : tag, HttpEndReason::kClosed);
}

void descriptor_awaited(int fd) {
  const Connection* connection = connection_of_tag(descriptor_tag(fd));
  if (connection != nullptr) expect_traffic(*connection, Way::kReceived);
}

uint64_t descriptor_sends(int fd) {
  uint32_t tag = descriptor_tag(fd);
  if (tag < kLookedAt) return 0;
  Connection* connection = connection_of_tag(tag);
  if (connection != nullptr) {
    if (is_unread(*connection) && tls_scope() == nullptr) return kUnread;
    expect_traffic(*connection, Way::kSent);
    if (sends_unrecorded(*connection)) return 0;
  }
  return read_ticks();
}

void descriptor_traffic(int fd, Way way, const void* data, uint64_t size, uint64_t call_ticks) {
  if (size == 0) return;
  Connection* connection = looked_at(fd, data);
  if (connection == nullptr) return;
  traffic_at(connection, way, data, size, call_ticks);
  forget_other(fd, connection);
}

void descriptor_traffic_vector(int fd, Way way, const void* iovecs, size_t count, uint64_t size,
                               uint64_t call_ticks) {
  struct Part {
    const void* data;
    size_t size;
  };
  const auto* parts = static_cast<const Part*>(iovecs);
  if (size == 0) return;
  size_t first = 0;
  while (first < count && parts[first].size == 0) first++;
  if (first == count) return;
  Connection* connection = looked_at(fd, parts[first].data);
  if (connection == nullptr) return;
  traffic_vector_at(connection, way, parts + first, count - first, size, call_ticks);
  forget_other(fd, connection);
}

void descriptor_failed(int fd, Way way, int error) {
  Connection* connection = connection_of_tag(descriptor_tag(fd));
  if (connection != nullptr && tls_scope() == nullptr) traffic_failed(connection, way, error);
}

void descriptor_finished(int fd) {
  Connection* connection = connection_of_tag(descriptor_tag(fd));
  if (connection != nullptr) connection_finished(connection);
}

Connection* connection_of(int fd) {
  return connection_of_tag(descriptor_tag(fd));
}

}  // namespace telinject::program
