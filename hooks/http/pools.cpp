#include "hooks/http/pools.h"

#include <sys/mman.h>

#include "hooks/lane/state.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

std::atomic<Connection*> g_connection_pieces[kMaxConnections / kPoolPiece];

namespace {

// Objects of one size, in pieces of kPoolPiece. Which are taken is a bit each; a piece is mapped
// when its first object is needed. The lowest free object is taken, so that what is touched stays
// small.
template <typename T, uint32_t kObjects>
class Pool {
 public:
  constexpr explicit Pool(std::atomic<T*>* pieces) : objects_(pieces) {}
  T* take(uint32_t* index) {
    for (uint32_t piece = first_free_.load(std::memory_order_relaxed); piece < kPieces; piece++) {
      T* objects = objects_[piece].load(std::memory_order_acquire);
      if (objects == nullptr && (objects = map(piece)) == nullptr) return nullptr;
      uint64_t taken = taken_[piece].load(std::memory_order_relaxed);
      while (~taken != 0) {
        uint64_t bit = ~taken & (taken + 1);
        taken = taken_[piece].fetch_or(bit, std::memory_order_acq_rel);
        if ((taken & bit) == 0) {
          *index = piece * kPoolPiece + static_cast<uint32_t>(__builtin_ctzll(bit));
          return objects + *index % kPoolPiece;
        }
      }
      // A hint: an object that is freed meanwhile sets it back.
      uint32_t hint = piece;
      first_free_.compare_exchange_strong(hint, piece + 1, std::memory_order_relaxed);
    }
    return nullptr;
  }
  // The object of that number, without taking it; null if there is no memory.
  T* reach(uint32_t index) {
    T* objects = objects_[index / kPoolPiece].load(std::memory_order_acquire);
    if (objects == nullptr) objects = map(index / kPoolPiece);
    return objects == nullptr ? nullptr : objects + index % kPoolPiece;
  }
  void give_back(uint32_t index) {
    if (index >= kObjects) return;
    taken_[index / kPoolPiece].fetch_and(~(uint64_t{1} << index % kPoolPiece),
                                         std::memory_order_acq_rel);
    uint32_t hint = first_free_.load(std::memory_order_relaxed);
    while (index / kPoolPiece < hint &&
           !first_free_.compare_exchange_weak(hint, index / kPoolPiece)) {
    }
  }
  uint32_t index_of(const T* object) const {
    auto address = reinterpret_cast<uintptr_t>(object);
    for (uint32_t piece = 0; piece < kPieces; piece++) {
      auto start = reinterpret_cast<uintptr_t>(objects_[piece].load(std::memory_order_acquire));
      if (start == 0) break;
      if (address - start < kPoolPiece * sizeof(T)) {
        return piece * kPoolPiece + static_cast<uint32_t>((address - start) / sizeof(T));
      }
    }
    return kObjects;
  }
  T* at(uint32_t index) const {
    if (index >= kObjects) return nullptr;
    T* objects = objects_[index / kPoolPiece].load(std::memory_order_acquire);
    return objects == nullptr ? nullptr : objects + index % kPoolPiece;
  }

 private:
  static constexpr uint32_t kPieces = kObjects / kPoolPiece;

  T* map(uint32_t piece) {
    if (g_process.restricted.load(std::memory_order_relaxed) != 0) return nullptr;
    size_t bytes = (kPoolPiece * sizeof(T) + kPageBytes - 1) & ~size_t{kPageBytes - 1};
    long memory = sys::call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (sys::failed(memory)) return nullptr;
    sys::call(SYS_madvise, memory, static_cast<long>(bytes), MADV_DONTDUMP);
    T* mapped = reinterpret_cast<T*>(memory);
    T* none = nullptr;
    if (objects_[piece].compare_exchange_strong(none, mapped, std::memory_order_acq_rel)) {
      return mapped;
    }
    sys::call(SYS_munmap, memory, static_cast<long>(bytes));
    return none;
  }

  std::atomic<T*>* const objects_;  // kPieces
  std::atomic<uint64_t> taken_[kPieces];
  std::atomic<uint32_t> first_free_;
};

struct alignas(16) BlockBytes {
  uint8_t bytes[kMaxBlockBytes];
};

std::atomic<ConnectionRest*> g_rest_pieces[kMaxConnections / kPoolPiece];
std::atomic<BlockBytes*> g_block_pieces[kMaxBlocks / kPoolPiece];
constinit Pool<Connection, kMaxConnections> g_connections(g_connection_pieces);
constinit Pool<ConnectionRest, kMaxConnections> g_rests(g_rest_pieces);  // by connections' numbers
constinit Pool<BlockBytes, kMaxBlocks> g_blocks(g_block_pieces);

}  // namespace

Connection* new_connection() {
  uint32_t index;
  Connection* connection = g_connections.take(&index);
  if (connection == nullptr) return nullptr;
  ConnectionRest* rest = g_rests.reach(index);
  if (rest == nullptr) {
    g_connections.give_back(index);
    return nullptr;
  }
  __builtin_memset(static_cast<void*>(connection), 0, sizeof *connection);
  __builtin_memset(static_cast<void*>(rest), 0, sizeof *rest);
  connection->rest = rest;
  connection->number = index + 1;
  connection->descriptor = -1;
  return connection;
}

void free_connection(Connection* connection) {
  g_connections.give_back(connection->number - 1);
}

uint8_t* new_block() {
  uint32_t index;
  BlockBytes* block = g_blocks.take(&index);
  return block == nullptr ? nullptr : block->bytes;
}

void free_block(uint8_t* block) {
  if (block != nullptr) g_blocks.give_back(g_blocks.index_of(reinterpret_cast<BlockBytes*>(block)));
}

void gather(Gathering* gathering, const uint8_t* data, size_t size) {
  if (size == 0) return;
  if (gathering->bytes == nullptr && !gathering->truncated) {
    gathering->size = 0;
    gathering->bytes = new_block();
  }
  if (gathering->bytes == nullptr) {
    gathering->truncated = true;
    return;
  }
  size_t room = kMaxBlockBytes - gathering->size;
  if (size > room) {
    gathering->truncated = true;
    size = room;
  }
  __builtin_memcpy(gathering->bytes + gathering->size, data, size);
  gathering->size += static_cast<uint32_t>(size);
}

Block gathered(Gathering* gathering, const uint8_t* data, size_t size) {
  if (gathering->bytes == nullptr && !gathering->truncated) {
    if (size > kMaxBlockBytes) return {data, static_cast<uint32_t>(kMaxBlockBytes), true};
    return {data, static_cast<uint32_t>(size), false};
  }
  gather(gathering, data, size);
  return {gathering->bytes, gathering->size, gathering->truncated};
}

void drop_gathered(Gathering* gathering) {
  free_block(gathering->bytes);
  *gathering = {};
}

void wipe_gathered(Gathering* gathering) {
  if (gathering->bytes != nullptr) __builtin_memset(gathering->bytes, 0, gathering->size);
  drop_gathered(gathering);
}

}  // namespace telinject::program
