#include "hooks/calls/attach.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include "arch/x86_64/tsc.h"
#include "hooks/calls/messages.h"
#include "hooks/calls/shared_stacks.h"
#include "hooks/calls/slow_path.h"
#include "hooks/calls/stacks.h"
#include "hooks/calls/untimed.h"
#include "hooks/calls/unwind.h"
#include "hooks/lane/chunks.h"
#include "hooks/lane/services.h"
#include "hooks/lane/space.h"
#include "shim/channel/message.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

// Zero until the loader has copied the library's thread-local image: hooks of ifunc resolvers run
// before that, and whatever they stored would be lost.
__thread uint32_t t_loaded __attribute__((tls_model("initial-exec"))) = 1;

// The stack of the thread that forked, for the child's one thread.
Stack g_forked_stack;

uint32_t group_of(uint32_t lane) {
  uint32_t group = 0;
  while (lane >= group_first_lane(group) + group_lanes(group)) group++;
  return group;
}

// Private memory for a group's lanes. Threads that add it at the same time keep the first one's.
bool add_lanes(uint32_t group) {
  if (group >= kMaxLaneGroups || group_first_lane(group) >= g_process.lane_count) return false;
  if (g_process.group_lanes[group].load(std::memory_order_acquire) != nullptr) return true;
  if (g_process.restricted.load(std::memory_order_relaxed) != 0) return false;
  long bytes = static_cast<long>(round_to_page(group_lanes(group) * sizeof(Lane)));
  long lanes = sys::call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (sys::failed(lanes)) return false;
  Lane* none = nullptr;
  if (!g_process.group_lanes[group].compare_exchange_strong(none, reinterpret_cast<Lane*>(lanes))) {
    sys::call(SYS_munmap, lanes, bytes);
  }
  return true;
}

// Lanes that this process can use, as far as private memory for them is there.
uint32_t usable_lanes() {
  uint32_t group = 0;
  while (group < kMaxLaneGroups && g_process.group_lanes[group].load() != nullptr) group++;
  if (group == 0) return 0;
  uint32_t lanes = group_first_lane(group - 1) + group_lanes(group - 1);
  return lanes < g_process.lane_count ? lanes : g_process.lane_count;
}

// Sets a clear bit of the map of claimed lanes; -1 if so many lanes are all taken.
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
    const LaneHeader* header = &g_process.lane_headers[lane];
    if ((header->owner.word.load(std::memory_order_relaxed) & kOwnerDied) != 0) return true;
  }
  return false;
}

// Until the drain has freed a lane: in the blocking mode in any case, else for a moment and if
// there is one to be freed (a program of thousands of short threads, while the drain gets no
// processor).
bool wait_for_lane(uint32_t lanes, int* patience) {
  constexpr long kPauseNs = 200000;
  constexpr int kMoment = 25000;  // five seconds, once until a lane was free again
  if (g_process.restricted.load() != 0 || drain_has_gone()) return false;
  if (g_process.on_full != kBlock) {
    if (g_process.lanes_short.load(std::memory_order_relaxed) != 0) return false;
    if (*patience > kMoment) *patience = kMoment;
    if (!any_lane_has_ended(lanes)) return false;
    if (*patience == 1) g_process.lanes_short.store(1, std::memory_order_relaxed);
    ring_doorbell();
  }
  long pause[2] = {0, kPauseNs};
  sys::call(SYS_nanosleep, sys::arg(pause), 0);
  return --*patience > 0;
}

