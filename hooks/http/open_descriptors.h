// Which descriptors this process has open.
#pragma once

namespace telinject::program {

// visit(fd) for each of them, in no order. Where /proc cannot be read: for each that may be open,
// below 1024. Opens a descriptor meanwhile, so: while there is no other thread. No allocation.
void each_open_descriptor(void (*visit)(int fd));

}  // namespace telinject::program
