#include "shim/channel/clock.h"

#include <cpuid.h>
#include <fcntl.h>

#include "shim/channel/syscall.h"

namespace telinject {

bool can_read_cpu() {
  unsigned a, b, c, d;
  __cpuid(0x80000001, a, b, c, d);
  return (d & 1u << 27) != 0;
}

bool tsc_is_trustworthy() {
  unsigned a, b, c, d;
  if (__get_cpuid(0x80000007, &a, &b, &c, &d) == 0 || (d & 1u << 8) == 0) return false;
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
