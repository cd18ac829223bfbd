// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace telinject::drain {

std::string grouped(uint64_t value);    // "1,234,567"
std::string duration_text(double ns);   // "1.5 us"
std::string size_text(uint64_t bytes);  // "12.3 MB"

}  // namespace telinject::drain
