// Programs as execvp(3) finds them.
#pragma once

#include <string>

namespace telinject::drain {

// The file on PATH that a name without a slash stands for; "" if there is none.
std::string find_on_path(const std::string& name);

}  // namespace telinject::drain
