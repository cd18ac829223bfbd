// Finding the real functions of libraries that come and go: OpenSSL, GnuTLS, libcurl, nghttp2.
//
// Unlike libc they may be loaded at any time, RTLD_LOCAL, and more than once (two flavours of
// libcurl, told apart by symbol versions): which one a call means depends on who calls. It is found
// as the loader would have bound the caller's reference if we were not there: by the version that
// the caller was linked against, among what the program began with, what was made global since,
// what the caller itself was linked against, then anywhere. The answer is kept for the call site.
//
// The caller is known by the return address and the call instruction before it. If the call is a
// jump (the last call of its function), the address is in the caller's caller; if that was called
// by a pointer, the caller is not known. If several libraries define the function then, the object
// that the call is about (an SSL*, a handle) decides: earlier calls about it had a known caller.
//
// Safety class: as resolve.h. The only lock is the loader's, of its list of objects, and only at
// the first call from a call site; later calls take a few loads.
#pragma once

#include <cstdint>

namespace telinject::program {

enum LibraryFunction : uint32_t {
#define TELINJECT_LIBRARY(name) kLibrary_##name,
#include "preload/real/interposed.def"
  kLibraryFunctionCount,
};

// What the code at `call_site` (a return address) would call if we were not there, for `object`.
// Null only if no loaded object defines such a function.
void* library_function(LibraryFunction function, const void* call_site, const void* object);

// The function of the library that holds `relative`, one of its functions; null if that has none.
void* sibling_function(LibraryFunction function, const void* relative);

// True if both addresses lie in one object: a library calls its own function by way of us.
bool same_object(const void* call_site, const void* function);

// Called when objects have been unloaded, or will be loaded: what is kept for call sites may be
// wrong from then on, for other objects may come to stand at the same addresses, or define the
// same.
void forget_library_functions();

// Called once, in the constructor: the objects that are loaded now are those the program began
// with.
void note_initial_objects();

// Called before a library of that name is opened with RTLD_GLOBAL.
void note_global_library(const char* path);

template <typename Function>
Function sibling(LibraryFunction function, const void* relative) {
  return reinterpret_cast<Function>(sibling_function(function, relative));
}

}  // namespace telinject::program
