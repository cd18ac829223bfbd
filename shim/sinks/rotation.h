// Rotation of a file that events are appended to: FILE becomes FILE.1, FILE.1 becomes FILE.2. What
// compresses stays at the end: trace.jsonl.1.zst.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace telinject {

struct Rotation {
  uint64_t most_bytes = 0;  // 0: the file grows without a limit
  uint64_t most_files = 5;  // with the one that is appended to
  // Called once, with a line for the user, if the files cannot be renamed.
  std::function<void(const std::string& line)> tell = [](const std::string&) {};
};

// The name of an older file, the `number`th from 1.
std::string rotated_name(const std::string& path, uint64_t number);

// Renames the file and the older ones. The oldest is replaced. False, with errno set, if the file
// is still at its path.
bool rotate(const std::string& path, uint64_t most_files);

}  // namespace telinject
