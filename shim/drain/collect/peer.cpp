#include "shim/drain/collect/peer.h"

#include <sys/socket.h>

#include <cerrno>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace telinject::drain {

Peer peer_of(int socket) {
  ucred credentials = {};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return {};
  return {credentials.pid, credentials.uid, credentials.gid};
}

std::vector<uint32_t> peer_groups(int socket) {
  static_assert(sizeof(gid_t) == sizeof(uint32_t));
  std::vector<uint32_t> groups(32);
  for (;;) {
    auto length = static_cast<socklen_t>(groups.size() * sizeof(uint32_t));
    int result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length);
    bool larger = result != 0 && errno == ERANGE && length > groups.size() * sizeof(uint32_t);
    groups.resize(result == 0 || larger ? length / sizeof(uint32_t) : 0);
    if (!larger) return groups;
  }
}

int peer_pidfd(int socket) {
  int pidfd = -1;
  socklen_t length = sizeof pidfd;
  return getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0 ? pidfd : -1;
}

}  // namespace telinject::drain
