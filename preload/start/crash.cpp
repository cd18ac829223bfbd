// What the handler does is record and step aside: the kernel has reset the signal to its default
// (SA_RESETHAND), so the fault, once it is repeated, ends the process as ever: same status, same
// core. A signal that was sent rather than raised by an instruction is sent again as it was, and
// arrives when the handler returns, in the context that it interrupted.
//
// There is no stack of our own: where the program has no alternate one, an overflowing stack has no
// room for the handler, and the kernel ends the process without it.
//
// Async-signal-safe. Everything that may lie anywhere is read by a call that cannot fault.
#include "preload/start/crash.h"

#include <signal.h>
#include <ucontext.h>

#include "arch/x86_64/signal_frame.h"
#include "hooks/errors/error_records.h"
#include "hooks/lane/services.h"
#include "preload/real/resolve.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

// SIGSYS and SIGTRAP are not among them: after those the program would go on.
constexpr int kFatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kMaskBytes = 8;

// As the kernel has it.
struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};
constexpr unsigned long kRestorer = 0x04000000;  // SA_RESTORER

std::atomic<uint32_t> g_recorded;

TELINJECT_ARCH_SIGNAL_RETURN(telinject_signal_return);

// An alternate stack may be no larger than a signal frame.
bool has_room(uintptr_t sp) {
  constexpr uintptr_t kNeeded = 8 * 1024;
  stack_t alternate = {};
  if (sys::failed(sys::call(SYS_sigaltstack, 0, sys::arg(&alternate)))) return false;
  auto lo = reinterpret_cast<uintptr_t>(alternate.ss_sp);
  return alternate.ss_size == 0 || sp - lo >= alternate.ss_size || sp - lo >= kNeeded;
}

// What libc has said before it aborts: a failed assertion, a corrupt heap, a smashed stack.
size_t last_words(char* out, size_t capacity) {
  auto variable = reinterpret_cast<uintptr_t>(real_address(kReal___abort_msg));
  uintptr_t message = 0;
  if (variable == 0 || !peek_memory(variable, &message, sizeof message) || message == 0) return 0;
  return copy_string(message + sizeof(unsigned), out, capacity);
}

void record(int signal, const siginfo_t* info, const ucontext_t* context, uintptr_t sp) {
  uint32_t none = 0;
  if (!g_recorded.compare_exchange_strong(none, 1) || !has_room(sp)) return;
  // The child of vfork dies on its own.
  if (g_alive.mask != 0 && sys::getpid() != g_process.pid) {
    g_recorded.store(0);
    return;
  }
  CrashMessage crash = {};
  crash.signal = signal;
  crash.code = info->si_code;
  if (info->si_code > 0) {
    crash.address = reinterpret_cast<uintptr_t>(info->si_addr);
  } else {
    crash.sender = info->si_pid;
  }
  note_crash(crash, arch::interrupted_registers(context), signal == SIGABRT ? last_words : nullptr,
             sp);
}

void on_fatal_signal(int signal, siginfo_t* info, void* context) {
  record(signal, info, static_cast<const ucontext_t*>(context),
         reinterpret_cast<uintptr_t>(__builtin_dwarf_cfa()));
  // A fault is raised again by the instruction itself, a memory error that was found in passing
  // not.
  bool repeats = info->si_code > 0 && !(signal == SIGBUS && info->si_code == BUS_MCEERR_AO);
  if (!repeats) {
    sys::call(SYS_rt_tgsigqueueinfo, sys::getpid(), sys::gettid(), signal, sys::arg(info));
  }
}

}  // namespace

void watch_fatal_signals() {
  for (int signal : kFatal) {
    KernelAction old = {};
    if (sys::failed(sys::call(SYS_rt_sigaction, signal, 0, sys::arg(&old), kMaskBytes)) ||
        old.handler != nullptr) {
      continue;
    }
    KernelAction ours = {on_fatal_signal, SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | kRestorer,
                         telinject_signal_return, 0};
    sys::call(SYS_rt_sigaction, signal, sys::arg(&ours), 0, kMaskBytes);
  }
}

bool unwatch_fatal_signals() {
  bool any = false;
  for (int signal : kFatal) {
    KernelAction ours = {};
    if (sys::failed(sys::call(SYS_rt_sigaction, signal, 0, sys::arg(&ours), kMaskBytes)) ||
        ours.handler != on_fatal_signal) {
      continue;
    }
    KernelAction standard = {};
    sys::call(SYS_rt_sigaction, signal, sys::arg(&standard), 0, kMaskBytes);
    any = true;
  }
  return any;
}

bool is_crash_handler(const void* handler) {
  return handler == reinterpret_cast<const void*>(&on_fatal_signal);
}

}  // namespace telinject::program
