#include "hooks/http/tls_objects.h"

#include <sys/mman.h>

#include "hooks/http/pools.h"
#include "hooks/lane/state.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

// An object stands at its place or one of those behind it; all of them are looked at, so a place
// that becomes free needs no mark.
constexpr uint32_t kPlaces = 1 << 17;
constexpr uint32_t kNeighbours = 16;

struct Place {
  std::atomic<const void*> object;
  std::atomic<uint32_t> connection;
};

std::atomic<Place*> g_places;

Place* places() {
  Place* table = g_places.load(std::memory_order_acquire);
  if (table != nullptr || g_process.restricted.load(std::memory_order_relaxed) != 0) return table;
  constexpr long kBytes = (kPlaces + kNeighbours) * sizeof(Place);
  long memory = sys::call(SYS_mmap, 0, kBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (sys::failed(memory)) return nullptr;
  sys::call(SYS_madvise, memory, kBytes, MADV_DONTDUMP);
  auto* mapped = reinterpret_cast<Place*>(memory);
  if (g_places.compare_exchange_strong(table, mapped, std::memory_order_acq_rel)) return mapped;
  sys::call(SYS_munmap, memory, kBytes);
  return table;
}

Place* first_place(Place* table, const void* object) {
  // Neighbours in memory, as a server's objects often are, are neighbours here: of the table as few
  // pages are touched as can be. The objects are of several hundred bytes, so few share a place.
  uint64_t granule = reinterpret_cast<uintptr_t>(object) >> 9;
  return table + (granule ^ granule >> 17) % kPlaces;
}

Place* find(const void* object) {
  Place* table = g_places.load(std::memory_order_acquire);
  if (table == nullptr) return nullptr;
  Place* first = first_place(table, object);
  for (Place* place = first; place < first + kNeighbours; place++) {
    if (place->object.load(std::memory_order_acquire) == object) return place;
  }
  return nullptr;
}

}  // namespace

Connection* find_tls_object(const void* object) {
  const Place* place = find(object);
  if (place == nullptr) return nullptr;
  return connection_by_number(place->connection.load(std::memory_order_relaxed));
}

bool add_tls_object(const void* object, Connection* connection) {
  Place* table = places();
  if (table == nullptr) return false;
  Place* first = first_place(table, object);
  for (Place* place = first; place < first + kNeighbours; place++) {
    const void* none = nullptr;
    if (place->object.compare_exchange_strong(none, object, std::memory_order_acq_rel)) {
      place->connection.store(connection->number, std::memory_order_release);
      return true;
    }
  }
  return false;
}

void forget_tls_object(const void* object) {
  Place* place = find(object);
  if (place == nullptr) return;
  place->connection.store(0, std::memory_order_relaxed);
  place->object.store(nullptr, std::memory_order_release);
}

}  // namespace telinject::program
