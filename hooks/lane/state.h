// The state behind the hooks.
//
// Safety class of everything here: async-signal-safe, no allocation, no lock, errno untouched.
//
// Fork. The state is in ordinary private memory, so a forked child has a copy of its parent's state
// that points into the same shared chunks. The child must never use it. Every fast path therefore
// masks its limit with g_alive.mask, a word on a page that the kernel wipes in a forked child
// (MADV_WIPEONFORK). In the child the limit is then 0, and the slow path gives it new state. This
// works for fork, _Fork and a raw clone(2). A vfork child is not affected, and need not be: it
// shares our memory.
#pragma once

#include <atomic>
#include <cstdint>

#include "arch/x86_64/tsc.h"
#include "shim/channel/ids.h"
#include "shim/channel/layout.h"
#include "shim/channel/message.h"
#include "shim/channel/record.h"
#include "shim/channel/settings.h"

#define TELINJECT_LIKELY(x) __builtin_expect(!!(x), 1)
#define TELINJECT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TELINJECT_COLD __attribute__((noinline, cold))

namespace telinject::program {

struct Lane;

// What the fast path reads: one cache line of thread-local storage. All zero is a valid state, in
// which every hook takes the slow path. A thread starts with it, and a hook that runs before the
// loader has set up thread-local storage sees it.
struct HookState {
  uintptr_t cursor;          // where the next record goes
  uintptr_t entry_limit;     // entries may be reserved while cursor is below
  uintptr_t exit_limit;      // exits may be reserved while cursor is below
  uintptr_t stack_lo;        // the current stack's lowest address ...
  uintptr_t entry_span;      // ... and the root's frame above it: an entry outside is a new root or
                             // on another stack
  uintptr_t root_call_site;  // an exit with this call site may end the root
  Lane* lane;                // null until the thread has claimed one
};

// What a thread or a forked child gets from its creator; used until it claims a lane.
struct SpawnContext {
  TraceContext context;
  RecordRef spawned_by;
  uint64_t stack_bytes;  // of a thread made by pthread_create; 0: not known
  bool of_fork;          // prepared by the fork wrapper, for the child
};

// __thread instead of thread_local, because no initialisation function may be called to reach them.
extern __thread HookState t_hook __attribute__((tls_model("initial-exec")));
extern __thread SpawnContext t_spawn_context __attribute__((tls_model("initial-exec")));

struct alignas(kPageBytes) AlivePage {
  uintptr_t mask;  // all ones while the hooks are on; 0 before, and in a forked child
  std::atomic<uint32_t> starting;  // taken by the first thread of a forked child
};
extern AlivePage g_alive;

// A trace's outermost call on a stack.
struct Root {
  uintptr_t sp, call_site, return_address, function;
  uint64_t position;     // of its entry record, if there is one
  uint32_t lane;         // ... which is in this lane: another thread may resume the stack
  TraceContext context;  // the trace; span_id is its parent's
  bool open;
  bool recorded;  // as context.sampled says, or because all is
};

enum class StackKind : uint8_t { kHome, kAlternate, kShared };

// A stack: [lo, hi). A thread's own stack and its alternate one are in its Lane. The stacks of
// coroutines, which any thread may resume, are in shared_stacks.h.
struct Stack {
  uintptr_t lo, hi;
  uint64_t id;  // of a shared one: the higher, the newer
  StackKind kind;
  bool exact;     // the bounds are known, and not only where calls were seen
  bool open_end;  // what was seen may not be all at the upper end
  bool fresh;     // the drain has not heard of it, and what it knows of that memory is over
  bool unsure;    // it may have been known before, and have calls open
  Root root;
  Lane* user;  // atomic: the thread whose current stack this is
};
inline constexpr uint32_t kOwnStacks = 2;

// The outermost call that is being dropped because the lane is full. A written entry cannot be
// taken back, so whole calls are dropped: this call and all calls below it, entries and exits.
struct DropState {
  uintptr_t sp, function, call_site, return_address;
  bool active;
  uint32_t inlined;  // calls in its own frame that were dropped and have not ended
};

// Records that did not fit and must be written before any other.
struct Pending {
  uint64_t lost;             // calls not recorded since the last record
  uint64_t merged;           // exits folded into `closed_sp`
  uintptr_t closed_sp;       // frames up to here are gone; 0: nothing pending
  uint32_t closed_function;  // low half of the last exit's function; 0 after an unwind
  // The first handler since the last record that an exception went to: unwind_word() or 0, pc, sp.
  uint64_t landed_word;
  uintptr_t landed_pc, landed_sp;
  uint64_t waited;  // ticks for which the thread waited for room since the last record
};

// The request that a thread serves. Its span is the thread's context (http/request_context.h).
struct ServedRequest {
  TraceContext context;  // of its span
  TraceContext outer;    // the lane's before
  uint64_t position;     // where its record is, or would be
  uint64_t connection;
  uint32_t exchange;
  bool adopted;
  bool ever;      // the thread has taken a request
  uint32_t over;  // atomic: another thread has ended it
  uint32_t open;  // atomic: requests that this thread has taken and that are open
};

// Limits how many stacks a thread records (errors/error_records.cpp).
struct Throttle {
  uint64_t window;   // when the current window began, in ticks
  uint32_t taken;    // stacks recorded in the window
  uint32_t passed;   // throws in the window
  uint32_t skipped;  // stacks skipped since the last one that was recorded
};

inline constexpr size_t kScratchBytes =
    sizeof(ThrowMessage) + kMaxStackFrames * sizeof(uint64_t) + kMaxTypeBytes + kMaxTextBytes;

// A change from one chunk to the next, which gets `number`. `from` is where the cursor was when it
// moved; 0: no change is active.
struct ChunkChange {
  uintptr_t from, old_base, next_base;
  uint32_t old_chunk, next_chunk;
  uint64_t number;
};

// A lane's private side. There is one per thread, in memory that only this process sees.
struct Lane {
  uint32_t index;
  int32_t tid;
  LaneHeader* header;
  // The chunk that is written to, with its number in the lane, and the records of the one before
  // it; 0: there is none.
  uintptr_t base;
  uint64_t number;
  uint32_t chunk;
  uintptr_t previous_base, previous_end;
  // The active change to another chunk. A signal handler may leave it half done.
  ChunkChange change;
  // Computed by refresh_limits(). HookState has them, or 0 while the slow path must see every call.
  uintptr_t entry_limit, exit_limit;
  bool only_exits;       // this chunk is for the ends of open calls: entries are refused
  bool gave_up_waiting;  // in the dropping mode, since there was last room for entries
  uintptr_t granted;     // bytes that the slow path under way may reserve yet
  uint64_t clean;        // lane position below which no hole is left (record.h)
  uintptr_t busy_sp;     // sp of the slow path that is under way; 0: none
  bool mute;             // inside a root that is not recorded
  bool shared;           // a task that shares our storage has been seen: look at every call
  bool modules_pending;  // dlopen was called: look for new modules when it shows
  uint32_t modules_patience;
  uintptr_t modules_sp;  // the caller of dlopen; once it is left, dlopen has returned
  DropState drop;
  Pending pending;
  TraceContext context;      // what this thread's roots continue, if valid
  Stack stacks[kOwnStacks];  // the thread's own, and the alternate one of its signal handlers
  Stack* current;            // where the thread was seen last
  Stack* came_from;          // ... and where before that, if it still has that id
  uint64_t came_from_id;
  uintptr_t announced_lo, announced_hi;  // the stack that the drain has been told of last
  bool tell_origin;  // came_from is where it came from for certain, and the drain has not heard
  ServedRequest served;
  Throttle throttle;
  // For messages in the making, while the slow path is under way.
  alignas(8) unsigned char scratch[kScratchBytes];
};

enum class ProcessState : uint32_t { kNotStarted, kStarting, kReady, kOff };

// libc's functions, found by preload/real/resolve.h; null where the program's libc has none.
struct LibcFunctions {
  int (*mutexattr_init)(void*);
  int (*mutexattr_setrobust)(void*, int);
  int (*mutexattr_setpshared)(void*, int);
  int (*mutex_init)(void*, const void*);
  int (*mutex_lock)(void*);
  int (*clock_gettime)(int, void*);
};

struct Process {
  std::atomic<ProcessState> state;
  SegmentHeader* segment;
  SegmentKey key;
  uint32_t lane_count, chunk_count;
  LaneHeader* lane_headers;
  ChunkEntry* chunk_table;
  // For each group that this process has mapped: its first chunk, its lanes' private sides. Else 0.
  std::atomic<uintptr_t> chunk_base[kMaxChunkGroups];
  std::atomic<Lane*> group_lanes[kMaxLaneGroups];
  uint64_t sampling_threshold;
  bool record_all;  // what is not sampled, too: for totals
  OnFull on_full;
  bool stacktraces;
  Threads threads;
  ClockKind clock;
  bool knows_cpu;  // current_cpu() can be asked
  // Number of seccomp filters that are on or about to be. Unless it is 0, make no system call.
  std::atomic<uint32_t> restricted;
  std::atomic<uint32_t> clock_forbidden;  // to some thread: untimed.h
  std::atomic<uint32_t> recorded;     // a call has been: there is something to wait for at the end
  std::atomic<uint32_t> drain_gone;   // noticed by a producer: never wait again
  std::atomic<uint32_t> lanes_short;  // all lanes are taken, and waiting for one was in vain
  std::atomic<bool> context_asked;    // by a thread that serves requests: which trace it is in
  std::atomic<uint32_t> served;       // requests that were received and are open
  std::atomic<bool> left_out;         // the drain does not know of all requests that were received
  int32_t pid;
  uint64_t id, parent_id;  // ThreadMessage::process and parent_process
  TraceContext inherited;  // from TRACEPARENT
  RecordRef parent_ref;
  uintptr_t main_stack_lo, main_stack_hi;
  LibcFunctions libc;
};
extern Process g_process;

inline uint64_t read_ticks() {
  if (TELINJECT_LIKELY(g_process.clock != ClockKind::kMonotonic)) return arch::read_tsc();
  long time[2] = {0, 0};
  g_process.libc.clock_gettime(1 /* CLOCK_MONOTONIC */, time);
  return static_cast<uint64_t>(time[0]) * 1000000000 + static_cast<uint64_t>(time[1]);
}

// The number of the processor that the thread runs on, plus 1; 0 if it is not known.
inline uint32_t current_cpu() {
  if (!g_process.knows_cpu) return 0;
  return arch::read_cpu() + 1;
}

inline void count_loss(LossReason reason, uint64_t calls = 1) {
  if (g_process.segment != nullptr) {
    g_process.segment->lost[static_cast<size_t>(reason)].fetch_add(calls,
                                                                   std::memory_order_relaxed);
  }
}

}  // namespace telinject::program
