// `telinject dump PID`: asks the drain of a process for what its flight recorder keeps.
#pragma once

#include <cstdint>

namespace telinject::drain {

// The first byte of the drain's answer.
enum class DumpAnswer : uint8_t { kNothing = 0, kWritten = 1, kLost = 2 };

// The exit status: 0 if it is written, 1 if not, with a line on standard error; 2 for a PID that is
// none.
int dump_command(int count, char** arguments);

}  // namespace telinject::drain
