// The ways a program ends by itself.
#include <linux/futex.h>
#include <time.h>

#include "hooks/calls/attach.h"
#include "hooks/calls/unwind.h"
#include "hooks/lane/services.h"
#include "hooks/lane/state.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/start/exit.h"
#include "preload/start/startup.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

void wait_until_written() {
  SegmentHeader* segment = g_process.segment;
  uint32_t wanted = segment->flush_requested.fetch_add(1) + 1;
  segment->drain_asleep.store(0, std::memory_order_relaxed);
  segment->doorbell.fetch_add(1);
  sys::call(SYS_futex, sys::arg(&segment->doorbell), FUTEX_WAKE, 1);
  constexpr int64_t kSecond = 1000000000;
  int64_t now = sys::clock_ns(CLOCK_MONOTONIC);
  int64_t end = now + static_cast<int64_t>(g_client.settings.number[kExitWait]) * (kSecond / 1000);
  uint32_t beat = segment->heartbeat.load();
  int64_t stale = now + 3 * kSecond;
  for (;;) {
    uint32_t done = segment->flush_done.load();
    if (static_cast<int32_t>(done - wanted) >= 0) return;
    if ((segment->drain.word.load() & kOwnerDied) != 0) return tell_drain_died();
    now = sys::clock_ns(CLOCK_MONOTONIC);
    if (segment->heartbeat.load() != beat) {
      beat = segment->heartbeat.load();
      stale = now + 3 * kSecond;
    }
    if (now >= end || now >= stale) return;
    timespec pause = {0, 50000000};
    sys::call(SYS_futex, sys::arg(&segment->flush_done), FUTEX_WAIT, done, sys::arg(&pause));
  }
}

// `status`: what the process ends with, plus one; 0 if not known.
void note_exit(uint64_t status, uintptr_t sp) {
  note_ended_lanes(sp);
  note_event(ControlKind::kExit, status, sp);
}

void at_exit(int status, void*) {
  if (tracing() && g_alive.mask != 0) {
    note_exit(static_cast<uint64_t>(status & 0xff) + 1,
              reinterpret_cast<uintptr_t>(__builtin_dwarf_cfa()));
  }
  flush_at_exit();
}

}  // namespace

void wait_at_exit() {
  // Registered first, and by no library: it runs last, after all destructors.
  using Function = int (*)(void (*)(int, void*), void*);
  if (auto function = real<Function>(kReal_on_exit)) function(at_exit, nullptr);
}

void flush_at_exit() {
  // Under a seccomp filter not even getpid may be called.
  if (!is_traced() || g_alive.mask == 0 || g_process.restricted.load() != 0) return;
  if (sys::getpid() != g_process.pid) return;
  if (t_hook.lane != nullptr) record_module_changes();
  if (g_client.session.mode != SessionMode::kPreload) return;
  if (g_process.recorded.load(std::memory_order_relaxed) == 0) return;
  wait_until_written();
}

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(__attribute__((noreturn)) void, _exit, int status) {
  if (tracing() && g_alive.mask != 0 && g_process.restricted.load() == 0) {
    if (sys::getpid() == g_process.pid) {
      note_exit(static_cast<uint64_t>(status & 0xff) + 1, TELINJECT_CALLER_SP());
      flush_at_exit();
    } else {
      // The child of vfork: what it opened in its parent's lane ends here.
      note_event(ControlKind::kVforkEnd, 0, TELINJECT_CALLER_SP());
    }
  }
  for (;;) sys::call(SYS_exit_group, status);
}

TELINJECT_WRAPPER(__attribute__((noreturn)) void, _Exit, int status) {
  wrap__exit(status);
}

TELINJECT_WRAPPER(__attribute__((noreturn)) void, quick_exit, int status) {
  // Its handlers run before _exit is called inside libc, where no wrapper sees it.
  using Function = void (*)(int);
  if (auto function = real<Function>(kReal_quick_exit)) {
    flush_at_exit();
    function(status);
  }
  for (;;) sys::call(SYS_exit_group, status);
}
