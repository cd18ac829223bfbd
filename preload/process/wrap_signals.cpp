// The functions that tell which handler a signal has: where it is ours, they say what would be
// there without us, the default. Async-signal-safe, as what is wrapped is.
#include <signal.h>

#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/start/crash.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

using Handler = void (*)(int);
using SetHandler = Handler (*)(int, Handler);
using Sigaction = int (*)(int, const struct sigaction*, struct sigaction*);

int set_action(RealSymbol symbol, int signal, const struct sigaction* action,
               struct sigaction* old) {
  auto function = real<Sigaction>(symbol);
  if (function == nullptr) return -1;
  int result = function(signal, action, old);
  if (result == 0 && old != nullptr &&
      is_crash_handler(reinterpret_cast<const void*>(old->sa_handler))) {
    *old = {};
  }
  return result;
}

Handler set_handler(RealSymbol symbol, int signal, Handler handler) {
  auto function = real<SetHandler>(symbol);
  if (function == nullptr) return SIG_ERR;
  Handler old = function(signal, handler);
  return is_crash_handler(reinterpret_cast<const void*>(old)) ? SIG_DFL : old;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int, sigaction, int signal, const struct sigaction* action,
                  struct sigaction* old) {
  return set_action(kReal_sigaction, signal, action, old);
}

TELINJECT_WRAPPER(int, __sigaction, int signal, const struct sigaction* action,
                  struct sigaction* old) {
  return set_action(kReal___sigaction, signal, action, old);
}

TELINJECT_WRAPPER(Handler, signal, int number, Handler handler) {
  return set_handler(kReal_signal, number, handler);
}

TELINJECT_WRAPPER(Handler, bsd_signal, int number, Handler handler) {
  return set_handler(kReal_bsd_signal, number, handler);
}

TELINJECT_WRAPPER(Handler, ssignal, int number, Handler handler) {
  return set_handler(kReal_ssignal, number, handler);
}

TELINJECT_WRAPPER(Handler, sysv_signal, int number, Handler handler) {
  return set_handler(kReal_sysv_signal, number, handler);
}

TELINJECT_WRAPPER(Handler, __sysv_signal, int number, Handler handler) {
  return set_handler(kReal___sysv_signal, number, handler);
}

TELINJECT_WRAPPER(Handler, sigset, int number, Handler handler) {
  return set_handler(kReal_sigset, number, handler);
}