Lane* claim_free_lane() {
  constexpr int kPatience = 50000;  // ten seconds
  int patience = kPatience;
  for (;;) {
    uint32_t lanes = usable_lanes();
    int index = claim_bit(lanes);
    if (index >= 0) {
      g_process.lanes_short.store(0, std::memory_order_relaxed);
      uint32_t group = group_of(static_cast<uint32_t>(index));
      Lane* lane = g_process.group_lanes[group].load() + static_cast<uint32_t>(index) -
                   group_first_lane(group);
      *lane = {};
      lane->index = static_cast<uint32_t>(index);
      lane->header = &g_process.lane_headers[index];
      lane->number = lane->header->start.load(std::memory_order_acquire);
      return lane;
    }
    bool more = lanes < g_process.lane_count && add_lanes(group_of(lanes));
    if (!more && !wait_for_lane(lanes, &patience)) return nullptr;
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
  message.spawned_by = t_spawn_context.spawned_by;
  message.stack_lo = lane->stacks[0].lo;
  message.stack_hi = lane->stacks[0].hi;
  if (g_process.restricted.load(std::memory_order_relaxed) == 0) {
    sys::call(SYS_prctl, PR_GET_NAME, sys::arg(message.name));
  }
  write_message(lane, MessageType::kThread, &message, sizeof message);
}

// What a child continues whose fork we did not see (a raw clone): the trace of the forking thread.
void inherit_open_root(const Lane* parent) {
  const Root& root = parent->current->root;
  if (!root.open) return;
  t_spawn_context.context = root.context;
  t_spawn_context.spawned_by = {};
  if (root.recorded)
    t_spawn_context.context.span_id = span_id(g_process.key, root.lane, root.position);
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
  if (!g_alive.starting.compare_exchange_strong(none, 1)) {
    count_loss(LossReason::kEarly);
    return false;
  }
  g_process.parent_id = g_process.id;
  g_process.pid = pid_of_child();
  g_process.served.store(0, std::memory_order_relaxed);
  g_process.id = keyed_mix(g_process.id ^ arch::read_tsc(), g_process.key.k0,
                           static_cast<uint64_t>(g_process.pid)) |
                 1;
  g_process.recorded.store(0, std::memory_order_relaxed);
  reset_services_in_child();
  if (t_hook.lane != nullptr) {
    if (!t_spawn_context.of_fork) inherit_open_root(t_hook.lane);
    g_forked_stack = t_hook.lane->stacks[0];
  }
  forget_all_shared_stacks();
  t_spawn_context.of_fork = false;
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
  if (!take_first_chunk(lane)) {
    count_loss(LossReason::kQueueFull);
    g_process.segment->claimed[lane->index / 64].fetch_and(~(uint64_t{1} << lane->index % 64),
                                                           std::memory_order_acq_rel);
    return;
  }
  lane->tid = own_lane(lane->header);
  t_hook = {};
  t_hook.cursor = lane->base;
  lane->context = t_spawn_context.context;
  // The thread that forked may have done so on a coroutine's stack.
  bool forked = sp - g_forked_stack.lo < g_forked_stack.hi - g_forked_stack.lo ||
                (g_forked_stack.hi != 0 && lane->tid == g_process.pid);
  if (forked) {
    set_home_stack(lane, g_forked_stack.lo, g_forked_stack.hi);
  } else {
    find_home_stack(lane, sp, t_spawn_context.stack_bytes);
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
  if (is_untimed() || !may_attach()) return nullptr;
  if (g_process.restricted.load(std::memory_order_relaxed) != 0) {
    claim(sp);
  } else {
    sys::SignalsBlocked blocked;
    if (t_hook.lane == nullptr) claim(sp);
  }
  return t_hook.lane;
}

bool add_first_lanes() {
  return add_lanes(0);
}

void map_before_restriction() {
  constexpr uint64_t kPoolBytes = 16 << 20;
  constexpr uint32_t kLanes = 64;
  if (g_process.state.load(std::memory_order_acquire) != ProcessState::kReady) return;
  map_ahead(kPoolBytes);
  for (uint32_t group = 0; group_first_lane(group) < kLanes && add_lanes(group); group++) {
  }
}

void note_ended_lanes(uintptr_t sp) {
  uint32_t lanes = usable_lanes();
  for (uint32_t word = 0; word * 64 < lanes; word++) {
    uint64_t claimed = g_process.segment->claimed[word].load(std::memory_order_acquire);
    for (; claimed != 0; claimed &= claimed - 1) {
      uint32_t lane = word * 64 + static_cast<uint32_t>(__builtin_ctzll(claimed));
      if (lane >= lanes) break;
      const LaneHeader& header = g_process.lane_headers[lane];
      if ((header.owner.word.load(std::memory_order_acquire) & kOwnerDied) != 0) {
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

}  // namespace telinject::program
