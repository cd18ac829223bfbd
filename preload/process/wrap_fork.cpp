// fork and vfork: what the child continues.
//
// A forked child finds itself by the wiped page (hooks/calls/attach.cpp), however it was made; the
// wrapper only tells it which span it was born in. vfork must be entered by a jump, for its child
// returns through our caller's frame.
#include "arch/x86_64/jump_wrappers.h"
#include "hooks/calls/context.h"
#include "hooks/calls/unwind.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/start/startup.h"

namespace telinject::program {

namespace {

int fork_with(RealSymbol symbol, uintptr_t sp) {
  auto function = real<int (*)()>(symbol);
  if (!tracing() || g_alive.mask == 0) return function();
  SpawnContext before = t_spawn_context;
  t_spawn_context.of_fork = true;
  t_spawn_context.spawned_by = {};
  if (!current_context(sp, &t_spawn_context.context)) t_spawn_context.context = {};
  if (t_spawn_context.context.sampled != 0)
    t_spawn_context.spawned_by = mark_record(ControlKind::kSpawn, sp);
  int pid = function();
  if (pid != 0) t_spawn_context = before;
  return pid;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int, fork) {
  return fork_with(kReal_fork, TELINJECT_CALLER_SP());
}

TELINJECT_WRAPPER(int, _Fork) {
  return fork_with(kReal__Fork, TELINJECT_CALLER_SP());
}

extern "C" __attribute__((visibility("hidden"))) void* telinject_before_vfork(uintptr_t sp) {
  if (tracing()) note_event(ControlKind::kVfork, 0, sp);
  return real_address(kReal_vfork);
}

TELINJECT_INTERPOSES(vfork);
TELINJECT_ARCH_JUMP_0(vfork);
