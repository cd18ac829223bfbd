// What a fatal signal says of itself.
#pragma once

#include <string>
#include <string_view>

#include "shim/channel/message.h"

namespace telinject::drain {

// "SIGSEGV", or "signal 42".
std::string signal_name(int signal);

// "SIGSEGV: address not mapped, at 0x10"; with what libc said before it aborted, if it did. Plain
// text of at most 200 characters.
std::string crash_text(const CrashMessage& crash, std::string_view last_words, int own_pid);

// Cut to that many characters of UTF-8, what is not UTF-8 counting by bytes.
std::string_view cut_characters(std::string_view text, size_t characters);
inline constexpr size_t kMaxMessageCharacters = 200;

}  // namespace telinject::drain
