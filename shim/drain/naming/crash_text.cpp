#include "shim/drain/naming/crash_text.h"

#include <signal.h>

#include "absl/strings/str_cat.h"

namespace telinject::drain {

namespace {

std::string_view reason(int signal, int code) {
  if (code == SI_KERNEL) return "general protection fault";
  switch (signal) {
    case SIGSEGV:
      if (code == SEGV_MAPERR) return "address not mapped";
      if (code == SEGV_ACCERR) return "access not permitted";
      return "invalid access";
    case SIGBUS:
      if (code == BUS_ADRALN) return "misaligned address";
      if (code == BUS_ADRERR) return "nothing behind the address, beyond the end of a file perhaps";
      return "bus error";
    case SIGFPE:
      if (code == FPE_INTDIV) return "integer division by zero";
      if (code == FPE_INTOVF) return "integer overflow";
      if (code == FPE_FLTDIV) return "floating point division by zero";
      return "arithmetic error";
    case SIGILL:
      return "illegal instruction";
    case SIGSYS:
      return "forbidden system call";
    default:
      return "";
  }
}

}  // namespace

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

std::string crash_text(const CrashMessage& crash, std::string_view last_words, int own_pid) {
  std::string text = signal_name(crash.signal);
  while (!last_words.empty() && last_words.back() == '\n') last_words.remove_suffix(1);
  if (crash.signal == SIGABRT && !last_words.empty()) {
    text.append(": ").append(last_words);
  } else if (crash.code <= 0) {
    absl::StrAppend(&text, crash.sender == own_pid
                               ? std::string(": raised by the program itself")
                               : absl::StrCat(": sent by process ", crash.sender));
  } else {
    text.append(": ").append(reason(crash.signal, crash.code));
    // A general protection fault's address is not told.
    if (crash.code != SI_KERNEL && crash.signal != SIGSYS) {
      absl::StrAppend(&text, ", at 0x", absl::Hex(crash.address));
    }
  }
  return std::string(cut_characters(text, kMaxMessageCharacters));
}

std::string_view cut_characters(std::string_view text, size_t characters) {
  for (size_t i = 0; i < text.size(); i++) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;  // within a character
    if (characters-- == 0) return text.substr(0, i);
  }
  return text;
}

}  // namespace telinject::drain
