// A file of /proc, whole. Its process may end at any moment, and then reading fails, at which an
// ifstream's buffer throws.
#pragma once

#include <string>

namespace telinject::drain {

// Empty if it cannot be read.
std::string text_of_file(const std::string& path);

}  // namespace telinject::drain
