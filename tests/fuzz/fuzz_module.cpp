// ELF and DWARF of any content: a damaged file gives fewer answers, never a fault.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "shim/symbols/module.h"
#include "tests/fuzz/input.h"

using namespace telinject;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int fd = memfd_create("module", MFD_CLOEXEC);
  fuzz::require(write(fd, data, size) == static_cast<ssize_t>(size));
  ModuleIdentity identity;
  identity.path = "/proc/self/fd/" + std::to_string(fd);
  std::string problem;
  std::shared_ptr<Module> module = Module::open(identity, &problem);
  fuzz::require(module != nullptr);
  close(fd);
  constexpr uint64_t kPlaces = 48;
  for (uint64_t i = 0; i < kPlaces; i++) {
    std::optional<uint64_t> vaddr = module->vaddr_of(size * i / kPlaces);
    if (!vaddr.has_value()) continue;
    fuzz::require(!module->function(*vaddr).name.empty());
    module->frames(*vaddr);
    module->call_line(*vaddr);
  }
  for (uint64_t vaddr : {uint64_t{0}, uint64_t{0x1000}, ~uint64_t{0}}) {
    module->function(vaddr);
    module->frames(vaddr);
    module->call_line(vaddr);
  }
  module->runtime();
  module->problem();
  return 0;
}
