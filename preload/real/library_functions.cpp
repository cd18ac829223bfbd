#include "preload/real/library_functions.h"

#include <atomic>

#include "hooks/lane/state.h"
#include "preload/real/loaded_objects.h"
#include "preload/real/stubs.h"
#include "preload/real/symbol_table.h"

namespace telinject::program {

namespace {

constexpr const char* kNames[] = {
#define TELINJECT_LIBRARY(name) #name,
#include "preload/real/interposed.def"
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

// ---- whose an object is, while several libraries define the same function

// An SSL*, a handle of libcurl's: the library whose functions it was given to by calls whose caller
// is known. Written and read like g_found; what collides is forgotten.
constexpr uint32_t kOwned = 256;
Found g_owned[kOwned];
std::atomic<bool> g_several;

Found& owned(const void* object) {
  return g_owned[slot_of(reinterpret_cast<uintptr_t>(object)) % kOwned];
}

void note_owner(const void* object, uint64_t function) {
  if (object == nullptr) return;
  Found& entry = owned(object);
  uint64_t check = check_of(reinterpret_cast<uintptr_t>(object), function);
  if (entry.check.load(std::memory_order_relaxed) == check) return;
  entry.address.store(function, std::memory_order_release);
  entry.check.store(check, std::memory_order_release);
}

const void* owner_of(const void* object) {
  if (object == nullptr) return nullptr;
  const Found& entry = owned(object);
  uint64_t function = entry.address.load(std::memory_order_acquire);
  uint64_t check = check_of(reinterpret_cast<uintptr_t>(object), function);
  if (entry.check.load(std::memory_order_acquire) != check) return nullptr;
  return reinterpret_cast<const void*>(function);
}

// ---- looking

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
  uint32_t definitions = 0;

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
    definitions++;
    int rank = acceptable ? 8 : 0;
    if (behind) rank += 4;  // what comes before us has called us, or is not for the caller
    if (is_initial(index)) {
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

void search_for(LibraryFunction function, const void* caller, Search* search) {
  search->name = kNames[function];
  search->hash = gnu_hash(kNames[function]);
  search->caller = reinterpret_cast<uintptr_t>(caller);
  each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
    if (!contains_address(object, search->caller)) return false;
    search->has_caller = true;
    search->caller_table = SymbolTable(object);
    search->caller_table.refers_to(search->name, &search->reference);
    return true;
  });
  each_loaded_object([&](const dl_phdr_info& object, uint32_t index) {
    search->consider(object, index);
    return false;
  });
}

// Not kept: the next call from there may be of another caller.
void* find_by_object(LibraryFunction function, const void* object, void* otherwise) {
  const void* owner = owner_of(object);
  void* found = owner != nullptr ? sibling_function(function, owner) : nullptr;
  return found != nullptr ? found : otherwise;
}

void* find_for(LibraryFunction function, const void* call_site, const void* object) {
  const void* caller = caller_of(call_site);
  Search search;
  search_for(function, caller != nullptr ? caller : call_site, &search);
  if (search.found == nullptr) return nullptr;
  if (search.definitions > 1) g_several.store(true, std::memory_order_relaxed);
  if (search.definitions > 1 && caller == nullptr) {
    return find_by_object(function, object, search.found);
  }
  keep(key_of(call_site, function), reinterpret_cast<uintptr_t>(search.found));
  if (search.definitions > 1) note_owner(object, reinterpret_cast<uintptr_t>(search.found));
  return search.found;
}

// A stub has called. If it is another function's, then what that stub leads to has gone on to us by
// a jump, and calls this function: of its own library, most likely.
void* find_for_stub(LibraryFunction function, const void* call_site) {
  Stub stub = stub_at(call_site);
  if (stub.function == function) return stub.definition;
  void* found = sibling_function(function, stub.definition);
  if (found != nullptr) return found;
  Search search;
  search_for(function, stub.definition, &search);
  return search.found;
}

}  // namespace

void* library_function(LibraryFunction function, const void* call_site, const void* object) {
  uint64_t address;
  if (TELINJECT_UNLIKELY(is_stub(call_site))) {
    address = reinterpret_cast<uintptr_t>(find_for_stub(function, call_site));
  } else if (!recall(key_of(call_site, function), &address)) {
    return find_for(function, call_site, object);
  }
  if (TELINJECT_UNLIKELY(g_several.load(std::memory_order_relaxed))) note_owner(object, address);
  return reinterpret_cast<void*>(address);
}

bool is_defined(LibraryFunction function) {
  bool defined = false;
  uint32_t hash = gnu_hash(kNames[function]);
  each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
    defined = !is_us(object) && SymbolTable(object).find(kNames[function], hash) != nullptr;
    return defined;
  });
  return defined;
}

void* sibling_function(LibraryFunction function, const void* relative) {
  uint64_t key = key_of(relative, kSiblings | function);
  uint64_t address = 0;
  if (recall(key, &address)) return reinterpret_cast<void*>(address);
  void* found = nullptr;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
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
  each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
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

}  // namespace telinject::program
