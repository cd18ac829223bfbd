// The objects that the loader has loaded, and in whose scope they are: for finding what a reference
// was bound to.
//
// Safety class: as symbol_table.h; the lock of the loader's list of objects is held meanwhile.
#pragma once

#include <cstdint>

#include "preload/real/resolve.h"
#include "preload/real/symbol_table.h"

namespace telinject::program {

namespace object_walk {
template <typename Visit>
struct Objects {
  Visit visit;
  uint32_t index = 0;
  static int step(dl_phdr_info* info, size_t, void* data) {
    auto* objects = static_cast<Objects*>(data);
    return objects->visit(*info, objects->index++) ? 1 : 0;
  }
};
}  // namespace object_walk

// In load order, until `visit(object, index)` returns true.
template <typename Visit>
void each_loaded_object(Visit&& visit) {
  object_walk::Objects<Visit&> objects{visit};
  iterate_objects(&object_walk::Objects<Visit&>::step, &objects);
}

// This library.
bool is_us(const dl_phdr_info& object);

// The name by which others need an object; null for the main program.
const char* name_of(const dl_phdr_info& object, const SymbolTable& table);

// Those that the program began with come first in the list, and stay.
bool is_initial(uint32_t index);

// Those that were opened with RTLD_GLOBAL since, and all that they need.
class GlobalObjects {
 public:
  GlobalObjects();
  bool has(uint32_t index) const {
    return index < kObjects && (bits_[index / 64] >> index % 64 & 1) != 0;
  }

 private:
  static constexpr uint32_t kObjects = 1024;
  void set(uint32_t index) {
    if (index < kObjects) bits_[index / 64] |= uint64_t{1} << index % 64;
  }
  bool add_needed();

  uint64_t bits_[kObjects / 64] = {};
};

// Finds the object that made a call, and returns an address in it. That is `call_site`, the return
// address, if the call came from there or from a function of the same object that it called and
// that jumped. It is a function of another object if that one was called and jumped to us. Null if
// the function was called by a pointer, as it may have jumped then.
const void* caller_of(const void* call_site);

}  // namespace telinject::program
