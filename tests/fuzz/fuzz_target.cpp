// A program's file as telrun and the exec wrappers look at it.
#include <sys/mman.h>
#include <unistd.h>

#include "shim/channel/target.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int fd = memfd_create("target", MFD_CLOEXEC);
  telinject::fuzz::require(write(fd, data, size) == static_cast<ssize_t>(size));
  telinject::Target target = telinject::examine_target(fd, "");
  telinject::fuzz::require(target.loader[telinject::kInterpreterBytes - 1] == 0);
  close(fd);
  return 0;
}
