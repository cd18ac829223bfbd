#include "preload/real/stubs.h"

#include <atomic>

#include "arch/x86_64/stubs.h"
#include "preload/real/loaded_objects.h"

#define TELINJECT_LIBRARY_WRAPPED(name) TELINJECT_ARCH_STUBS(name)
__asm__(TELINJECT_ARCH_STUBS_BEGIN
#include "preload/real/interposed.def"
            TELINJECT_ARCH_STUBS_END);

namespace telinject::program {

namespace {

constexpr uintptr_t kStubBytes = TELINJECT_ARCH_STUB_BYTES;
constexpr uint32_t kStubsOfFunction = TELINJECT_ARCH_STUBS_OF_FUNCTION;

constexpr LibraryFunction kFunctions[] = {
#define TELINJECT_LIBRARY_WRAPPED(name) kLibrary_##name,
#include "preload/real/interposed.def"
};
constexpr uint32_t kFunctionCount = sizeof kFunctions / sizeof *kFunctions;

// What each stub leads to; null: it is not taken.
std::atomic<void*> g_definitions[kFunctionCount * kStubsOfFunction];

void* stub_of(uint32_t number) {
  return const_cast<char*>(telinject_stubs + number * kStubBytes);
}

// False, too, for what is in a namespace of its own (dlmopen): the loader lists only ours.
bool is_loaded(const void* definition) {
  bool found = false;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
    found = contains_address(object, reinterpret_cast<uintptr_t>(definition));
    return found;
  });
  return found;
}

}  // namespace

Stub stub_at(const void* call_site) {
  auto number =
      static_cast<uintptr_t>(static_cast<const char*>(call_site) - telinject_stubs) / kStubBytes;
  return {kFunctions[number / kStubsOfFunction],
          g_definitions[number].load(std::memory_order_acquire)};
}

void* stub_for(LibraryFunction function, void* definition) {
  uint32_t first = 0;
  while (first < kFunctionCount && kFunctions[first] != function) first++;
  if (first == kFunctionCount || !is_loaded(definition)) return nullptr;
  first *= kStubsOfFunction;
  for (uint32_t number = first; number < first + kStubsOfFunction; number++) {
    void* before = nullptr;
    if (g_definitions[number].compare_exchange_strong(before, definition) || before == definition) {
      return stub_of(number);
    }
  }
  // Those of libraries that are gone have no callers left.
  for (uint32_t number = first; number < first + kStubsOfFunction; number++) {
    void* before = g_definitions[number].load(std::memory_order_acquire);
    if (is_loaded(before)) continue;
    if (g_definitions[number].compare_exchange_strong(before, definition) || before == definition) {
      return stub_of(number);
    }
  }
  return nullptr;
}

}  // namespace telinject::program
