// Opens a path that a traced process named, only if it is a regular file.
//
// It is first opened as a path (O_PATH), because opening a device has effects and opening a FIFO
// waits. If it is a regular file, it is then opened for reading.
#pragma once

#include <string>

namespace telinject {

// Returns a descriptor that the caller closes; -1, and the reason in *error, on failure.
int open_regular_file(const std::string& path, std::string* error);
// Resolves symbolic links as for a process that has this folder as its root. `path` begins with a
// slash.
int open_regular_file_below(const std::string& folder, const std::string& path, std::string* error);

}  // namespace telinject
