// Reads an exception's type and text, by the layouts of the Itanium C++ ABI, which libstdc++ and
// libc++abi share.
//
// It calls no code of the program, whose what() could throw, crash, print, lock or never return.
// See what_interpreter.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject::program {

struct ExceptionObject {
  const char* type = nullptr;  // mangled; null: not known
  bool foreign = false;        // no C++ exception
  bool has_text = false;
  size_t text_bytes = 0;
};

// `exception` is the unwinder's header. The text goes to `text`.
ExceptionObject inspect_exception(const void* exception, char* text, size_t capacity);

}  // namespace telinject::program
