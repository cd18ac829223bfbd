// Waiting for descriptors: where a turn of an event loop begins (turns.h), and for which of them.
// Async-signal-safe where the functions are; errno is theirs.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

#include "hooks/http/turns.h"
#include "preload/net/socket_call.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"

namespace telinject::program {

namespace {

constexpr int64_t kNoLimit = -1;
constexpr int64_t kLongestSeconds = 1'000'000'000;

// Limits of waits, in nanoseconds. Asked only where turns matter.
// What makes no sense, the kernel refuses.
int64_t limit_of(int64_t seconds, int64_t part, int64_t ns_of_part) {
  bool sane = seconds >= 0 && seconds <= kLongestSeconds && part >= 0 && part <= kLongestSeconds;
  return sane ? seconds * 1'000'000'000 + part * ns_of_part : kNoLimit;
}
int64_t limit_of(int milliseconds) {
  return milliseconds < 0 ? kNoLimit : int64_t{milliseconds} * 1'000'000;
}
int64_t limit_of(const timespec* time) {
  return time == nullptr ? kNoLimit : limit_of(time->tv_sec, time->tv_nsec, 1);
}
int64_t limit_of(const timeval* time) {
  return time == nullptr ? kNoLimit : limit_of(time->tv_sec, time->tv_usec, 1000);
}

// Calls, and tells the wait what it has found.
template <typename Limit, typename Call>
int wait_for_events(const epoll_event* events, Limit limit, Call&& call) {
  note_loop();
  if (!turns_matter()) return call();
  Wait wait(limit_of(limit));
  int ready = call();
  wait.over_with_event(ready, ready > 0 ? events[0].data.u64 : 0);
  return ready;
}

template <typename Call>
int wait_for_polled(const pollfd* polled, uint64_t count, int64_t limit_ns, Call&& call) {
  Wait wait(limit_ns);
  int ready = call();
  int fd = -1;
  for (uint64_t i = 0; ready == 1 && fd < 0 && i < count; i++) {
    if (polled[i].revents != 0) fd = polled[i].fd;
  }
  wait.over_with_descriptor(ready, fd);
  return ready;
}

// The lowest descriptor of a set; -1 if there is none.
int descriptor_in(const fd_set* set, int count) {
  constexpr int kBits = 8 * sizeof(unsigned long);
  if (set == nullptr) return -1;
  const auto* words = reinterpret_cast<const unsigned long*>(set);
  for (int i = 0; i * kBits < count; i++) {
    if (words[i] != 0) return i * kBits + __builtin_ctzl(words[i]);
  }
  return -1;
}

template <typename Call>
int wait_for_selected(int count, const fd_set* const (&sets)[3], int64_t limit_ns, Call&& call) {
  Wait wait(limit_ns);
  int ready = call();
  int fd = -1;
  for (int i = 0; ready == 1 && fd < 0 && i < 3; i++) fd = descriptor_in(sets[i], count);
  wait.over_with_descriptor(ready, fd);
  return ready;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int, epoll_ctl, int epoll, int operation, int fd, epoll_event* event) {
  int result =
      real<int (*)(int, int, int, epoll_event*)>(kReal_epoll_ctl)(epoll, operation, fd, event);
  bool known = operation != EPOLL_CTL_DEL && event != nullptr;
  if (result == 0) descriptor_awaits_event(fd, known ? event->data.u64 : 0);
  return result;
}

TELINJECT_WRAPPER(int, epoll_wait, int epoll, epoll_event* events, int count, int timeout) {
  auto function = real<int (*)(int, epoll_event*, int, int)>(kReal_epoll_wait);
  return wait_for_events(events, timeout, [&] { return function(epoll, events, count, timeout); });
}

TELINJECT_WRAPPER(int, epoll_pwait, int epoll, epoll_event* events, int count, int timeout,
                  const sigset_t* mask) {
  auto function = real<int (*)(int, epoll_event*, int, int, const sigset_t*)>(kReal_epoll_pwait);
  return wait_for_events(events, timeout,
                         [&] { return function(epoll, events, count, timeout, mask); });
}

TELINJECT_WRAPPER(int, epoll_pwait2, int epoll, epoll_event* events, int count,
                  const timespec* timeout, const sigset_t* mask) {
  // From glibc 2.35 on. An older one is not searched for it at each call.
  auto function =
      known<int (*)(int, epoll_event*, int, const timespec*, const sigset_t*)>(kReal_epoll_pwait2);
  auto call = [&] {
    if (function != nullptr) return function(epoll, events, count, timeout, mask);
    constexpr long kMaskBytes = 8;
    return returned(sys::call(SYS_epoll_pwait2, epoll, sys::arg(events), count, sys::arg(timeout),
                              sys::arg(mask), kMaskBytes));
  };
  return wait_for_events(events, timeout, call);
}

TELINJECT_WRAPPER(int, poll, pollfd* polled, nfds_t count, int timeout) {
  auto function = real<int (*)(pollfd*, nfds_t, int)>(kReal_poll);
  if (!turns_matter()) return function(polled, count, timeout);
  return wait_for_polled(polled, count, limit_of(timeout),
                         [&] { return function(polled, count, timeout); });
}

TELINJECT_WRAPPER(int, __poll_chk, pollfd* polled, nfds_t count, int timeout, size_t room) {
  auto function = real<int (*)(pollfd*, nfds_t, int, size_t)>(kReal___poll_chk);
  if (!turns_matter()) return function(polled, count, timeout, room);
  return wait_for_polled(polled, count, limit_of(timeout),
                         [&] { return function(polled, count, timeout, room); });
}

TELINJECT_WRAPPER(int, ppoll, pollfd* polled, nfds_t count, const timespec* timeout,
                  const sigset_t* mask) {
  auto function = real<int (*)(pollfd*, nfds_t, const timespec*, const sigset_t*)>(kReal_ppoll);
  if (!turns_matter()) return function(polled, count, timeout, mask);
  return wait_for_polled(polled, count, limit_of(timeout),
                         [&] { return function(polled, count, timeout, mask); });
}

TELINJECT_WRAPPER(int, __ppoll_chk, pollfd* polled, nfds_t count, const timespec* timeout,
                  const sigset_t* mask, size_t room) {
  auto function =
      real<int (*)(pollfd*, nfds_t, const timespec*, const sigset_t*, size_t)>(kReal___ppoll_chk);
  if (!turns_matter()) return function(polled, count, timeout, mask, room);
  return wait_for_polled(polled, count, limit_of(timeout),
                         [&] { return function(polled, count, timeout, mask, room); });
}

TELINJECT_WRAPPER(int, select, int count, fd_set* readable, fd_set* writable, fd_set* failed,
                  timeval* timeout) {
  auto function = real<int (*)(int, fd_set*, fd_set*, fd_set*, timeval*)>(kReal_select);
  if (!turns_matter()) return function(count, readable, writable, failed, timeout);
  return wait_for_selected(count, {readable, writable, failed}, limit_of(timeout),
                           [&] { return function(count, readable, writable, failed, timeout); });
}

TELINJECT_WRAPPER(int, pselect, int count, fd_set* readable, fd_set* writable, fd_set* failed,
                  const timespec* timeout, const sigset_t* mask) {
  auto function = real<int (*)(int, fd_set*, fd_set*, fd_set*, const timespec*, const sigset_t*)>(
      kReal_pselect);
  if (!turns_matter()) return function(count, readable, writable, failed, timeout, mask);
  return wait_for_selected(count, {readable, writable, failed}, limit_of(timeout), [&] {
    return function(count, readable, writable, failed, timeout, mask);
  });
}
