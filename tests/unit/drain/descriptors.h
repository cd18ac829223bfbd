// Descriptors that are sent over sockets, and one whose close waits.
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace telinject::test {

inline bool send_with(int socket, const void* data, size_t bytes, const std::vector<int>& fds) {
  iovec vector = {const_cast<void*>(data), bytes};
  std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
}

// A TCP socket that lingers for an hour with data that is never taken: the last to close it waits.
// -1 if there is no loopback. The peer's end is in *listener, never accepted.
inline int lingering_socket(int* listener) {
  *listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(*listener, any, length) != 0 || listen(*listener, 1) != 0 ||
      getsockname(*listener, any, &length) != 0 || connect(client, any, length) != 0) {
    return -1;
  }
  fcntl(client, F_SETFL, O_NONBLOCK);
  static const char data[65536] = {};
  while (write(client, data, sizeof data) > 0) {
  }
  linger hour = {1, 3600};
  return setsockopt(client, SOL_SOCKET, SO_LINGER, &hour, sizeof hour) == 0 ? client : -1;
}

}  // namespace telinject::test
