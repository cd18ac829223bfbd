// Durations in messages for people.
#pragma once

#include <cstdint>
#include <string>

namespace telinject {

// "12.34"
inline std::string hundredths_of_ms(int64_t ns) {
  constexpr int64_t kNsPerHundredth = 10000, kHundredths = 100, kTen = 10;
  int64_t hundredths = (ns + kNsPerHundredth / 2) / kNsPerHundredth;
  int64_t fraction = hundredths % kHundredths;
  return std::to_string(hundredths / kHundredths) + (fraction < kTen ? ".0" : ".") +
         std::to_string(fraction);
}

}  // namespace telinject
