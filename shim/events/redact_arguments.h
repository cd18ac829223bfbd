// Secrets in the arguments of a program: taken out before a command line is written anywhere.
//
// Which arguments there were is known here, so a value with spaces in it is hidden whole.
// docs/metadata.md lists the rules; tests/unit/metadata/test_redact_arguments.cpp has an example
// of each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace telinject {

// Arguments, joined by spaces, with REDACTED in place of what is or looks like a secret.
std::string redact_arguments(const std::vector<std::string_view>& arguments);

// The same of one text in which each argument is ended by a NUL; the last may have been cut off.
std::string redact_joined_arguments(std::string_view text);

}  // namespace telinject
