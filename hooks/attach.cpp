#include "hooks/attach.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include "hooks/messages.h"
#include "hooks/services.h"
#include "hooks/slow_path.h"
#include "hooks/space.h"
#include "hooks/stacks.h"
#include "hooks/unwind.h"
#include "shim/channel/clock.h"
#include "shim/channel/message.h"
#include "shim/channel/syscall.h"

namespace telinject {

namespace {

// Zero until the loader has copied the library's thread-local image: hooks of ifunc resolvers run
// before that, and whatever they stored would be lost.
__thread uint32_t t_loaded __attribute__((tls_model("initial-exec"))) = 1;

// The stack of the thread that forked, for the child's one thread.
Stack g_forked_stack;

LaneHeader* lane_header(uintptr_t ring) {
  return reinterpret_cast<LaneHeader*>(ring + g_process.ring_bytes + kSpillBytes);
}

uint32_t group_of(uint32_t lane) {
  uint32_t group = 0;
  while (lane >= group_first_lane(group) + group_lanes(group)) group++;
  return group;
}

// Private memory for a group's lanes, and the table entries that make it usable.
bool adopt_group(uint32_t group, uintptr_t base) {
  size_t bytes = group_lanes(group) * sizeof(Lane);
  bytes = (bytes + kPageBytes - 1) & ~size_t{kPageBytes - 1};
  long lanes = sys::call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (sys::failed(lanes)) return false;
  g_process.group_base[group] = base;
  g_process.group_lanes[group] = reinterpret_cast<Lane*>(lanes);
  g_process.mapped_groups.store(group + 1, std::memory_order_release);
  return true;
}

// Maps the next group of lanes. mremap(2) with an old size of 0 makes a second mapping of the same
// pages, of any length: started from the last mapped page, which is the next group's first, it
// reaches further into the memfd without a descriptor.
bool grow() {
  uint32_t none = 0;
  if (!g_process.growing.compare_exchange_strong(none, 1)) return false;
  uint32_t group = g_process.mapped_groups.load(std::memory_order_acquire);
  bool grown = false;
  if (group < kMaxGroups && group_first_lane(group) + group_lanes(group) <= g_process.lane_count &&
      g_process.restricted.load(std::memory_order_relaxed) == 0) {
    uint64_t stride = lane_stride(g_process.ring_bytes);
    uintptr_t anchor = g_process.group_base[group - 1] + group_lanes(group - 1) * stride;
    long base =
        sys::call(SYS_mremap, static_cast<long>(anchor), 0,
                  static_cast<long>(group_lanes(group) * stride + kPageBytes), MREMAP_MAYMOVE);
    grown = !sys::failed(base) && adopt_group(group, static_cast<uintptr_t>(base));
  }
  g_process.growing.store(0, std::memory_order_release);
  return grown;
}

uintptr_t ring_address(uint32_t index) {
  uint32_t group = group_of(index);
  return g_process.group_base[group] +
         (index - group_first_lane(group)) * lane_stride(g_process.ring_bytes);
}

// Sets a clear bit of the map of claimed lanes; -1 if the mapped lanes are all taken.
int claim_bit(uint32_t lanes) {
  std::atomic<uint64_t>* map = g_process.segment->claimed;
  for (uint32_t word = 0; word * 64 < lanes; word++) {
    uint64_t mapped = lanes - word * 64 >= 64 ? ~uint64_t{0} : (uint64_t{1} << (lanes % 64)) - 1;
    uint64_t taken = map[word].load(std::memory_order_relaxed);
    while ((~taken & mapped) != 0) {
      uint64_t bit = ~taken & mapped;
      bit &= ~bit + 1;
      taken = map[word].fetch_or(bit, std::memory_order_acq_rel);
      if ((taken & bit) == 0) return static_cast<int>(word * 64) + __builtin_ctzll(bit);
    }
  }
  return -1;
}

bool any_lane_has_ended(uint32_t lanes) {
  for (uint32_t lane = 0; lane < lanes; lane++) {
    const LaneHeader* header = lane_header(ring_address(lane));
    if ((header->owner.word.load(std::memory_order_relaxed) & kOwnerDied) != 0) return true;
  }
  return false;
}

// While another thread maps lanes, or until the drain has freed one: in the blocking mode in any
// case, else for a moment and if there is one to be freed (a program of thousands of short threads,
// while the drain gets no processor). Signals are blocked on the way here, so whoever is waited for
// gets on with it.
bool wait_for_lane(uint32_t groups, int* patience) {
  constexpr long kPauseNs = 200000;
  constexpr int kMoment = 2500;  // half a second, once until a lane was free again
  if (g_process.growing.load(std::memory_order_acquire) != 0) {
    sys::call(SYS_sched_yield);
    return --*patience > 0;
  }
  if (g_process.mapped_groups.load(std::memory_order_acquire) != groups) return true;
  if (g_process.restricted.load() != 0 || drain_has_gone()) return false;
  if (g_process.on_full != kBlock) {
    if (g_process.lanes_short.load(std::memory_order_relaxed) != 0) return false;
    if (*patience > kMoment) *patience = kMoment;
    if (!any_lane_has_ended(group_first_lane(groups - 1) + group_lanes(groups - 1))) return false;
    if (*patience == 1) g_process.lanes_short.store(1, std::memory_order_relaxed);
    ring_doorbell();
  }
  long pause[2] = {0, kPauseNs};
  sys::call(SYS_nanosleep, sys::arg(pause), 0);
  return --*patience > 0;
}

Lane* claim_free_lane() {
  constexpr int kPatience = 50000;  // ten seconds, or that many turns given to others
  int patience = kPatience;
  for (;;) {
    uint32_t groups = g_process.mapped_groups.load(std::memory_order_acquire);
    int index = claim_bit(group_first_lane(groups - 1) + group_lanes(groups - 1));
    if (index >= 0) {
      g_process.lanes_short.store(0, std::memory_order_relaxed);
      uint32_t group = group_of(static_cast<uint32_t>(index));
      Lane* lane =
          &g_process.group_lanes[group][static_cast<uint32_t>(index) - group_first_lane(group)];
      *lane = {};
      lane->index = static_cast<uint32_t>(index);
      lane->ring = ring_address(lane->index);
      lane->header = lane_header(lane->ring);
      return lane;
    }
    if (!grow() && !wait_for_lane(groups, &patience)) return nullptr;
  }
}

// Puts the lane's owner word on the thread's robust list, through libc, which owns that list. The
// kernel then marks the end of the thread whatever it is: return, pthread_exit, cancel, a raw exit,
// SIGKILL, exec. libc stores the thread id in the word, which spares us a system call.
int32_t own_lane(LaneHeader* header) {
  constexpr int kRobust = 1, kShared = 1;
  const LibcFunctions& libc = g_process.libc;
  if (libc.mutex_lock == nullptr || libc.mutexattr_setrobust == nullptr) {
    header->owner.word.store(0, std::memory_order_relaxed);
    return sys::gettid();
  }
  uint64_t attributes[2] = {};
  libc.mutexattr_init(attributes);
  libc.mutexattr_setrobust(attributes, kRobust);
  libc.mutexattr_setpshared(attributes, kShared);
  libc.mutex_init(&header->owner, attributes);
  libc.mutex_lock(&header->owner);
  return static_cast<int32_t>(header->owner.word.load(std::memory_order_relaxed) & kOwnerTidMask);
}

void announce_thread(Lane* lane) {
  ThreadMessage message = {};
  message.pid = g_process.pid;
  message.tid = lane->tid;
  message.process = g_process.id;
  message.parent_process = g_process.parent_id;
  message.context = lane->context;
  message.spawned_by = t_birth.spawned_by;
  message.stack_lo = lane->stacks[0].lo;
  message.stack_hi = lane->stacks[0].hi;
  if (g_process.restricted.load(std::memory_order_relaxed) == 0) {
    sys::call(SYS_prctl, PR_GET_NAME, sys::arg(message.name));
  }
  write_message(lane, MessageType::kThread, &message, sizeof message);
}

// What a child continues whose fork we did not see (a raw clone): the trace of the forking thread.
void inherit_open_root(const Lane* parent) {
  const Root& root = parent->stacks[parent->current].root;
  if (!root.open) return;
  t_birth.context = root.context;
  t_birth.spawned_by = {};
  if (root.recorded) t_birth.context.span_id = span_id(g_process.key, parent->index, root.position);
}

// A forked child's only thread has the process's id. Under a seccomp filter it is asked of libc,
// which stores it in a mutex (its third word) that is locked.
int32_t pid_of_child() {
  const LibcFunctions& libc = g_process.libc;
  bool ask_kernel = g_process.restricted.load(std::memory_order_relaxed) == 0;
  if (ask_kernel || libc.mutex_lock == nullptr) return sys::getpid();
  alignas(16) int32_t mutex[16] = {};
  libc.mutex_init(mutex, nullptr);
  libc.mutex_lock(mutex);
  return mutex[2];
}

// A forked child's first call. Its memory is a copy of its parent's, its lanes are the parent's
// threads'; it claims lanes of its own in the mapping that it inherited, which needs no system call
// that a sandbox could forbid. It has one thread; should it have made more before its first call,
// one of them does this and the others' calls until then are lost.
bool start_child() {
  uint32_t none = 0;
  if (!g_alive.starting.compare_exchange_strong(none, 1)) return false;
  g_process.parent_id = g_process.id;
  g_process.pid = pid_of_child();
  g_process.id =
      keyed_mix(g_process.id ^ read_tsc(), g_process.key.k0, static_cast<uint64_t>(g_process.pid)) |
      1;
  g_process.growing.store(0, std::memory_order_relaxed);
  g_process.recorded.store(0, std::memory_order_relaxed);
  reset_services_in_child();
  if (t_hook.lane != nullptr) {
    if (!t_birth.of_fork) inherit_open_root(t_hook.lane);
    g_forked_stack = t_hook.lane->stacks[0];
  }
  t_birth.of_fork = false;
  t_hook = {};
  g_alive.mask = ~uintptr_t{0};
  return true;
}

bool may_attach() {
  if (t_loaded == 0) {
    count_loss(LossReason::kEarly);
    return false;
  }
  ProcessState state = g_process.state.load(std::memory_order_acquire);
  if (state == ProcessState::kNotStarted) {
    start_process();
    state = g_process.state.load(std::memory_order_acquire);
  }
  if (state != ProcessState::kReady) return false;
  if (g_alive.mask == 0) return start_child();
  // The child of vfork, and a task of clone(CLONE_VM), run in our memory but are another process:
  // they may append to the lane of the thread whose storage they share, but not set up anything.
  if (g_process.restricted.load(std::memory_order_relaxed) == 0 && sys::getpid() != g_process.pid) {
    count_loss(LossReason::kForeignTask);
    return false;
  }
  return true;
}

void claim(uintptr_t sp) {
  Lane* lane = claim_free_lane();
  if (lane == nullptr) {
    count_loss(LossReason::kNoLane);
    return;
  }
  lane->tid = own_lane(lane->header);
  uint64_t start = lane->header->start.load(std::memory_order_acquire);
  lane->lap = position_lap(start);
  t_hook = {};
  t_hook.cursor = lane->ring + position_offset(start);
  lane->context = t_birth.context;
  if (sp - g_forked_stack.lo < g_forked_stack.hi - g_forked_stack.lo) {
    set_home_stack(lane, g_forked_stack.lo, g_forked_stack.hi);
  } else {
    find_home_stack(lane, sp, t_birth.stack_bytes);
  }
  refresh_limits(lane);
  // Lanes that have ended are freed by the drain: it should be awake while they are being used up.
  ring_doorbell();
  announce_thread(lane);
  t_hook.lane = lane;
  publish_hook_state(lane);
}

}  // namespace

Lane* attach_thread(uintptr_t sp) {
  if (!may_attach()) return nullptr;
  if (g_process.restricted.load(std::memory_order_relaxed) != 0) {
    claim(sp);
  } else {
    sys::SignalsBlocked blocked;
    if (t_hook.lane == nullptr) claim(sp);
  }
  return t_hook.lane;
}

bool map_first_group() {
  return adopt_group(0, reinterpret_cast<uintptr_t>(g_process.segment) + sizeof(SegmentHeader));
}

void note_ended_lanes(uintptr_t sp) {
  uint32_t groups = g_process.mapped_groups.load(std::memory_order_acquire);
  uint32_t lanes = group_first_lane(groups - 1) + group_lanes(groups - 1);
  for (uint32_t word = 0; word * 64 < lanes; word++) {
    uint64_t claimed = g_process.segment->claimed[word].load(std::memory_order_acquire);
    for (; claimed != 0; claimed &= claimed - 1) {
      uint32_t lane = word * 64 + static_cast<uint32_t>(__builtin_ctzll(claimed));
      if (lane >= lanes) break;
      LaneHeader* header = lane_header(ring_address(lane));
      if ((header->owner.word.load(std::memory_order_acquire) & kOwnerDied) != 0) {
        note_event(ControlKind::kLaneEnded, lane, sp);
      }
    }
  }
}

uint64_t next_root_number(Lane* lane) {
  uint64_t number = lane->header->roots.load(std::memory_order_relaxed) + 1;
  lane->header->roots.store(number, std::memory_order_relaxed);
  return number;
}

}  // namespace telinject
