// Who is at the other end of a connection, by the kernel's word, as of when it connected.
#pragma once

#include <cstdint>
#include <vector>

namespace telinject::drain {

struct Peer {
  int pid = 0;  // 0: in a PID namespace that cannot be seen from ours
  uint32_t uid = ~uint32_t{0}, gid = ~uint32_t{0};
};

Peer peer_of(int socket);
// Its supplementary groups.
std::vector<uint32_t> peer_groups(int socket);
// A pidfd of it, to be closed by the caller; -1 where the kernel knows none (before Linux 6.5, or
// it is gone).
int peer_pidfd(int socket);

}  // namespace telinject::drain
