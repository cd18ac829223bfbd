#include "shim/channel/clock.h"

#include <fcntl.h>

#include "arch/x86_64/tsc.h"
#include "shim/channel/syscall.h"

namespace telinject {

bool tsc_is_trustworthy() {
  if (!arch::has_steady_tsc()) return false;
  long fd = sys::call(SYS_openat, AT_FDCWD,
                      sys::arg("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
                      O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[8];
  long n = sys::call(SYS_read, fd, sys::arg(text), sizeof text);
  sys::close(static_cast<int>(fd));
  return n == 4 && text[0] == 't' && text[1] == 's' && text[2] == 'c' && text[3] == '\n';
}

}  // namespace telinject
