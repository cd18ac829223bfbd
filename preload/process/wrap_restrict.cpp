// Sandboxes: once a program installs a seccomp filter, the hooks make no system call any more, for
// the filter may kill for it; records need none. In strict mode, and after PR_TSC_SIGSEGV, even
// reading the clock is forbidden to the thread (hooks/calls/untimed.h).
//
// What is asked for is prepared for before the call, since nothing may happen between the filter
// and that; and taken back if the call fails. libseccomp, for one, tries out what the kernel knows.
//
// prctl and syscall are variadic; on x86-64 their arguments are in registers, so passing on six
// passes on all.
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "hooks/calls/attach.h"
#include "hooks/calls/untimed.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/start/crash.h"
#include "preload/start/startup.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

enum class Wish { kNothing, kFilter, kStrict, kNoClock, kClock };

Wish wish_of_seccomp(long operation) {
  if (operation == SECCOMP_SET_MODE_STRICT) return Wish::kStrict;
  return operation == SECCOMP_SET_MODE_FILTER ? Wish::kFilter : Wish::kNothing;
}

Wish wish_of_prctl(long option, long argument) {
  if (option == PR_SET_SECCOMP) {
    return argument == SECCOMP_MODE_STRICT ? Wish::kStrict : Wish::kFilter;
  }
  if (option != PR_SET_TSC) return Wish::kNothing;
  return argument == PR_TSC_SIGSEGV ? Wish::kNoClock : Wish::kClock;
}

// A filter for all threads that cannot be had names a thread that is in the way.
bool has_failed(Wish wish, long flags, long result) {
  constexpr long kListener = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  bool named_thread = wish == Wish::kFilter && (flags & SECCOMP_FILTER_FLAG_TSYNC) != 0 &&
                      (flags & kListener) == 0 && result > 0;
  return result < 0 || named_thread;
}

class Restriction {
 public:
  explicit Restriction(Wish wish) : wish_(is_traced() ? wish : Wish::kNothing) {
    bool restricts = wish_ == Wish::kFilter || wish_ == Wish::kStrict;
    if (restricts) {
      if (wish_ == Wish::kFilter) map_before_restriction();
      g_process.restricted.fetch_add(1);
      g_process.segment->no_doorbell.fetch_add(1);
    }
    // In strict mode the handler of fatal signals cannot record anything, and its system calls
    // would kill the thread.
    unwatched_ = wish_ == Wish::kStrict && g_process.stacktraces &&
                 g_process.restricted.load() == 1 && unwatch_fatal_signals();
    if (wish_ != Wish::kStrict && wish_ != Wish::kNoClock) return;
    was_untimed_ = t_untimed.on;
    forbid_clock();
  }
  ~Restriction() {
    if (wish_ == Wish::kClock && !failed_) allow_clock();
    if (!failed_) return;
    if ((wish_ == Wish::kStrict || wish_ == Wish::kNoClock) && !was_untimed_) allow_clock();
    if (unwatched_) watch_fatal_signals();
    if (wish_ != Wish::kFilter && wish_ != Wish::kStrict) return;
    g_process.segment->no_doorbell.fetch_sub(1);
    g_process.restricted.fetch_sub(1);
  }
  Restriction(const Restriction&) = delete;
  Restriction& operator=(const Restriction&) = delete;

  template <typename Result>
  Result result(Result result, long flags = 0) {
    failed_ = has_failed(wish_, flags, result);
    return result;
  }

 private:
  Wish wish_;
  bool was_untimed_ = false, unwatched_ = false, failed_ = false;
};

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int, prctl, long option, long a, long b, long c, long d) {
  Restriction restriction(wish_of_prctl(static_cast<int>(option), a));
  auto function = real<int (*)(long, long, long, long, long)>(kReal_prctl);
  return restriction.result(function(option, a, b, c, d));
}

TELINJECT_WRAPPER(int, seccomp, long operation, long flags, void* argument) {
  Restriction restriction(wish_of_seccomp(static_cast<int>(operation)));
  auto function = real<int (*)(long, long, void*)>(kReal_seccomp);
  return restriction.result(function(operation, flags, argument), flags);
}

TELINJECT_WRAPPER(long, syscall, long number, long a, long b, long c, long d, long e, long f) {
  Wish wish = number == SYS_prctl     ? wish_of_prctl(static_cast<int>(a), b)
              : number == SYS_seccomp ? wish_of_seccomp(static_cast<int>(a))
                                      : Wish::kNothing;
  Restriction restriction(wish);
  using Function = long (*)(long, long, long, long, long, long, long);
  long result = real<Function>(kReal_syscall)(number, a, b, c, d, e, f);
  // Libcs before 2.36 have no function for it.
  if (number == SYS_pidfd_getfd) descriptor_arrived(static_cast<int>(result));
  return restriction.result(result, number == SYS_seccomp ? b : 0);
}
