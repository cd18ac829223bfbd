// Joining a session: the memfd and a pidfd go to the drain over its socket, and nothing stays open.
// Failure is silent: the program runs on untraced.
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "preload/start/startup.h"
#include "shim/channel/hello.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

// Only root, or the user that telrun ran as, may be listening by that name.
bool is_our_drain(int fd, const Session& session) {
  ucred peer = {};
  unsigned length = sizeof peer;
  long result =
      sys::call(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, sys::arg(&peer), sys::arg(&length));
  return !sys::failed(result) && (peer.uid == 0 || peer.uid == session.uid);
}

// All of hand_over() takes this long at most: a drain that is stopped, or crowded, must not hold up
// the program's start.
constexpr int64_t kPatienceNs = 2000000000;
constexpr int64_t kBetweenTriesNs = 1000000;
// The shortest wait that can be asked for: no wait at all would mean one without end.
constexpr int64_t kLeastWaitNs = 1000;
constexpr long kInterrupted = -4, kTryAgain = -11,
               kTooManyOnTheWay = -109;  // EINTR, EAGAIN, ETOOMANYREFS

bool is_over(int64_t deadline) {
  return sys::clock_ns(CLOCK_MONOTONIC) >= deadline;
}

// Waits for a place in the queue of connections, which may be full: another user can crowd the
// abstract name. (Only a holder of the secret can crowd the path.) Tries once in any case.
long connect_until(int64_t deadline, int fd, const sockaddr_un& address, uint32_t length) {
  for (;;) {
    int64_t left = deadline - sys::clock_ns(CLOCK_MONOTONIC);
    if (left < kLeastWaitNs) left = kLeastWaitNs;
    timeval patience = {left / 1000000000, left % 1000000000 / 1000};
    long limited = sys::call(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, sys::arg(&patience),
                             sizeof patience);
    if (sys::failed(limited)) return kTryAgain;  // connect(2) might never return
    long result = sys::call(SYS_connect, fd, sys::arg(&address), length);
    if (result != kInterrupted) return result;
    if (is_over(deadline)) return kTryAgain;
  }
}

struct Connecting {
  int fd = -1;
  // A drain may be there, but has not answered in time.
  bool refused = false;
};

// False: there is no connection to our drain at this address.
bool connect_to(const sockaddr_un& address, uint32_t length, const Session& session,
                int64_t deadline, Connecting* out) {
  if (length == 0) return false;
  long result = sys::call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (result < 0) return false;
  int fd = static_cast<int>(result);
  long connected = connect_until(deadline, fd, address, length);
  if (connected == kTryAgain) out->refused = true;
  if (!sys::failed(connected) && is_our_drain(fd, session)) {
    out->fd = fd;
    return true;
  }
  sys::close(fd);
  return false;
}

Connecting connect_session(const Session& session, int64_t deadline) {
  Connecting made;
  sockaddr_un address;
  uint32_t length = session_path_address(session, &address);
  if (connect_to(address, length, session, deadline, &made)) return made;
  length = session_abstract_address(session, &address);
  connect_to(address, length, session, deadline, &made);
  return made;
}

// The kernel limits the descriptors that a user's processes have sent and that have not arrived.
// Where many programs start at once, those of the others have to arrive first.
long send_until(int64_t deadline, int fd, const msghdr& message) {
  for (;;) {
    long result = sys::call(SYS_sendmsg, fd, sys::arg(&message), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (result != kTooManyOnTheWay || is_over(deadline)) return result;
    timespec pause = {0, kBetweenTriesNs};
    sys::call(SYS_nanosleep, sys::arg(&pause), 0);
  }
}

Hello hello_of(const Session& session, UntracedReason reason) {
  Hello hello = {Hello::kMagic, kLayoutVersion, sys::getpid(), static_cast<uint32_t>(reason), {}};
  for (size_t i = 0; i < kSecretBytes; i++) hello.secret[i] = session.secret[i];
  return hello;
}

}  // namespace

HandOver hand_over(const Session& session, int memfd, UntracedReason reason) {
  int64_t deadline = sys::clock_ns(CLOCK_MONOTONIC) + kPatienceNs;
  Connecting connecting = connect_session(session, deadline);
  int fd = connecting.fd;
  if (fd < 0) return connecting.refused ? HandOver::kRefused : HandOver::kNoDrain;
  int pidfd = -1;
  if (memfd >= 0) pidfd = static_cast<int>(sys::call(SYS_pidfd_open, sys::getpid(), 0));
  Hello hello = hello_of(session, reason);
  int fds[2];
  size_t count = 0;
  if (memfd >= 0) fds[count++] = memfd;
  if (pidfd >= 0) fds[count++] = pidfd;
  iovec data = {&hello, sizeof hello};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++) reinterpret_cast<int*>(CMSG_DATA(header))[i] = fds[i];
  }
  long result = send_until(deadline, fd, message);
  if (result == kTooManyOnTheWay) {
    hello.untraced_reason = static_cast<uint32_t>(UntracedReason::kNoDescriptor);
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    sys::call(SYS_sendmsg, fd, sys::arg(&message), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (pidfd >= 0) sys::close(pidfd);
  sys::close(fd);
  if (result == kTooManyOnTheWay) return HandOver::kRefused;
  return sys::failed(result) ? HandOver::kNoDrain : HandOver::kJoined;
}

}  // namespace telinject::program
