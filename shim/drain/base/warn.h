// One line to the user, on standard error: what, where, what to do. The program that is traced
// never notices; each warning is made a few times only.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"

namespace telinject::drain {

void warn_line(const std::string& line);

template <typename... Parts>
void warn(const Parts&... parts) {
  warn_line(absl::StrCat(parts...));
}

}  // namespace telinject::drain
