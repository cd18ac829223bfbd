// `telinject doctor [PROGRAM]`: can this program be traced here, and where would its events go?
#pragma once

#include <string>
#include <vector>

namespace telinject::drain {

// Prints a line for each thing that was looked at, with what to do if it is not as it should be.
// The exit status: 0 if tracing works, 1 if something prevents it, 2 if the words make no sense.
int doctor_command(const std::vector<std::string>& words);

}  // namespace telinject::drain
