// A word of a command that people copy into a shell.
#pragma once

#include <string>
#include <string_view>

namespace telinject {

// As it is, if it needs no quotes; 'it is so' if it does; $'\033...' (bash, zsh, ksh) if it holds
// what cannot be printed.
std::string shell_word(std::string_view word);

}  // namespace telinject
