// What each descriptor is: one word in a table, mapped once and touched only where sockets are.
//
// A descriptor that is no stream socket, or whose bytes are not looked at, costs one load. A
// connection is made when the first bytes pass that may be HTTP or TLS.
#pragma once

#include <atomic>
#include <cstdint>

#include "hooks/http/connection.h"

namespace telinject::program {

enum DescriptorTag : uint32_t {
  kNothing = 0,      // no socket that we know of
  kIgnored = 1,      // a socket, but what it carries is not HTTP
  kUnderTls = 2,     // read and written by a TLS library that tells us more
  kLookedAt = 3,     // from here on: bytes are looked at
  kSocket = 3,       // nothing has passed; role not known
  kConnected = 4,    // by connect: a client's
  kAccepted = 5,     // by accept: a server's
  kConnection = 16,  // and more: Connection::number + kConnection
};

// Descriptors above are not looked at: the kernel's usual limit (fs.nr_open).
inline constexpr uint32_t kMaxDescriptors = 1 << 20;

extern uint32_t g_descriptor_limit;  // 0 while HTTP is not captured
extern std::atomic<uint32_t>* g_descriptors;

inline uint32_t descriptor_tag(int fd) {
  if (static_cast<uint32_t>(fd) >= g_descriptor_limit) return kNothing;
  return g_descriptors[fd].load(std::memory_order_relaxed);
}

// Maps the table; then g_descriptor_limit says so. Before any other thread.
void capture_http();

// A new socket: what was there before is over (it was closed where we could not see it).
void descriptor_opened(int fd, DescriptorTag tag);
// One that was opened elsewhere: by another process, or by the program before this one. What it is
// is asked of the kernel.
void descriptor_arrived(int fd);
void descriptor_connected(int fd);
void descriptor_closed(int fd);
void descriptors_closed(uint32_t first, uint32_t last);
void descriptor_duplicated(int from, int to);

// They are about to be received (expect_traffic).
void descriptor_awaited(int fd);
// They are about to be sent: when, 0 if it will not be asked, or kUnread: descriptor_traffic() and
// descriptor_failed() need not be called.
inline constexpr uint64_t kUnread = ~uint64_t{0};
uint64_t descriptor_sends(int fd);
// Bytes passed. `call_ticks`: when a call that sent them began.
void descriptor_traffic(int fd, Way way, const void* data, uint64_t size, uint64_t call_ticks);
void descriptor_traffic_vector(int fd, Way way, const void* iovecs, size_t count, uint64_t size,
                               uint64_t call_ticks);
void descriptor_failed(int fd, Way way, int error);
// shutdown(2) of the sending side.
void descriptor_finished(int fd);

}  // namespace telinject::program
