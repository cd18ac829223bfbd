// dlsym and dlvsym: a function that a program looks up in a library, by a handle, is wrapped like
// one that it is linked with.
//
// With RTLD_DEFAULT and RTLD_NEXT the loader looks at the return address to see who asks: there the
// real function is entered by a jump. What it finds is what a linked reference would be bound to,
// so it is ours where it should be. But who looks for a library's function to see whether the
// library is there must not find our wrapper of a function that is nowhere.
#include "arch/x86_64/jump_wrappers.h"
#include "preload/process/deep_binding.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/real/wrappers.h"
#include "preload/start/startup.h"

namespace telinject::program {

namespace {

using Dlsym = void* (*)(void*, const char*);
using Dlvsym = void* (*)(void*, const char*, const char*);

// Older libcs have these functions in a library of their own, which may be missing.
void* none(void*, const char*, const char*) {
  return nullptr;
}

void* real_or_none(RealSymbol symbol) {
  void* function = real_address(symbol);
  return function != nullptr ? function : reinterpret_cast<void*>(&none);
}

// A wrapper of ours, and nothing that it wraps.
bool is_hollow(const char* name) {
  const Wrapper* wrapper = name != nullptr ? find_wrapper(name) : nullptr;
  return wrapper != nullptr && wrapper->of_library &&
         !is_defined(static_cast<LibraryFunction>(wrapper->number));
}

// What libc finds behind this library, and says if it finds nothing. The caller must be seen to be
// here: no jump.
template <typename Look>
void* behind_us(Look&& look) {
  void* found = look(reinterpret_cast<void*>(-1));  // RTLD_NEXT
  __asm__ volatile("" : "+r"(found));
  return found;
}
void* dlsym_behind_us(void*, const char* name) {
  auto function = reinterpret_cast<Dlsym>(real_or_none(kReal_dlsym));
  return behind_us([&](void* next) { return function(next, name); });
}
void* dlvsym_behind_us(void*, const char* name, const char* version) {
  auto function = reinterpret_cast<Dlvsym>(real_or_none(kReal_dlvsym));
  return behind_us([&](void* next) { return function(next, name, version); });
}

// What the program gets for a function that it has found by a handle.
void* in_place_of(void* found, const char* name) {
  const Wrapper* wrapper = found != nullptr && tracing() ? find_wrapper(name) : nullptr;
  return wrapper != nullptr ? wrapped(*wrapper, found) : found;
}

void* dlsym_by_handle(void* handle, const char* name) {
  wrap_deep_bindings();
  void* found = reinterpret_cast<Dlsym>(real_or_none(kReal_dlsym))(handle, name);
  if (found != nullptr && is_ours(found) && is_hollow(name)) return dlsym_behind_us(nullptr, name);
  return in_place_of(found, name);
}
void* dlvsym_by_handle(void* handle, const char* name, const char* version) {
  wrap_deep_bindings();
  void* found = reinterpret_cast<Dlvsym>(real_or_none(kReal_dlvsym))(handle, name, version);
  if (found != nullptr && is_ours(found) && is_hollow(name)) {
    return dlvsym_behind_us(nullptr, name, version);
  }
  return in_place_of(found, name);
}

// RTLD_NEXT is -1, RTLD_DEFAULT is 0.
bool is_handle(const void* handle) {
  return reinterpret_cast<uintptr_t>(handle) + 1 > 1;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject::program;

extern "C" __attribute__((visibility("hidden"))) void* telinject_before_dlsym(void* handle,
                                                                              const char* name) {
  if (is_handle(handle)) return reinterpret_cast<void*>(&dlsym_by_handle);
  return is_hollow(name) ? reinterpret_cast<void*>(&dlsym_behind_us) : real_or_none(kReal_dlsym);
}

extern "C" __attribute__((visibility("hidden"))) void* telinject_before_dlvsym(void* handle,
                                                                               const char* name) {
  if (is_handle(handle)) return reinterpret_cast<void*>(&dlvsym_by_handle);
  return is_hollow(name) ? reinterpret_cast<void*>(&dlvsym_behind_us) : real_or_none(kReal_dlvsym);
}

TELINJECT_INTERPOSES(dlsym);
TELINJECT_ARCH_JUMP_ANY(dlsym);

TELINJECT_INTERPOSES(dlvsym);
TELINJECT_ARCH_JUMP_ANY(dlvsym);
