// `telinject validate FILE...`: whether files of events are as they should be.
#pragma once

#include <string>
#include <vector>

namespace telinject::drain {

// Prints a verdict of each file, with the first fault of each kind. The exit status: 0 if all are
// valid, 1 if one is not, 2 if one cannot be read or the words make no sense.
int validate_command(const std::vector<std::string>& words);

}  // namespace telinject::drain
