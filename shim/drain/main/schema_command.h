// telinject schema: the events and attributes that there are.
#pragma once

#include <string>

namespace telinject::drain {

// `option`: "" for people, "--json", or "--otel". Returns the exit status.
int print_schema(const std::string& option);

}  // namespace telinject::drain
