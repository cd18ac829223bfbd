// What an exception is, from the layouts of the Itanium C++ ABI, which libstdc++ and libc++abi
// share.
//
// Nothing of the program is called: its what() could throw, crash, print, lock or never return, and
// all of that would be our doing. See what.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject {

struct Thrown {
  const char* type = nullptr;  // mangled; null: not known
  bool foreign = false;        // no C++ exception
  bool has_text = false;
  size_t text_bytes = 0;
};

// `exception` is the unwinder's header. The text goes to `text`.
Thrown inspect_exception(const void* exception, char* text, size_t capacity);

}  // namespace telinject
