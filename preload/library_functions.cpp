#include "preload/library_functions.h"

#include <atomic>

#include "preload/resolve.h"
#include "preload/symbol_table.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

constexpr const char* kNames[kLibraryFunctionCount] = {
#define TELINJECT_NAME(name) #name,
    TELINJECT_LIBRARY_FUNCTIONS(TELINJECT_NAME)
#undef TELINJECT_NAME
};

// ---- what was found before, by call site

// Written and read without a lock by any thread: `check` is made of the key and the address, so
// halves of two entries do not match. In one generation a key has one address.
struct Found {
  std::atomic<uint64_t> check;
  std::atomic<uint64_t> address;
};
constexpr uint32_t kFound = 1024;
constexpr uint32_t kProbes = 4;
Found g_found[kFound];
std::atomic<uint64_t> g_generation = 1;
std::atomic<uint32_t> g_victim;

// What is looked up for an address, besides the functions themselves.
constexpr uint64_t kSiblings = uint64_t{1} << 15;  // ... in the object that holds the address
constexpr uint64_t kSameObject = kSiblings - 1;

uint64_t key_of(const void* address, uint64_t what) {
  return reinterpret_cast<uintptr_t>(address) ^ what << 48;  // user addresses have 47 bits
}

uint64_t check_of(uint64_t key, uint64_t address) {
  uint64_t generation = g_generation.load(std::memory_order_acquire);
  return key ^ address * 0x9e3779b97f4a7c15 ^ generation * 0xd6e8feb86659fd93;
}

uint32_t slot_of(uint64_t key) {
  return static_cast<uint32_t>(key * 0x9e3779b97f4a7c15 >> 32) % kFound;
}

bool recall(uint64_t key, uint64_t* address) {
  uint32_t slot = slot_of(key);
  for (uint32_t i = 0; i < kProbes; i++) {
    const Found& found = g_found[(slot + i) % kFound];
    uint64_t candidate = found.address.load(std::memory_order_acquire);
    uint64_t check = found.check.load(std::memory_order_acquire);
    if (check != 0 && check == check_of(key, candidate)) {
      *address = candidate;
      return true;
    }
  }
  return false;
}

void keep(uint64_t key, uint64_t address) {
  uint32_t slot = slot_of(key);
  uint32_t chosen = g_victim.fetch_add(1, std::memory_order_relaxed) % kProbes;
  for (uint32_t i = 0; i < kProbes; i++) {
    if (g_found[(slot + i) % kFound].check.load(std::memory_order_relaxed) == 0) {
      chosen = i;
      break;
    }
  }
  Found& found = g_found[(slot + chosen) % kFound];
  found.check.store(0, std::memory_order_relaxed);
  found.address.store(address, std::memory_order_release);
  found.check.store(check_of(key, address), std::memory_order_release);
}

// ---- looking

// Objects that the program began with come first in the loader's list, and stay.
uint32_t g_initial_objects;

template <typename Visit>
struct Objects {
  Visit visit;
  uint32_t index = 0;
  static int step(dl_phdr_info* info, size_t, void* data) {
    auto* objects = static_cast<Objects*>(data);
    return objects->visit(*info, objects->index++) ? 1 : 0;
  }
};

// Until `visit(object, index)` returns true.
template <typename Visit>
void each_object(Visit&& visit) {
  Objects<Visit&> objects{visit};
  iterate_objects(&Objects<Visit&>::step, &objects);
}

bool is_us(const dl_phdr_info& object) {
  return contains_address(object, reinterpret_cast<uintptr_t>(&g_found));
}

const char* file_name(const char* path) {
  const char* name = path;
  for (const char* p = path; *p != 0; p++) {
    if (*p == '/') name = p + 1;
  }
  return name;
}

const char* name_of(const dl_phdr_info& object, const SymbolTable& table) {
  const char* name = table.soname();
  if (name != nullptr || object.dlpi_name == nullptr) return name;
  return file_name(object.dlpi_name);
}

// ---- what was opened with RTLD_GLOBAL: hashes of file names, which the objects have, too

constexpr uint32_t kGlobals = 128;
std::atomic<uint32_t> g_globals[kGlobals];
std::atomic<uint32_t> g_global_count;

bool was_made_global(const char* name) {
  uint32_t count = g_global_count.load(std::memory_order_acquire);
  uint32_t hash = gnu_hash(name);
  for (uint32_t i = 0; i < count && i < kGlobals; i++) {
    if (g_globals[i].load(std::memory_order_relaxed) == hash) return true;
  }
  return false;
}

// The objects that were opened so, and all that they need.
class GlobalObjects {
 public:
  GlobalObjects() {
    if (g_global_count.load(std::memory_order_acquire) == 0) return;
    each_object([&](const dl_phdr_info& object, uint32_t index) {
      const char* path = object.dlpi_name;
      if (path != nullptr && was_made_global(file_name(path))) set(index);
      return false;
    });
    for (bool grown = true; grown;) grown = add_needed();
  }
  bool has(uint32_t index) const {
    return index < kObjects && (bits_[index / 64] >> index % 64 & 1) != 0;
  }

