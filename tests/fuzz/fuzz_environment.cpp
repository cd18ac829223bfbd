// Editing an environment: it always fits into the room that was asked for.
#include <string>
#include <vector>

#include "shim/channel/environment.h"
#include "tests/fuzz/input.h"

using namespace telinject;
using telinject::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  uint8_t flags = input.byte();
  EnvironmentEdit edit = {};
  edit.preload = static_cast<PreloadEdit>(flags % 3);
  edit.library = "/usr/lib/libtelinject.so";
  edit.relax_asan = (flags & 4) != 0;
  edit.session = (flags & 8) != 0 ? "session" : nullptr;
  edit.parent = (flags & 16) != 0 ? "parent" : nullptr;
  edit.traceparent = (flags & 32) != 0 ? "traceparent" : nullptr;
  edit.own_traceparent = (flags & 64) != 0 ? "own" : nullptr;
  fuzz::Environment environment(input.rest());
  std::vector<char*> slots(edited_slots(environment.get()));
  std::vector<char> text(edited_text_bytes(environment.get(), edit));
  require(edit_environment(environment.get(), edit, slots.data(), slots.size(), text.data(),
                           text.size()));
  if (edit.preload == PreloadEdit::kAdd) require(preloads_library(slots.data()));
  // With less room it says no, or yes and is right.
  for (size_t less = 1; less < 4 && less <= text.size() && less <= slots.size(); less++) {
    std::vector<char*> few(slots.size() - less);
    std::vector<char> little(text.size() - less);
    edit_environment(environment.get(), edit, few.data(), few.size(), little.data(), little.size());
  }
  return 0;
}
