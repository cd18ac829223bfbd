// Joining a session: the memfd and a pidfd go to the drain over its socket, and nothing stays open.
// Failure is silent: the program runs on untraced.
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "preload/start/startup.h"
#include "shim/channel/message.h"
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

int connect_to(const sockaddr_un& address, uint32_t length, const Session& session) {
  if (length == 0) return -1;
  long fd = sys::call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  long result = sys::call(SYS_connect, fd, sys::arg(&address), length);
  if (!sys::failed(result) && is_our_drain(static_cast<int>(fd), session)) {
    return static_cast<int>(fd);
  }
  sys::close(static_cast<int>(fd));
  return -1;
}

int connect_session(const Session& session) {
  sockaddr_un address;
  int fd = connect_to(address, session_path_address(session, &address), session);
  if (fd >= 0) return fd;
  return connect_to(address, session_abstract_address(session, &address), session);
}

}  // namespace

bool hand_over(const Session& session, int memfd, UntracedReason reason) {
  int fd = connect_session(session);
  if (fd < 0) return false;
  int pidfd = static_cast<int>(sys::call(SYS_pidfd_open, sys::getpid(), 0));
  Hello hello = {Hello::kMagic, kLayoutVersion, sys::getpid(), static_cast<uint32_t>(reason)};
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
  long result = sys::call(SYS_sendmsg, fd, sys::arg(&message), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (pidfd >= 0) sys::close(pidfd);
  sys::close(fd);
  return !sys::failed(result);
}

}  // namespace telinject::program
