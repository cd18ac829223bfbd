// Finding the real functions behind the wrappers.
//
// Not by dlsym: it takes the loader's lock (a wrapper that is first called under it would
// deadlock), its symbol version moved in glibc 2.34, and RTLD_NEXT does not see libraries that were
// loaded RTLD_LOCAL. The loaded objects' own symbol tables are read instead, in load order behind
// this library, by way of dl_iterate_phdr, whose lock is held only while the list of objects
// changes.
#pragma once

#include <link.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace telinject::program {

// Everything that is looked up (interposed.def). Functions: the first definition behind us.
// Variables: the first at all.
enum RealSymbol : uint32_t {
#define TELINJECT_REAL(name, is_variable) kReal_##name,
#include "preload/real/interposed.def"
  kRealCount,
};

// libc's dl_iterate_phdr, whatever the program has put before it. After resolve_all() only.
int iterate_objects(int (*step)(dl_phdr_info*, size_t, void*), void* data);

// Looks all of them up. Called once, in the constructor or at the first hook.
void resolve_all();

extern std::atomic<void*> g_real[kRealCount];
void* find_real_address(RealSymbol symbol);

// The address, looked up now if it was not there before (a library loaded since); null if no loaded
// object has it.
inline void* real_address(RealSymbol symbol) {
  void* address = g_real[symbol].load(std::memory_order_acquire);
  return address != nullptr ? address : find_real_address(symbol);
}

template <typename Function>
Function real(RealSymbol symbol) {
  return reinterpret_cast<Function>(real_address(symbol));
}

// The exception runtime of libc++abi or libsupc++, by the class of an exception object
// ("GNUCC++\0" or "CLNGC++\0", as an integer): both may be loaded.
void* real_begin_catch(uint64_t exception_class);

// The path of this library as the loader has it, made absolute; "" if it cannot be told.
const char* library_path();

}  // namespace telinject::program