 private:
  static constexpr uint32_t kObjects = 1024;
  void set(uint32_t index) {
    if (index < kObjects) bits_[index / 64] |= uint64_t{1} << index % 64;
  }
  bool add_needed() {
    bool grown = false;
    each_object([&](const dl_phdr_info& object, uint32_t index) {
      if (!has(index)) return false;
      SymbolTable table(object);
      each_object([&](const dl_phdr_info& other, uint32_t other_index) {
        const char* name = name_of(other, SymbolTable(other));
        if (has(other_index) || name == nullptr || !table.needs(name)) return false;
        set(other_index);
        grown = other_index < kObjects;
        return false;
      });
      return false;
    });
    return grown;
  }

  uint64_t bits_[kObjects / 64] = {};
};

// As the loader binds: the first acceptable definition in the program's own scope, then in that of
// the caller. (Scopes are read off what objects say they need.)
struct Search {
  const char* name = nullptr;
  uint32_t hash = 0;
  uintptr_t caller = 0;
  bool has_caller = false;
  SymbolTable caller_table{0, nullptr};
  SymbolReference reference{nullptr};
  GlobalObjects globals;
  bool behind = false;
  int best = -1;
  void* found = nullptr;

  void consider(const dl_phdr_info& object, uint32_t index) {
    if (is_us(object)) {
      behind = true;
      return;
    }
    SymbolTable table(object);
    void* address = table.find_version(name, hash, reference.version);
    bool acceptable = address != nullptr;
    if (address == nullptr) address = table.find(name, hash);
    if (address == nullptr) return;
    int rank = acceptable ? 8 : 0;
    if (behind) rank += 4;  // what comes before us has called us, or is not for the caller
    if (index < g_initial_objects) {
      rank += 3;
    } else if (globals.has(index)) {
      rank += 2;
    } else if (has_caller && (contains_address(object, caller) || needed(object, table))) {
      rank += 1;
    }
    if (rank > best) {
      best = rank;
      found = address;
    }
  }
  bool needed(const dl_phdr_info& object, const SymbolTable& table) const {
    const char* other = name_of(object, table);
    return other != nullptr && caller_table.needs(other);
  }
};

void* find_for(LibraryFunction function, const void* call_site) {
  Search search;
  search.name = kNames[function];
  search.hash = gnu_hash(kNames[function]);
  search.caller = reinterpret_cast<uintptr_t>(call_site);
  each_object([&](const dl_phdr_info& object, uint32_t) {
    if (!contains_address(object, search.caller)) return false;
    search.has_caller = true;
    search.caller_table = SymbolTable(object);
    search.caller_table.refers_to(search.name, &search.reference);
    return true;
  });
  each_object([&](const dl_phdr_info& object, uint32_t index) {
    search.consider(object, index);
    return false;
  });
  return search.found;
}

}  // namespace

void* library_function(LibraryFunction function, const void* call_site) {
  uint64_t key = key_of(call_site, function);
  uint64_t address;
  if (recall(key, &address)) return reinterpret_cast<void*>(address);
  void* found = find_for(function, call_site);
  if (found != nullptr) keep(key, reinterpret_cast<uintptr_t>(found));
  return found;
}

void* sibling_function(LibraryFunction function, const void* relative) {
  uint64_t key = key_of(relative, kSiblings | function);
  uint64_t address = 0;
  if (recall(key, &address)) return reinterpret_cast<void*>(address);
  void* found = nullptr;
  each_object([&](const dl_phdr_info& object, uint32_t) {
    if (!contains_address(object, reinterpret_cast<uintptr_t>(relative))) return false;
    found = SymbolTable(object).find(kNames[function], gnu_hash(kNames[function]));
    return true;
  });
  keep(key, reinterpret_cast<uintptr_t>(found));
  return found;
}

bool same_object(const void* call_site, const void* function) {
  uint64_t key = key_of(call_site, kSameObject);
  uint64_t base = 0;
  // Kept is the address of a function that was found to be in the caller's object, or 1.
  if (recall(key, &base) && (base == 1 || base == reinterpret_cast<uintptr_t>(function))) {
    return base != 1;
  }
  bool same = false;
  each_object([&](const dl_phdr_info& object, uint32_t) {
    if (!contains_address(object, reinterpret_cast<uintptr_t>(call_site))) return false;
    same = contains_address(object, reinterpret_cast<uintptr_t>(function));
    return true;
  });
  keep(key, same ? reinterpret_cast<uintptr_t>(function) : 1);
  return same;
}

void forget_library_functions() {
  g_generation.fetch_add(1, std::memory_order_acq_rel);
}

void note_global_library(const char* path) {
  const char* name = file_name(path);
  if (was_made_global(name)) return;
  uint32_t place = g_global_count.load(std::memory_order_relaxed);
  while (place < kGlobals && !g_global_count.compare_exchange_weak(place, place + 1)) {
  }
  if (place < kGlobals) g_globals[place].store(gnu_hash(name), std::memory_order_release);
}

void note_initial_objects() {
  each_object([](const dl_phdr_info&, uint32_t index) {
    g_initial_objects = index + 1;
    return false;
  });
}

}  // namespace telinject
