// The constructor.
#include <elf.h>

#include "arch/x86_64/tsc.h"
#include "hooks/calls/attach.h"
#include "hooks/calls/slow_path.h"
#include "hooks/http/descriptors.h"
#include "hooks/http/single_thread_atomics.h"
#include "hooks/http/tracestate.h"
#include "hooks/lane/services.h"
#include "preload/real/library_functions.h"
#include "preload/real/resolve.h"
#include "preload/start/crash.h"
#include "preload/start/exit.h"
#include "preload/start/startup.h"
#include "shim/channel/clock.h"
#include "shim/channel/limits.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"
#include "shim/channel/traceparent.h"

namespace telinject::program {

Client g_client;

uint64_t auxiliary_value(const StartInfo& info, uint64_t type) {
  char** at = info.envp;
  while (*at != nullptr) at++;
  for (auto* entry = reinterpret_cast<Elf64_auxv_t*>(at + 1); entry->a_type != AT_NULL; entry++) {
    if (entry->a_type == type) return entry->a_un.a_val;
  }
  return 0;
}

namespace {

// From the stack that the kernel prepared: argc, argv, null, envp, null, auxiliary vector. There
// before libc's own `environ` is.
bool find_start_info(StartInfo* info) {
  auto* stack_end = static_cast<char***>(real_address(kReal___libc_stack_end));
  if (stack_end == nullptr || *stack_end == nullptr) return false;
  char** at = *stack_end;
  info->argc = static_cast<int>(reinterpret_cast<long>(at[0]));
  info->argv = at + 1;
  info->envp = info->argv + info->argc + 1;
  return true;
}

bool is_secure_execution(const StartInfo& info) {
  return auxiliary_value(info, AT_SECURE) != 0;
}

template <typename Function>
void libc_function(Function** slot, RealSymbol symbol) {
  *slot = real<Function*>(symbol);
}

void find_libc_functions() {
  LibcFunctions& libc = g_process.libc;
  libc_function(&libc.mutexattr_init, kReal_pthread_mutexattr_init);
  libc_function(&libc.mutexattr_setrobust, kReal_pthread_mutexattr_setrobust);
  libc_function(&libc.mutexattr_setpshared, kReal_pthread_mutexattr_setpshared);
  libc_function(&libc.mutex_init, kReal_pthread_mutex_init);
  libc_function(&libc.mutex_lock, kReal_pthread_mutex_lock);
  libc_function(&libc.clock_gettime, kReal_clock_gettime);
}

void choose_clock(const char* session) {
  switch (g_client.settings.number[kClock]) {
    case kClockTsc:
      g_process.clock = ClockKind::kTsc;
      break;
    case kClockMonotonic:
      g_process.clock = ClockKind::kMonotonic;
      break;
    default:
      if (session != nullptr) {
        g_process.clock = g_client.session.clock;
      } else {
        g_process.clock = tsc_is_trustworthy() ? ClockKind::kTsc : ClockKind::kMonotonic;
      }
  }
  if (g_process.libc.clock_gettime == nullptr) g_process.clock = ClockKind::kTsc;
}

void read_inherited(char* const* envp) {
  g_client.traceparent = env_find(envp, kTraceparentVariable);
  if (g_client.traceparent != nullptr) {
    parse_traceparent(g_client.traceparent, &g_process.inherited);
    inherit_tracestate(env_find(envp, kTracestateVariable), g_process.inherited);
  }
  const char* parent = env_find(envp, kParentVariable);
  if (parent != nullptr) parse_record_ref(parent, &g_process.parent_ref);
  // The main thread's roots continue what the process was given.
  t_spawn_context.context = g_process.inherited;
}

// Creates the segment and finds it a drain. False: not traced.
bool set_up(const StartInfo& info) {
  const char* session = env_find(info.envp, kSessionVariable);
  if (session != nullptr && !parse_session(session, &g_client.session)) session = nullptr;
  g_client.has_session = session != nullptr;
  choose_clock(session);
  read_inherited(info.envp);
  g_process.sampling_threshold = sampling_threshold(g_client.settings.number[kSampleRate]);
  g_process.record_all = g_client.settings.number[kTotals] == kTotalsExact;
  g_process.on_full = static_cast<OnFull>(g_client.settings.number[kOnFull]);
  g_process.stacktraces = g_client.settings.number[kStacktraces] != 0;
  g_process.threads = static_cast<Threads>(g_client.settings.number[kThreads]);
  g_process.knows_cpu = g_process.clock == ClockKind::kTsc && arch::can_read_cpu();
  g_client.waiting_bytes = session != nullptr
                               ? g_client.session.waiting_bytes
                               : waiting_bytes(g_client.settings.number[kQueueBytes]);
  UntracedReason reason;
  int memfd = create_segment(info, g_client.waiting_bytes, &reason);
  bool ready;
  if (session != nullptr) {
    HandOver result =
        hand_over(g_client.session, memfd, memfd >= 0 ? UntracedReason::kNone : reason);
    ready = result == HandOver::kJoined;
    // The drain that a preload session's first process started may have ended with it.
    bool ended = result == HandOver::kNoDrain && g_client.session.mode == SessionMode::kPreload;
    if (ended && memfd >= 0) ready = start_drain(info, memfd);
  } else {
    ready = memfd >= 0 && start_drain(info, memfd);
  }
  if (memfd >= 0) {
    sys::close(memfd);
    if (!ready) destroy_segment();
  }
  return ready && memfd >= 0;
}

}  // namespace

void start_process() {
  ProcessState expected = ProcessState::kNotStarted;
  if (!g_process.state.compare_exchange_strong(expected, ProcessState::kStarting)) return;
  ProcessState result = ProcessState::kOff;
  StartInfo info;
  resolve_all();
  note_initial_objects();
  if (find_start_info(&info) && !is_secure_execution(info)) {
    find_libc_functions();
    read_settings(info.envp, &g_client.settings, nullptr, 0);
    if (!g_client.settings.off() && set_up(info)) result = ProcessState::kReady;
  }
  if (result == ProcessState::kReady) {
    wait_at_exit();
    note_standard_error();
    g_alive.mask = ~uintptr_t{0};
    g_process.state.store(result, std::memory_order_release);
    // The main thread claims its lane now, while nothing forbids the few system calls, and tells
    // which modules there are.
    if (attach_thread(reinterpret_cast<uintptr_t>(__builtin_frame_address(0))) != nullptr) {
      record_module_changes();
      if (g_client.settings.number[kHttp] != 0) {
        const void* single_threaded = real_address(kReal___libc_single_threaded);
        if (single_threaded != nullptr) {
          g_single_threaded = static_cast<const char*>(single_threaded);
        }
        capture_http();
      }
    }
    if (g_process.stacktraces) watch_fatal_signals();
  } else {
    switch_hooks_off();
  }
  g_process.state.store(result, std::memory_order_release);
}

}  // namespace telinject::program

__attribute__((constructor)) static void telinject_constructor() {
  telinject::program::start_process();
}
