// What the hooks need from the layer above them, preload/, which implements these functions. They
// are declared here so that includes between the folders go one way.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hooks/lane/call_frame.h"

namespace telinject::program {

// Sets up tracing for this process, once. Called by the library's constructor, or by the first hook
// if that runs before it (preinit_array). Afterwards g_process.state is kReady or kOff.
void start_process();

// Writes a module record to the current thread's lane for every new executable mapping, and one for
// every known mapping that has gone. Reads /proc/self/maps: about 20 us.
void record_module_changes();

// True if the address is in an executable mapping that has been recorded.
bool is_known_module(const void* address);

// Finds the unwind table of the recorded module that contains the address. False if there is none.
bool find_unwind_table(uintptr_t address, UnwindTable* table);

// Copies memory of this process without faulting. False if not all of it can be read, and always
// under a seccomp filter.
bool peek_memory(uintptr_t address, void* out, size_t bytes);

// True for code of this library.
bool is_own_code(uintptr_t address);

struct CodeRange {
  uintptr_t start, end;
};
// Finds the recorded executable mapping that contains the address. False if there is none.
bool find_module(uintptr_t address, CodeRange* range);

// True if one recorded module contains both.
bool same_module(uintptr_t a, uintptr_t b);

// True for our own entry points.
bool is_hook(uintptr_t address);

// Finds the function that a lazily bound call leads to. `module` is the loader's link_map, `number`
// the relocation's number. 0 if it cannot be found. Not async-signal-safe: walks the list of loaded
// objects.
uintptr_t bind_function(uintptr_t module, uint64_t number);

// Resets what another thread of the parent may have been changing during the fork. Called in a
// forked child at its first call.
void reset_services_in_child();

}  // namespace telinject::program
