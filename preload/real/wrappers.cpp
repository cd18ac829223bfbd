#include "preload/real/wrappers.h"

#include "preload/real/loaded_objects.h"
#include "preload/real/stubs.h"
#include "preload/real/symbol_table.h"
#include "shim/channel/text.h"

#define TELINJECT_WRAPPED(name) extern "C" void telinject_wrapper_##name() __asm__(#name);
#define TELINJECT_LIBRARY_WRAPPED(name) TELINJECT_WRAPPED(name)
#include "preload/real/interposed.def"

namespace telinject::program {

namespace {

constexpr Wrapper kWrappers[] = {
#define TELINJECT_WRAPPED(name) \
  {#name, gnu_hash(#name), false, kReal_##name, &telinject_wrapper_##name},
#define TELINJECT_LIBRARY_WRAPPED(name) \
  {#name, gnu_hash(#name), true, kLibrary_##name, &telinject_wrapper_##name},
#include "preload/real/interposed.def"
};

}  // namespace

bool is_ours(const void* function) {
  bool ours = false;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
    ours = is_us(object) && contains_address(object, reinterpret_cast<uintptr_t>(function));
    return ours;
  });
  return ours;
}

const Wrapper* find_wrapper(const char* name) {
  uint32_t hash = gnu_hash(name);
  for (const Wrapper& wrapper : kWrappers) {
    if (wrapper.hash == hash && text_equal(wrapper.name, name)) return &wrapper;
  }
  return nullptr;
}

void* wrapped(const Wrapper& wrapper, void* function) {
  if (function == nullptr || is_ours(function)) return function;
  if (wrapper.of_library) {
    void* stub = stub_for(static_cast<LibraryFunction>(wrapper.number), function);
    return stub != nullptr ? stub : function;
  }
  bool behind_us = function == real_address(static_cast<RealSymbol>(wrapper.number));
  return behind_us ? reinterpret_cast<void*>(wrapper.function) : function;
}

}  // namespace telinject::program
