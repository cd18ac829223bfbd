// Editing an environment for a program that is about to be executed.
//
// Works on pointers into the given environment plus a caller's buffer, so it can run in a vfork
// child and in a signal handler: no heap, no lock, nothing global.
#pragma once

#include <cstddef>

namespace telinject {

inline constexpr const char* kLibraryFile = "libtelinject.so";

enum class PreloadEdit {
  kLeave,  // as it is, but a relative path of ours made absolute (the program may change directory)
  kAdd,    // put the library in, behind what is there already; once
  kRemove,  // take the library out
};

struct EnvironmentEdit {
  PreloadEdit preload;
  const char* library;  // absolute path of libtelinject.so
  bool relax_asan;      // append verify_asan_link_order=0 to ASAN_OPTIONS
  const char* session;  // values to set, or null to leave what is there
  const char* parent;
  const char* traceparent;
  // Set TRACEPARENT only over this value (or none): one that the program chose itself stays.
  const char* own_traceparent;
};

// True if some LD_PRELOAD entry of the environment names our library, by its file name.
bool preloads_library(char* const* envp);

// Slots (the final null included) and bytes of text that the edited environment can need at most.
size_t edited_slots(char* const* envp);
size_t edited_text_bytes(char* const* envp, const EnvironmentEdit& edit);

// Writes the edited environment. Unchanged entries are shared with `envp`. Returns false, with
// nothing promised of the output, if it does not fit: then use `envp` as it is.
bool edit_environment(char* const* envp, const EnvironmentEdit& edit, char** out, size_t slots,
                      char* text, size_t text_bytes);

}  // namespace telinject
