// What hooks need done by the layer above them (preload/). Declared here, so that the dependency
// between the source folders stays one way.
#pragma once

namespace telinject {

// Sets up tracing for this process, once: by the library's constructor, or by the first hook if
// that comes first (preinit_array). Afterwards g_process.state is kReady or kOff.
void start_process();

// Writes a module record to the current thread's lane for every executable mapping that is not
// known yet, and one for every known mapping that has gone. Reads /proc/self/maps: about 20 us.
void record_module_changes();

// True if the address lies in an executable mapping that has been recorded.
bool is_known_module(const void* address);

// In a forked child, at its first call: what another thread of the parent may have been in the
// middle of when it forked.
void reset_services_in_child();

}  // namespace telinject
