// Memory of connections and header blocks: bounded, lock-free, mapped in pieces as it is needed and
// never given back. Async-signal-safe; one mmap(2) when a pool grows, none under a seccomp filter.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "hooks/http/connection.h"

namespace telinject::program {

inline constexpr uint32_t kPoolPiece = 64;  // objects that are mapped at once, and bits of a word
inline constexpr uint32_t kMaxConnections = 1 << 16;
// Header blocks that come in parts, and HTTP/2 connections: as many at once. They are mapped by 64,
// and of most only a page is ever touched.
inline constexpr uint32_t kMaxBlocks = 4096;

// All zero; null if there are too many, or no memory.
Connection* new_connection();
void free_connection(Connection* connection);
// By Connection::number; null if that is 0.
extern std::atomic<Connection*> g_connection_pieces[kMaxConnections / kPoolPiece];
inline Connection* connection_by_number(uint32_t number) {
  uint32_t index = number - 1;
  if (index >= kMaxConnections) return nullptr;
  return g_connection_pieces[index / kPoolPiece].load(std::memory_order_acquire) +
         index % kPoolPiece;
}

// kMaxBlockBytes, 16-byte aligned, not cleared; null as above.
uint8_t* new_block();
void free_block(uint8_t* block);

// Appends to what was gathered; beyond the bound, and without memory, it is `truncated`.
void gather(Gathering* gathering, const uint8_t* data, size_t size);
// What was gathered and `data` behind it, in one piece: `data` itself if nothing was gathered.
Block gathered(Gathering* gathering, const uint8_t* data, size_t size);
void drop_gathered(Gathering* gathering);
// The same, for what may hold a password.
void wipe_gathered(Gathering* gathering);

}  // namespace telinject::program
