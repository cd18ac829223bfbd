// How much memory tracing may take, so that a program under limits does not notice it.
#pragma once

#include <cstdint>

namespace telinject {

inline constexpr uint64_t kLeastWaitingBytes = uint64_t{4} << 20;
inline constexpr uint64_t kUsualWaitingBytes = uint64_t{256} << 20;
inline constexpr uint64_t kMostWaitingBytes = uint64_t{1} << 40;

// The memory in which records may wait, in lanes and drain together: what the user wants, or, where
// that is 0, an eighth of what the machine and this process's control group have, from
// kLeastWaitingBytes to kUsualWaitingBytes. Without an opinion of the user's it reads
// /proc/self/cgroup and the group's files: some 50 us, so once a session. Raw system calls, no
// heap.
uint64_t waiting_bytes(uint64_t wanted);

// The same from what there is.
uint64_t waiting_bytes_of(uint64_t memory);

}  // namespace telinject
