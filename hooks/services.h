// What hooks need done by the layer above them (preload/). Declared here, so that the dependency
// between the source folders stays one way.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hooks/call_frame.h"

namespace telinject {

// Sets up tracing for this process, once: by the library's constructor, or by the first hook if
// that comes first (preinit_array). Afterwards g_process.state is kReady or kOff.
void start_process();

// Writes a module record to the current thread's lane for every executable mapping that is not
// known yet, and one for every known mapping that has gone. Reads /proc/self/maps: about 20 us.
void record_module_changes();

// True if the address lies in an executable mapping that has been recorded.
bool is_known_module(const void* address);

// The unwind table of the recorded module that holds the address; false if there is none.
bool find_unwind_table(uintptr_t address, UnwindTable* table);

// Copies from our own memory without faulting, all or nothing; false under a seccomp filter.
bool peek_memory(uintptr_t address, void* out, size_t bytes);

// True for code of this library.
bool is_own_code(uintptr_t address);

struct CodeRange {
  uintptr_t start, end;
};
// The recorded executable mapping that holds the address; false if there is none.
bool find_module(uintptr_t address, CodeRange* range);

// True if one recorded module holds both.
bool same_module(uintptr_t a, uintptr_t b);

// True for our own entry points.
bool is_hook(uintptr_t address);

// The function that a lazily bound call leads to: `module` is the loader's link_map, `number` that
// of the relocation. 0 if it cannot be told. Not async-signal-safe: walks the list of loaded
// objects.
uintptr_t bind_function(uintptr_t module, uint64_t number);

// In a forked child, at its first call: what another thread of the parent may have been in the
// middle of when it forked.
void reset_services_in_child();

}  // namespace telinject
